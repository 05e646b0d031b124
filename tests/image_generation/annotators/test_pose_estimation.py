"""Poses: the starter's on real photographs, and ViTPose on tiny checkpoints held against transformers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import PIL.Image
import pytest
import torch

from sensorium.errors import InputError, ModelUnavailableError, UnsupportedError
from sensorium.image_generation.annotators.openpose_drawing import Joint
from sensorium.image_generation.annotators.pose_estimation import PoseEstimator, openpose_map
from sensorium.media.image import read_image
from tests import real_media
from tests.checkpoints.annotators import tiny_rt_detr, tiny_vitpose

COCO = (
    *("nose", "left eye", "right eye", "left ear", "right ear", "left shoulder", "right shoulder"),
    *("left elbow", "right elbow", "left wrist", "right wrist", "left hip", "right hip"),
    *("left knee", "right knee", "left ankle", "right ankle"),
)
# By eye, in pixels of the photographs; left and right are the person's own.
BY_EYE = {
    "messi": {
        "nose": (246, 116),
        "right shoulder": (202, 122),
        "left shoulder": (286, 119),
        "right wrist": (103, 102),
        "left wrist": (346, 166),
        "right knee": (228, 283),
        "left knee": (363, 252),
        "right ankle": (277, 311),
        "left ankle": (418, 263),
    },
    "astronaut": {
        "nose": (214, 122),
        "right eye": (193, 101),
        "left eye": (240, 103),
        "right ear": (175, 110),
        "left ear": (262, 117),
    },
}


@pytest.fixture(scope="module")
def starter() -> Iterator[PoseEstimator]:
    with PoseEstimator() as loaded:
        yield loaded


@pytest.mark.parametrize("name", sorted(BY_EYE))
def test_the_starter_on_real_photographs(starter: PoseEstimator, name: str, measured: Callable[[str], None]) -> None:
    image = read_image(real_media.photo(name))
    (pose,) = starter.estimate(image)
    away = {
        joint: np.hypot(pose.joints[joint].x - x, pose.joints[joint].y - y) for joint, (x, y) in BY_EYE[name].items()
    }
    measured(
        f"starter pose of {name}: joints {np.mean(list(away.values())):.0f} pixels from where the eye sees them "
        f"(mean of {len(away)}, worst {max(away.values()):.0f}), in {image.width}×{image.height}"
    )
    assert max(away.values()) < 20
    drawn = np.asarray(openpose_map(image, starter))
    nose = pose.joints["nose"]
    assert tuple(drawn[int(nose.y), int(nose.x)]) == (255, 0, 0)
    assert drawn.shape == (image.height, image.width, 3)


def test_the_starter_finds_two_people(starter: PoseEstimator) -> None:
    one = read_image(real_media.photo("astronaut"))
    two = PIL.Image.new("RGB", (1024, 512))
    two.paste(one, (0, 0))
    two.paste(one.transpose(PIL.Image.Transpose.FLIP_LEFT_RIGHT), (512, 0))
    poses = starter.estimate(two)
    assert sorted(pose.joints["nose"].x > 512 for pose in poses) == [False, True]
    drawn = np.asarray(openpose_map(two, starter))
    assert drawn[:, :512].any()
    assert drawn[:, 512:].any()


def test_nobody_is_an_error_not_a_black_map(starter: PoseEstimator) -> None:
    assert starter.estimate(real_media.photo("coffee")) == []
    with pytest.raises(InputError, match="finds nobody in this picture") as caught:
        openpose_map(read_image(real_media.photo("coffee")), starter)
    assert "canny" in caught.value.remedy


def test_blazepose_runs_on_the_cpu() -> None:
    with pytest.raises(InputError, match="BlazePose runs on the CPU"):
        PoseEstimator(device="cuda").load()


@pytest.mark.parametrize("family", ["vitpose", "vitpose-experts"])
def test_vitpose_equals_transformers(
    hub: Path, family: str, pictures: list[PIL.Image.Image], parity: Callable[[str, str, str], None]
) -> None:
    from transformers import (
        RTDetrForObjectDetection,
        RTDetrImageProcessorPil,
        VitPoseForPoseEstimation,
        VitPoseImageProcessorPil,
    )

    detector = RTDetrForObjectDetection.from_pretrained(hub / "rt_detr").eval()
    detector_processor = RTDetrImageProcessorPil.from_pretrained(hub / "rt_detr")
    network = VitPoseForPoseEstimation.from_pretrained(hub / family).eval()
    processor = VitPoseImageProcessorPil.from_pretrained(hub / family)
    worst, people, joints = 0.0, 0, 0
    with PoseEstimator(hub / family, detector=hub / "rt_detr") as estimator:
        for picture in pictures[:2]:
            poses = estimator.estimate(picture, threshold=0, detection_threshold=0.3)
            with torch.no_grad():
                outputs = detector(**detector_processor(images=picture, return_tensors="pt"))
                (found,) = detector_processor.post_process_object_detection(
                    outputs, threshold=0.3, target_sizes=[picture.size[::-1]]
                )
                order = found["scores"].argsort(descending=True)
                corners = found["boxes"][order][found["labels"][order] == 0].numpy()
                boxes = np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], axis=1)
                inputs = processor(picture, boxes=[boxes.tolist()], return_tensors="pt")
                experts = {"dataset_index": torch.zeros(len(boxes), dtype=torch.long)} if "experts" in family else {}
                heatmaps = network(**inputs, **experts)
            (expected,) = processor.post_process_pose_estimation(heatmaps, boxes=[boxes.tolist()])
            assert len(poses) == len(expected)
            people += len(poses)
            for pose, reference in zip(poses, expected, strict=True):
                points, scores = reference["keypoints"].numpy(), reference["scores"].numpy()
                for name, point, score in zip(COCO, points, scores, strict=True):
                    inside = 0 <= point[0] + 0.5 < picture.width and 0 <= point[1] + 0.5 < picture.height
                    joint = pose.joints.get(name)
                    assert (joint is not None) == (inside and score >= 0)
                    if joint is not None:
                        joints += 1
                        # transformers counts from the middle of the first pixel, joints from its edge.
                        worst = max(worst, abs(joint.x - 0.5 - point[0]), abs(joint.y - 0.5 - point[1]))
    parity(
        f"pose: {family}",
        "RTDetrForObjectDetection, VitPoseForPoseEstimation + post_process_pose_estimation",
        f"{joints} joints of {people} people within {worst:.0e} pixels",
    )
    assert joints > 20
    assert people > 2
    assert worst < 1e-2


def test_vitposes_joints_lie_on_their_pixels(hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A network that sees a bright spot exactly where it is puts the joint on that pixel."""
    with PoseEstimator(hub / "vitpose", detector=hub / "rt_detr") as estimator:
        network = estimator.backend

        def spot_heatmaps(inputs: dict[str, torch.Tensor], *_: object) -> SimpleNamespace:
            brightness = inputs["pixel_values"].mean(dim=1)
            brightness = (brightness - brightness.amin()) / (brightness.amax() - brightness.amin())
            # Heat maps and crops share their first and their last point.
            small = torch.nn.functional.interpolate(brightness[:, None], (16, 12), mode="bilinear", align_corners=True)
            return SimpleNamespace(heatmaps=small.expand(-1, 17, -1, -1).clone())

        monkeypatch.setattr(network, "run", spot_heatmaps)
        for x, y in ((60, 80), (71, 95), (88, 64)):
            rows, columns = np.mgrid[0:150, 0:130]
            glow = 255 * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * 6**2))
            image = PIL.Image.fromarray(glow.astype(np.uint8)).convert("RGB")
            (pose,) = network.estimate(image, [((40, 40, 110, 130), 1.0)], threshold=0.1)
            assert int(pose.joints["nose"].x) == pytest.approx(x, abs=1)
            assert int(pose.joints["nose"].y) == pytest.approx(y, abs=1)


