"""Stable Diffusion 1.5, XL and FLUX.2 klein 4B: the time of a denoising step, against diffusers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.architectures.comparison import Way, compare, enlarge

PROMPT = "a cat on the red house, oil painting"

_CLIP_L = {"hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "num_attention_heads": 12}
_CLIP_BIG_G = {"hidden_size": 1280, "intermediate_size": 5120, "num_hidden_layers": 32, "num_attention_heads": 20}
_AUTOENCODER = {
    "block_out_channels": [128, 256, 512, 512],
    "down_block_types": ["DownEncoderBlock2D"] * 4,
    "up_block_types": ["UpDecoderBlock2D"] * 4,
    "layers_per_block": 2,
    "norm_num_groups": 32,
}
_UNET = {"layers_per_block": 2, "norm_num_groups": 32}
_UNET_15 = {
    **_UNET,
    "sample_size": 64,
    "block_out_channels": [320, 640, 1280, 1280],
    "down_block_types": ["CrossAttnDownBlock2D"] * 3 + ["DownBlock2D"],
    "up_block_types": ["UpBlock2D"] + ["CrossAttnUpBlock2D"] * 3,
    "cross_attention_dim": 768,
    "attention_head_dim": 8,
}
_UNET_XL = {
    **_UNET,
    "sample_size": 128,
    "block_out_channels": [320, 640, 1280],
    "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
    "up_block_types": ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
    "cross_attention_dim": 2048,
    "attention_head_dim": [5, 10, 20],
    "transformer_layers_per_block": [1, 2, 10],
    "addition_time_embed_dim": 256,
    "projection_class_embeddings_input_dim": 2816,
}


_KLEIN = {
    "in_channels": 128,
    "num_layers": 5,
    "num_single_layers": 20,
    "attention_head_dim": 128,
    "num_attention_heads": 24,
    "joint_attention_dim": 7680,
    "timestep_guidance_channels": 256,
    "axes_dims_rope": [32, 32, 32, 32],
}
_KLEIN_AUTOENCODER = {**_AUTOENCODER, "latent_channels": 32}
_KLEIN_TEXT = 32 * 3
"""Three layers of the tiny chat model that reads the prompt: the real one reads it once, before the first step."""


def stable_diffusion(size: str, device: str, folder: Path) -> dict[str, Any]:
    """Measure Stable Diffusion 1.5 at 512 pixels."""
    from diffusers import StableDiffusionPipeline

    from tests.checkpoints.diffusion import tiny_stable_diffusion

    tiny_stable_diffusion(folder)
    side = 64
    if size == "real":
        side = 512
        enlarge(folder, device, unet=_UNET_15, vae=_AUTOENCODER, text_encoder=_CLIP_L)
    return _painting(f"Stable Diffusion 1.5 ({size}), {side} × {side}", StableDiffusionPipeline, folder, device, side)


def stable_diffusion_xl(size: str, device: str, folder: Path) -> dict[str, Any]:
    """Measure Stable Diffusion XL at 1024 pixels."""
    from diffusers import StableDiffusionXLPipeline

    from tests.checkpoints.diffusion import tiny_stable_diffusion_xl

    tiny_stable_diffusion_xl(folder)
    side = 64
    if size == "real":
        side = 1024
        second = {**_CLIP_BIG_G, "projection_dim": 1280}
        enlarge(folder, device, unet=_UNET_XL, vae=_AUTOENCODER, text_encoder=_CLIP_L, text_encoder_2=second)
    return _painting(f"Stable Diffusion XL ({size}), {side} × {side}", StableDiffusionXLPipeline, folder, device, side)


def flux_2_klein(size: str, device: str, folder: Path) -> dict[str, Any]:
    """Measure FLUX.2 klein 4B at 1024 pixels; the chat model that reads the prompt stays tiny."""
    from diffusers import Flux2KleinPipeline

    from tests.checkpoints.painters import tiny_painter

    tiny_painter(folder, "Flux2KleinPipeline", is_distilled=True)
    side = 64
    if size == "real":
        side = 1024
        enlarge(folder, device, transformer={**_KLEIN, "joint_attention_dim": _KLEIN_TEXT}, vae=_KLEIN_AUTOENCODER)
    what = f"FLUX.2 klein 4B ({size}), {side} × {side}"
    return _painting(what, Flux2KleinPipeline, folder, device, side, half="bfloat16")


def _painting(
    what: str, pipeline_class: Any, folder: Path, device: str, side: int, *, half: str = "float16"
) -> dict[str, Any]:
    import torch

    from sensorium import TextToImage

    def ours() -> Way:
        task = TextToImage(folder, device=device).load()
        return Way(lambda steps: task.generate(PROMPT, steps=steps, width=side, height=side, seed=0), task.close)

    def plain() -> Way:
        dtype = torch.float32 if device == "cpu" else getattr(torch, half)
        pipeline = pipeline_class.from_pretrained(folder, dtype=dtype).to(device)
        pipeline.set_progress_bar_config(disable=True)

        def generate(steps: int) -> Any:
            generator = torch.Generator(device).manual_seed(0)
            return pipeline(
                prompt=PROMPT, num_inference_steps=steps, width=side, height=side, generator=generator
            ).images

        return Way(generate, lambda: None)

    return compare(f"{what}, a denoising step", ours, "diffusers", plain, device)
