"""Which way surfaces face, from the slopes of a depth map: the map for normal ControlNets."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from sensorium.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import PIL.Image

    from sensorium.image_generation.annotators.depth_estimation import DepthEstimator

_AXIS_ORDERS = {"xyz": (0, 1, 2), "zyx": (2, 1, 0)}
_ANNOTATOR_SIDE = 384
"""The short side at which ControlNet's annotator takes slopes; other sizes are scaled to it."""
_TOWARDS_VIEWER = 2 * math.pi
"""The annotator's weight of the axis that points at the viewer."""


def normal_map(
    image: PIL.Image.Image,
    estimator: DepthEstimator,
    *,
    background: float = 0.4,
    relief: float = 300.0,
    axes: str = "xyz",
) -> PIL.Image.Image:
    """Draw which way surfaces face.

    Red is left, green is up, blue is towards the viewer; 127 in red and green is neither. Far away everything faces
    the viewer: there estimated depth is noise.

    Args:
        image: An upright RGB picture.
        estimator: Tells the depth.
        background: What is farther than this nearness (0 farthest, 1 nearest) counts as background.
        relief: How strongly slopes show: the nearness of the picture is stretched to this range. 300 takes the scene
            to be about as deep as the picture's short side is long. ControlNet's annotator takes MiDaS's values as
            they are, whose range differs from picture to picture; other networks have other ranges.
        axes: ``"xyz"``: red, green and blue as above, for ControlNet 1.1 (normalbae), SDXL and as the model card of
            ``lllyasviel/sd-controlnet-normal`` has it. ``"zyx"``: red and blue swapped, as the demo of ControlNet 1.0
            feeds the same weights.

    Returns:
        An RGB picture of the same size.

    Raises:
        InputError: ``background``, ``relief`` or ``axes`` make no sense.

    Source: the MiDaS annotator of ControlNet (normal from depth by Sobel slopes) and the model card of
    ``lllyasviel/sd-controlnet-normal``.
    """
    if not 0 <= background <= 1:
        raise InputError(f"The background {background} is not between 0 and 1", "Use 0.4, or 0 to keep everything")
    if not 0 < relief <= 1e6:
        raise InputError(f"The relief {relief} is not a range of depth", "Use 300, more for steeper slopes")
    if axes not in _AXIS_ORDERS:
        raise InputError(f"There is no order of axes {axes!r}", "Use 'xyz' or 'zyx'")
    import PIL.Image

    normals = surface_normals(estimator.estimate(image).nearness(), background=background, relief=relief)
    colours = (normals * 127.5 + 127.5).clip(0, 255).astype("uint8")
    return PIL.Image.fromarray(colours[:, :, list(_AXIS_ORDERS[axes])])


def surface_normals(nearness: npt.NDArray[np.float32], *, background: float, relief: float) -> npt.NDArray[np.float32]:
    """Return unit vectors ``[height, width, 3]``: left, up, towards the viewer.

    Args:
        nearness: float32 ``[height, width]``, 0 farthest, 1 nearest.
        background: Below this nearness surfaces face the viewer.
        relief: The range that nearness is stretched to.
    """
    import cv2
    import numpy as np

    # A slope per pixel is smaller the more pixels a picture has; what it shows doesn't depend on that.
    steepness = np.float32(relief * min(nearness.shape) / _ANNOTATOR_SIDE)
    slopes = [cv2.Sobel(nearness, cv2.CV_32F, dx, dy, ksize=3) * steepness for dx, dy in ((1, 0), (0, 1))]
    for slope in slopes:
        slope[nearness < background] = 0
    vectors = np.stack([*slopes, np.full_like(nearness, _TOWARDS_VIEWER)], axis=2)
    unit: npt.NDArray[np.float32] = vectors / np.sqrt((vectors**2).sum(axis=2, keepdims=True))
    return unit