def test_a_crowd_is_looked_at_in_parts(hub: Path, pictures: list[PIL.Image.Image]) -> None:
    with PoseEstimator(hub / "vitpose", detector=hub / "rt_detr") as estimator:
        people = [((x * 12.0, 30.0, x * 12.0 + 80, 230.0), 1.0) for x in range(37)]
        together = estimator.backend.estimate(pictures[0], people, threshold=0)
        assert len(together) == 37
        for number in (0, 15, 16, 36):
            (alone,) = estimator.backend.estimate(pictures[0], people[number : number + 1], threshold=0)
            for name, joint in alone.joints.items():
                assert (together[number].joints[name].x, together[number].joints[name].y) == pytest.approx(
                    (joint.x, joint.y), abs=0.05
                )


def test_thresholds_and_edges(hub: Path, pictures: list[PIL.Image.Image]) -> None:
    with PoseEstimator(hub / "vitpose", detector=hub / "rt_detr") as estimator:
        assert estimator.estimate(pictures[0], detection_threshold=1.0) == []
        everything = estimator.estimate(pictures[0], threshold=0, detection_threshold=0.3)
        sure = estimator.estimate(pictures[0], threshold=0.9, detection_threshold=0.3)
        assert sum(len(pose.joints) for pose in sure) < sum(len(pose.joints) for pose in everything)
        for pose in everything:
            assert all(0 <= joint.x < pictures[0].width for joint in pose.joints.values())
            assert all(isinstance(joint, Joint) for joint in pose.joints.values())
        for options in ({"threshold": 2}, {"detection_threshold": -1}):
            with pytest.raises(InputError, match="is not between 0 and 1"):
                estimator.estimate(pictures[0], **options)
        with pytest.raises(InputError, match="finds nobody"):
            openpose_map(pictures[0], estimator, detection_threshold=1.0)


def test_the_detector_is_named_or_the_profiles(hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SENSORIUM_OFFLINE", "1")
    with pytest.raises(UnsupportedError, match="ObjectDetector can't use 'dpt'"):
        PoseEstimator(hub / "vitpose", detector=hub / "dpt").load()
    with pytest.raises(ModelUnavailableError):  # the standard profile's, which is not on this machine
        PoseEstimator(hub / "vitpose").load()


def test_checkpoints_that_know_other_joints_or_no_people(hub: Path, tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match="'hands' knows 21 joints"):
        PoseEstimator(tiny_vitpose(tmp_path / "hands", joints=21), detector=hub / "rt_detr").load()
    cars = tiny_rt_detr(tmp_path / "cars", classes={0: "car", 1: "bus"})
    with pytest.raises(UnsupportedError, match="'cars' does not know what a person is"):
        PoseEstimator(hub / "vitpose", detector=cars).load()
