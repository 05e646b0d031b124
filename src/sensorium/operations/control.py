"""Pictures that follow the pose, edges, depth, normals or segments of another; and the maps that these are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self, TypeAlias

from pydantic import ConfigDict, Field, model_validator

from sensorium.errors import InputError
from sensorium.image_generation.painting import check_prompt, check_strength
from sensorium.models import catalog
from sensorium.operations.image_generation import TEXT_TO_IMAGE
from sensorium.operations.media import Media
from sensorium.operations.operation import ModelOperation
from sensorium.operations.painting import PromptedPainting, Strength, with_adapters
from sensorium.operations.pictures import DrawnMap, KeptPictures, PictureFormat, Pictures, keep_map

if TYPE_CHECKING:
    from sensorium.image_generation.control_maps import ControlMaps
    from sensorium.image_generation.controlnet import ControlNetGenerator
    from sensorium.models.catalog import Checkpoint
    from sensorium.operations.reporter import Reporter
    from sensorium.operations.tasks import Tasks

Maps: TypeAlias = dict[str, Media]
Names: TypeAlias = dict[str, Annotated[str, Field(min_length=1)]]
Numbers: TypeAlias = dict[str, float]


def generator_of(
    operation: ModelOperation,
    networks: Names,
    annotators: Names,
    tasks: Tasks,
    report: Reporter,
    *,
    load: bool = False,
) -> ControlNetGenerator:
    """Return the task object that paints under control for an operation.

    Args:
        operation: Says which checkpoint, and where.
        networks: From kind of control to ControlNet.
        annotators: From kind of control to what makes its map.
        tasks: Opens it.
        report: Told what is loaded.
        load: Whether to load the painter now; else it loads itself, once it has read its inputs.
    """
    from sensorium.image_generation.controlnet import ControlNetGenerator

    def make() -> ControlNetGenerator:
        opening = operation.opening(tasks)
        return ControlNetGenerator(operation.model, controlnets=networks, annotators=annotators, **opening)

    parts = (tuple(sorted(networks.items())), tuple(sorted(annotators.items())))
    return tasks.open((ControlNetGenerator, operation.opening_key, parts), make, report, load=load)


class Control(PromptedPainting):
    """Paint pictures that follow the layout of another: the pose of its people, its edges, depth, normals or segments.

    Several kinds of control work together.
    """

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"prompt": "a dancer", "reference": "upload:ID", "controls": ["openpose"]}]}
    )

    task: ClassVar[str] = TEXT_TO_IMAGE
    result: ClassVar[str] = "sensorium.operations.pictures:Pictures"
    part: ClassVar[str] = "sensorium.operations.pictures:Picture"

    prompt: str
    """What to paint."""
    reference: Media | None = None
    """The picture to follow; not needed if there is a ready-made map for each control."""
    controls: tuple[str, ...] = ("openpose",)
    """The kinds of control: openpose, canny, depth, normal, seg, or one of your own with a map and a ControlNet."""
    maps: Maps = Field(default_factory=dict)
    """Ready-made control maps, by kind."""
    weights: Numbers = Field(default_factory=dict)
    """How strongly a kind of control counts, 0 to 2; by default 1."""
    start: Numbers = Field(default_factory=dict)
    """From which part of the steps on a kind of control counts, 0 to 1; by default 0."""
    end: Numbers = Field(default_factory=dict)
    """Up to which part of the steps a kind of control counts, 0 to 1; by default 1."""
    image: Media | None = None
    """A picture to repaint under control (image-to-image)."""
    mask: Media | None = None
    """A picture that is white where to repaint that one and black where all stays as it is; of any size."""
    strength: Strength = 0.75
    """How much of that picture may change."""
    controlnets: Names = Field(default_factory=dict)
    """ControlNets by kind of control, where they shall differ from those that were made for the painter."""
    annotators: Names = Field(default_factory=dict)
    """Checkpoints that make maps by kind of control, where they shall differ from the profile's."""
    map_format: PictureFormat | None = "png"
    """File format of the control maps; null to keep none."""

    @model_validator(mode="after")
    def _check_controls(self) -> Self:
        from sensorium.image_generation.control_maps import check_annotators
        from sensorium.image_generation.control_request import check_timing, require_sources

        check_prompt(self.prompt)
        if self.image is not None:
            check_strength(self.strength)
        elif self.mask is not None:
            raise InputError("There is a mask and no picture to repaint", "Give the picture too: image")
        _require_each_once(self.controls)
        for what in ("maps", "weights", "start", "end"):
            _require_among(self.controls, what, getattr(self, what))
        for kind in self.controls:
            check_timing(kind, self._weight(kind), self.start.get(kind, 0.0), self.end.get(kind, 1.0))
        check_annotators(self.annotators)
        require_sources(self._unmapped(), reference=self.reference is not None)
        return self

    def checkpoints(self) -> tuple[Checkpoint, ...]:
        """Return the painter, the ControlNets, what makes the maps, and the IP-Adapters."""
        from sensorium.image_generation.control_checkpoints import checkpoints_under_control

        found = checkpoints_under_control(
            self.model,
            self.controls,
            self._unmapped(),
            networks=self.controlnets,
            annotators=self.annotators,
            profile=self.profile or catalog.current_profile(),
        )
        return with_adapters(found, self.ip_adapter)

    def opened(self, tasks: Tasks, report: Reporter) -> ControlNetGenerator:
        """Return the generator with its painter loaded; ControlNets and what makes maps are loaded at first use."""
        return generator_of(self, self.controlnets, self.annotators, tasks, report, load=True)

    def run(self, tasks: Tasks, report: Reporter) -> Pictures:
        """Return the pictures, and the maps that they follow."""
        kept = KeptPictures(
            report, self.format, quality=self.quality, controls=self.controls, map_format=self.map_format
        )
        generator = generator_of(self, self.controlnets, self.annotators, tasks, report)
        painted = generator.generate(
            None if self.reference is None else tasks.media(self.reference),
            self.prompt,
            self.controls,
            control_image=[tasks.media(self.maps[kind]) if kind in self.maps else None for kind in self.controls],
            control_weights=[self._weight(kind) for kind in self.controls],
            control_start=[self.start.get(kind, 0.0) for kind in self.controls],
            control_end=[self.end.get(kind, 1.0) for kind in self.controls],
            init_image=None if self.image is None else tasks.media(self.image),
            mask_image=None if self.mask is None else tasks.media(self.mask),
            strength=self.strength,
            **self.options(tasks),
            report=kept,
            cancel=report,
        )
        return kept.result(painted)

    def _weight(self, kind: str) -> float:
        return self.weights.get(kind, 1.0)

    def _unmapped(self) -> list[str]:
        return [kind for kind in self.controls if kind not in self.maps]


