"""Pictures from words, and from pictures and words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from sensorium.errors import InputError
from sensorium.image_generation.painting import (
    MOST_FURTHER_IMAGES,
    check_image_guidance_scale,
    check_prompt,
    check_strength,
)
from sensorium.image_generation.variation import check_prompt_weight
from sensorium.operations.media import Media
from sensorium.operations.painting import (
    NearestSize,
    OfParts,
    Painting,
    PromptedPainting,
    Strength,
    in_style,
    size_for,
)
from sensorium.operations.pictures import KeptPictures, Pictures

if TYPE_CHECKING:
    from sensorium.image_generation.painter_parts import PartsKeywords
    from sensorium.image_generation.text_to_image import TextToImage
    from sensorium.operations.operation import ModelOperation
    from sensorium.operations.reporter import Reporter
    from sensorium.operations.tasks import Tasks

TEXT_TO_IMAGE = "text-to-image"

_PICTURES = "sensorium.operations.pictures:Pictures"
_PICTURE = "sensorium.operations.pictures:Picture"


def painter_of(operation: ModelOperation, tasks: Tasks, report: Reporter, *, load: bool = False) -> TextToImage:
    """Return the task object that paints for an operation.

    Args:
        operation: Says which checkpoint, and where.
        tasks: Opens it.
        report: Told what is loaded.
        load: Whether to load it now. Else it loads itself, once it has read its inputs: what is wrong with them is told
            before.
    """
    from sensorium.image_generation.text_to_image import TextToImage

    key = (TextToImage, operation.opening_key)
    parts: PartsKeywords = operation.parts if isinstance(operation, OfParts) else {}
    return tasks.open(key, lambda: TextToImage(operation.model, **operation.opening(tasks), **parts), report, load=load)


class Imagine(PromptedPainting, OfParts):
    """Paint pictures from words."""

    task: ClassVar[str] = TEXT_TO_IMAGE
    result: ClassVar[str] = _PICTURES
    part: ClassVar[str] = _PICTURE

    prompt: str
    """What to paint, such as "a lighthouse at dusk"."""
    style: str | None = None
    """A style of the prompt engineer's, such as "watercolor", whose words are added to the prompt."""
    nearest_size: NearestSize = False

    @model_validator(mode="after")
    def _check_prompt(self) -> Self:
        check_prompt(in_style(self.prompt, self.style))
        return self

    def opened(self, tasks: Tasks, report: Reporter) -> TextToImage:
        """Return the painter, loaded."""
        return painter_of(self, tasks, report, load=True)

    def run(self, tasks: Tasks, report: Reporter) -> Pictures:
        """Return the pictures."""
        kept = KeptPictures(report, self.format, quality=self.quality)
        painter, options = painter_of(self, tasks, report), self.options(tasks)
        if self.nearest_size:
            options |= size_for(self, painter, report)
        painted = painter.generate(in_style(self.prompt, self.style), **options, report=kept, cancel=report)
        return kept.result(painted)


