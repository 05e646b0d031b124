"""Bodies drawn in OpenPose's joints, colours and widths."""

from __future__ import annotations

import numpy as np
import pytest

from sensorium.image_generation.annotators.openpose_drawing import JOINT_NAMES, Joint, Pose, draw_poses, with_neck

# As OpenPose numbers them: nose, neck, right arm, left arm, right leg, left leg, eyes, ears.
PLACES = {
    "nose": (250, 90),
    "neck": (250, 150),
    "right shoulder": (200, 150),
    "right elbow": (170, 220),
    "right wrist": (150, 290),
    "left shoulder": (300, 150),
    "left elbow": (330, 220),
    "left wrist": (350, 290),
    "right hip": (220, 300),
    "right knee": (215, 390),
    "right ankle": (210, 480),
    "left hip": (280, 300),
    "left knee": (285, 390),
    "left ankle": (290, 480),
    "right eye": (235, 75),
    "left eye": (265, 75),
    "right ear": (215, 85),
    "left ear": (285, 85),
}
# OpenPose's colours go round the circle of hues.
JOINT_COLOURS = {"nose": (255, 0, 0), "neck": (255, 85, 0), "right wrist": (170, 255, 0), "left ear": (255, 0, 85)}
LIMB_COLOURS = {
    ("neck", "right shoulder"): (255, 0, 0),
    ("neck", "left shoulder"): (255, 85, 0),
    ("right shoulder", "right elbow"): (255, 170, 0),
    ("left elbow", "left wrist"): (85, 255, 0),
    ("neck", "right hip"): (0, 255, 0),
    ("left knee", "left ankle"): (0, 85, 255),
    ("neck", "nose"): (0, 0, 255),
    ("left eye", "left ear"): (255, 0, 170),
}


def body(scale: float = 1, **changes: tuple[float, float] | None) -> Pose:
    places = {**PLACES, **{name.replace("_", " "): place for name, place in changes.items()}}
    joints = {name: Joint(x * scale, y * scale, 1.0) for name, (x, y) in places.items() if (x, y) != (0, 0)}
    return Pose(joints, (0, 0, 1, 1), 1.0)


def without(pose: Pose, *names: str) -> Pose:
    return Pose({name: joint for name, joint in pose.joints.items() if name not in names}, pose.box, pose.score)


def test_joints_are_circles_on_their_pixels() -> None:
    drawn = np.asarray(draw_poses((512, 512), [body()]))
    assert tuple(PLACES) == JOINT_NAMES
    for name, colour in JOINT_COLOURS.items():
        x, y = PLACES[name]
        for right, down in ((0, 0), (4, 0), (-4, 0), (0, 4), (0, -4)):
            assert tuple(drawn[y + down, x + right]) == colour, name
    assert (drawn[:60] == 0).all()


def test_limbs_are_darkened_sticks() -> None:
    drawn = np.asarray(draw_poses((512, 512), [body()]))
    for (start, end), colour in LIMB_COLOURS.items():
        x, y = ((PLACES[start][axis] + PLACES[end][axis]) // 2 for axis in (0, 1))
        assert tuple(drawn[y, x]) == tuple(int(level * 0.6) for level in colour), (start, end)
    # The upright limb between neck and nose is nine pixels wide in its middle.
    row = drawn[120]
    assert [x for x in range(512) if tuple(row[x]) == (0, 0, 153)] == list(range(246, 255))


def test_widths_follow_the_size_of_the_picture() -> None:
    ordinary = np.asarray(draw_poses((512, 640), [body()])).any(axis=2).sum()
    for scale in (0.5, 2, 3):
        size = (round(512 * scale), round(640 * scale))
        coloured = np.asarray(draw_poses(size, [body(scale)])).any(axis=2).sum()
        assert coloured / ordinary == pytest.approx(scale**2, rel=0.15)


def test_what_is_not_seen_is_not_drawn() -> None:
    everything = np.asarray(draw_poses((512, 512), [body()]))
    headless = np.asarray(draw_poses((512, 512), [without(body(), "nose")]))
    assert tuple(headless[90, 250]) == (0, 0, 0)
    assert tuple(headless[120, 250]) == (0, 0, 0)  # nor the limb that would lead to it
    assert (headless[200:] == everything[200:]).all()
    assert not np.asarray(draw_poses((64, 64), [])).any()


def test_several_people() -> None:
    drawn = np.asarray(draw_poses((1000, 512), [body(), Pose({"nose": Joint(800, 300, 1)}, (0, 0, 1, 1), 1)]))
    assert tuple(drawn[300, 800]) == (255, 0, 0)
    assert tuple(drawn[90, 250]) == (255, 0, 0)


def test_the_neck_is_between_the_shoulders() -> None:
    shoulders = {"left shoulder": Joint(300, 160, 0.9), "right shoulder": Joint(200, 140, 0.5)}
    joints = with_neck({**shoulders, "nose": Joint(1, 2, 1)})
    assert list(joints) == ["nose", "neck", "right shoulder", "left shoulder"]
    assert joints["neck"] == Joint(250, 150, 0.5)
    assert "neck" not in with_neck({"left shoulder": shoulders["left shoulder"]})


def test_sides_are_the_persons_own() -> None:
    drawn = np.asarray(draw_poses((512, 512), [body()]))
    # Who faces us has the right arm on our left: yellow there, green on the other side.
    assert tuple(drawn[220, 170]) == (255, 255, 0)
    assert tuple(drawn[220, 330]) == (0, 255, 0)
