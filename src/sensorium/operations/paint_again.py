"""Pictures that are made again by what their files say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self

from pydantic import Field, model_validator

from sensorium.errors import InputError
from sensorium.models import catalog
from sensorium.operations.control import Maps, Names, generator_of
from sensorium.operations.image_generation import TEXT_TO_IMAGE, painter_of
from sensorium.operations.media import Media
from sensorium.operations.painting import (
    EmbeddingFile,
    ImagePrompts,
    LoraFile,
    OfParts,
    of_the_hub,
    with_adapters,
)
from sensorium.operations.pictures import KeptPictures, PaintedAgain, PictureFormat, difference

if TYPE_CHECKING:
    from sensorium.image_generation.controlnet import ControlNetGenerator
    from sensorium.image_generation.generated_image import GeneratedImage
    from sensorium.image_generation.picture_settings import PictureSettings
    from sensorium.image_generation.text_to_image import TextToImage
    from sensorium.models.catalog import Checkpoint
    from sensorium.operations.reporter import Reporter
    from sensorium.operations.tasks import Tasks

_FOR_CONTROL = ("reference", "maps", "controlnets", "annotators")


class PaintAgain(OfParts):
    """Make a picture again by what its file says of itself, and say whether it is the same.

    On the same device with the same library versions it is, pixel for pixel.
    """

    task: ClassVar[str] = TEXT_TO_IMAGE
    result: ClassVar[str] = "sensorium.operations.pictures:PaintedAgain"
    part: ClassVar[str] = "sensorium.operations.pictures:Picture"

    picture: Media
    """The picture, as it was saved: other programs drop what it says."""
    model: Annotated[str, Field(min_length=1)]
    """The checkpoint that painted it. Its file names it too, but a file may come from anybody, and doesn't decide what
    is fetched."""
    image: Media | None = None
    """The picture that it was made from, if it was made from one."""
    mask: Media | None = None
    """The mask, if there was one."""
    further_images: tuple[Media, ...] = ()
    """The further pictures that its prompt speaks of, if there were any, in their order."""
    lora: tuple[LoraFile, ...] = ()
    """The LoRA files, if there were any; their weights are in the picture's file."""
    embedding: tuple[EmbeddingFile, ...] = ()
    """The embeddings, if there were any; their words are in the picture's file."""
    ip_adapter: tuple[ImagePrompts, ...] = ()
    """The pictures that it was to look like, if any; their scales are in the picture's file."""
    controls: tuple[str, ...] | None = None
    """The kinds of control that it was painted under, as its file says; null if it was painted under none."""
    reference: Media | None = None
    """The picture that its control maps were made from; or else give the maps."""
    maps: Maps = Field(default_factory=dict)
    """Its control maps, by kind, as they were saved."""
    controlnets: Names = Field(default_factory=dict)
    """ControlNets by kind of control, where they differed from those that were made for the painter."""
    annotators: Names = Field(default_factory=dict)
    """Checkpoints that make maps by kind of control, where they differed from the profile's."""
    format: PictureFormat = "png"
    """File format of the new picture."""

    @model_validator(mode="after")
    def _check_control(self) -> Self:
        from sensorium.image_generation.control_maps import check_annotators

        check_annotators(self.annotators)
        if self.controls is None:
            for name in _FOR_CONTROL:
                if getattr(self, name):
                    raise InputError(f"{name} is for pictures that were painted under control", "Name the controls too")
        return self

    def checkpoints(self) -> tuple[Checkpoint, ...]:
        """Return the painter, and for a picture under control the ControlNets and what makes the maps."""
        if self.controls is None:
            return with_adapters(super().checkpoints(), self.ip_adapter)
        from sensorium.image_generation.control_checkpoints import checkpoints_under_control

        found = checkpoints_under_control(
            self.model,
            self.controls,
            [kind for kind in self.controls if kind not in self.maps],
            networks=self.controlnets,
            annotators=self.annotators,
            profile=self.profile or catalog.current_profile(),
        )
        return with_adapters(found, self.ip_adapter)

    def additions(self) -> tuple[Checkpoint, ...]:
        """Return the LoRA files of the hub."""
        return of_the_hub(self.lora)

    def opened(self, tasks: Tasks, report: Reporter) -> TextToImage | ControlNetGenerator:
        """Return what paints, with its painter loaded."""
        if self.controls is None:
            return painter_of(self, tasks, report, load=True)
        return generator_of(self, self.controlnets, self.annotators, tasks, report, load=True)

    def run(self, tasks: Tasks, report: Reporter) -> PaintedAgain:
        """Return the new picture."""
        from sensorium.image_generation.generated_image import read_settings
        from sensorium.media.image import read_image
        from sensorium.media.source import resolve

        source = resolve(tasks.media(self.picture), limits=tasks.limits, progress=report, cancel=report)
        settings = read_settings(source)
        kept = KeptPictures(report, self.format)
        made = self._paint(settings, kept, tasks, report)
        identical = made.tobytes() == read_image(source, limits=tasks.limits).tobytes()
        return PaintedAgain(kept.pictures[0], identical, "" if identical else difference(settings, made.settings))

    def _paint(self, settings: PictureSettings, kept: KeptPictures, tasks: Tasks, report: Reporter) -> GeneratedImage:
        given: dict[str, Any] = {
            "init_image": None if self.image is None else tasks.media(self.image),
            "mask_image": None if self.mask is None else tasks.media(self.mask),
            "lora": [each.found(tasks) for each in self.lora],
            "embeddings": [each.found(tasks) for each in self.embedding],
            "ip_adapter": [each.found(tasks) for each in self.ip_adapter],
            "report": kept,
            "cancel": report,
        }
        if self.controls is None:
            further = [tasks.media(each) for each in self.further_images]
            return painter_of(self, tasks, report).paint_again(settings, further_images=further, **given)
        kinds = [table["control"] for table in (settings.options or {}).get("controls", ())]
        self._require_same(kinds)
        return generator_of(self, self.controlnets, self.annotators, tasks, report).paint_again(
            settings,
            reference_image=None if self.reference is None else tasks.media(self.reference),
            control_image=[tasks.media(self.maps[kind]) if kind in self.maps else None for kind in kinds],
            **given,
        )

    def _require_same(self, kinds: list[str]) -> None:
        if set(kinds) != set(self.controls or ()):
            raise InputError(
                f"The picture was painted under {', '.join(kinds) or 'no control'}, "
                f"and the controls are {', '.join(self.controls or ()) or 'none'}",
                "Name the controls that its file names",
            )
