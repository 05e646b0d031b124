"""Tiny diffusion checkpoints in the hub's on-disk layout: real configurations and tokenizers, random weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.checkpoints.clip import write_clip_tokenizer
from tests.language.tiny_language_models import tiny_causal_language_model

NATIVE_SIDE = 64
"""Side of the pictures that most of these paint by default, in pixels."""

_LATENTS = NATIVE_SIDE // 8
_T5_WORDS = ("a", "the", "of", "and", "in", "on", "red", "blue", "green", "cat", "dog", "house", "oil", "painting")


def tiny_stable_diffusion(
    folder: Path,
    *,
    scheduler: str = "PNDMScheduler",
    scheduler_settings: dict[str, Any] | None = None,
    safety_checker: bool = False,
    guidance_embedded: bool = False,
    unet_channels: int = 4,
    class_name: str = "StableDiffusionPipeline",
    seed: int = 0,
) -> Path:
    """Build a Stable Diffusion like ``stable-diffusion-v1-5``, with hidden sizes of tens.

    Args:
        folder: Created; filled with what the hub's repository holds.
        scheduler: Class of its scheduler.
        scheduler_settings: What differs from Stable Diffusion's settings.
        safety_checker: Whether it has one; it flags nothing until `set_safety_thresholds` says otherwise.
        guidance_embedded: Whether guidance is an input of the U-Net, as in consistency models.
        unet_channels: 9 for a checkpoint made for inpainting only.
        class_name: What ``model_index.json`` says.
        seed: Of its weights.
    """
    import torch
    from diffusers import StableDiffusionPipeline, UNet2DConditionModel

    torch.manual_seed(seed)
    tokenizer, text_encoder = clip_text(folder / "tokenizer", hidden_size=32)
    unet = UNet2DConditionModel(
        sample_size=_LATENTS,
        in_channels=unet_channels,
        out_channels=4,
        block_out_channels=(16, 32),
        layers_per_block=1,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        cross_attention_dim=32,
        attention_head_dim=4,
        norm_num_groups=8,
        time_cond_proj_dim=16 if guidance_embedded else None,
    )
    checker, processor = _safety_checker() if safety_checker else (None, None)
    StableDiffusionPipeline(
        vae=autoencoder(),
        text_encoder=text_encoder,
        tokenizer=tokenizer,
        unet=unet,
        scheduler=_scheduler(scheduler, scheduler_settings),
        safety_checker=checker,
        feature_extractor=processor,
        requires_safety_checker=safety_checker,
    ).save_pretrained(folder)
    _edit(folder / "model_index.json", _class_name=class_name)
    if safety_checker:
        # The name that Stable Diffusion's repositories use; transformers has it no more.
        _edit(folder / "model_index.json", feature_extractor=["transformers", "CLIPFeatureExtractor"])
        set_safety_thresholds(folder, 1.0)
    return folder


def set_safety_thresholds(folder: Path, threshold: float) -> None:
    """Let the safety checker of a tiny checkpoint flag everything (-1), or nothing (1)."""
    from safetensors.torch import load_file, save_file

    path = folder / "safety_checker" / "model.safetensors"
    tensors = load_file(path)
    tensors["concept_embeds_weights"].fill_(threshold)
    tensors["special_care_embeds_weights"].fill_(threshold)
    save_file(tensors, path, metadata={"format": "pt"})


def tiny_stable_diffusion_xl(folder: Path, *, all_blocks: bool = False, seed: int = 0) -> Path:
    """Build a Stable Diffusion XL like ``stable-diffusion-xl-base-1.0``, with hidden sizes of tens.

    Args:
        folder: Created.
        all_blocks: Whether its denoiser has as many blocks and layers as the real one.
        seed: Of its weights.
    """
    import torch
    from diffusers import StableDiffusionXLPipeline, UNet2DConditionModel

    torch.manual_seed(seed)
    tokenizer, text_encoder = clip_text(folder / "tokenizer", hidden_size=32)
    tokenizer_2, text_encoder_2 = clip_text(folder / "tokenizer_2", hidden_size=32, projection=32)
    unet = UNet2DConditionModel(
        sample_size=_LATENTS,
        in_channels=4,
        out_channels=4,
        block_out_channels=(16, 32, *(32,) * all_blocks),
        layers_per_block=1 + all_blocks,
        down_block_types=("DownBlock2D", *("CrossAttnDownBlock2D",) * (1 + all_blocks)),
        up_block_types=(*("CrossAttnUpBlock2D",) * (1 + all_blocks), "UpBlock2D"),
        attention_head_dim=(2, 4, *(4,) * all_blocks),
        use_linear_projection=True,
        addition_embed_type="text_time",
        addition_time_embed_dim=8,
        transformer_layers_per_block=(1, 2, *(2,) * all_blocks),
        projection_class_embeddings_input_dim=80,
        cross_attention_dim=64,
        norm_num_groups=8,
    )
    StableDiffusionXLPipeline(
        vae=autoencoder(),
        text_encoder=text_encoder,
        text_encoder_2=text_encoder_2,
        tokenizer=tokenizer,
        tokenizer_2=tokenizer_2,
        unet=unet,
        scheduler=_scheduler("EulerDiscreteScheduler", None),
        force_zeros_for_empty_prompt=True,
    ).save_pretrained(folder)
    return folder


def tiny_stable_diffusion_3(folder: Path, *, seed: int = 0) -> Path:
    """Build a Stable Diffusion 3 like ``stable-diffusion-3-medium-diffusers``, with hidden sizes of tens."""
    import torch
    from diffusers import FlowMatchEulerDiscreteScheduler, SD3Transformer2DModel, StableDiffusion3Pipeline

    torch.manual_seed(seed)
    tokenizer, text_encoder = clip_text(folder / "tokenizer", hidden_size=32, projection=32)
    tokenizer_2, text_encoder_2 = clip_text(folder / "tokenizer_2", hidden_size=32, projection=32)
    tokenizer_3, text_encoder_3 = tiny_t5(folder / "tokenizer_3", 32)
    StableDiffusion3Pipeline(
        transformer=SD3Transformer2DModel(
            sample_size=_LATENTS,
            patch_size=2,
            in_channels=16,
            num_layers=2,
            attention_head_dim=8,
            num_attention_heads=4,
            caption_projection_dim=32,
            joint_attention_dim=32,
            pooled_projection_dim=64,
            out_channels=16,
            pos_embed_max_size=32,
        ),
        scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0),
        vae=autoencoder(latent_channels=16, scaling_factor=1.5305, shift_factor=0.0609),
        text_encoder=text_encoder,
        tokenizer=tokenizer,
        text_encoder_2=text_encoder_2,
        tokenizer_2=tokenizer_2,
        text_encoder_3=text_encoder_3,
        tokenizer_3=tokenizer_3,
    ).save_pretrained(folder)
    return folder


def tiny_flux(
    folder: Path,
    *,
    guidance_embedded: bool = True,
    class_name: str = "FluxPipeline",
    in_channels: int = 64,
    seed: int = 0,
) -> Path:
    """Build a FLUX like ``FLUX.1-dev``, or without embedded guidance ``FLUX.1-schnell``, with hidden sizes of tens.

    Args:
        folder: Created; filled with what the hub's repository holds.
        guidance_embedded: Whether guidance is an input of the transformer.
        class_name: Of its pipeline: Fill, Kontext and Control have the same parts.
        in_channels: 384 for Fill, 128 for Control.
        seed: Of its weights.
    """
    import diffusers
    import torch
    from diffusers import FlowMatchEulerDiscreteScheduler, FluxTransformer2DModel

    torch.manual_seed(seed)
    tokenizer, text_encoder = clip_text(folder / "tokenizer", hidden_size=32)
    tokenizer_2, text_encoder_2 = tiny_t5(folder / "tokenizer_2", 32)
    getattr(diffusers, class_name)(
        transformer=FluxTransformer2DModel(
            patch_size=1,
            in_channels=in_channels,
            out_channels=64,
            num_layers=1,
            num_single_layers=1,
            attention_head_dim=16,
            num_attention_heads=2,
            joint_attention_dim=32,
            pooled_projection_dim=32,
            guidance_embeds=guidance_embedded,
            axes_dims_rope=(4, 4, 8),
        ),
        scheduler=FlowMatchEulerDiscreteScheduler(
            shift=3.0 if guidance_embedded else 1.0, use_dynamic_shifting=guidance_embedded
        ),
        vae=autoencoder(latent_channels=16, scaling_factor=0.3611, shift_factor=0.1159),
        text_encoder=text_encoder,
        tokenizer=tokenizer,
        text_encoder_2=text_encoder_2,
        tokenizer_2=tokenizer_2,
    ).save_pretrained(folder)
    return folder


def tiny_pixart(folder: Path, *, seed: int = 0) -> Path:
    """Build a PixArt like ``PixArt-Sigma-XL-2-256x256``, with hidden sizes of tens; it paints 256 pixels by default."""
    import torch
    from diffusers import PixArtSigmaPipeline, PixArtTransformer2DModel

    torch.manual_seed(seed)
    tokenizer, text_encoder = tiny_t5(folder / "tokenizer", 32)
    PixArtSigmaPipeline(
        transformer=PixArtTransformer2DModel(
            sample_size=32,  # the pipeline knows no smaller one
            num_layers=2,
            patch_size=2,
            attention_head_dim=8,
            num_attention_heads=4,
            caption_channels=32,
            in_channels=4,
            out_channels=8,
            cross_attention_dim=32,
            use_additional_conditions=False,
        ),
        scheduler=_scheduler("DPMSolverMultistepScheduler", None),
        vae=autoencoder(),
        text_encoder=text_encoder,
        tokenizer=tokenizer,
    ).save_pretrained(folder)
    return folder


def tiny_z_image(folder: Path, *, shift: float = 6.0, seed: int = 0) -> Path:
    """Build a Z-Image with hidden sizes of tens: a chat model reads the prompt.

    Args:
        folder: Created.
        shift: Of its scheduler: that of ``Z-Image``, or 3 as ``Z-Image-Turbo`` has.
        seed: Of its weights.
    """
    import torch
    from diffusers import FlowMatchEulerDiscreteScheduler, ZImagePipeline, ZImageTransformer2DModel
    from transformers import AutoTokenizer, Qwen3Config, Qwen3Model

    torch.manual_seed(seed)
    tokenizer = AutoTokenizer.from_pretrained(tiny_causal_language_model(folder.with_name(f"{folder.name}-language")))
    text_encoder = Qwen3Model(
        Qwen3Config(
            vocab_size=len(tokenizer),
            hidden_size=32,
            intermediate_size=48,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            head_dim=8,
        )
    )
    transformer = ZImageTransformer2DModel(
        in_channels=16,
        dim=32,
        n_layers=2,
        n_refiner_layers=1,
        n_heads=2,
        n_kv_heads=2,
        cap_feat_dim=32,
        axes_dims=[4, 6, 6],
        axes_lens=[1024, 64, 64],
    )
    with torch.no_grad():
        # Trained in any case; fresh ones are not even initialised.
        transformer.x_pad_token.normal_()
        transformer.cap_pad_token.normal_()
    ZImagePipeline(
        transformer=transformer,
        scheduler=FlowMatchEulerDiscreteScheduler(shift=shift),
        vae=autoencoder(latent_channels=16, scaling_factor=0.3611, shift_factor=0.1159),
        text_encoder=text_encoder,
        tokenizer=tokenizer,
    ).save_pretrained(folder)
    return folder


def tiny_lora(file: Path, base: Path, *, seed: int = 0) -> Path:
    """Write a LoRA file for the U-Net and the text encoder of a tiny Stable Diffusion, as diffusers saves them."""
    import torch
    from diffusers import StableDiffusionPipeline, UNet2DConditionModel
    from diffusers.utils import convert_state_dict_to_diffusers
    from peft import LoraConfig, get_peft_model_state_dict
    from transformers import CLIPTextModel

    torch.manual_seed(seed)
    unet = UNet2DConditionModel.from_pretrained(base / "unet")
    text_encoder = CLIPTextModel.from_pretrained(base / "text_encoder")
    unet.add_adapter(LoraConfig(r=4, init_lora_weights=False, target_modules=["to_q", "to_k", "to_v", "to_out.0"]))
    text_encoder.add_adapter(LoraConfig(r=4, init_lora_weights=False, target_modules=["q_proj", "v_proj"]))
    file.parent.mkdir(parents=True, exist_ok=True)
    StableDiffusionPipeline.save_lora_weights(
        file.parent,
        unet_lora_layers=convert_state_dict_to_diffusers(get_peft_model_state_dict(unet)),
        text_encoder_lora_layers=convert_state_dict_to_diffusers(get_peft_model_state_dict(text_encoder)),
        weight_name=file.name,
    )
    return file


def autoencoder(*, latent_channels: int = 4, scaling_factor: float = 0.18215, shift_factor: float | None = None) -> Any:
    """Return a tiny autoencoder like Stable Diffusion's; with a shift factor, like FLUX's."""
    from diffusers import AutoencoderKL

    return AutoencoderKL(
        in_channels=3,
        out_channels=3,
        block_out_channels=(8, 8, 16, 16),
        layers_per_block=1,
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        latent_channels=latent_channels,
        norm_num_groups=4,
        sample_size=NATIVE_SIDE,
        scaling_factor=scaling_factor,
        shift_factor=shift_factor,
        use_quant_conv=shift_factor is None,
        use_post_quant_conv=shift_factor is None,
    )


def clip_text(folder: Path, *, hidden_size: int, projection: int | None = None) -> tuple[Any, Any]:
    """Return CLIP's tokenizer, written to a folder, and its text encoder, with a projection if its size is given."""
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

    vocabulary = write_clip_tokenizer(folder)
    end = vocabulary["<|endoftext|>"]
    config = CLIPTextConfig(
        vocab_size=len(vocabulary),
        hidden_size=hidden_size,
        intermediate_size=64,
        num_hidden_layers=3,
        num_attention_heads=4,
        max_position_embeddings=77,
        bos_token_id=vocabulary["<|startoftext|>"],
        eos_token_id=end,
        pad_token_id=end,
        projection_dim=projection or hidden_size,
        hidden_act="gelu" if projection else "quick_gelu",
    )
    encoder = (CLIPTextModelWithProjection if projection else CLIPTextModel)(config)
    return CLIPTokenizer.from_pretrained(folder), encoder


