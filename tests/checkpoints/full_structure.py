"""Stable Diffusion 1, 2, XL, 3 and FLUX with all that sets them apart and CLIP's whole vocabulary, only narrower."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.checkpoints.diffusion import tiny_t5

_NO_QUANTIZER: dict[str, Any] = {"use_quant_conv": False, "use_post_quant_conv": False}
_CROSS, _PLAIN = "CrossAttnDownBlock2D", "DownBlock2D"
_UP_CROSS, _UP_PLAIN = "CrossAttnUpBlock2D", "UpBlock2D"
_NOISE = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "steps_offset": 1}


def full_stable_diffusion(folder: Path, *, in_channels: int = 4, seed: int = 0) -> Path:
    """Build what ``stable-diffusion-v1-5`` is, or with 9 channels its sister for inpainting; the rest is narrower."""
    import torch
    from diffusers import PNDMScheduler, StableDiffusionInpaintPipeline, StableDiffusionPipeline, UNet2DConditionModel

    torch.manual_seed(seed)
    (StableDiffusionPipeline if in_channels == 4 else StableDiffusionInpaintPipeline)(
        vae=_autoencoder(0.18215),
        text_encoder=_text(64, layers=3, activation="quick_gelu"),
        tokenizer=clip_tokenizer(),
        unet=UNet2DConditionModel(
            sample_size=64,
            in_channels=in_channels,
            block_out_channels=(32, 64, 64, 64),
            cross_attention_dim=64,
            attention_head_dim=8,
        ),
        scheduler=PNDMScheduler(**_NOISE, skip_prk_steps=True, set_alpha_to_one=False),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    ).save_pretrained(folder)
    return folder


def full_stable_diffusion_2(folder: Path, *, velocity: bool = True, seed: int = 0) -> Path:
    """Build what ``stable-diffusion-2-1`` is, or without ``velocity`` its base, but narrower."""
    import torch
    from diffusers import DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel

    torch.manual_seed(seed)
    unet = UNet2DConditionModel(
        sample_size=96 if velocity else 64,
        block_out_channels=(64, 128, 128, 128),
        cross_attention_dim=128,
        attention_head_dim=(1, 2, 2, 2),
        use_linear_projection=True,
        upcast_attention=True,
    )
    if velocity:
        # In the published weights, too, this layer's values spread wider than in those of the base.
        torch.nn.init.normal_(unet.up_blocks[3].attentions[2].transformer_blocks[0].norm1.bias, std=0.2)
    StableDiffusionPipeline(
        vae=_autoencoder(0.18215),
        text_encoder=_text(128, layers=23, activation="gelu"),
        tokenizer=clip_tokenizer("!"),
        unet=unet,
        scheduler=DDIMScheduler(
            **_NOISE,
            clip_sample=False,
            set_alpha_to_one=False,
            prediction_type="v_prediction" if velocity else "epsilon",
        ),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    ).save_pretrained(folder)
    return folder


def full_stable_diffusion_xl(folder: Path, *, seed: int = 0) -> Path:
    """Build what ``stable-diffusion-xl-base-1.0`` is, but narrower."""
    import torch
    from diffusers import EulerDiscreteScheduler, StableDiffusionXLPipeline, UNet2DConditionModel

    torch.manual_seed(seed)
    StableDiffusionXLPipeline(
        vae=_autoencoder(0.13025, force_upcast=True),
        text_encoder=_text(64, layers=12, activation="quick_gelu"),
        text_encoder_2=_text(128, layers=11, activation="gelu", projection=128),
        tokenizer=clip_tokenizer(),
        tokenizer_2=clip_tokenizer("!"),
        unet=UNet2DConditionModel(
            sample_size=128,
            block_out_channels=(32, 64, 128),
            down_block_types=(_PLAIN, _CROSS, _CROSS),
            up_block_types=(_UP_CROSS, _UP_CROSS, _UP_PLAIN),
            transformer_layers_per_block=(1, 2, 10),
            attention_head_dim=(1, 1, 2),
            cross_attention_dim=192,
            use_linear_projection=True,
            addition_embed_type="text_time",
            addition_time_embed_dim=256,
            projection_class_embeddings_input_dim=128 + 6 * 256,
        ),
        scheduler=EulerDiscreteScheduler(**_NOISE, timestep_spacing="leading"),
        force_zeros_for_empty_prompt=True,
    ).save_pretrained(folder)
    return folder


def full_stable_diffusion_3(folder: Path, *, newer: bool = False, seed: int = 0) -> Path:
    """Build what ``stable-diffusion-3-medium-diffusers`` is, or its ``newer`` sister, but narrower, with 2 blocks."""
    import torch
    from diffusers import FlowMatchEulerDiscreteScheduler, SD3Transformer2DModel, StableDiffusion3Pipeline

    torch.manual_seed(seed)
    tokenizer_3, text_encoder_3 = tiny_t5(folder / "tokenizer_3", 192)
    text_encoder = _text(64, layers=2, activation="quick_gelu", projection=64)
    # So it is in the published ones; the original files don't hold it.
    text_encoder.text_projection.weight.data = torch.eye(64)
    StableDiffusion3Pipeline(
        transformer=SD3Transformer2DModel(
            sample_size=128,
            patch_size=2,
            in_channels=16,
            num_layers=2,
            attention_head_dim=64,
            num_attention_heads=1,
            caption_projection_dim=64,
            joint_attention_dim=192,
            pooled_projection_dim=192,
            out_channels=16,
            pos_embed_max_size=16,
            **({"qk_norm": "rms_norm", "dual_attention_layers": (0,)} if newer else {}),
        ),
        scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0),
        vae=_autoencoder(1.5305, latent_channels=16, shift_factor=0.0609, **_NO_QUANTIZER),
        text_encoder=text_encoder,
        tokenizer=clip_tokenizer(),
        text_encoder_2=_text(128, layers=2, activation="gelu", projection=128),
        tokenizer_2=clip_tokenizer("!"),
        text_encoder_3=text_encoder_3,
        tokenizer_3=tokenizer_3,
    ).save_pretrained(folder)
    return folder


def full_flux(folder: Path, *, guidance: bool = True, seed: int = 0) -> Path:
    """Build what ``FLUX.1-dev`` is, or without ``guidance`` its sister schnell, but narrower and with few blocks."""
    import torch
    from diffusers import FlowMatchEulerDiscreteScheduler, FluxPipeline, FluxTransformer2DModel

    torch.manual_seed(seed)
    tokenizer_2, text_encoder_2 = tiny_t5(folder / "tokenizer_2", 64)
    FluxPipeline(
        transformer=FluxTransformer2DModel(
            in_channels=64,
            num_layers=1,
            num_single_layers=2,
            attention_head_dim=128,
            num_attention_heads=1,
            joint_attention_dim=64,
            pooled_projection_dim=64,
            guidance_embeds=guidance,
        ),
        scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0 if guidance else 1.0, use_dynamic_shifting=guidance),
        vae=_autoencoder(0.3611, latent_channels=16, shift_factor=0.1159, **_NO_QUANTIZER),
        text_encoder=_text(64, layers=2, activation="quick_gelu"),
        tokenizer=clip_tokenizer(),
        text_encoder_2=text_encoder_2,
        tokenizer_2=tokenizer_2,
    ).save_pretrained(folder)
    return folder


def clip_tokenizer(pad_token: str = "<|endoftext|>") -> Any:
    """Return CLIP's own tokenizer."""
    from importlib.resources import files

    from transformers import CLIPTokenizer
    from transformers.convert_slow_tokenizer import bytes_to_unicode

    merges = files("sensorium.image_generation") / "data" / "clip_tokenizer" / "merges.txt"
    pairs = [tuple(line.split()) for line in merges.read_text(encoding="utf-8").splitlines()[1:]]
    letters = list(bytes_to_unicode().values())
    words = letters + [letter + "</w>" for letter in letters] + ["".join(pair) for pair in pairs]
    words += ["<|startoftext|>", "<|endoftext|>"]
    vocabulary = {word: number for number, word in enumerate(words)}
    return CLIPTokenizer(vocab=vocabulary, merges=pairs, pad_token=pad_token, model_max_length=77)


def _autoencoder(scaling_factor: float, **settings: Any) -> Any:
    from diffusers import AutoencoderKL

    return AutoencoderKL(
        block_out_channels=(32, 32, 64, 64),
        layers_per_block=2,
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        sample_size=512,
        scaling_factor=scaling_factor,
        **{"latent_channels": 4, **settings},
    )


def _text(width: int, *, layers: int, activation: str, projection: int | None = None) -> Any:
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    config = CLIPTextConfig(
        vocab_size=49408,
        hidden_size=width,
        intermediate_size=2 * width,
        num_hidden_layers=layers,
        num_attention_heads=width // 64,
        max_position_embeddings=77,
        hidden_act=activation,
        bos_token_id=0,
        eos_token_id=2,
        projection_dim=projection or 512,
    )
    return (CLIPTextModelWithProjection if projection else CLIPTextModel)(config)
