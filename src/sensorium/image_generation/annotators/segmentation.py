"""What everything in a picture is, as areas: ``Segmenter``, and the map for segmentation ControlNets."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files as package_files
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from sensorium.errors import UnsupportedError
from sensorium.models.auto_family import opens_by_auto_class
from sensorium.progress import Cancellation, check_cancelled
from sensorium.record import Record
from sensorium.task import Task

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import PIL.Image

    from sensorium.image_generation.annotators.mask_networks import MaskNetwork  # noqa: F401 - named below
    from sensorium.image_generation.annotators.segmentation_networks import (
        SegmentationNetwork,  # noqa: F401 - named below
    )
    from sensorium.media.image import ImageSource

_MASKS = "universal-segmentation"
"""The family that stands for all networks of transformers that answer with masks."""
_PIXELS = "semantic-segmentation"
"""The family that stands for all networks of transformers that score each pixel for each class."""
_OF_FILMS = "videomt"
"""A family that transformers lists, too, but that takes films."""
_SCORING = "sensorium.image_generation.annotators.segmentation_networks:SegmentationNetwork"
_UNNAMED = "LABEL_"
"""How transformers names the classes of a checkpoint that gives them no names."""
_MOSTLY = 0.8
"""Checkpoints spell some of ADE20K's names differently."""


@dataclass(frozen=True)
class PaletteClass:
    """A class of ADE20K.

    Attributes:
        name: Its name.
        colour: Red, green and blue in control maps, 0 to 255.
    """

    name: str
    colour: tuple[int, int, int]


@dataclass(frozen=True, eq=False, repr=False)
class Segmentation(Record):
    """What each pixel belongs to.

    Attributes:
        labels: int64 ``[height, width]``, numbers of classes.
        classes: The names of the checkpoint's classes, by number.
        model: Name of the checkpoint.
    """

    labels: npt.NDArray[np.int64]
    classes: tuple[str, ...]
    model: str


class Segmenter(Task["SegmentationNetwork | MaskNetwork"]):
    """Divides pictures into areas and names them (semantic segmentation).

    Args:
        model: Catalog name, hub id, local folder, or None for the profile's default.
        device: ``"auto"``, ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ``"mps"``.
        dtype: ``"auto"``, ``"float32"``, ``"float16"``, ``"bfloat16"``.

    Sources: Kerssies et al. 2025, EoMT; Cheng et al. 2022, Mask2Former; Xie et al. 2021, SegFormer; Xiao et al. 2018,
    Unified Perceptual Parsing for Scene Understanding.
    """

    task = "image-segmentation"
    families: ClassVar[dict[str, str]] = {
        "segformer": _SCORING,
        _PIXELS: _SCORING,
        _MASKS: "sensorium.image_generation.annotators.mask_networks:MaskNetwork",
        "oneformer": "sensorium.image_generation.annotators.mask_networks:OneFormer",
    }

    def _family(self, folder: Path) -> str:
        family = super()._family(folder)
        if family in self.families or family == _OF_FILMS:
            return family
        if opens_by_auto_class(family, folder, "MODEL_FOR_UNIVERSAL_SEGMENTATION_MAPPING_NAMES"):
            return _MASKS
        if opens_by_auto_class(family, folder, "MODEL_FOR_SEMANTIC_SEGMENTATION_MAPPING_NAMES"):
            return _PIXELS
        return family

    def _unsuitable(self, family: str, folder: Path) -> UnsupportedError:
        if not opens_by_auto_class(family, folder, "MODEL_FOR_MASK_GENERATION_MAPPING_NAMES"):
            return super()._unsuitable(family, folder)
        return UnsupportedError(
            f"{type(self).__name__} can't use {self.checkpoint.name!r}: it draws masks around points or boxes that it "
            "is shown, and names nothing",
            "Choose one that names what it sees, such as nvidia/segformer-b0-finetuned-ade-512-512",
        )

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the checkpoint's classes, by number; loads it if need be."""
        return self.backend.classes

    def segment(self, image: ImageSource, *, cancel: Cancellation | None = None) -> Segmentation:
        """Say what each pixel belongs to.

        Raises:
            InputError: The image can't be read, or is too small or too narrow.
        """
        from sensorium.media.image import read_image

        upright = read_image(image, limits=self.limits)
        with self.lease(cancel=cancel) as network:
            check_cancelled(cancel)
            return Segmentation(network.segment(upright), network.classes, self.model)


@cache
def ade20k_palette() -> tuple[PaletteClass, ...]:
    """Return ADE20K's 150 classes with their colours, in the benchmark's order."""
    text = package_files("sensorium.image_generation.annotators").joinpath("ade20k_palette.toml").read_text("utf-8")
    return tuple(PaletteClass(entry["name"], tuple(entry["colour"])) for entry in tomllib.loads(text)["classes"])


def segmentation_map(image: PIL.Image.Image, segmenter: Segmenter) -> PIL.Image.Image:
    """Draw areas in ADE20K's colours.

    Returns:
        An RGB picture of the same size.

    Raises:
        UnsupportedError: The checkpoint knows other classes than ADE20K's 150.
    """
    import numpy as np
    import PIL.Image

    palette = ade20k_palette()
    if not _are_ade20k(segmenter.classes):
        raise UnsupportedError(
            f"The checkpoint {segmenter.model!r} knows {len(segmenter.classes)} classes that are not ADE20K's 150, "
            "and ControlNet was trained on ADE20K's colours",
            "Choose one that was trained on ADE20K, such as nvidia/segformer-b0-finetuned-ade-512-512",
        )
    colours = np.array([entry.colour for entry in palette], np.uint8)
    return PIL.Image.fromarray(colours[segmenter.segment(image).labels])


def _are_ade20k(classes: Sequence[str]) -> bool:
    palette = ade20k_palette()
    if len(classes) != len(palette):
        return False
    if all(name.startswith(_UNNAMED) for name in classes):
        return True
    same = sum(entry.name in _synonyms(name) for name, entry in zip(classes, palette, strict=True))
    return same >= _MOSTLY * len(palette)


def _synonyms(name: str) -> list[str]:
    return [word.strip().lower() for word in name.replace(";", ",").split(",")]
