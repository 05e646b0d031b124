"""The fields that operations which paint have in common, refused in the words of the library."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Self, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, model_validator

from sensorium.errors import InputError
from sensorium.image_generation.diffusion.additions.lora import check_weight, is_lora_name
from sensorium.image_generation.diffusion.schedulers import SCHEDULERS
from sensorium.image_generation.ip_adapter import (
    MAXIMUM_PICTURES,
    PARTS,
    USUAL_SCALE,
    WHOLE,
    IPAdapter,
    adapters_for,
    check_part,
    check_scale,
)
from sensorium.image_generation.painter_parts import DISPENSABLE, PartsKeywords, check_without, with_parts
from sensorium.image_generation.painting_options import (
    MAXIMUM_IMAGES,
    MAXIMUM_SEED,
    MAXIMUM_SIDE,
    MAXIMUM_STEPS,
    SAFETY,
    SIDE_FACTOR,
    SMALLEST_SIDE,
    PaintingOptions,
)
from sensorium.media.naming import display_name
from sensorium.models.catalog import resolve
from sensorium.models.lora_names import LORA, LORA_TASK, hub_lora
from sensorium.operations.media import Media
from sensorium.operations.operation import ModelOperation
from sensorium.operations.pictures import PictureFormat

if TYPE_CHECKING:
    from sensorium.image_generation.text_to_image import TextToImage
    from sensorium.media.source import MediaSource
    from sensorium.models.catalog import Checkpoint
    from sensorium.operations.reporter import Reporter
    from sensorium.operations.tasks import Tasks

# Bounds stand in the schema for forms and agents; numbers beyond them are refused by the library, in its own words.
_SIDE = {"minimum": SMALLEST_SIDE, "maximum": MAXIMUM_SIDE, "multipleOf": SIDE_FACTOR}
_NEAREST = (
    "Whether width and height, given both, are only a wish: far more pixels than the checkpoint was made for become as "
    "many as these in the same shape, and sides that it can't paint are rounded. The settings say what was painted."
)
_SEED = {"minimum": 0, "maximum": MAXIMUM_SEED - MAXIMUM_IMAGES}

NearestSize: TypeAlias = Annotated[bool, Field(description=_NEAREST)]
Strength: TypeAlias = Annotated[float, Field(json_schema_extra={"exclusiveMinimum": 0, "maximum": 1})]


class LoraFile(BaseModel):
    """A LoRA, by its file or by a name, and how strongly it counts."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    file: Media | None = None
    """A safetensors file."""
    name: Annotated[str | None, Field(min_length=1)] = None
    """In place of a file: its name in the folder of LoRA files where the picture is painted, or a hub id
    (owner/repository, or one of its files behind that)."""
    weight: Annotated[float, Field(json_schema_extra={"minimum": -10, "maximum": 10})] = 1.0
    """How strongly it counts; 0.5 to 1 is usual."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.file is None) == (self.name is None):
            raise InputError("A LoRA needs either a 'file' or a 'name'", "Give one of them")
        if self.name is not None and not is_lora_name(self.name):
            raise InputError(f"{self.name!r} is no name of a LoRA", "Give its file, or a hub id, owner/repository")
        called = self.name or str(self.file).rpartition("/")[2]
        check_weight(display_name(called), self.weight)
        return self

    def found(self, tasks: Tasks) -> tuple[MediaSource, float]:
        """Return what a painting task takes."""
        return (self.name if self.file is None else tasks.media(self.file)) or "", self.weight


def of_the_hub(loras: Iterable[LoraFile]) -> tuple[Checkpoint, ...]:
    """Return those LoRA files that come from the hub."""
    names = (each.name for each in loras if each.name is not None and hub_lora(each.name))
    return tuple(resolve(f"{LORA}{name.removeprefix(LORA)}", task=LORA_TASK) for name in names)


class OfParts(ModelOperation):
    """An operation whose painter may take parts from elsewhere, or work without some."""

    base: Annotated[str | None, Field(min_length=1)] = None
    """Catalog name or hub id of the checkpoint that gives a painter in one file what the file doesn't hold."""
    vae: Annotated[str | None, Field(min_length=1)] = None
    """Catalog name or hub id of another autoencoder for the painter."""
    without: Annotated[tuple[str, ...], Field(json_schema_extra={"items": {"enum": list(DISPENSABLE)}})] = ()
    """Components that are neither fetched nor opened."""

    @model_validator(mode="after")
    def _check_without(self) -> Self:
        check_without(self.without)
        return self

    @property
    def parts(self) -> PartsKeywords:
        """What the constructor of the painter takes beside its model and how it is opened."""
        return {"base": self.base, "vae": self.vae, "without": self.without}

    @property
    def opening_key(self) -> Hashable:
        """What tells painters apart."""
        return (super().opening_key, self.base, self.vae, self.without)

    def checkpoints(self) -> tuple[Checkpoint, ...]:
        """Return the painter, and what gives it parts."""
        painter, parts = with_parts(super().checkpoints()[0], self.parts)
        return (painter, *parts.checkpoints)


