"""Tiny checkpoints of painters that look at words and pictures with a chat model's eyes, in the hub's layout."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tests.checkpoints.diffusion import autoencoder, clip_text, tiny_t5
from tests.checkpoints.vision_language import tiny_qwen_vl
from tests.language.tiny_language_models import tiny_causal_language_model


def tiny_painter(folder: Path, class_name: str, *, seed: int = 0, **settings: Any) -> Path:
    """Build a painter with hidden sizes of tens.

    Args:
        folder: Created; filled with what the hub's repository holds.
        class_name: The pipeline that its ``model_index.json`` names: one of `PAINTERS`.
        seed: Of its weights.
        settings: Of the pipeline, in its ``model_index.json``.
    """
    import torch

    torch.manual_seed(seed)
    folder.mkdir(parents=True)
    index: dict[str, Any] = {"_class_name": class_name, "_diffusers_version": "0.42.1", **settings}
    for name, (library, part) in PAINTERS[class_name](folder).items():
        if isinstance(part, str):  # written already
            index[name] = [library, part]
            continue
        _stir(part)
        part.save_pretrained(folder / name)
        index[name] = [library, type(part).__name__]
    (folder / "model_index.json").write_text(json.dumps(index))
    return folder


def _stir(part: Any) -> None:
    """Fill what training begins with at zero, or that isn't initialised at all: there nothing would be painted."""
    import torch

    if isinstance(part, torch.nn.Module):
        with torch.no_grad():
            for parameter in part.parameters():
                if not bool(parameter.any()) or not bool(parameter.isfinite().all()):
                    parameter.normal_(std=0.2)


def _diffusers(**parts: Any) -> dict[str, tuple[str, Any]]:
    return {name: ("diffusers", part) for name, part in parts.items()}


def _qwen_vl(folder: Path, family: str, processor: str, *, whole: bool = True) -> dict[str, tuple[str, Any]]:
    """Write a chat model that sees, its tokenizer, and its processor by the name that the pipeline has for it."""
    model = {"qwen2_5_vl": "Qwen2_5_VL", "qwen3_vl": "Qwen3VL"}[family]
    encoder = tiny_qwen_vl(folder / "text_encoder", family=family)
    for name in {processor, "tokenizer"} - {""}:
        shutil.copytree(encoder, folder / name, ignore=shutil.ignore_patterns("*.safetensors", "config.json"))
    kinds = {
        "text_encoder": f"{model}{'ForConditionalGeneration' if whole else 'Model'}",
        "tokenizer": "Qwen2Tokenizer",
    }
    if processor:
        kinds[processor] = "Qwen2VLProcessor" if family == "qwen2_5_vl" else "Qwen3VLProcessor"
    if not whole:
        import transformers

        part = getattr(transformers, f"{model}ForConditionalGeneration").from_pretrained(encoder).model
        part.save_pretrained(encoder)
    return {name: ("transformers", kind) for name, kind in kinds.items()}


def _qwen(folder: Path, *, layers: int = 2, head: bool = False) -> dict[str, tuple[str, Any]]:
    from transformers import AutoTokenizer, Qwen3Config, Qwen3ForCausalLM, Qwen3Model

    language = tiny_causal_language_model(folder.with_name(f"{folder.name}-language"))
    tokenizer = AutoTokenizer.from_pretrained(language)
    config = Qwen3Config(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=layers,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=8,
    )
    encoder = Qwen3ForCausalLM(config) if head else Qwen3Model(config)
    return {"text_encoder": ("transformers", encoder), "tokenizer": ("transformers", tokenizer)}


def _flow(**settings: Any) -> Any:
    from diffusers import FlowMatchEulerDiscreteScheduler

    return FlowMatchEulerDiscreteScheduler(**settings)


def _flux_autoencoder() -> Any:
    return autoencoder(latent_channels=16, scaling_factor=0.3611, shift_factor=0.1159)


