"""Variations of a picture, the speciality of unCLIP: what they are asked for, and what a backend must be able to do."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from sensorium.image_generation.painting_options import PaintingOptions, check_number
from sensorium.progress import Cancellation, EventCallback

if TYPE_CHECKING:
    import PIL.Image

    from sensorium.image_generation.generated_image import GeneratedImages

VARIATION = "variation"
"""The ``kind`` in the settings of such a picture."""


@dataclass(frozen=True)
class VariationRequest:
    """One call for variations, checked before anything is loaded.

    Attributes:
        image: The picture to vary, RGB. Only what it shows is taken from it, not where it shows it.
        prompt: Words to mix into what the picture shows; "" for none.
        prompt_weight: The share of the words in the mixture, 0 to 1.
        options: How to paint; only their number, size, steps, guidance and seed count.

    Raises:
        InputError: One of them can't be.
    """

    image: PIL.Image.Image
    prompt: str = ""
    prompt_weight: float = 0.5
    options: PaintingOptions = field(default_factory=PaintingOptions)

    def __post_init__(self) -> None:
        check_prompt_weight(self.prompt_weight)


def check_prompt_weight(weight: float) -> None:
    """Refuse a share of words in a mixture that can't be.

    Raises:
        InputError: It is not 0 to 1.
    """
    check_number("The weight of the prompt", weight, 0, 1)


@runtime_checkable
class Varier(Protocol):
    """What a backend of `TextToImage` that makes variations also offers."""

    def vary(
        self,
        request: VariationRequest,
        *,
        tell: EventCallback | None = None,
        cancel: Cancellation | None = None,
    ) -> GeneratedImages:
        """Paint pictures that show what the picture of the request shows; the arguments are those of `Painter.paint`.

        Raises:
            InputError: A number doesn't suit this checkpoint.
            UnsupportedError: This backend can't do one of the settings.
            InsufficientMemoryError: The memory doesn't suffice.
            CancelledError: ``cancel`` was set.
        """
