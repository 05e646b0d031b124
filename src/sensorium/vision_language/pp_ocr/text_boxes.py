"""From a map of how likely each pixel is writing to turned boxes around lines.

Source: Liao et al. 2020, Real-time Scene Text Detection with Differentiable Binarization. The numbers are those of
RapidOCR, which were chosen for the same networks.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

_PIXEL = 0.3
"""From this value on a pixel counts as writing."""
_BOX = 0.5
"""A box whose pixels have less on average is dropped."""
_MOST_BOXES = 1000
_SMALLEST = 3
_GROWTH = 1.6
"""The network draws lines thinner than they are, so that neighbours stay apart: how far boxes grow again, as a part of
their area over their outline."""
_TALL = 1.5
"""A box this many times as high as wide holds a line that runs down or up."""

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class TextBox:
    """A turned rectangle around a line of writing.

    Attributes:
        x: Centre, in pixels.
        y: Centre, in pixels.
        width: Along the line.
        height: Across it.
        angle: Of the line, in radians; clockwise, as y points down.
    """

    x: float
    y: float
    width: float
    height: float
    angle: float

    def corners(self) -> Array:
        """Return the corners ``[4, 2]``, clockwise as the line is read, the top left one first."""
        along = np.array([math.cos(self.angle), math.sin(self.angle)]) * self.width / 2
        across = np.array([-math.sin(self.angle), math.cos(self.angle)]) * self.height / 2
        middle = np.array([self.x, self.y])
        return np.stack(
            [middle + corner for corner in (-along - across, along - across, along + across, across - along)]
        )

    def stretched(self, horizontally: float, vertically: float) -> TextBox:
        """Return the box in a picture that is so many times as wide and high; both factors are nearly the same."""
        cosine, sine = math.cos(self.angle), math.sin(self.angle)
        return replace(
            self,
            x=self.x * horizontally,
            y=self.y * vertically,
            width=self.width * math.hypot(cosine * horizontally, sine * vertically),
            height=self.height * math.hypot(sine * horizontally, cosine * vertically),
            angle=math.atan2(sine * vertically, cosine * horizontally),
        )

    def turned_around(self) -> TextBox:
        """Return the same rectangle around a line that runs the other way."""
        return replace(self, angle=self.angle + math.pi)


def text_boxes(likely: Array) -> list[TextBox]:
    """Return boxes around lines.

    Args:
        likely: How likely each pixel is writing, ``[height, width]``, from 0 to 1.
    """
    mask = likely > _PIXEL
    # Grown by one pixel to the right and down, which joins the parts of a letter.
    mask[1:] |= mask[:-1].copy()
    mask[:, 1:] |= mask[:, :-1].copy()
    boxes = []
    for points in _regions(mask)[:_MOST_BOXES]:
        box = _smallest_rectangle(points)
        if min(box.width, box.height) < _SMALLEST or _mean_inside(likely, box) < _BOX:
            continue
        growth = 2 * _GROWTH * box.width * box.height / (2 * (box.width + box.height))
        boxes.append(replace(box, width=box.width + growth, height=box.height + growth))
    return boxes


def _regions(mask: Array) -> list[Array]:
    """Return the outer points ``[n, 2]`` (x, y) of each region of pixels that touch, also at corners."""
    padded = np.zeros((mask.shape[0], mask.shape[1] + 2), np.int8)
    padded[:, 1:-1] = mask
    rows, starts = np.nonzero(np.diff(padded, axis=1) == 1)
    ends = np.nonzero(np.diff(padded, axis=1) == -1)[1]  # runs of pixels in a row; each end is one behind the last
    first = np.searchsorted(rows, np.arange(mask.shape[0] + 1))
    above = np.arange(len(rows))  # a run that each run belongs to: a forest whose roots are the regions

    def root(run: int) -> int:
        while above[run] != run:
            above[run] = above[above[run]]
            run = above[run]
        return run

    for row in range(1, mask.shape[0]):
        upper, lower = first[row - 1], first[row]
        while upper < first[row] and lower < first[row + 1]:
            if starts[upper] <= ends[lower] and starts[lower] <= ends[upper]:
                one, other = root(upper), root(lower)
                above[max(one, other)] = min(one, other)
            if ends[upper] < ends[lower]:
                upper += 1
            else:
                lower += 1
    roots = np.array([root(run) for run in range(len(rows))], dtype=np.int64)
    points = np.concatenate([np.stack([starts, rows], 1), np.stack([ends - 1, rows], 1)])
    owners = np.concatenate([roots, roots])
    order = np.argsort(owners, kind="stable")
    breaks = np.flatnonzero(np.diff(owners[order])) + 1
    return np.split(points[order], breaks) if len(rows) else []


def _smallest_rectangle(points: Array) -> TextBox:
    """Return the rectangle of the smallest area around points: one of its sides lies on their hull."""
    hull = _hull(points).astype(np.float64)
    sides = np.roll(hull, -1, axis=0) - hull
    angles = np.unique(np.arctan2(sides[:, 1], sides[:, 0]) % (math.pi / 2)) if len(hull) > 1 else np.zeros(1)
    axes = np.stack([np.cos(angles), np.sin(angles)], 1)
    along, across = hull @ axes.T, hull @ np.stack([-axes[:, 1], axes[:, 0]], 1).T
    widths, heights = np.ptp(along, axis=0), np.ptp(across, axis=0)
    best = int(np.argmin(widths * heights))
    middle, depth = (float(values[:, best].min() + values[:, best].max()) / 2 for values in (along, across))
    cosine, sine = axes[best]
    x, y = float(cosine * middle - sine * depth), float(sine * middle + cosine * depth)
    return _along_its_line(x, y, float(widths[best]), float(heights[best]), float(angles[best]))


def _along_its_line(x: float, y: float, width: float, height: float, angle: float) -> TextBox:
    """Return a rectangle at an angle from 0 to a right one with the angle of its line: to the right, or else down."""
    long_first = width >= height
    if max(width, height) < _TALL * min(width, height):
        long_first = angle <= math.pi / 4
    if long_first:
        return TextBox(x, y, width, height, angle)
    # The other side, seen to the right; if that is nearly upright, downwards.
    turned = angle - math.pi / 2
    nearly_upright = turned < -math.radians(80)
    return TextBox(x, y, height, width, turned + math.pi if nearly_upright else turned)


def _hull(points: Array) -> Array:
    """Return the convex hull of points ``[n, 2]``. Source: Andrew 1979, the monotone chain."""
    ordered = np.unique(points, axis=0).tolist()

    def half(chain: list[list[int]]) -> list[list[int]]:
        kept: list[list[int]] = []
        for x, y in chain:
            while len(kept) > 1:
                (x1, y1), (x2, y2) = kept[-2:]
                if (x2 - x1) * (y - y1) > (y2 - y1) * (x - x1):
                    break
                kept.pop()
            kept.append([x, y])
        return kept

    if len(ordered) < 3:
        return np.array(ordered)
    return np.array(half(ordered)[:-1] + half(ordered[::-1])[:-1])


def _mean_inside(likely: Array, box: TextBox) -> float:
    """Return the mean of a map's pixels inside of a box."""
    corners = box.corners()
    left, top = np.clip(np.floor(corners.min(0)).astype(int), 0, None)
    right, bottom = np.ceil(corners.max(0)).astype(int) + 1
    part = likely[top:bottom, left:right]
    rows, columns = np.indices(part.shape)
    x, y = columns + left - box.x, rows + top - box.y
    cosine, sine = math.cos(box.angle), math.sin(box.angle)
    along, across = np.abs(cosine * x + sine * y), np.abs(cosine * y - sine * x)
    inside = (along <= box.width / 2 + 0.5) & (across <= box.height / 2 + 0.5)
    return float(part[inside].mean()) if inside.any() else 0.0