class EmbeddingFile(BaseModel):
    """A file of learned words (textual inversion), and the word that stands for it in a prompt."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    file: Media
    """A safetensors file."""
    word: Annotated[str | None, Field(min_length=1)] = None
    """The word; by default the file's name without its suffix."""

    def found(self, tasks: Tasks) -> MediaSource | tuple[MediaSource, str]:
        """Return what a painting task takes."""
        file = tasks.media(self.file)
        return file if self.word is None else (file, self.word)


class ImagePrompts(BaseModel):
    """Pictures to look like, and the IP-Adapter that reads them."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=(), use_attribute_docstrings=True)

    images: Annotated[tuple[Media, ...], Field(min_length=1, max_length=MAXIMUM_PICTURES)]
    """Of a style, a person's face, a thing."""
    model: Annotated[str | None, Field(min_length=1)] = None
    """Name of the IP-Adapter, such as ip-adapter-plus-face-sd15, or OWNER/REPOSITORY/FILE on the hub; by default one
    that suits."""
    file: Media | None = None
    """Its safetensors file, instead of a name."""
    scale: Annotated[float, Field(json_schema_extra={"minimum": 0, "maximum": 1})] = USUAL_SCALE
    """How strongly they count."""
    part: Annotated[str, Field(json_schema_extra={"enum": list(PARTS)})] = WHOLE
    """What they give; with XL also style or layout alone."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        check_scale(self.scale)
        check_part(self.part)
        if self.model is not None and self.file is not None:
            raise InputError("An IP-Adapter is named and its file is given, too", "Leave out one of them")
        return self

    def found(self, tasks: Tasks) -> IPAdapter:
        """Return what a painting task takes."""
        model = self.model if self.file is None else tasks.media(self.file)
        return IPAdapter([tasks.media(image) for image in self.images], model, self.scale, self.part)


class Painting(ModelOperation):
    """An operation that paints pictures."""

    num_images: Annotated[int, Field(json_schema_extra={"minimum": 1, "maximum": MAXIMUM_IMAGES})] = 1
    """How many pictures. Number i has the seed ``seed + i``, and comes out the same alone."""
    steps: Annotated[int | None, Field(json_schema_extra={"minimum": 1, "maximum": MAXIMUM_STEPS})] = None
    """Denoising steps: more are finer and slower. By default what the checkpoint was made for."""
    guidance_scale: Annotated[float | None, Field(json_schema_extra={"minimum": 0, "maximum": 100})] = None
    """How closely to follow the prompt; by default what the checkpoint was made for."""
    width: Annotated[int | None, Field(json_schema_extra=_SIDE)] = None
    """In pixels; by default the checkpoint's own, or the aspect ratio of the picture that it is painted from."""
    height: Annotated[int | None, Field(json_schema_extra=_SIDE)] = None
    """In pixels, by default as for the width."""
    seed: Annotated[int | None, Field(json_schema_extra=_SEED)] = None
    """Decides the noise of the first picture; a random one by default. The settings of each picture tell it."""
    format: PictureFormat = "png"
    """File format of the pictures; in each format, a file says how its picture was made."""
    quality: Annotated[int, Field(ge=0, le=100)] = 95
    """Of JPEG and WebP files: lower makes smaller files."""

    @model_validator(mode="after")
    def _check_options(self) -> Self:
        PaintingOptions(**self.numbers())
        return self

    def numbers(self) -> dict[str, Any]:
        """Return what a painting task takes beside media."""
        names = ("num_images", "steps", "guidance_scale", "width", "height", "seed")
        return {name: getattr(self, name) for name in names}


