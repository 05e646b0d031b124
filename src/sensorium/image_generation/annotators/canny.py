"""Edges of a picture, white on black: the map for ControlNets that were trained on Canny edges."""

from __future__ import annotations

import PIL.Image

from sensorium.errors import InputError

_STRONGEST = 1e6
"""Far above any gradient of an 8-bit picture."""


def canny_map(
    image: PIL.Image.Image, *, low_threshold: float = 100.0, high_threshold: float = 200.0
) -> PIL.Image.Image:
    """Find edges.

    Args:
        image: An upright RGB picture.
        low_threshold: Gradients over it continue an edge.
        high_threshold: Gradients over it begin an edge. Steps of brightness have gradients of four times their height.

    Returns:
        An RGB picture of the same size: edges of one pixel's width, white (255) on black (0).

    Raises:
        InputError: The thresholds are negative, too large, or in the wrong order.

    Source: Canny 1986, A Computational Approach to Edge Detection; OpenCV's ``Canny`` on the colour picture with the
    thresholds 100 and 200, as the model card of ``lllyasviel/sd-controlnet-canny`` calls it.
    """
    for name, value in (("low_threshold", low_threshold), ("high_threshold", high_threshold)):
        if not 0 <= value <= _STRONGEST:
            raise InputError(f"The {name} {value} is not a threshold for edges", "Use 0 to 1000; 100 and 200 are usual")
    if low_threshold > high_threshold:
        raise InputError(
            f"The low threshold {low_threshold:g} is over the high threshold {high_threshold:g}",
            f"Use low_threshold={high_threshold:g} and high_threshold={low_threshold:g}",
        )
    import cv2
    import numpy as np

    edges = cv2.Canny(np.asarray(image), low_threshold, high_threshold)
    return PIL.Image.fromarray(edges).convert("RGB")
