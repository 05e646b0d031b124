"""A tiny painter in the layout of ``Qwen/Qwen-Image-Edit``, which looks at the picture with a chat model's eyes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from tests.checkpoints.vision_language import tiny_qwen_vl

_COMPONENTS = {
    "processor": ["transformers", "Qwen2VLProcessor"],
    "scheduler": ["diffusers", "FlowMatchEulerDiscreteScheduler"],
    "text_encoder": ["transformers", "Qwen2_5_VLForConditionalGeneration"],
    "tokenizer": ["transformers", "Qwen2Tokenizer"],
    "transformer": ["diffusers", "QwenImageTransformer2DModel"],
    "vae": ["diffusers", "AutoencoderKLQwenImage"],
}


def tiny_qwen_image_edit(folder: Path, *, image_processor: str = "Qwen2VLImageProcessor", seed: int = 0) -> Path:
    """Build it, with an image processor of a given name in its processor's files."""
    import torch
    from diffusers import AutoencoderKLQwenImage, FlowMatchEulerDiscreteScheduler, QwenImageTransformer2DModel

    encoder = tiny_qwen_vl(folder / "text_encoder", family="qwen2_5_vl", seed=seed)
    for name in ("processor", "tokenizer"):
        shutil.copytree(encoder, folder / name, ignore=shutil.ignore_patterns("*.safetensors", "*config.json"))
        shutil.copy(encoder / "tokenizer_config.json", folder / name)
    settings = json.loads((encoder / "preprocessor_config.json").read_text())
    settings["image_processor_type"] = image_processor
    (folder / "processor" / "preprocessor_config.json").write_text(json.dumps(settings))
    torch.manual_seed(seed)
    QwenImageTransformer2DModel(
        patch_size=2,
        in_channels=16,
        out_channels=4,
        num_layers=2,
        attention_head_dim=16,
        num_attention_heads=3,
        joint_attention_dim=32,
        axes_dims_rope=(8, 4, 4),
    ).save_pretrained(folder / "transformer")
    AutoencoderKLQwenImage(
        base_dim=24,
        z_dim=4,
        dim_mult=[1, 2, 4],
        num_res_blocks=1,
        temperal_downsample=[False, True],
        latents_mean=[0.0] * 4,
        latents_std=[1.0] * 4,
    ).save_pretrained(folder / "vae")
    FlowMatchEulerDiscreteScheduler().save_pretrained(folder / "scheduler")
    index = {"_class_name": "QwenImageEditPipeline", "_diffusers_version": "0.35.0", **_COMPONENTS}
    (folder / "model_index.json").write_text(json.dumps(index))
    return folder
