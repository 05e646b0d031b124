"""Detectors on tiny checkpoints in the hub's layout, held against transformers' own processing."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
import torch
import transformers

from sensorium.errors import InputError, ModelUnavailableError
from sensorium.image_generation.annotators.object_detection import ObjectDetector
from tests.refusals import refused


@pytest.mark.parametrize(
    ("family", "network_name", "processor_name", "threshold"),
    [
        ("rt_detr", "RTDetr", "RTDetr", 0.3),
        ("rt_detr_v2", "RTDetrV2", "RTDetr", 0.3),
        ("d_fine", "DFine", "RTDetr", 0.3),
        ("deimv2", "Deimv2", "RTDetr", 0.3),
        ("detr", "Detr", "Detr", 0.1),
        ("conditional_detr", "ConditionalDetr", "ConditionalDetr", 0.3),
        ("deformable_detr", "DeformableDetr", "DeformableDetr", 0.3),
        ("yolos", "Yolos", "Yolos", 0.1),
    ],
)
def test_equals_transformers(
    hub: Path,
    family: str,
    network_name: str,
    processor_name: str,
    threshold: float,
    pictures: list[PIL.Image.Image],
    parity: Callable[[str, str, str], None],
) -> None:
    network_class = getattr(transformers, f"{network_name}ForObjectDetection")
    reference = network_class.from_pretrained(hub / family).eval()
    processor = getattr(transformers, f"{processor_name}ImageProcessorPil").from_pretrained(hub / family)
    worst = 0.0
    with ObjectDetector(hub / family) as detector:
        for picture in pictures:
            found = detector.detect(picture, threshold=threshold)
            with torch.no_grad():
                outputs = reference(**processor(images=picture, return_tensors="pt"))
            (expected,) = processor.post_process_object_detection(
                outputs, threshold=threshold, target_sizes=[picture.size[::-1]]
            )
            order = expected["scores"].argsort(descending=True, stable=True)
            names = reference.config.id2label
            assert [item.label for item in found] == [names[label] for label in expected["labels"][order].tolist()]
            assert [item.score for item in found] == pytest.approx(expected["scores"][order].tolist(), abs=1e-4)
            boxes = expected["boxes"][order].numpy()
            assert len(boxes) > 2
            worst = max(worst, float(np.abs(np.array([item.box for item in found]) - boxes).max()))
    parity(
        f"detection: {family}",
        f"{network_class.__name__} + post_process_object_detection",
        f"same labels, boxes within {worst:.0e} pixels",
    )
    assert worst < 1e-2


def test_thresholds(hub: Path, pictures: list[PIL.Image.Image]) -> None:
    with ObjectDetector(hub / "rt_detr") as detector:
        many, few = (detector.detect(pictures[0], threshold=threshold) for threshold in (0.1, 0.8))
        assert [item.to_dict() for item in few] == [item.to_dict() for item in many if item.score > 0.8]
        with pytest.raises(InputError, match="threshold 30 is not between 0 and 1"):
            detector.detect(pictures[0], threshold=30)


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("config.json", {"d_model": "many", "hidden_dim": "many"}),
        ("preprocessor_config.json", {"size": {"height": 0, "width": 0}}),
    ],
)
def test_settings_that_can_not_be_are_told_by_their_file(
    hub: Path, tmp_path: Path, pictures: list[PIL.Image.Image], name: str, settings: dict[str, Any]
) -> None:
    folder = _changed(hub / "d_fine", tmp_path, name, settings)
    with refused(ModelUnavailableError, "changed", name):
        ObjectDetector(folder).detect(pictures[0])


def test_things_without_a_name_go_by_their_number(hub: Path, tmp_path: Path, pictures: list[PIL.Image.Image]) -> None:
    config = json.loads((hub / "d_fine" / "config.json").read_text())
    last = max(config["id2label"], key=int)
    names = {str(100 + number): name for number, name in enumerate(config["id2label"].values())}
    folder = _changed(hub / "d_fine", tmp_path, "config.json", {"id2label": names})
    with ObjectDetector(folder) as detector:
        labels = {found.label for found in detector.detect(pictures[0], threshold=0.0)}
    assert labels
    assert all(label.isdecimal() and int(label) <= int(last) for label in labels)


def _changed(checkpoint: Path, into: Path, name: str, settings: dict[str, Any]) -> Path:
    folder = into / "changed"
    shutil.copytree(checkpoint, folder)
    file = folder / name
    file.write_text(json.dumps({**json.loads(file.read_text()), **settings}))
    return folder
