"""Poses from ViTPose in transformers' layout: COCO's 17 joints inside the boxes of people."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import PIL.Image
import torch

from sensorium.errors import UnsupportedError
from sensorium.image_generation.annotators.hub_network import HubNetwork
from sensorium.image_generation.annotators.openpose_drawing import Joint, Pose, with_neck
from sensorium.models.catalog import Checkpoint
from sensorium.models.device import prepare_torch

_COCO_JOINTS = (
    *("nose", "left eye", "right eye", "left ear", "right ear", "left shoulder", "right shoulder"),
    *("left elbow", "right elbow", "left wrist", "right wrist", "left hip", "right hip"),
    *("left knee", "right knee", "left ankle", "right ankle"),
)
_COCO_EXPERT = 0
"""ViTPose++ has an expert per data set, COCO's first."""
_PEOPLE_AT_ONCE = 16

Box = tuple[float, float, float, float]


class VitPose(HubNetwork):
    """ViTPose and ViTPose++."""

    needs_boxes = True

    def __init__(self, folder: Path, *, checkpoint: Checkpoint, device: str, dtype: str) -> None:
        from transformers import VitPoseForPoseEstimation

        prepare_torch()
        super().__init__(
            VitPoseForPoseEstimation,
            folder,
            checkpoint=checkpoint,
            device=device,
            dtype=dtype,
        )
        joints = int(self.network.config.num_labels)
        if joints != len(_COCO_JOINTS):
            raise UnsupportedError(
                f"The checkpoint {checkpoint.name!r} knows {joints} joints, and pose maps are made of COCO's 17",
                "Choose one that was trained on COCO, such as usyd-community/vitpose-base-simple",
            )
        self._has_experts = self.network.config.backbone_config.num_experts > 1

    def estimate(self, image: PIL.Image.Image, people: Sequence[tuple[Box, float]], *, threshold: float) -> list[Pose]:
        """Return the pose of each person whose box is given, in an upright RGB picture."""
        return [
            pose
            for start in range(0, len(people), _PEOPLE_AT_ONCE)
            for pose in self._estimate(image, people[start : start + _PEOPLE_AT_ONCE], threshold)
        ]

    def _estimate(self, image: PIL.Image.Image, people: Sequence[tuple[Box, float]], threshold: float) -> list[Pose]:
        boxes = [[[left, top, right - left, bottom - top] for (left, top, right, bottom), _ in people]]
        inputs = self.processor(image, boxes=boxes, return_tensors="pt")
        experts = torch.full((len(people),), _COCO_EXPERT, device=self.network.device)
        outputs = self.run(inputs, image.size, **({"dataset_index": experts} if self._has_experts else {}))
        outputs.heatmaps = outputs.heatmaps.float()
        (found,) = self.processor.post_process_pose_estimation(outputs, boxes=boxes)
        poses = []
        for (box, score), person in zip(people, found, strict=True):
            # ViTPose counts from the middle of the first pixel; joints count from its edge.
            points = (person["keypoints"] + 0.5).tolist()
            seen = {
                name: Joint(x, y, min(1.0, sure))
                for name, (x, y), sure in zip(_COCO_JOINTS, points, person["scores"].tolist(), strict=True)
                if sure >= threshold and 0 <= x < image.width and 0 <= y < image.height
            }
            poses.append(Pose(with_neck(seen), box, score))
        return poses
