"""BlazePose: a single-shot detector of people, then 33 landmarks for each of them; with BlazeFace, people surely.

Source: Bazarevsky et al. 2020, BlazePose: On-device Real-time Body Pose Tracking. Anchors, thresholds and the
region of interest are those of MediaPipe's pose graphs.
"""

from __future__ import annotations

import math
import weakref
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import PIL.Image

from sensorium.models.catalog import Checkpoint
from sensorium.models.loaded import Shared
from sensorium.vision_language.bodies_and_faces import Body, join
from sensorium.vision_language.faces import FaceDetector
from sensorium.vision_language.person import Box, Landmark, Person
from sensorium.vision_language.single_shot import Layout, Network, SingleShotDetector, overlap_of, sigmoid

DETECTION_THRESHOLD = 0.5
PRESENCE_THRESHOLD = 0.5
# Lower ones find one more person for each false one.
_SCORE_IN_WHOLE, _SCORE_IN_PART, _SURE_PRESENCE = 0.6, 0.7, 0.9
_SAME_REGION = 0.5
_POINTS_OF_HEAD = 11
_LAYOUT = Layout(side=224, strides=(8, 16, 32, 32, 32), anchors_per_cell=2)
_LANDMARK_SIDE = 256
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


@dataclass(frozen=True)
class Region:
    """A turned square around a person: centre and side in pixels, angle in radians."""

    x: float
    y: float
    side: float
    angle: float

    @property
    def box(self) -> Box:
        """The square, not turned: left, top, right, bottom."""
        half = self.side / 2
        return self.x - half, self.y - half, self.x + half, self.y + half


class BlazePose:
    """The detector and the landmark network, run by LiteRT on the CPU."""

    def __init__(self, folder: Path, *, checkpoint: Checkpoint, device: str, dtype: str) -> None:
        self._detector = shared_detector(self, folder, "pose_detection.tflite", checkpoint)
        self._landmarks = Network(folder / "pose_landmark_full.tflite")
        self._faces = FaceDetector(
            folder / "face_detection_full_range_sparse.tflite", folder / "face_detection_short_range.tflite"
        )

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

    def find(self, image: PIL.Image.Image) -> list[Person]:
        """Find people in an RGB image by bodies and faces, in the whole and in its parts, most certain first."""
        return join(self._bodies(image), self._faces.detect(image))

    def confidence(self, image: PIL.Image.Image) -> float:
        """Return the detector's highest score anywhere in an RGB image."""
        return self._detector.confidence(image)

    def _bodies(self, image: PIL.Image.Image) -> list[Body]:
        """Return the bodies that the landmark network confirms; one person's may be there several times."""
        whole = (0, 0, *image.size)
        proposals = []
        for part, least in ((whole, _SCORE_IN_WHOLE), *((part, _SCORE_IN_PART) for part in _parts(*image.size))):
            for score, region in self._detector.regions(image.crop(part), least):
                proposals.append((score, replace(region, x=region.x + part[0], y=region.y + part[1])))
        bodies: list[Body] = []
        confirmed: list[Box] = []
        for score, region in sorted(proposals, key=lambda proposal: -proposal[0]):
            if any(overlap_of(region.box, other) > _SAME_REGION for other in confirmed):
                continue
            presence, points = self._find_landmarks(image, region)
            if presence >= _SURE_PRESENCE:
                confirmed.append(region.box)
                head = [(point.x, point.y) for point in points[:_POINTS_OF_HEAD]]
                x, y = (float(np.mean(values)) for values in zip(*head, strict=True))
                bodies.append(Body(_box(image, region, points), (x, y), score))
        return bodies

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
                visibility=float(sigmoid(visibility) * sigmoid(presence)),
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
        self._detector = SingleShotDetector(path, _LAYOUT)

    def confidence(self, image: PIL.Image.Image) -> float:
        """Return the highest score anywhere in an RGB image, from 0 to 1."""
        return self._detector.confidence(image)

    def regions(self, image: PIL.Image.Image, threshold: float = DETECTION_THRESHOLD) -> list[tuple[float, Region]]:
        """Return the bodies in an RGB image with their scores, most certain first."""
        regions = []
        for detection in self._detector.detections(image, threshold):
            (x, y), (top_x, top_y) = detection.points[:2]
            angle = math.pi / 2 - math.atan2(y - top_y, top_x - x)
            length = 2 * _REGION_SCALE * math.hypot(top_x - x, top_y - y)
            regions.append((detection.score, Region(float(x), float(y), length, angle)))
        return regions


def _parts(width: int, height: int) -> list[tuple[int, int, int, int]]:
    """Return six overlapping parts of a picture, in which small people are big enough to be found."""
    side = round(0.6 * min(width, height))
    return [
        (left, top, left + side, top + side)
        for left in sorted({0, (width - side) // 2, width - side})
        for top in (0, height - side)
    ]


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
