"""Control maps: what a ControlNet follows, made from a reference picture.

Edges (canny), depth, surface normals (normal), segments in ADE20K's colours (seg) and poses (openpose), each in the
size of the reference and right at the pixel. ControlNets want the map in the size of the picture that is painted:
scale the reference to that size first, so that edges and limbs keep the widths that ControlNets were trained on.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from inspect import Parameter, signature
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, Unpack

from sensorium.errors import InputError
from sensorium.image_generation.annotators.canny import canny_map
from sensorium.image_generation.annotators.depth_estimation import DepthEstimator, depth_map
from sensorium.image_generation.annotators.normals import normal_map
from sensorium.image_generation.annotators.pose_estimation import PoseEstimator, openpose_map
from sensorium.image_generation.annotators.segmentation import Segmenter, segmentation_map
from sensorium.models import catalog
from sensorium.models.catalog import Checkpoint
from sensorium.models.extras import missing_packages_explained
from sensorium.progress import Cancellation, ProgressCallback, check_cancelled, report
from sensorium.task import Opening, Task, TaskOptions

if TYPE_CHECKING:
    import PIL.Image

    from sensorium.media.image import ImageSource


class ControlMaps:
    """Makes control maps, and keeps the checkpoints that they need loaded until it is closed.

    Args:
        models: From kinds to checkpoints, for those that shall differ from the profile's default: catalog name, hub
            id or local folder. Depth and normals share one.
        options: How checkpoints are opened: see `sensorium.task.Task`. ``provide`` is asked for what makes the maps:
            `PoseEstimator`, `DepthEstimator`, `Segmenter`.

    Raises:
        InputError: There is no such kind, or it needs no checkpoint.
    """

    def __init__(
        self,
        *,
        models: Mapping[str, str | os.PathLike[str]] | None = None,
        **options: Unpack[TaskOptions],
    ) -> None:
        check_annotators(models or {})
        self._models = dict(models or {})
        self._opening, self._dtype = Opening.of(options), options.get("dtype", "auto")
        self._annotators: dict[str, Task[Any]] = {}

    def make(
        self,
        kind: str,
        image: ImageSource,
        *,
        progress: ProgressCallback | None = None,
        cancel: Cancellation | None = None,
        **options: Any,
    ) -> PIL.Image.Image:
        """Make a control map.

        Args:
            kind: ``"openpose"``, ``"canny"``, ``"depth"``, ``"normal"`` or ``"seg"``.
            image: The reference picture.
            progress: Told about the fetch of the checkpoint, and the map.
            cancel: Stops before the map is made.
            options: ``low_threshold`` and ``high_threshold`` of canny; ``threshold`` and ``detection_threshold`` of
                openpose; ``background``, ``relief`` and ``axes`` of normal. They are explained at `canny_map`,
                `openpose_map` and `normal_map`.

        Returns:
            An RGB picture of the size of the reference. Its ``info`` names the ``control`` and the ``model``.

        Raises:
            InputError: The kind or an option is unknown, a number makes no sense, the image can't be read, or there
                is nobody in it whose pose could be drawn.
            ModelUnavailableError: The checkpoint isn't there, or is damaged.
            UnsupportedError: The checkpoint is of another family, or segments into other classes than ADE20K's.
        """
        recipe = _recipe(kind)
        check_map_options(kind, options)
        from sensorium.media.image import read_image

        upright = read_image(image, limits=self._opening.limits)
        annotator = self._annotator(kind, recipe, progress, cancel)
        check_cancelled(cancel)
        stage = f"making the {kind} map"
        report(progress, stage, 0, 1, "maps")
        with missing_packages_explained(f"A {kind} map"):
            drawn = recipe.draw(upright, **options) if annotator is None else recipe.draw(upright, annotator, **options)
        drawn.info = {"control": kind, "model": "opencv" if annotator is None else annotator.model}
        report(progress, stage, 1, 1, "maps")
        return drawn

    def load(self, kind: str, *, progress: ProgressCallback | None = None, cancel: Cancellation | None = None) -> Self:
        """Fetch and load what a kind of map needs now, rather than at first use; return self.

        Raises:
            InputError: There is no such kind.
            ModelUnavailableError: The checkpoint isn't there, or is damaged.
        """
        self._annotator(kind, _recipe(kind), progress, cancel)
        return self

    def close(self) -> None:
        """Let go of the checkpoints; the object loads them again if used."""
        # Not closed: those that were handed in belong to somebody else.
        self._annotators = {}

    def _annotator(
        self, kind: str, recipe: _Recipe, progress: ProgressCallback | None, cancel: Cancellation | None
    ) -> Task[Any] | None:
        if recipe.annotator is None:
            return None
        if kind not in self._annotators:
            chosen = self._models.get(kind)
            model = None if chosen is None else os.fspath(chosen)
            annotator = self._opening.part(recipe.annotator, model, dtype=self._dtype)
            annotator.load(progress=progress, cancel=cancel)
            self._annotators[kind] = annotator
        return self._annotators[kind]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def control_options(kind: str) -> dict[str, Any]:
    """Return the options that a kind of control map has, with their defaults.

    Raises:
        InputError: There is no such kind.
    """
    parameters = signature(_recipe(kind).draw).parameters.values()
    return {parameter.name: parameter.default for parameter in parameters if parameter.kind is Parameter.KEYWORD_ONLY}


def check_annotators(models: Mapping[str, Any]) -> None:
    """Refuse checkpoints for kinds of maps that there aren't, or that need none.

    Args:
        models: From kind to checkpoint.

    Raises:
        InputError: There is no such kind, or it needs no checkpoint.
    """
    for kind in models:
        if _recipe(kind).annotator is None:
            raise InputError(f"A {kind} map needs no checkpoint", "Leave out the model")


def check_map_options(kind: str, options: Mapping[str, Any]) -> None:
    """Refuse options that a kind of control map doesn't have.

    Raises:
        InputError: There is no such kind or option, or a number is none.
    """
    known = control_options(kind)
    for option, value in options.items():
        if option not in known:
            raise InputError(
                f"A {kind} map has no option {option!r}",
                f"It has {', '.join(known)}" if known else "It has none",
            )
        if isinstance(known[option], float) and not isinstance(value, (int, float)):
            raise InputError(f"The {option} {value!r} is not a number", f"Use one, such as {known[option]:g}")


def map_checkpoints(kind: str, model: str | None = None, *, profile: str | None = None) -> tuple[Checkpoint, ...]:
    """Return the checkpoints that make a kind of control map, the most important one first; none for canny.

    Args:
        kind: Such as ``"depth"``.
        model: Catalog name, hub id or folder; None for the profile's default.
        profile: Whose default; by default the one in force.

    Raises:
        InputError: There is no such kind, or it needs no checkpoint.
        ModelUnavailableError: There is no such checkpoint.
    """
    if model is not None:
        check_annotators({kind: model})
    annotator = _recipe(kind).annotator
    if annotator is None:
        return ()
    found = catalog.resolve(model, task=annotator.task, profile=profile)
    return (found, *map(catalog.named, found.companions))


@dataclass(frozen=True)
class _Recipe:
    """How a kind of map is made: what draws it, and the task whose checkpoint that needs."""

    draw: Callable[..., PIL.Image.Image]
    annotator: type[Task[Any]] | None = None


_RECIPES = {
    "openpose": _Recipe(openpose_map, PoseEstimator),
    "canny": _Recipe(canny_map),
    "depth": _Recipe(depth_map, DepthEstimator),
    "normal": _Recipe(normal_map, DepthEstimator),
    "seg": _Recipe(segmentation_map, Segmenter),
}

CONTROL_KINDS = tuple(_RECIPES)
"""The kinds of control maps, as the ControlNet checkpoints are called."""


def _recipe(kind: str) -> _Recipe:
    if kind not in _RECIPES:
        near = difflib.get_close_matches(kind, _RECIPES, n=1, cutoff=0.4)
        raise InputError(
            f"There is no control map {kind!r}",
            (f"Did you mean {near[0]!r}? " if near else "") + f"There are {', '.join(_RECIPES)}",
        )
    return _RECIPES[kind]
