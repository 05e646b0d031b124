"""Variations of a picture, the speciality of unCLIP: what they are asked for, and what a backend must be able to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from sensorium.image_generation.painting import (
    MAXIMUM_IMAGES,
    MAXIMUM_SEED,
    MAXIMUM_STEPS,
    SIDE_FACTOR,
    check_number,
    check_side,
    check_whole,
)
from sensorium.progress import Cancellation, ProgressCallback

if TYPE_CHECKING:
    import PIL.Image

    from sensorium.image_generation.generated_image import GeneratedImages

VARIATION = "variation"
"""The ``kind`` in the settings of such a picture."""


@dataclass(frozen=True)
class VariationRequest:
    """One call for variations. Making one checks all that can be known without the checkpoint.

    Attributes:
        image: The picture to vary, RGB. Only what it shows is taken from it, not where it shows it.
        prompt: Words to mix into what the picture shows; "" for none.
        prompt_weight: The share of the words in the mixture, 0 to 1.
        num_images: How many pictures; picture number i has the seed ``seed + i``.
        steps: Denoising steps; None for the checkpoint's right number.
        guidance_scale: How closely to follow the mixture; None for the checkpoint's right value.
        width: In pixels; None for the checkpoint's own.
        height: Likewise.
        seed: Of the first picture; None for a random one.

    Raises:
        InputError: One of them can't be.
    """

    image: PIL.Image.Image
    prompt: str = ""
    prompt_weight: float = 0.5
    num_images: int = 1
    steps: int | None = None
    guidance_scale: float | None = None
    width: int | None = None
    height: int | None = None
    seed: int | None = None

    def __post_init__(self) -> None:
        check_whole("The number of images", self.num_images, 1, MAXIMUM_IMAGES)
        check_whole("The number of steps", self.steps, 1, MAXIMUM_STEPS)
        check_whole("The seed", self.seed, 0, MAXIMUM_SEED - MAXIMUM_IMAGES)
        check_number("The guidance scale", self.guidance_scale, 0, 100)
        check_number("The weight of the prompt", self.prompt_weight, 0, 1)
        check_side("width", self.width, SIDE_FACTOR)
        check_side("height", self.height, SIDE_FACTOR)


@runtime_checkable
class Varier(Protocol):
    """What a backend of `TextToImage` that makes variations also offers."""

    def vary(
        self,
        request: VariationRequest,
        *,
        progress: ProgressCallback | None = None,
        cancel: Cancellation | None = None,
    ) -> GeneratedImages:
        """Paint pictures that show what the picture of the request shows.

        Raises:
            InputError: A number doesn't suit this checkpoint.
            UnsupportedError: This backend can't do one of the settings.
            InsufficientMemoryError: The memory doesn't suffice.
            CancelledError: ``cancel`` was set.
        """