def _flux_2_autoencoder() -> Any:
    from diffusers import AutoencoderKLFlux2

    return AutoencoderKLFlux2(
        block_out_channels=(8, 8, 16, 16), layers_per_block=1, latent_channels=8, norm_num_groups=4, sample_size=64
    )


def _film_autoencoder(class_name: str, **settings: Any) -> Any:
    """One that knows films, of which a picture is the first frame."""
    import diffusers

    return getattr(diffusers, class_name)(
        base_dim=4,
        z_dim=16,
        dim_mult=[1, 1, 1, 1],
        num_res_blocks=1,
        temperal_downsample=[False, True, True],
        **settings,
    )


def _ernie_image(folder: Path) -> dict[str, tuple[str, Any]]:
    from diffusers import ErnieImageTransformer2DModel

    transformer = ErnieImageTransformer2DModel(
        hidden_size=32,
        num_attention_heads=2,
        num_layers=2,
        ffn_hidden_size=64,
        in_channels=32,
        out_channels=32,
        text_in_dim=32,
        rope_axes_dim=(4, 6, 6),
    )
    # The enhancer of prompts is left out unread.
    enhancer = {"pe": ("transformers", "Ministral3ForCausalLM"), "pe_tokenizer": ("transformers", "TokenizersBackend")}
    return {
        **_qwen(folder),
        **_diffusers(transformer=transformer, vae=_flux_2_autoencoder(), scheduler=_flow(shift=4.0)),
        **enhancer,
    }


def _longcat_image(folder: Path) -> dict[str, tuple[str, Any]]:
    from diffusers import LongCatImageTransformer2DModel

    transformer = LongCatImageTransformer2DModel(
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=32,
        pooled_projection_dim=32,
        axes_dims_rope=[4, 6, 6],
    )
    return {
        **_qwen_vl(folder, "qwen2_5_vl", "text_processor"),
        **_diffusers(transformer=transformer, vae=_flux_autoencoder(), scheduler=_flow(use_dynamic_shifting=True)),
    }


def _dream_lite(folder: Path) -> dict[str, tuple[str, Any]]:
    from diffusers import AutoencoderTiny, DreamLiteUNetModel

    unet = DreamLiteUNetModel(
        sample_size=8,
        down_block_types=("DreamLiteCrossAttnNoSelfAttnDownBlock2D", "DreamLiteCrossAttnDownBlock2D"),
        up_block_types=("DreamLiteCrossAttnUpBlock2D", "DreamLiteUpBlock2D"),
        block_out_channels=(16, 32),
        cross_attention_dim=32,
        attention_head_dim=8,
        layers_per_block=1,
        norm_num_groups=8,
    )
    channels = (8, 8, 8, 8)
    vae = AutoencoderTiny(
        encoder_block_out_channels=channels,
        decoder_block_out_channels=channels,
        num_encoder_blocks=(1, 1, 1, 1),
        num_decoder_blocks=(1, 1, 1, 1),
    )
    return {
        **_qwen_vl(folder, "qwen3_vl", "processor"),
        **_diffusers(unet=unet, vae=vae, scheduler=_flow(use_dynamic_shifting=True)),
    }


def _joy_image(folder: Path, *, plus: bool = False) -> dict[str, tuple[str, Any]]:
    import diffusers

    transformer = getattr(diffusers, f"JoyImageEdit{'Plus' * plus}Transformer3DModel")(
        hidden_size=32, num_attention_heads=2, text_dim=32, num_layers=1, rope_dim_list=[4, 6, 6]
    )
    return {
        **_qwen_vl(folder, "qwen3_vl", "processor"),
        **_diffusers(transformer=transformer, vae=_film_autoencoder("AutoencoderKLWan"), scheduler=_flow(shift=4.0)),
    }


def _joy_image_plus(folder: Path) -> dict[str, tuple[str, Any]]:
    return _joy_image(folder, plus=True)


