"""Single-shot detectors of MediaPipe, run by LiteRT on the CPU: anchors, decoding, suppression of what overlaps.

Source: Liu et al. 2016, SSD: Single Shot MultiBox Detector; the layouts are those of MediaPipe's graphs.
"""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import PIL.Image

OVERLAP_THRESHOLD = 0.3

Array = npt.NDArray[Any]

_redirecting = threading.Lock()


@dataclass(frozen=True)
class Layout:
    """How a detector's network is built.

    Attributes:
        side: Height and width of what it sees, in pixels.
        strides: Pixels from cell to cell, for each layer of anchors.
        anchors_per_cell: In each layer.
    """

    side: int
    strides: tuple[int, ...]
    anchors_per_cell: int


@dataclass(frozen=True)
class Detection:
    """What a detector found, in pixels of the image.

    Attributes:
        score: From 0 to 1.
        box: Left, top, right, bottom; may lie outside of the image.
        points: The key points ``[n, 2]`` that the network was trained for.
    """

    score: float
    box: tuple[float, float, float, float]
    points: Array


class SingleShotDetector:
    """Finds one kind of thing; safe to use from several threads.

    Args:
        path: A ``.tflite`` file that gives boxes with key points, then scores.
        layout: How its network is built.
    """

    def __init__(self, path: Path, layout: Layout) -> None:
        self._network = Network(path)
        self._side = layout.side
        self._anchors = _anchor_centres(layout)

    def confidence(self, image: PIL.Image.Image) -> float:
        """Return the highest score anywhere in an RGB image, from 0 to 1."""
        return float(self._run(image)[1].max())

    def detections(self, image: PIL.Image.Image, threshold: float) -> list[Detection]:
        """Return what is in an RGB image with at least a score, most certain first."""
        raw, scores = self._run(image)
        likely = np.flatnonzero(scores >= threshold)
        likely = likely[np.argsort(-scores[likely])]
        # Values are offsets in pixels of the letterboxed square: centre, size, then key points.
        values = raw[likely].reshape(len(likely), raw.shape[1] // 2, 2)
        points = values / self._side + self._anchors[likely, None]
        centres, sizes = points[:, 0], values[:, 1] / self._side
        boxes = np.concatenate([centres - sizes / 2, centres + sizes / 2], axis=1)
        side = max(image.size)
        shift = (side - np.array(image.size)) / 2
        found = []
        for kept, weights in suppress(boxes, scores[likely]):
            left, top, right, bottom = np.average(boxes, axis=0, weights=weights) * side - np.tile(shift, 2)
            key_points = np.average(points[:, 2:], axis=0, weights=weights) * side - shift
            box = (float(left), float(top), float(right), float(bottom))
            found.append(Detection(float(scores[likely[kept]]), box, key_points))
        return found

    def _run(self, image: PIL.Image.Image) -> tuple[Array, Array]:
        """Return the raw boxes ``[anchors, values]`` and the scores ``[anchors]`` of a letterboxed image."""
        scale = self._side / max(image.size)
        width, height = (max(1, round(length * scale)) for length in image.size)
        square = PIL.Image.new("RGB", (self._side, self._side))
        corner = ((self._side - width) // 2, (self._side - height) // 2)
        square.paste(image.resize((width, height), PIL.Image.Resampling.BILINEAR), corner)
        boxes, logits = self._network.run(np.asarray(square, np.float32) / np.float32(127.5) - 1)[:2]
        return boxes[0], sigmoid(logits[0, :, 0])


class Network:
    """One LiteRT network. An interpreter keeps its tensors inside, so each thread takes one of its own."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._free = [self._open()]

    def run(self, pixels: Array) -> list[Array]:
        """Run on one image ``[side, side, 3]``; return the outputs in the model's order."""
        try:
            interpreter = self._free.pop()
        except IndexError:
            interpreter = self._open()
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], pixels[None])
        interpreter.invoke()
        outputs = [interpreter.get_tensor(output["index"]) for output in interpreter.get_output_details()]
        self._free.append(interpreter)
        return outputs

    def _open(self) -> Any:
        from ai_edge_litert.interpreter import Interpreter

        with _quiet_standard_error():
            interpreter = Interpreter(model_path=str(self._path), num_threads=1)
            interpreter.allocate_tensors()
        return interpreter


def sigmoid(logits: Array) -> Array:
    """Return the logistic function of an array."""
    # Far out the result doesn't change, but exp overflows.
    values: Array = 1 / (1 + np.exp(-np.clip(logits, -30, 30)))
    return values


def overlap_of(one: tuple[float, float, float, float], other: tuple[float, float, float, float]) -> float:
    """Return the intersection over the union of two boxes, from 0 to 1."""
    return float(_overlaps(np.array([one]), np.array([other]))[0, 0])


def share_within(one: tuple[float, float, float, float], other: tuple[float, float, float, float]) -> float:
    """Return which share of the smaller of two boxes lies within the other, from 0 to 1."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    smaller = min((box[2] - box[0]) * (box[3] - box[1]) for box in (one, other))
    return max(0.0, width) * max(0.0, height) / max(smaller, 1e-9)


def suppress(boxes: Array, scores: Array) -> list[tuple[int, Array]]:
    """Keep the best of each group of overlapping boxes.

    Args:
        boxes: ``[n, 4]``, best first.
        scores: ``[n]``.

    Returns:
        For each box that is kept its index and the weight ``[n]`` of every box in its group: its members'
        points are averaged (MediaPipe's weighted suppression), which is steadier than the best one's.
    """
    overlap = _overlaps(boxes, boxes)
    left = np.ones(len(boxes), dtype=bool)
    groups = []
    for index in range(len(boxes)):
        if left[index]:
            group = left & (overlap[index] > OVERLAP_THRESHOLD)
            group[index] = True
            left &= ~group
            groups.append((index, np.where(group, scores, 0).astype(np.float32)))
    return groups


def _overlaps(ones: Array, others: Array) -> Array:
    """Return the intersection over the union of each box ``[n, 4]`` with each other box ``[m, 4]``: ``[n, m]``."""
    corners = np.minimum(ones[:, None, 2:], others[None, :, 2:]) - np.maximum(ones[:, None, :2], others[None, :, :2])
    shared = np.clip(corners, 0, None).prod(axis=-1)
    areas, other_areas = (np.clip(boxes[:, 2:] - boxes[:, :2], 0, None).prod(axis=-1) for boxes in (ones, others))
    overlap: Array = shared / np.maximum(areas[:, None] + other_areas[None] - shared, 1e-9)
    return overlap


def _anchor_centres(layout: Layout) -> Array:
    """Return the anchors' centres ``[anchors, 2]``, from 0 to 1; layers of equal stride share their cells."""
    layers = []
    for stride in sorted(set(layout.strides)):
        cells = math.ceil(layout.side / stride)
        centres = (np.arange(cells, dtype=np.float32) + 0.5) / cells
        grid = np.stack(np.meshgrid(centres, centres), axis=-1).reshape(-1, 2)
        layers.append(np.repeat(grid, layout.anchors_per_cell * layout.strides.count(stride), axis=0))
    return np.concatenate(layers)


@contextmanager
def _quiet_standard_error() -> Iterator[None]:
    """Keep LiteRT's greeting out of the user's terminal: its native code writes it, and no setting stops it."""
    with _redirecting:
        saved = os.dup(2)
        with Path(os.devnull).open("wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(saved, 2)
            os.close(saved)