class PromptedPainting(Painting):
    """An operation that paints pictures as a prompt says."""

    negative_prompt: str = ""
    """What not to paint."""
    scheduler: Annotated[str | None, Field(json_schema_extra={"examples": list(SCHEDULERS)})] = None
    """Name of the sampler; by default the checkpoint's own."""
    lora: tuple[LoraFile, ...] = ()
    """LoRA files: small additions to the checkpoint's weights."""
    embedding: tuple[EmbeddingFile, ...] = ()
    """Files of learned words (textual inversion): write the word into the prompt or the negative prompt."""
    ip_adapter: tuple[ImagePrompts, ...] = ()
    """Pictures that the painted ones are to look like, in style or in a face."""
    safety: Annotated[str, Field(json_schema_extra={"enum": list(SAFETY)})] = "flag"
    """What happens to pictures that the checkpoint's safety checker objects to: flag says so in the settings, block
    keeps them back, off doesn't look."""
    previews: bool = False
    """Whether a small, rough picture is shown after each step."""

    def numbers(self) -> dict[str, Any]:
        """Return what a painting task takes beside media."""
        names = ("negative_prompt", "scheduler", "safety", "previews")
        return {**super().numbers(), **{name: getattr(self, name) for name in names}}

    def additions(self) -> tuple[Checkpoint, ...]:
        """Return the LoRA files of the hub."""
        return of_the_hub(self.lora)

    def options(self, tasks: Tasks) -> dict[str, Any]:
        """Return what a painting task takes beside pictures."""
        return {
            **self.numbers(),
            "lora": [each.found(tasks) for each in self.lora],
            "embeddings": [each.found(tasks) for each in self.embedding],
            "ip_adapter": [each.found(tasks) for each in self.ip_adapter],
        }

    def checkpoints(self) -> tuple[Checkpoint, ...]:
        """Return the painter, and the IP-Adapters with their image encoders."""
        return with_adapters(super().checkpoints(), self.ip_adapter)


def with_adapters(found: tuple[Checkpoint, ...], asked: Sequence[ImagePrompts]) -> tuple[Checkpoint, ...]:
    """Return the checkpoints that an operation opens, the painter first, with those that its IP-Adapters need."""
    named = [each.model for each in asked if each.file is None]
    return tuple(dict.fromkeys([*found, *adapters_for(named, found[0])])) if named else found


def size_for(operation: Painting, painter: TextToImage, report: Reporter) -> dict[str, int | None]:
    """Return the width and height for an operation that has them as a wish."""
    width, height = operation.width, operation.height
    if width is not None and height is not None:
        width, height = painter.nearest_size(width, height, report=report, cancel=report)
    return {"width": width, "height": height}


def in_style(prompt: str, style: str | None) -> str:
    """Return a prompt with the words of a style.

    Raises:
        InputError: There is no such style.
    """
    if style is None:
        return prompt
    from sensorium.image_generation.prompt_engineer import PromptEngineer

    return PromptEngineer().build_prompt(prompt, style=style)
