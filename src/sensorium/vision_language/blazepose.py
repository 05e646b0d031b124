"""BlazePose: a single-shot detector of people, then 33 landmarks for each of them.

Source: Bazarevsky et al. 2020, BlazePose: On-device Real-time Body Pose Tracking. Anchors, thresholds and the
region of interest are those of MediaPipe's pose graphs.
"""

from __future__ import annotations

import math
import os
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import PIL.Image

from sensorium.models.catalog import Checkpoint
from sensorium.models.loaded import Shared
from sensorium.vision_language.person import Landmark, Person

DETECTION_THRESHOLD = 0.5
PRESENCE_THRESHOLD = 0.5
_DETECTOR_SIDE = 224
_LANDMARK_SIDE = 256
_STRIDES = (8, 16, 32, 32, 32)
_ANCHORS_PER_CELL = 2
_OVERLAP_THRESHOLD = 0.3
_REGION_SCALE = 1.25
_VISIBLE = 0.5
_BOX_MARGIN = 0.1

LANDMARK_NAMES = (
    "nose",
    *("left eye inner", "left eye", "left eye outer", "right eye inner", "right eye", "right eye outer"),
    *("left ear", "right ear", "mouth left", "mouth right", "left shoulder", "right shoulder"),
    *("left elbow", "right elbow", "left wrist", "right wrist", "left pinky", "right pinky"),
    *("left index", "right index", "left thumb", "right thumb", "left hip", "right hip"),
    *("left knee", "right knee", "left ankle", "right ankle", "left heel", "right heel"),
    *("left foot index", "right foot index"),
)

Array = npt.NDArray[Any]

_redirecting = threading.Lock()


@dataclass(frozen=True)
class Region:
    """A turned square around a person: centre and side in pixels, angle in radians."""

    x: float
    y: float
    side: float
    angle: float


class BlazePose:
    """The detector and the landmark network, run by LiteRT on the CPU."""

    def __init__(self, folder: Path, *, checkpoint: Checkpoint, device: str, dtype: str) -> None:
        self._detector = shared_detector(self, folder, "pose_detection.tflite", checkpoint)
        self._landmarks = _Network(folder / "pose_landmark_full.tflite")

    def detect(self, image: PIL.Image.Image, *, landmarks: bool) -> list[Person]:
        """Find people in an RGB image, most certain first."""
        people = []
        for score, region in self._detector.regions(image):
            points: tuple[Landmark, ...] = ()
            if landmarks:
                presence, points = self._find_landmarks(image, region)
                if presence < PRESENCE_THRESHOLD:
                    continue
            people.append(Person(_box(image, region, points), score, points))
        return people

    def confidence(self, image: PIL.Image.Image) -> float:
        """Return the detector's highest score anywhere in an RGB image."""
        return self._detector.confidence(image)

    def _find_landmarks(self, image: PIL.Image.Image, region: Region) -> tuple[float, tuple[Landmark, ...]]:
        """Return how likely there is a body in the region, and its points."""
        step = region.side / _LANDMARK_SIDE
        cosine, sine = math.cos(region.angle) * step, math.sin(region.angle) * step
        middle = _LANDMARK_SIDE / 2
        # From a pixel of the crop to a pixel of the image.
        turn = (
            *(cosine, -sine, region.x - middle * (cosine - sine)),
            *(sine, cosine, region.y - middle * (sine + cosine)),
        )
        crop = image.transform(
            (_LANDMARK_SIDE, _LANDMARK_SIDE), PIL.Image.Transform.AFFINE, turn, PIL.Image.Resampling.BILINEAR
        )
        values, presence = self._landmarks.run(np.asarray(crop, np.float32) / np.float32(255))[:2]
        found = values.reshape(-1, 5)[: len(LANDMARK_NAMES)]
        points = tuple(
            Landmark(
                name,
                x=float(turn[0] * x + turn[1] * y + turn[2]),
                y=float(turn[3] * x + turn[4] * y + turn[5]),
                depth=float(z * step),
                visibility=float(_sigmoid(visibility) * _sigmoid(presence)),
            )
            for name, (x, y, z, visibility, presence) in zip(LANDMARK_NAMES, found, strict=True)
        )
        return float(presence.item()), points


