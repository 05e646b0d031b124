"""BlazeFace: faces near and far, each looked at again from nearby before it is believed.

A wide network proposes faces in the whole picture and in its parts, where small ones are big enough; a network for
near faces then looks at each proposal in three crops around it. The second look tells faces from clouds, flowers and
patterns, which the first, shown enough parts of enough pictures, takes for faces.

Source: Bazarevsky et al. 2019, BlazeFace: Sub-millisecond Neural Face Detection on Mobile GPUs. Layouts are those of
MediaPipe's face graphs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import PIL.Image

from sensorium.vision_language.person import Box
from sensorium.vision_language.single_shot import Layout, SingleShotDetector, overlap_of, share_within, suppress

_FAR = Layout(side=192, strides=(4,), anchors_per_cell=1)
_NEAR = Layout(side=128, strides=(8, 16, 16, 16), anchors_per_cell=2)
_PROPOSED = 0.45
# Between what the second look gives to faces and what it gives to other things and animals.
FACE_THRESHOLD = 0.7
_SLIGHTEST = 0.05
_CROPS = (1.6, 2.2, 3.2)
_SAME_PLACE = 0.3
_PART_OF_A_FACE = 0.5
# As shares of the longer side. The second one finds faces of a fortieth of the width, as in pictures of a class.
_TILE_SHARES = (0.5, 0.3)
_TILE_STEP = 0.8


@dataclass(frozen=True)
class Face:
    """A face.

    Attributes:
        box: Left, top, right, bottom in pixels, within the image: from the brows to the chin.
        score: From 0 to 1.
    """

    box: Box
    score: float


class FaceDetector:
    """Finds faces; safe to use from several threads.

    Args:
        far: ``face_detection_full_range_sparse.tflite``.
        near: ``face_detection_short_range.tflite``.
    """

    def __init__(self, far: Path, near: Path) -> None:
        self._far = SingleShotDetector(far, _FAR)
        self._near = SingleShotDetector(near, _NEAR)

    def detect(self, image: PIL.Image.Image) -> list[Face]:
        """Find the faces in an RGB image, most certain first."""
        faces = []
        for box in self._proposals(image):
            score = self._second_look(image, box)
            if score >= FACE_THRESHOLD:
                left, top, right, bottom = box
                inside = (
                    max(0.0, left),
                    max(0.0, top),
                    min(float(image.width), right),
                    min(float(image.height), bottom),
                )
                faces.append(Face(inside, score))
        once: list[Face] = []
        for face in sorted(faces, key=lambda face: -face.score):
            # A part of a face looks like a smaller one.
            if all(share_within(face.box, other.box) <= _PART_OF_A_FACE for other in once):
                once.append(face)
        return once

    def _proposals(self, image: PIL.Image.Image) -> list[Box]:
        """Return where there may be faces, in the whole and in its parts; each place once."""
        found = [*self._far.detections(image, _PROPOSED), *self._near.detections(image, _PROPOSED)]
        proposals = [(detection.score, detection.box) for detection in found]
        for left, top, right, bottom in _tiles(*image.size):
            for detection in self._far.detections(image.crop((left, top, right, bottom)), _PROPOSED):
                x, y, far_x, far_y = detection.box
                proposals.append((detection.score, (x + left, y + top, far_x + left, far_y + top)))
        if not proposals:
            return []
        proposals.sort(key=lambda proposal: -proposal[0])
        scores, boxes = (np.array(column) for column in zip(*proposals, strict=True))
        return [proposals[kept][1] for kept, _ in suppress(boxes, scores)]

    def _second_look(self, image: PIL.Image.Image, box: Box) -> float:
        """Return the near network's mean score for a face at this place, from 0 to 1; 0 if it can't be enough."""
        x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
        total = 0.0
        for looked, scale in enumerate(_CROPS):
            if total + len(_CROPS) - looked < len(_CROPS) * FACE_THRESHOLD:
                return 0.0
            half = max(box[2] - box[0], box[3] - box[1]) * scale / 2
            left, top = round(x - half), round(y - half)
            crop = image.crop((left, top, max(left + 2, round(x + half)), max(top + 2, round(y + half))))
            there = (box[0] - left, box[1] - top, box[2] - left, box[3] - top)
            found = self._near.detections(crop, _SLIGHTEST)
            total += max((each.score for each in found if overlap_of(each.box, there) > _SAME_PLACE), default=0.0)
        return total / len(_CROPS)


def _tiles(width: int, height: int) -> Iterator[tuple[int, int, int, int]]:
    """Yield overlapping parts of a picture, as long as looking closer shows more than the whole does."""
    for share in _TILE_SHARES:
        side = round(share * max(width, height))
        if side < _FAR.side:
            return
        for left in _starts(width, side):
            for top in _starts(height, side):
                yield left, top, min(left + side, width), min(top + side, height)


def _starts(length: int, side: int) -> list[int]:
    if side >= length:
        return [0]
    steps = -(-(length - side) // round(_TILE_STEP * side))
    return [round(step * (length - side) / steps) for step in range(steps + 1)]
