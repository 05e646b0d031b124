"""The trained parts as a `StableDiffusionPipeline`, and as a folder in diffusers' standard layout."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import torch

from training.starter_diffusion.denoiser import SCHEDULE
from training.starter_diffusion.text_states import TextEncoder

CONTROL = "controlnet-canny"
"""The ControlNet's folder beside the pipeline's parts."""

_SOLVER = "sde-dpmsolver++"  # in 20 steps things come out whole that the solver without fresh noise leaves in pieces
_COSINE_CLIP = -5.1  # what diffusers advises for the cosine schedule, whose last step has next to no signal


def assemble(autoencoder: Any, unet: Any, text: TextEncoder) -> Any:
    """Return the pipeline around trained parts."""
    from diffusers import DPMSolverMultistepScheduler, StableDiffusionPipeline

    return StableDiffusionPipeline(
        vae=autoencoder,
        text_encoder=text.model,
        tokenizer=text.tokenizer,
        unet=unet,
        scheduler=DPMSolverMultistepScheduler(
            **SCHEDULE, lambda_min_clipped=_COSINE_CLIP, algorithm_type=_SOLVER, solver_order=2
        ),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def export(folder: Path, pipeline: Any, control: Any | None) -> None:
    """Write a pipeline in half precision, whole or not at all.

    Args:
        folder: Replaced if it is there.
        pipeline: From `assemble`; left in half precision.
        control: The ControlNet, or None.
    """
    partial = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    pipeline.to(dtype=torch.float16)
    pipeline.save_pretrained(partial, safe_serialization=True)
    # Transformers opens weights as the configuration says, diffusers in single precision: they must agree.
    configuration = partial / "text_encoder" / "config.json"
    described = json.loads(configuration.read_text(encoding="utf-8"))
    configuration.write_text(json.dumps({**described, "dtype": "float32"}, indent=2), encoding="utf-8")
    if control is not None:
        control.half().save_pretrained(partial / CONTROL, safe_serialization=True)
    if folder.exists():
        shutil.rmtree(folder)
    partial.replace(folder)


def sizes(folder: Path) -> dict[str, int]:
    """Return the bytes of weights of each part of an exported folder."""
    return {
        part.name: sum(file.stat().st_size for file in part.glob("*.safetensors"))
        for part in sorted(folder.iterdir())
        if part.is_dir() and any(part.glob("*.safetensors"))
    }