class Edit(PromptedPainting, OfParts):
    """Repaint a picture as a prompt says, or with a mask a part of it."""

    task: ClassVar[str] = TEXT_TO_IMAGE
    result: ClassVar[str] = _PICTURES
    part: ClassVar[str] = _PICTURE

    image: Media
    """The picture to start from."""
    prompt: str
    """What it shall become; with a mask, what the part shall show."""
    mask: Media | None = None
    """A picture that is white where to repaint and black where all stays as it is; of any size."""
    mask_marks: Literal["white", "transparent"] = "white"
    """What marks where to repaint. A mask for "transparent" that knows no transparency is read as one for "white"."""
    strength: Strength | None = None
    """How much may change: over 0 to 1, where nothing of the picture stays; by default 0.75, with a mask 1."""
    image_guidance_scale: Annotated[float | None, Field(json_schema_extra={"minimum": 0, "maximum": 100})] = None
    """How much of the picture stays, for checkpoints that follow instructions (InstructPix2Pix)."""
    further_images: Annotated[tuple[Media, ...], Field(max_length=MOST_FURTHER_IMAGES)] = ()
    """More pictures that the prompt speaks of, for checkpoints that follow instructions about several (FLUX.2)."""
    style: str | None = None
    """A style of the prompt engineer's, such as "watercolor", whose words are added to the prompt."""
    nearest_size: NearestSize = False

    @model_validator(mode="after")
    def _check_prompt(self) -> Self:
        check_prompt(in_style(self.prompt, self.style))
        if self.strength is not None:
            check_strength(self.strength)
        if self.image_guidance_scale is not None:
            check_image_guidance_scale(self.image_guidance_scale)
            if self.mask is not None:
                raise InputError("image_guidance_scale has no use with a mask", "Leave out one of them")
        if self.further_images and self.mask is not None:
            raise InputError("further_images have no use with a mask", "Leave out one of them")
        return self

    def opened(self, tasks: Tasks, report: Reporter) -> TextToImage:
        """Return the painter, loaded."""
        return painter_of(self, tasks, report, load=True)

    def run(self, tasks: Tasks, report: Reporter) -> Pictures:
        """Return the pictures."""
        from sensorium.media.image import read_mask

        kept = KeptPictures(report, self.format, quality=self.quality)
        options = {**self.options(tasks), "report": kept, "cancel": report}
        if self.strength is not None:
            options["strength"] = self.strength
        image, words = tasks.media(self.image), in_style(self.prompt, self.style)
        painter = painter_of(self, tasks, report)
        if self.nearest_size:
            options |= size_for(self, painter, report)
        if self.mask is None:
            options["image_guidance_scale"] = self.image_guidance_scale
            options["further_images"] = [tasks.media(each) for each in self.further_images]
            return kept.result(painter.img2img(image, words, **options))
        found = tasks.media(self.mask)
        mask = read_mask(found, limits=tasks.limits) if self.mask_marks == "transparent" else found
        return kept.result(painter.inpaint(image, mask, words, **options))


class Vary(Painting):
    """Paint what a picture shows once more, otherwise: the speciality of unCLIP checkpoints such as Kandinsky."""

    task: ClassVar[str] = TEXT_TO_IMAGE
    result: ClassVar[str] = _PICTURES
    part: ClassVar[str] = _PICTURE

    image: Media
    """The picture. Only what it shows is taken from it, not where it shows it."""
    model: Annotated[str, Field(min_length=1)]
    """Catalog name or hub id of a checkpoint that makes variations, such as kandinsky-2-2."""
    prompt: str = ""
    """Words to mix into what the picture shows."""
    prompt_weight: Annotated[float, Field(json_schema_extra={"minimum": 0, "maximum": 1})] = 0.5
    """The share of the words in the mixture."""
    style: str | None = None
    """A style of the prompt engineer's, such as "watercolor", whose words are added to the prompt."""
    nearest_size: NearestSize = False

    @model_validator(mode="after")
    def _check_prompt(self) -> Self:
        check_prompt_weight(self.prompt_weight)
        if self.style is not None and not self.prompt:
            raise InputError("A style adds words to a prompt, and there is none", "Add the prompt")
        in_style(self.prompt, self.style)
        return self

    def opened(self, tasks: Tasks, report: Reporter) -> TextToImage:
        """Return the painter, loaded."""
        return painter_of(self, tasks, report, load=True)

    def run(self, tasks: Tasks, report: Reporter) -> Pictures:
        """Return the variations."""
        kept = KeptPictures(report, self.format, quality=self.quality)
        painter, image, numbers = painter_of(self, tasks, report), tasks.media(self.image), self.numbers()
        if self.nearest_size:
            numbers |= size_for(self, painter, report)
        painted = painter.variations(
            image,
            prompt=in_style(self.prompt, self.style),
            prompt_weight=self.prompt_weight,
            **numbers,
            report=kept,
            cancel=report,
        )
        return kept.result(painted)