def tiny_t5(folder: Path, hidden_size: int) -> tuple[Any, Any]:
    """Return T5's tokenizer, written to a folder, and its encoder."""
    from transformers import T5Config, T5EncoderModel, T5Tokenizer

    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", -10.0), ("▁", -3.0)]
    pieces += [(f"▁{word}", -2.0) for word in _T5_WORDS]
    pieces += [(letter, -4.0) for letter in "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.,:()"]
    tokenizer = T5Tokenizer(vocab=pieces, extra_ids=0, model_max_length=512)
    tokenizer.save_pretrained(folder)
    config = T5Config(
        vocab_size=len(pieces),
        d_model=hidden_size,
        d_kv=8,
        d_ff=48,
        num_layers=2,
        num_heads=4,
        feed_forward_proj="gated-gelu",
        tie_word_embeddings=False,
    )
    return tokenizer, T5EncoderModel(config)


def _scheduler(class_name: str, settings: dict[str, Any] | None) -> Any:
    import diffusers

    common = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "steps_offset": 1}
    own = {"PNDMScheduler": {"skip_prk_steps": True, "set_alpha_to_one": False}}.get(class_name, {})
    return getattr(diffusers, class_name)(**{**common, **own, **(settings or {})})


def _safety_checker() -> tuple[Any, Any]:
    from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker
    from transformers import CLIPConfig, CLIPImageProcessorPil

    vision = {
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "image_size": 32,
        "patch_size": 8,
    }
    checker = StableDiffusionSafetyChecker(CLIPConfig(vision_config=vision, projection_dim=16))
    side = {"height": 32, "width": 32}
    return checker, CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size=side)


def _edit(file: Path, **values: Any) -> None:
    file.write_text(json.dumps({**json.loads(file.read_text()), **values}, indent=2))