class BodyDetector:
    """Finds where bodies are; safe to use from several threads.

    Args:
        path: ``pose_detection.tflite``.
    """

    def __init__(self, path: Path) -> None:
        self._network = _Network(path)
        self._anchors = _anchor_centres()

    def confidence(self, image: PIL.Image.Image) -> float:
        """Return the highest score anywhere in an RGB image, from 0 to 1."""
        return float(self._run(image)[1].max())

    def regions(self, image: PIL.Image.Image) -> list[tuple[float, Region]]:
        """Return the bodies in an RGB image with their scores, most certain first."""
        raw, scores = self._run(image)
        likely = np.flatnonzero(scores >= DETECTION_THRESHOLD)
        likely = likely[np.argsort(-scores[likely])]
        values = raw[likely].reshape(-1, 6, 2)
        # Values are offsets in pixels of the letterboxed square: centre, size, then four key points.
        points = values / _DETECTOR_SIDE + self._anchors[likely, None]
        centres, sizes = points[:, 0], values[:, 1] / _DETECTOR_SIDE
        boxes = np.concatenate([centres - sizes / 2, centres + sizes / 2], axis=1)
        side = max(image.size)
        shift = (side - np.array(image.size)) / 2
        regions = []
        for kept, weights in _suppress(boxes, scores[likely]):
            hips, top = (np.average(points[:, key], axis=0, weights=weights) * side - shift for key in (2, 3))
            (x, y), (top_x, top_y) = hips, top
            angle = math.pi / 2 - math.atan2(y - top_y, top_x - x)
            length = 2 * _REGION_SCALE * math.hypot(top_x - x, top_y - y)
            regions.append((float(scores[likely[kept]]), Region(float(x), float(y), length, angle)))
        return regions

    def _run(self, image: PIL.Image.Image) -> tuple[Array, Array]:
        """Return the raw boxes ``[anchors, 12]`` and the scores ``[anchors]`` of a letterboxed image."""
        scale = _DETECTOR_SIDE / max(image.size)
        width, height = (max(1, round(length * scale)) for length in image.size)
        square = PIL.Image.new("RGB", (_DETECTOR_SIDE, _DETECTOR_SIDE))
        corner = ((_DETECTOR_SIDE - width) // 2, (_DETECTOR_SIDE - height) // 2)
        square.paste(image.resize((width, height), PIL.Image.Resampling.BILINEAR), corner)
        boxes, logits = self._network.run(np.asarray(square, np.float32) / np.float32(127.5) - 1)[:2]
        return boxes[0], _sigmoid(logits[0, :, 0])


def shared_detector(owner: object, folder: Path, path: str, checkpoint: Checkpoint) -> BodyDetector:
    """Open a detector once for all checkpoints that hold the same file, such as the starter's image encoder.

    Args:
        owner: Who keeps it: when nobody does any more, its memory is freed.
        folder: The checkpoint's folder.
        path: The file inside of it.
        checkpoint: The catalog entry, which knows the file's sum.
    """
    sums = {file.path: file.sha256 for file in checkpoint.files}
    shared = Shared((BodyDetector, sums.get(path) or folder / path), lambda: BodyDetector(folder / path))
    weakref.finalize(owner, shared.release)
    return shared.backend


class _Network:
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


def _sigmoid(logits: Array) -> Array:
    # Far out the result doesn't change, but exp overflows.
    values: Array = 1 / (1 + np.exp(-np.clip(logits, -30, 30)))
    return values


def _anchor_centres() -> Array:
    """Return the anchors' centres ``[2254, 2]``, from 0 to 1; layers of equal stride share their cells."""
    layers = []
    for stride in sorted(set(_STRIDES)):
        cells = math.ceil(_DETECTOR_SIDE / stride)
        centres = (np.arange(cells, dtype=np.float32) + 0.5) / cells
        grid = np.stack(np.meshgrid(centres, centres), axis=-1).reshape(-1, 2)
        layers.append(np.repeat(grid, _ANCHORS_PER_CELL * _STRIDES.count(stride), axis=0))
    return np.concatenate(layers)


def _suppress(boxes: Array, scores: Array) -> list[tuple[int, Array]]:
    """Keep the best of each group of overlapping boxes.

    Args:
        boxes: ``[n, 4]``, best first.
        scores: ``[n]``.

    Returns:
        For each box that is kept its index and the weight ``[n]`` of every box in its group: its members'
        points are averaged (MediaPipe's weighted suppression), which is steadier than the best one's.
    """
    corners = np.minimum(boxes[:, None, 2:], boxes[None, :, 2:]) - np.maximum(boxes[:, None, :2], boxes[None, :, :2])
    shared = np.clip(corners, 0, None).prod(axis=-1)
    areas = np.clip(boxes[:, 2:] - boxes[:, :2], 0, None).prod(axis=-1)
    overlap = shared / np.maximum(areas[:, None] + areas[None] - shared, 1e-9)
    left = np.ones(len(boxes), dtype=bool)
    groups = []
    for index in range(len(boxes)):
        if left[index]:
            group = left & (overlap[index] > _OVERLAP_THRESHOLD)
            group[index] = True
            left &= ~group
            groups.append((index, np.where(group, scores, 0).astype(np.float32)))
    return groups


def _box(image: PIL.Image.Image, region: Region, landmarks: tuple[Landmark, ...]) -> tuple[float, float, float, float]:
    """Return the box around the visible landmarks, or around the region where they aren't known."""
    seen = [point for point in landmarks if point.visibility >= _VISIBLE]
    if len(seen) >= 2:
        left, right = min(point.x for point in seen), max(point.x for point in seen)
        top, bottom = min(point.y for point in seen), max(point.y for point in seen)
        margin = _BOX_MARGIN * max(right - left, bottom - top)
    else:
        half = region.side / 2 / _REGION_SCALE
        left, top, right, bottom = region.x - half, region.y - half, region.x + half, region.y + half
        margin = 0.0
    return (
        max(0.0, left - margin),
        max(0.0, top - margin),
        min(float(image.width), right + margin),
        min(float(image.height), bottom + margin),
    )