def _sana_sprint(folder: Path) -> dict[str, tuple[str, Any]]:
    from diffusers import AutoencoderDC, SanaTransformer2DModel, SCMScheduler

    transformer = SanaTransformer2DModel(
        in_channels=4,
        out_channels=4,
        num_layers=1,
        num_attention_heads=2,
        attention_head_dim=4,
        num_cross_attention_heads=2,
        cross_attention_head_dim=4,
        cross_attention_dim=8,
        caption_channels=32,
        sample_size=32,
        guidance_embeds=True,
        qk_norm="rms_norm_across_heads",
    )
    vae = AutoencoderDC(
        latent_channels=4,
        attention_head_dim=2,
        encoder_block_types=("ResBlock",) * 3 + ("EfficientViTBlock",),
        decoder_block_types=("ResBlock",) * 3 + ("EfficientViTBlock",),
        encoder_block_out_channels=(8,) * 4,
        decoder_block_out_channels=(8,) * 4,
        encoder_qkv_multiscales=((), (), (), (5,)),
        decoder_qkv_multiscales=((), (), (), (5,)),
        encoder_layers_per_block=(1,) * 4,
        decoder_layers_per_block=(1,) * 4,
        downsample_block_type="conv",
        upsample_block_type="interpolate",
        decoder_norm_types="rms_norm",
        scaling_factor=0.41407,
    )
    return {**_qwen(folder), **_diffusers(transformer=transformer, vae=vae, scheduler=SCMScheduler())}


def _krea_2(folder: Path) -> dict[str, tuple[str, Any]]:
    from diffusers import Krea2Transformer2DModel

    transformer = Krea2Transformer2DModel(
        num_layers=2,
        attention_head_dim=16,
        num_attention_heads=2,
        num_key_value_heads=1,
        intermediate_size=48,
        timestep_embed_dim=16,
        text_hidden_dim=32,
        num_text_layers=3,
        text_num_attention_heads=2,
        text_num_key_value_heads=2,
        text_intermediate_size=48,
        num_layerwise_text_blocks=1,
        num_refiner_text_blocks=1,
        axes_dims_rope=(4, 6, 6),
    )
    return {
        **_qwen_vl(folder, "qwen3_vl", "", whole=False),
        **_diffusers(
            transformer=transformer,
            vae=_film_autoencoder("AutoencoderKLQwenImage"),
            scheduler=_flow(use_dynamic_shifting=True),
        ),
    }


def _chroma(folder: Path) -> dict[str, tuple[str, Any]]:
    from diffusers import ChromaTransformer2DModel

    transformer = ChromaTransformer2DModel(
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=32,
        axes_dims_rope=(4, 6, 6),
        approximator_num_channels=8,
        approximator_hidden_dim=32,
        approximator_layers=1,
    )
    tokenizer, encoder = tiny_t5(folder / "tokenizer", 32)
    return {
        **_diffusers(transformer=transformer, vae=_flux_autoencoder(), scheduler=_flow(use_dynamic_shifting=True)),
        "tokenizer": ("transformers", tokenizer),
        "text_encoder": ("transformers", encoder),
    }


def _flux_2_klein(folder: Path) -> dict[str, tuple[str, Any]]:
    from diffusers import Flux2Transformer2DModel

    transformer = Flux2Transformer2DModel(
        in_channels=32,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=96,
        timestep_guidance_channels=16,
        axes_dims_rope=(4, 4, 4, 4),
        guidance_embeds=False,
    )
    return {
        **_qwen(folder, layers=28, head=True),
        **_diffusers(
            transformer=transformer, vae=_flux_2_autoencoder(), scheduler=_flow(shift=3.0, use_dynamic_shifting=True)
        ),
    }


