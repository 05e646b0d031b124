"""How far away everything in a picture is: ``DepthEstimator``, and the map for depth ControlNets."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from sensorium.errors import UnsupportedError
from sensorium.models.auto_family import opens_by_auto_class
from sensorium.progress import Cancellation, check_cancelled
from sensorium.record import Record
from sensorium.task import Task

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import PIL.Image

    from sensorium.image_generation.annotators.depth_networks import DepthNetwork  # noqa: F401 - named below
    from sensorium.media.image import ImageSource

_BY_AUTO_CLASS = "depth-estimation"
"""The family that stands for all depth networks of transformers that need no way of their own."""
_OF_OTHER_THINGS = {
    "chmv2": "its values are the heights of trees, seen from above",
    "prompt_depth_anything": "it refines what a depth sensor has measured, which a picture alone doesn't tell",
}
"""Families that transformers lists, too, and why a picture's depth isn't told by them."""
_NEAREST = 1e-3
"""In metres: what a network takes for no distance at all would be infinitely near."""


@dataclass(frozen=True, eq=False, repr=False)
class DepthMap(Record):
    """How far away each pixel is.

    Attributes:
        depth: float32 ``[height, width]``, in the size of the picture.
        metric: Whether these are metres; else they are relative inverse depth: larger is nearer, and neither
            scale nor shift mean anything.
        model: Name of the checkpoint.
    """

    depth: npt.NDArray[np.float32]
    metric: bool
    model: str

    def nearness(self) -> npt.NDArray[np.float32]:
        """Return inverse depth scaled to this picture: 1 where it is nearest, 0 where it is farthest.

        Metres are inverted first, so that both kinds look alike. A picture without any depth is 0 all over.
        """
        import numpy as np

        near = 1 / np.maximum(self.depth, _NEAREST) if self.metric else self.depth
        near = near - near.min()
        span = near.max()
        scaled: npt.NDArray[np.float32] = (near / span if span > 0 else near).astype(np.float32)
        return scaled


class DepthEstimator(Task["DepthNetwork"]):
    """Estimates depth from one picture.

    Args:
        model: Catalog name, hub id, local folder, or None for the profile's default.
        device: ``"auto"``, ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ``"mps"``.
        dtype: ``"auto"``, ``"float32"``, ``"float16"``, ``"bfloat16"``.

    Sources: Yang et al. 2024, Depth Anything V2; Bhat et al. 2023, ZoeDepth; Ranftl et al. 2021, Vision Transformers
    for Dense Prediction.
    """

    task = "depth-estimation"
    families: ClassVar[dict[str, str]] = {
        "depth_anything": "sensorium.image_generation.annotators.depth_networks:DepthAnything",
        "zoedepth": "sensorium.image_generation.annotators.depth_networks:ZoeDepth",
        _BY_AUTO_CLASS: "sensorium.image_generation.annotators.depth_networks:DepthNetwork",
    }

    def _family(self, folder: Path) -> str:
        family = super()._family(folder)
        if family in self.families or family in _OF_OTHER_THINGS:
            return family
        by_auto_class = opens_by_auto_class(family, folder, "MODEL_FOR_DEPTH_ESTIMATION_MAPPING_NAMES")
        return _BY_AUTO_CLASS if by_auto_class else family

    def _unsuitable(self, family: str, folder: Path) -> UnsupportedError:
        if family not in _OF_OTHER_THINGS:
            return super()._unsuitable(family, folder)
        return UnsupportedError(
            f"{type(self).__name__} can't use {self.checkpoint.name!r}: {_OF_OTHER_THINGS[family]}",
            "Choose one such as depth-anything/Depth-Anything-V2-Small-hf",
        )

    def estimate(self, image: ImageSource, *, cancel: Cancellation | None = None) -> DepthMap:
        """Estimate the depth of every pixel.

        Raises:
            InputError: The image can't be read, or is too small or too narrow.
        """
        from sensorium.media.image import read_image

        upright = read_image(image, limits=self.limits)
        with self.lease(cancel=cancel) as network:
            check_cancelled(cancel)
            return DepthMap(network.estimate(upright), network.metric, self.model)


def depth_map(image: PIL.Image.Image, estimator: DepthEstimator) -> PIL.Image.Image:
    """Draw inverse depth in grey: white is nearest, black is farthest.

    Returns:
        An RGB picture of the same size.

    Source: the MiDaS annotator of ControlNet, which scales inverse depth to the range of each picture and cuts it
    to 8 bits.
    """
    import PIL.Image

    nearness: Any = estimator.estimate(image).nearness()
    return PIL.Image.fromarray((nearness * 255).clip(0, 255).astype("uint8")).convert("RGB")
