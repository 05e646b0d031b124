"""Poses from BlazePose, the starter's: its 33 landmarks hold 17 of OpenPose's joints."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import PIL.Image

from sensorium.image_generation.annotators.openpose_drawing import JOINT_NAMES, Joint, Pose, with_neck
from sensorium.models.catalog import Checkpoint
from sensorium.task import Opening
from sensorium.vision_language.people import PeopleDetector
from sensorium.vision_language.person import Person


class BlazePosePoses:
    """Finds people and their joints by itself.

    Args:
        folder: Not used: BlazePose has a folder of its own.
        checkpoint: The catalog entry; its component is BlazePose.
        device: The CPU.
        dtype: BlazePose has one precision of its own.
        opening: How the component is opened.
    """

    needs_boxes = False

    made_of_parts = True

    def __init__(self, folder: Path, *, checkpoint: Checkpoint, device: str, dtype: str, opening: Opening) -> None:
        (component,) = checkpoint.components
        self._people = opening.part(PeopleDetector, component).ensure_loaded()

    def estimate(
        self,
        image: PIL.Image.Image,
        people: Sequence[tuple[tuple[float, float, float, float], float]],
        *,
        threshold: float,
    ) -> list[Pose]:
        """Return the pose of everybody in an upright RGB picture, most certain first."""
        return [_as_pose(person, image.size, threshold) for person in self._people.detect(image)]


def _as_pose(person: Person, size: tuple[int, int], threshold: float) -> Pose:
    joints = {
        point.name: Joint(point.x, point.y, point.visibility)
        for point in person.landmarks
        if point.name in JOINT_NAMES
        and point.visibility >= threshold
        and 0 <= point.x < size[0]
        and 0 <= point.y < size[1]
    }
    return Pose(with_neck(joints), person.box, person.score)
