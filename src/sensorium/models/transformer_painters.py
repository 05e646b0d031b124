"""What a file with the denoiser of FLUX or Stable Diffusion 3 is, and which further parts of the painter it holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

IN_WHOLE = "model.diffusion_model."
"""What the names of the denoiser's tensors begin with in a file that may hold other parts."""
VAE = ("first_stage_model.", "vae.")
T5 = "text_encoders.t5xxl.transformer."
CLIP_L, CLIP_G = "text_encoders.clip_l.transformer.", "text_encoders.clip_g.transformer."
PIPELINES = ("FluxPipeline", "FluxFillPipeline", "FluxControlPipeline", "StableDiffusion3Pipeline")
_FLUX_INPUTS = {
    64: ("FLUX", "FluxPipeline"),
    128: ("FLUX for control by depth or edges", "FluxControlPipeline"),
    384: ("FLUX Fill, for inpainting", "FluxFillPipeline"),
}
"""From the width of the denoiser's input to what it was made for."""


class NamedTensors(Protocol):
    """A file of weights, as `sensorium.models.single_file` reads it."""

    @property
    def shapes(self) -> Mapping[str, tuple[int, ...]]:
        """From the name of each tensor to its shape."""

    def has(self, *prefixes: str) -> bool:
        """Return whether any tensor's name begins with one of ``prefixes``."""

    def width(self, name: str, axis: int = 0) -> int:
        """Return one side of a tensor; 0 if there is no such tensor."""


@dataclass(frozen=True)
class TransformerPainter:
    """A painter with a transformer as its denoiser, in one file.

    Attributes:
        name: What people call it: "FLUX".
        pipeline: Its class in diffusers; "" for one that doesn't open from a file.
        parts: Its components that the file holds, and what the names of their tensors begin with.
        absent: Its components that the file lacks, in words.
        quantized: How it is quantized, if that can't be read; else "".
    """

    name: str
    pipeline: str
    parts: dict[str, str]
    absent: tuple[str, ...]
    quantized: str = ""

    @property
    def description(self) -> str:
        """What it is, in a few words."""
        if self.quantized:
            return f"a checkpoint of {self.name}, quantized with {self.quantized}"
        what = "the denoiser" if set(self.parts) == {"transformer"} else "a checkpoint"
        lacking = (
            " or ".join(self.absent) if len(self.absent) < 3 else f"{', '.join(self.absent[:-1])} or {self.absent[-1]}"
        )
        return f"{what} of {self.name}" + (f", without {lacking}" if lacking else "")

    @property
    def use(self) -> str:
        """What to do with it, or what could be better; "" where there is nothing to say."""
        if self.quantized:
            return "Choose a GGUF or FP8 file of it, which open everywhere"
        if not self.pipeline:
            return "Choose its repository in diffusers' layout: files of this family don't open alone"
        if not self.absent:
            return "" if "text_encoder_3" in self.parts else "It reads prompts with CLIP alone; --base (base=…) adds T5"
        where = f"a folder or repository in diffusers' layout, such as {self.usual_base}"
        return f"Give what it lacks with --base (base=…): {where}"

    @property
    def usual_base(self) -> str:
        """A repository that holds the other parts."""
        flux = self.pipeline.startswith("Flux")
        return "black-forest-labs/FLUX.1-schnell" if flux else "stabilityai/stable-diffusion-3.5-medium"


def transformer_painter(file: NamedTensors) -> TransformerPainter | None:
    """Return what painter with a transformer a file holds, or None."""
    prefix = IN_WHOLE if file.has(IN_WHOLE) else ""
    if file.has(f"{prefix}joint_blocks.") and file.has(f"{prefix}x_embedder.proj."):
        return _of(file, "Stable Diffusion 3", "StableDiffusion3Pipeline", prefix)
    if not file.has(f"{prefix}double_blocks."):
        return None
    if file.has(f"{prefix}double_stream_modulation_img."):
        return TransformerPainter("FLUX.2", "", {}, ())
    if file.has(f"{prefix}distilled_guidance_layer."):
        return TransformerPainter("Chroma", "", {}, ())
    if not file.has(f"{prefix}vector_in.") or not file.has(f"{prefix}img_in."):
        return None
    name, pipeline = _FLUX_INPUTS.get(file.width(f"{prefix}img_in.weight", 1), ("FLUX", ""))
    return _of(file, name, pipeline, prefix)


def _of(file: NamedTensors, name: str, pipeline: str, prefix: str) -> TransformerPainter:
    if any(".quant_state.bitsandbytes__" in tensor for tensor in file.shapes):
        return TransformerPainter(name, "", {}, (), "bitsandbytes (NF4 or FP4)")
    flux = not pipeline.startswith("Stable")
    sought = {"vae": VAE, "text_encoder": (CLIP_L,), "text_encoder_2": (T5,) if flux else (CLIP_G,)}
    if not flux:
        sought["text_encoder_3"] = (T5,)
    parts = {"transformer": prefix}
    for component, beginnings in sought.items():
        found = next((beginning for beginning in beginnings if file.has(beginning)), None)
        if found is not None:
            parts[component] = found
    words = {"vae": "autoencoder", "text_encoder": "CLIP", "text_encoder_2": "T5" if flux else "the second CLIP"}
    absent = [word for component, word in words.items() if component not in parts]
    if (flux and "text_encoder_2" in parts) or "text_encoder_3" in parts:
        absent.append("T5's vocabulary")
    return TransformerPainter(name, pipeline, parts, tuple(absent))