class ControlMap(ModelOperation):
    """Make a control map of a picture: its poses, edges, depth, normals or segments, as ControlNets follow them."""

    task: ClassVar[str] = "pose-estimation"
    """Of the default kind of map; other kinds have others, or need no checkpoint."""
    result: ClassVar[str] = "sensorium.operations.pictures:DrawnMap"

    image: Media
    """The picture."""
    control: str = "openpose"
    """The kind of map: openpose, canny, depth, normal or seg."""
    settings: dict[str, float | str] = Field(default_factory=dict)
    """low_threshold and high_threshold of canny; threshold and detection_threshold of openpose; background, relief and
    axes of normal."""
    format: PictureFormat = "png"
    """File format of the map."""

    @model_validator(mode="after")
    def _check_map(self) -> Self:
        from sensorium.image_generation.control_maps import check_annotators, check_map_options

        check_map_options(self.control, self.settings)
        if self.model is not None:
            check_annotators({self.control: self.model})
        return self

    def checkpoints(self) -> tuple[Checkpoint, ...]:
        """Return what makes the map; nothing for canny."""
        from sensorium.image_generation.control_maps import map_checkpoints

        return map_checkpoints(self.control, self.model, profile=self.profile or catalog.current_profile())

    def opened(self, tasks: Tasks, report: Reporter) -> ControlMaps:
        """Return what makes the map, with its checkpoint loaded."""
        return self._maps(tasks, report).load(self.control, progress=report, cancel=report)

    def run(self, tasks: Tasks, report: Reporter) -> DrawnMap:
        """Return the map."""
        settings: dict[str, Any] = self.settings
        image = tasks.media(self.image)
        drawn = self._maps(tasks, report).make(self.control, image, progress=report, cancel=report, **settings)
        return keep_map(report, drawn, self.control, self.format, "map")

    def _maps(self, tasks: Tasks, report: Reporter) -> ControlMaps:
        from sensorium.image_generation.control_maps import ControlMaps

        models = {} if self.model is None else {self.control: self.model}
        key = (ControlMaps, self.opening_key, self.control)
        return tasks.open(key, lambda: ControlMaps(models=models, **self.opening(tasks)), report, load=False)


def _require_each_once(controls: tuple[str, ...]) -> None:
    for kind in controls:
        if controls.count(kind) > 1:
            raise InputError(f"The control {kind!r} is named {controls.count(kind)} times", "Name each kind once")


def _require_among(controls: tuple[str, ...], what: str, given: Mapping[str, object]) -> None:
    for kind in given:
        if kind not in controls:
            raise InputError(
                f"There are {what} for the control {kind!r}, which is not among the controls",
                f"Add it to the controls, which are {', '.join(controls) or 'none'}",
            )
