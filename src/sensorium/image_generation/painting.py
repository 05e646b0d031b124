"""What a painting system is asked for, and what it must be able to do."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol, Self, TypedDict, Unpack, runtime_checkable

from sensorium.errors import InputError
from sensorium.image_generation.diffusion.additions.prompted_loras import with_prompted_loras
from sensorium.image_generation.diffusion.additions.textual_inversion import found_embeddings
from sensorium.image_generation.painting_options import PaintingOptions, check_number
from sensorium.image_generation.prompts.network_tags import without_tags
from sensorium.language.written_language import require_characters
from sensorium.progress import Cancellation, EventCallback

if TYPE_CHECKING:
    import PIL.Image

    from sensorium.image_generation.generated_image import GeneratedImages
    from sensorium.media.limits import Limits

MOST_FURTHER_IMAGES = 15
TEXT_TO_IMAGE, IMAGE_TO_IMAGE, INPAINTING = "text-to-image", "image-to-image", "inpainting"


class PicturesToPaint(TypedDict, total=False):
    """What `PaintingRequest` has beside prompt and options."""

    image: PIL.Image.Image | None
    mask: PIL.Image.Image | None
    strength: float
    image_guidance_scale: float | None
    further_images: tuple[PIL.Image.Image, ...]


@dataclass(frozen=True)
class PaintingRequest:
    """One call of a painting system, checked before anything is loaded.

    Attributes:
        prompt: What to paint.
        options: How.
        image: The picture to start from, RGB; None for text-to-image.
        mask: White where ``image`` is to be repainted, of any size; None to repaint all.
        strength: How much of ``image`` is repainted, over 0 to 1.
        image_guidance_scale: How much of ``image`` stays, for checkpoints that follow instructions (InstructPix2Pix);
            None for what suits.
        further_images: More pictures that the prompt speaks of, RGB, for checkpoints that follow instructions.

    Raises:
        InputError: One of them can't be.
    """

    prompt: str
    options: PaintingOptions = field(default_factory=PaintingOptions)
    image: PIL.Image.Image | None = None
    mask: PIL.Image.Image | None = None
    strength: float = 0.75
    image_guidance_scale: float | None = None
    further_images: tuple[PIL.Image.Image, ...] = ()

    @property
    def kind(self) -> str:
        """``"text-to-image"``, ``"image-to-image"`` or ``"inpainting"``."""
        if self.mask is not None:
            return INPAINTING
        return TEXT_TO_IMAGE if self.image is None else IMAGE_TO_IMAGE

    @classmethod
    def asked(cls, prompt: str, options: PaintingOptions, limits: Limits, **how: Unpack[PicturesToPaint]) -> Self:
        """Return a request with what its prompts name beside words: LoRA files by tags, embeddings of the own folder.

        Args:
            prompt: What to paint, with tags such as ``<lora:ink:0.8>`` or without.
            options: How.
            limits: Whether files on this machine may be named.
            how: Pictures, mask and strength.

        Raises:
            InputError: A tag names no file, or one of the arguments can't be.
            UnsupportedError: A tag names what isn't used here.
        """
        negative = options.negative_prompt
        added = {
            "loras": with_prompted_loras(options.loras, prompt, negative, limits),
            "found_embeddings": found_embeddings(options.embeddings, prompt, negative),
        }
        return cls(without_tags(prompt), replace(options, **added), **how)  # type: ignore[arg-type]

    @property
    def prompts(self) -> tuple[str, str]:
        """What to paint, and what not."""
        return self.prompt, self.options.negative_prompt

    def __post_init__(self) -> None:
        check_prompt(self.prompt)
        if self.image is not None:
            check_strength(self.strength)
        if len(self.further_images) > MOST_FURTHER_IMAGES:
            raise InputError(
                f"{len(self.further_images)} further pictures are too many", f"Give up to {MOST_FURTHER_IMAGES}"
            )
        if self.image_guidance_scale is not None:
            check_image_guidance_scale(self.image_guidance_scale)


def check_prompt(prompt: str) -> None:
    """Refuse a prompt that says nothing, or can't be read.

    Raises:
        InputError: It is empty, or holds a character that is not valid Unicode.
    """
    if not prompt.strip():
        raise InputError("The prompt is empty", "Say what to paint, such as 'a lighthouse at dusk'")
    require_characters(prompt, what="prompt")


def check_image_guidance_scale(scale: float) -> None:
    """Refuse a guidance by the picture that can't be.

    Raises:
        InputError: It is not 0 to 100.
    """
    check_number("The image_guidance_scale", scale, 0, 100)


def check_strength(strength: float) -> None:
    """Refuse a share of a picture that can't be repainted.

    Raises:
        InputError: It is not over 0 to 1.
    """
    check_number("The strength", strength, 0, 1)
    if strength == 0:
        raise InputError("With a strength of 0 the picture would stay as it is", "Use more than 0, up to 1")


class Painter(Protocol):
    """What a backend of `TextToImage` is: a loaded checkpoint, or a server, that paints.

    It is made as ``Backend(folder, *, checkpoint, device, dtype)``, like every backend of a task.
    """

    def paint(
        self,
        request: PaintingRequest,
        *,
        tell: EventCallback | None = None,
        cancel: Cancellation | None = None,
    ) -> GeneratedImages:
        """Paint what ``request`` asks for.

        Args:
            request: What to paint, and how.
            tell: Told the steps done, previews if they are asked for, and each picture as soon as it is painted.
            cancel: Stops between two steps.

        Returns:
            The pictures; each with settings by which the same backend paints it again.

        Raises:
            InputError: A number doesn't suit this checkpoint.
            UnsupportedError: This backend can't do the kind of painting, or one of the settings.
            InsufficientMemoryError: The memory doesn't suffice.
            CancelledError: ``cancel`` was set.
        """


@runtime_checkable
class Sized(Protocol):
    """What a backend of `TextToImage` also tells that was trained on pictures of one size.

    Attributes:
        native_side: Side of the square that it was trained on, in pixels.
        size_factor: Widths and heights must be multiples of it.
    """

    native_side: int
    size_factor: int
