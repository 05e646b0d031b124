"""Bodies drawn as OpenPose draws them: the joints, their order and their colours are what pose ControlNets know."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import PIL.Image

from sensorium.record import Record

JOINT_NAMES = (
    *("nose", "neck"),
    *("right shoulder", "right elbow", "right wrist", "left shoulder", "left elbow", "left wrist"),
    *("right hip", "right knee", "right ankle", "left hip", "left knee", "left ankle"),
    *("right eye", "left eye", "right ear", "left ear"),
)
"""OpenPose's 18 joints in its order; left and right are the person's own."""

_LIMBS = (
    *(("neck", "right shoulder"), ("neck", "left shoulder")),
    *(("right shoulder", "right elbow"), ("right elbow", "right wrist")),
    *(("left shoulder", "left elbow"), ("left elbow", "left wrist")),
    *(("neck", "right hip"), ("right hip", "right knee"), ("right knee", "right ankle")),
    *(("neck", "left hip"), ("left hip", "left knee"), ("left knee", "left ankle")),
    ("neck", "nose"),
    *(("nose", "right eye"), ("right eye", "right ear"), ("nose", "left eye"), ("left eye", "left ear")),
)
_COLOURS = (
    *((255, 0, 0), (255, 85, 0), (255, 170, 0), (255, 255, 0), (170, 255, 0), (85, 255, 0)),
    *((0, 255, 0), (0, 255, 85), (0, 255, 170), (0, 255, 255), (0, 170, 255), (0, 85, 255)),
    *((0, 0, 255), (85, 0, 255), (170, 0, 255), (255, 0, 255), (255, 0, 170), (255, 0, 85)),
)
"""Of the joints in their order; the limbs have the first 17, darkened."""
_LIMB_BRIGHTNESS = 0.6
_HALF_STICK = 4
"""Half the width of a limb and the radius of a joint, in pixels, where the picture's short side has 512."""
_ANNOTATOR_SIDE = 512


@dataclass(frozen=True, eq=False, repr=False)
class Joint(Record):
    """A joint of a body.

    Attributes:
        x: From the left edge, in pixels.
        y: From the top edge, in pixels.
        score: How sure it is, from 0 to 1.
    """

    x: float
    y: float
    score: float


@dataclass(frozen=True, eq=False, repr=False)
class Pose(Record):
    """How somebody stands.

    Attributes:
        joints: From `JOINT_NAMES` to joints; those that can't be seen are absent.
        box: Left, top, right, bottom in pixels.
        score: The detector's confidence that there is somebody, from 0 to 1.
    """

    joints: dict[str, Joint]
    box: tuple[float, float, float, float]
    score: float


def with_neck(joints: dict[str, Joint]) -> dict[str, Joint]:
    """Return joints with the neck between the shoulders, in OpenPose's order: other models know no neck."""
    right, left = joints.get("right shoulder"), joints.get("left shoulder")
    if right is not None and left is not None:
        middle = Joint((right.x + left.x) / 2, (right.y + left.y) / 2, min(right.score, left.score))
        joints = {**joints, "neck": middle}
    return {name: joints[name] for name in JOINT_NAMES if name in joints}


def draw_poses(size: tuple[int, int], poses: Sequence[Pose]) -> PIL.Image.Image:
    """Draw bodies on black.

    Args:
        size: Width and height.
        poses: The bodies; all limbs are drawn first, then all joints.

    Returns:
        An RGB picture. Limbs are as wide as in ControlNet's annotator, which works on pictures whose short side has
        512 pixels: in larger and smaller pictures they grow and shrink with it.

    Source: ControlNet's OpenPose annotator, as in controlnet_aux.
    """
    import cv2
    import numpy as np

    canvas = np.zeros((size[1], size[0], 3), np.uint8)
    half = max(1, round(_HALF_STICK * min(size) / _ANNOTATOR_SIDE))
    for (start, end), colour in zip(_LIMBS, _COLOURS, strict=False):
        dark = tuple(int(level * _LIMB_BRIGHTNESS) for level in colour)
        for pose in poses:
            if start in pose.joints and end in pose.joints:
                one, other = pose.joints[start], pose.joints[end]
                middle = (int((one.x + other.x) / 2), int((one.y + other.y) / 2))
                length = math.hypot(one.x - other.x, one.y - other.y)
                angle = math.degrees(math.atan2(one.y - other.y, one.x - other.x))
                outline = cv2.ellipse2Poly(middle, (int(length / 2), half), int(angle), 0, 360, 1)
                cv2.fillConvexPoly(canvas, np.asarray(outline), dark)
    for name, colour in zip(JOINT_NAMES, _COLOURS, strict=True):
        for pose in poses:
            if name in pose.joints:
                joint = pose.joints[name]
                cv2.circle(canvas, (int(joint.x), int(joint.y)), half, colour, thickness=-1)
    return PIL.Image.fromarray(canvas)
