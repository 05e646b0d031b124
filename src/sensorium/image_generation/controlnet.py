"""Painting under control: a pose, edges, depth, normals or segments decide where things are: ``ControlNetGenerator``."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from sensorium.progress import Cancellation, ProgressCallback

if TYPE_CHECKING:
    import PIL.Image

    from sensorium.media.image import ImageSource

CONTROLS = ("openpose", "canny", "depth", "normal", "seg")
"""The kinds of control, as the ControlNet checkpoints are called."""


class ControlledPictures(list["PIL.Image.Image"]):
    """The pictures of one call: a list of PIL images with their origin.

    Attributes:
        control_images: The control maps that were used, one per control, in the size of the pictures.
        seed: The seed that was used, so that the pictures can be made again.
        settings: Everything that decides how the pictures look, as in the metadata of their PNG files.
        model: Name of the base checkpoint.
    """

    control_images: tuple[PIL.Image.Image, ...]


class ControlNetGenerator:
    """Paints pictures whose layout follows a reference picture.

    Args:
        model: The Stable Diffusion base: catalog name, hub id, local folder, or None for the profile's default.
        controlnets: From kind of control to checkpoint, for those that shall differ from the default: catalog name,
            hub id or local folder.
        device: ``"auto"``, ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ``"mps"``.
        dtype: ``"auto"``, ``"float32"``, ``"float16"``, ``"bfloat16"``.
    """

    def __init__(
        self,
        model: str | os.PathLike[str] | None = None,
        *,
        controlnets: Mapping[str, str] | None = None,
        device: str = "auto",
        dtype: str = "auto",
    ) -> None:
        raise NotImplementedError

    def generate_with_pose(
        self, reference_image: ImageSource, prompt: str
    ) -> tuple[PIL.Image.Image, PIL.Image.Image]:
        """Paint a picture in which people stand as in the reference.

        Returns:
            The picture, and the pose map that it follows.
        """
        raise NotImplementedError

    def generate(
        self,
        reference_image: ImageSource | None,
        prompt: str,
        control: str | Sequence[str] = "openpose",
        *,
        control_image: ImageSource | Sequence[ImageSource | None] | None = None,
        control_weights: float | Sequence[float] = 1.0,
        control_start: float | Sequence[float] = 0.0,
        control_end: float | Sequence[float] = 1.0,
        init_image: ImageSource | None = None,
        strength: float = 0.75,
        negative_prompt: str = "",
        num_images: int = 1,
        steps: int = 20,
        guidance_scale: float = 7.5,
        width: int | None = None,
        height: int | None = None,
        seed: int | None = None,
        scheduler: str | None = None,
        progress: ProgressCallback | None = None,
        cancel: Cancellation | None = None,
    ) -> ControlledPictures:
        """Paint pictures whose layout follows a reference picture.

        Args:
            reference_image: The picture that the control maps are made from; None if all of them are given.
            prompt: What to paint.
            control: One kind of control or several: openpose, canny, depth, normal, seg.
            control_image: A ready-made control map, or one per control (None for those to be made).
            control_weights: How strongly each control counts, 0 to 2; one number for all, or one per control.
            control_start: From which part of the steps on each control counts, 0 to 1.
            control_end: Up to which part of the steps, 0 to 1.
            init_image: A picture to repaint (image-to-image); the control decides what stays where it is.
            strength: How much of ``init_image`` is repainted, over 0 up to 1.
            negative_prompt: What the picture should not show.
            num_images: How many pictures.
            steps: Denoising steps.
            guidance_scale: How closely to follow the prompt.
            width: In pixels, a multiple of 8; by default from the aspect ratio of the reference.
            height: Likewise.
            seed: Decides the noise; a fresh one by default.
            scheduler: Name of the sampler, as in `TextToImage.generate`; the checkpoint's own by default.
            progress: Told the steps done, with previews.
            cancel: Stops between two steps.

        Returns:
            The pictures, with ``control_images``, ``seed``, ``settings`` and ``model``.
        """
        raise NotImplementedError

    def control_map(
        self,
        reference_image: ImageSource,
        control: str = "openpose",
        *,
        width: int | None = None,
        height: int | None = None,
    ) -> PIL.Image.Image:
        """Make the control map that `generate` would use, to look at or to change before painting."""
        raise NotImplementedError