def _kandinsky_5(folder: Path) -> dict[str, tuple[str, Any]]:
    from diffusers import Kandinsky5Transformer3DModel

    tokenizer_2, text_encoder_2 = clip_text(folder / "tokenizer_2", hidden_size=32)
    transformer = Kandinsky5Transformer3DModel(
        in_visual_dim=16,
        out_visual_dim=16,
        in_text_dim=32,
        in_text_dim2=32,
        time_dim=16,
        model_dim=32,
        ff_dim=48,
        num_text_blocks=1,
        num_visual_blocks=1,
        axes_dims=(4, 6, 6),
    )
    return {
        **_qwen_vl(folder, "qwen2_5_vl", "tokenizer"),
        **_diffusers(transformer=transformer, vae=_flux_autoencoder(), scheduler=_flow(shift=5.0)),
        "text_encoder_2": ("transformers", text_encoder_2),
        "tokenizer_2": ("transformers", tokenizer_2),
    }


def _hunyuan_image(folder: Path) -> dict[str, tuple[str, Any]]:
    from diffusers import AutoencoderKLHunyuanImage, HunyuanImageTransformer2DModel
    from diffusers.guiders import AdaptiveProjectedMixGuidance
    from transformers import ByT5Tokenizer, T5Config, T5EncoderModel

    transformer = HunyuanImageTransformer2DModel(
        in_channels=16,
        out_channels=16,
        num_attention_heads=2,
        attention_head_dim=16,
        num_layers=1,
        num_single_layers=1,
        num_refiner_layers=1,
        text_embed_dim=32,
        text_embed_2_dim=32,
        rope_axes_dim=(8, 8),
    )
    vae = AutoencoderKLHunyuanImage(
        in_channels=3,
        out_channels=3,
        latent_channels=16,
        block_out_channels=(32, 32, 64, 64),
        layers_per_block=1,
        spatial_compression_ratio=8,
        sample_size=64,
        scaling_factor=0.75,
    )
    letters = T5EncoderModel(T5Config(vocab_size=384, d_model=32, d_kv=8, d_ff=48, num_layers=1, num_heads=4))
    return {
        **_qwen_vl(folder, "qwen2_5_vl", ""),
        **_diffusers(
            transformer=transformer, vae=vae, scheduler=_flow(shift=5.0), guider=AdaptiveProjectedMixGuidance()
        ),
        "text_encoder_2": ("transformers", letters),
        "tokenizer_2": ("transformers", ByT5Tokenizer()),
    }


def _qwen_image(folder: Path, processor: str = "") -> dict[str, tuple[str, Any]]:
    from diffusers import QwenImageTransformer2DModel

    transformer = QwenImageTransformer2DModel(
        num_layers=2,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=32,
        axes_dims_rope=(4, 6, 6),
    )
    return {
        **_qwen_vl(folder, "qwen2_5_vl", processor),
        **_diffusers(
            transformer=transformer,
            vae=_film_autoencoder("AutoencoderKLQwenImage"),
            scheduler=_flow(use_dynamic_shifting=True),
        ),
    }


def _qwen_image_edit(folder: Path) -> dict[str, tuple[str, Any]]:
    return _qwen_image(folder, "processor")


PAINTERS: Mapping[str, Callable[[Path], dict[str, tuple[str, Any]]]] = {
    "ChromaPipeline": _chroma,
    "DreamLiteMobilePipeline": _dream_lite,
    "DreamLitePipeline": _dream_lite,
    "ErnieImagePipeline": _ernie_image,
    "Flux2KleinKVPipeline": _flux_2_klein,
    "Flux2KleinPipeline": _flux_2_klein,
    "HunyuanImagePipeline": _hunyuan_image,
    "JoyImageEditPipeline": _joy_image,
    "JoyImageEditPlusPipeline": _joy_image_plus,
    "Kandinsky5T2IPipeline": _kandinsky_5,
    "Krea2Pipeline": _krea_2,
    "LongCatImageEditPipeline": _longcat_image,
    "LongCatImagePipeline": _longcat_image,
    "QwenImageEditPipeline": _qwen_image_edit,
    "QwenImageEditPlusPipeline": _qwen_image_edit,
    "QwenImagePipeline": _qwen_image,
    "SanaSprintPipeline": _sana_sprint,
}
"""From pipeline to what builds its parts."""
