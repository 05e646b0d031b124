"""What a painting system is asked for, checked before anything is loaded, and what it must be able to do."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeAlias

from sensorium.errors import InputError
from sensorium.progress import Cancellation, ProgressCallback

if TYPE_CHECKING:
    import PIL.Image

    from sensorium.image_generation.generated_image import GeneratedImage, GeneratedImages

TEXT_TO_IMAGE, IMAGE_TO_IMAGE, INPAINTING = "text-to-image", "image-to-image", "inpainting"

MAXIMUM_STEPS = 1000
"""The training steps of all common schedulers; more can't be told apart."""
MAXIMUM_IMAGES = 100
MAXIMUM_SIDE = 4096
SMALLEST_SIDE = 8
MAXIMUM_SEED = 2**63 - 1
SIDE_FACTOR = 8
"""No known family paints sides that are not multiples of it; many want more."""
SAFETY = ("flag", "block", "off")

PreviewCallback: TypeAlias = Callable[["PIL.Image.Image", int], None]
"""Called after some steps with a small, rough picture of how far the painting is, and the number of the step."""

FinishedCallback: TypeAlias = Callable[["GeneratedImage"], None]
"""Called with each picture as soon as it is painted, so that it isn't lost if a later one fails."""


@dataclass(frozen=True)
class PaintingRequest:
    """One call of a painting system. Making one checks all that can be known without the checkpoint.

    Attributes:
        prompt: What to paint.
        negative_prompt: What not to paint.
        num_images: How many pictures; picture number i has the seed ``seed + i``.
        steps: Denoising steps; None for the checkpoint's right number.
        guidance_scale: How closely to follow the prompt; None for the checkpoint's right value.
        width: In pixels; None for the checkpoint's own, or that of ``image``.
        height: Likewise.
        seed: Of the first picture; None for a random one.
        scheduler: Name of the sampler; None for the checkpoint's own.
        image: The picture to start from, RGB; None for text-to-image.
        mask: White where ``image`` is to be repainted, of any size; None to repaint all.
        strength: How much of ``image`` is repainted, over 0 to 1.
        loras: LoRA files with their weights.
        safety: ``"flag"``, ``"block"`` or ``"off"``.
        finished: Given each picture as soon as it is painted.

    Raises:
        InputError: One of them can't be.
    """

    prompt: str
    negative_prompt: str = ""
    num_images: int = 1
    steps: int | None = None
    guidance_scale: float | None = None
    width: int | None = None
    height: int | None = None
    seed: int | None = None
    scheduler: str | None = None
    image: PIL.Image.Image | None = None
    mask: PIL.Image.Image | None = None
    strength: float = 0.75
    loras: tuple[tuple[Path, float], ...] = ()
    safety: str = "flag"
    finished: FinishedCallback | None = None

    @property
    def kind(self) -> str:
        """``"text-to-image"``, ``"image-to-image"`` or ``"inpainting"``."""
        if self.mask is not None:
            return INPAINTING
        return TEXT_TO_IMAGE if self.image is None else IMAGE_TO_IMAGE

    def __post_init__(self) -> None:
        if not isinstance(self.prompt, str) or not self.prompt.strip():
            raise InputError("The prompt is empty", "Say what to paint, such as 'a lighthouse at dusk'")
        if not isinstance(self.negative_prompt, str):
            raise InputError(f"The negative prompt can't be {self.negative_prompt!r}", "Write a text, or leave it out")
        check_whole("The number of images", self.num_images, 1, MAXIMUM_IMAGES)
        check_whole("The number of steps", self.steps, 1, MAXIMUM_STEPS)
        check_whole("The seed", self.seed, 0, MAXIMUM_SEED - MAXIMUM_IMAGES)
        check_number("The guidance scale", self.guidance_scale, 0, 100)
        for name, side in (("width", self.width), ("height", self.height)):
            check_side(name, side, SIDE_FACTOR)
        if self.image is not None:
            check_number("The strength", self.strength, 0, 1)
            if self.strength == 0:
                raise InputError("With a strength of 0 the picture would stay as it is", "Use more than 0, up to 1")
        if self.safety not in SAFETY:
            raise InputError(f"There is no safety setting {self.safety!r}", f"Choose {', '.join(SAFETY)}")


class Painter(Protocol):
    """What a backend of `TextToImage` is: a loaded checkpoint, or a server, that paints.

    It is made as ``Backend(folder, *, checkpoint, device, dtype)``, like every backend of a task.
    """

    def paint(
        self,
        request: PaintingRequest,
        *,
        progress: ProgressCallback | None = None,
        cancel: Cancellation | None = None,
        preview: PreviewCallback | None = None,
    ) -> GeneratedImages:
        """Paint what ``request`` asks for.

        Returns:
            Its pictures; each with settings by which the same backend paints it again.

        Raises:
            InputError: A number doesn't suit this checkpoint.
            UnsupportedError: This backend can't do the kind of painting, or one of the settings.
            InsufficientMemoryError: The memory doesn't suffice.
            CancelledError: ``cancel`` was set.
        """


def check_side(name: str, side: int | None, factor: int) -> None:
    """Refuse a width or height that isn't a multiple of ``factor`` or out of range.

    Raises:
        InputError: With the nearest values that would do.
    """
    check_whole(f"The {name}", side, SMALLEST_SIDE, MAXIMUM_SIDE)
    if side is not None and side % factor:
        below, above = side // factor * factor, math.ceil(side / factor) * factor
        choices = [str(value) for value in (below, above) if factor <= value <= MAXIMUM_SIDE]
        raise InputError(f"The {name} {side} is not divisible by {factor}", f"Use {' or '.join(choices)}")


def check_whole(name: str, value: int | None, lowest: int, highest: int) -> None:
    """Refuse what is no whole number or out of range; None passes.

    Raises:
        InputError: With the range.
    """
    if value is None:
        return
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise InputError(f"{name} can't be {value!r}, which is no whole number", f"Use {lowest} to {highest}")
    check_number(name, value, lowest, highest)


def check_number(name: str, value: float | None, lowest: float, highest: float) -> None:
    """Refuse what is no number or out of range; None passes.

    Raises:
        InputError: With the range.
    """
    if value is None:
        return
    try:
        fits = lowest <= value <= highest
    except TypeError:
        fits = False
    if not fits:
        raise InputError(f"{name} can't be {value!r}", f"Use {lowest} to {highest}")
