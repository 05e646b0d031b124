"""Diffusion checkpoints in diffusers' layout: one set of weights behind every kind of painting."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sensorium.image_generation.generated_image import GeneratedImages
from sensorium.image_generation.painting import TEXT_TO_IMAGE, PaintingRequest, PreviewCallback
from sensorium.models.catalog import Checkpoint
from sensorium.progress import Cancellation, ProgressCallback


class DiffusionBackend:
    """A loaded checkpoint of any family that diffusers' AutoPipeline knows.

    Text-to-image, image-to-image, inpainting and ControlNet pipelines are made anew for each call from the same
    components: that takes milliseconds, copies nothing, and no call sees the settings of another.

    Args:
        folder: Holds ``model_index.json`` and a folder for each component.
        checkpoint: Its catalog entry.
        device: Where it runs.
        dtype: ``"auto"`` or a precision.
    """

    checkpoint: Checkpoint
    components: dict[str, Any]
    """The modules by name (``unet``, ``vae``, ``text_encoder``, …): shared by all pipelines, never to be changed."""
    device: str
    dtype: Any
    size_factor: int
    """Widths and heights must be multiples of it."""
    native_side: int
    """Side of the square that the checkpoint was trained on, in pixels."""

    def __init__(self, folder: Path, *, checkpoint: Checkpoint, device: str, dtype: str) -> None:
        raise NotImplementedError

    def pipeline(self, kind: str = TEXT_TO_IMAGE, controlnet: Any = None) -> Any:
        """Return a diffusers pipeline around the shared components.

        Args:
            kind: ``"text-to-image"``, ``"image-to-image"`` or ``"inpainting"``.
            controlnet: A ControlNet model, or a list of several, on the same device and in the same precision.

        Raises:
            UnsupportedError: The family has no such pipeline.
        """
        raise NotImplementedError

    def paint(
        self,
        request: PaintingRequest,
        *,
        controlnet: Any = None,
        inputs: Mapping[str, Any] | None = None,
        options: Mapping[str, Any] | None = None,
        progress: ProgressCallback | None = None,
        cancel: Cancellation | None = None,
        preview: PreviewCallback | None = None,
    ) -> GeneratedImages:
        """Paint what ``request`` asks for: see `Painter.paint`.

        Seeds, size checks, prompt embeddings, scheduler, LoRA files, offloading, progress, cancellation, running out
        of memory, the safety checker and the settings in the result are all seen to here.

        Args:
            request: Its ``image`` and ``mask`` make it image-to-image or inpainting, with a ControlNet too.
            controlnet: As for `pipeline`.
            inputs: Further arguments of the pipeline's call, such as ``controlnet_conditioning_scale`` and the
                control maps. Control maps always go in as ``control_image`` (one, or a list of several), in the size
                of the picture; they are handed on under the name that the pipeline's call has for them.
            options: What to write into the settings of the pictures about ``inputs``; must go into JSON.
            progress: Told the steps done.
            cancel: Stops between two steps.
            preview: Shown rough pictures on the way.
        """
        raise NotImplementedError
