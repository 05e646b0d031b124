"""Which families open without torchvision, and what is said of those that don't: each by the public class for its task.

The checkpoints have all their files but the weights: what can be opened fails at these. That the families compute what
transformers computes is held by the tests of each task.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sensorium import CLIP, ImageQA
from sensorium.errors import MissingDependencyError, ModelUnavailableError, SensoriumError, UnsupportedError
from sensorium.image_generation.annotators.depth_estimation import DepthEstimator
from sensorium.image_generation.annotators.object_detection import ObjectDetector
from sensorium.image_generation.annotators.pose_estimation import PoseEstimator
from sensorium.image_generation.annotators.segmentation import Segmenter
from sensorium.models.catalog import Checkpoint
from sensorium.models.image_processor import open_image_processor
from sensorium.task import Task
from sensorium.video.video_classification import VideoClassifier
from tests.checkpoints.bare_checkpoints import bare_checkpoint
from tests.refusals import refused

CHATS = (
    *("qwen3_5", "qwen3_5_moe", "qwen4_exp", "gemma4", "minicpmv4_6", "minicpmv4_7", "lfm3_vl", "internvl", "glm46v"),
    *("glm4v", "glm5_next", "exaone4_5", "granite4_vision", "granite_docling", "cosmos3_edge", "dots3_note"),
    *("qwen2_5_omni", "qwen3_omni_moe", "paddleocr_vl", "lighton_ocr", "deepseek_ocr2", "qianfan_ocr", "glm_ocr"),
    *("smolvlm", "video_llama_3"),
)
OPENED: dict[type[Task[Any]], tuple[str, ...]] = {
    ImageQA: CHATS,
    Segmenter: ("eomt", "eomt_dinov3", "mask2former", "maskformer", "oneformer", "beit", "dpt", "mobilenet_v2"),
    ObjectDetector: ("deimv2", "d_fine", "rt_detr_v2", "detr", "conditional_detr", "lw_detr", "yolos"),
    PoseEstimator: ("vitpose",),
    DepthEstimator: ("zoedepth", "glpn", "depth_anything", "dpt"),
    CLIP: ("metaclip_2", "aimv2", "siglip2", "embedding_gemma2"),
    VideoClassifier: ("videomae", "timesformer", "vivit"),
}
NEED_TORCHVISION: dict[type[Task[Any]], tuple[str, ...]] = {
    ImageQA: (
        *("gemma4_unified", "molmo2", "kimi_k25", "lfm2_vl", "llama4", "cohere2_vision", "perception_lm"),
        *("nemotron_h_omni", "muse_glimmer", "muse_spark", "inkling_mm_model", "inkling2", "minimax_m3_vl", "step3p7"),
        *("minicpm_ocr", "unlimited_ocr", "mistral3", "mistral_large4"),
    ),
    Segmenter: ("sapiens2", "tipsv2_dpt"),
    ObjectDetector: ("rf_detr", "pp_doclayout_v3", "pp_ocrv5_server_det", "pp_ocrv6_medium_det"),
    DepthEstimator: ("depth_pro", "tipsv2_dpt"),
}
NOT_FOR_THIS: dict[type[Task[Any]], dict[str, str]] = {
    Segmenter: {
        "sam": "points or boxes",
        "sam2": "points or boxes",
        "edgetam": "points or boxes",
        "videomt": "videomt",
    },
    ObjectDetector: {"grounding-dino": "in words", "owlv2": "in words"},
    DepthEstimator: {"prompt_depth_anything": "sensor", "chmv2": "trees"},
    VideoClassifier: {"vjepa2": "films", "videoprism_vision_model": "films"},
    PoseEstimator: {"sapiens2": "sapiens2"},
    CLIP: {"tipsv2": "tipsv2", "videoprism": "videoprism"},
    ImageQA: {"phi4_multimodal": "phi4_multimodal"},
}


def _each(table: dict[type[Task[Any]], Any]) -> list[Any]:
    return [
        pytest.param(task, family, id=f"{task.__name__}-{family}")
        for task, families in table.items()
        for family in families
    ]


@pytest.mark.parametrize(("task", "family"), _each(OPENED))
def test_opens_without_torchvision(task: type[Task[Any]], family: str, tmp_path: Path) -> None:
    folder = bare_checkpoint(tmp_path / family, family, task.task)
    with refused(ModelUnavailableError, family, "model.safetensors is missing"):
        task(folder).load()


@pytest.mark.parametrize(("task", "family"), _each(NEED_TORCHVISION))
def test_says_that_it_needs_torchvision(task: type[Task[Any]], family: str, tmp_path: Path) -> None:
    folder = bare_checkpoint(tmp_path / family, family, task.task)
    with refused(MissingDependencyError, family, "torchvision", "pip install torchvision=="):
        task(folder).load()


@pytest.mark.parametrize(("task", "family"), _each(NOT_FOR_THIS))
def test_says_what_it_is_not_for(task: type[Task[Any]], family: str, tmp_path: Path) -> None:
    folder = bare_checkpoint(tmp_path / family, family, task.task)
    with refused(UnsupportedError, family, NOT_FOR_THIS[task][family]):
        task(folder).load()


@pytest.mark.parametrize(
    ("head", "opens"), [("EoMTForUniversalSegmentation", True), ("SegformerForImageClassification", False)]
)
def test_a_head_for_something_else_is_refused_and_an_unknown_one_is_not(head: str, opens: bool, tmp_path: Path) -> None:
    folder = bare_checkpoint(tmp_path / "segments", "eomt" if opens else "beit", "image-segmentation")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "architectures": [head]}))
    with refused(ModelUnavailableError if opens else UnsupportedError, "segments"):
        Segmenter(folder).load()


def test_where_torchvision_is_installed_its_processor_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As transformers finds RF-DETR's class then; here, it finds one that only tells that torchvision is missing."""
    from transformers import RTDetrImageProcessorPil
    from transformers.models.auto import image_processing_auto

    class RfDetrImageProcessor(RTDetrImageProcessorPil):
        """Stands for the one that works with torchvision."""

    find: Any = image_processing_auto.get_image_processor_class_from_name
    monkeypatch.setattr(
        image_processing_auto,
        "get_image_processor_class_from_name",
        lambda name: RfDetrImageProcessor if name == "RfDetrImageProcessor" else find(name),
    )
    folder = bare_checkpoint(tmp_path / "rf_detr", "rf_detr", "object-detection")
    checkpoint = Checkpoint("rf_detr", "object-detection", folder=str(folder))
    assert isinstance(open_image_processor(folder, checkpoint=checkpoint), RfDetrImageProcessor)
    # A family that has one for Pillow keeps it.
    other = bare_checkpoint(tmp_path / "detr", "detr", "object-detection")
    assert type(open_image_processor(other, checkpoint=checkpoint)).__name__.endswith("Pil")


def test_a_broken_processor_is_not_blamed_on_torchvision(tmp_path: Path) -> None:
    folder = bare_checkpoint(tmp_path / "rf_detr", "rf_detr", "object-detection")
    (folder / "preprocessor_config.json").write_text("{")
    with pytest.raises(SensoriumError) as error:
        ObjectDetector(folder).load()
    assert isinstance(error.value, ModelUnavailableError)
    assert "torchvision" not in str(error.value)
