"""The catalog's families are those that the tasks' classes open: an entry is no dead letter."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sensorium.image_generation.annotators.depth_estimation import DepthEstimator
from sensorium.image_generation.annotators.object_detection import ObjectDetector
from sensorium.image_generation.annotators.pose_estimation import PoseEstimator
from sensorium.image_generation.annotators.segmentation import Segmenter
from sensorium.image_generation.diffusion.control.control_network import ControlNetwork
from sensorium.image_generation.text_to_image import TextToImage
from sensorium.language.language_model import LanguageModel
from sensorium.models import catalog
from sensorium.speech.speaker_diarization import SpeakerDiarization
from sensorium.speech.speech_to_text import SpeechToText
from sensorium.speech.text_to_speech import TextToSpeech
from sensorium.video.video_classification import VideoClassifier
from sensorium.video.video_qa import VideoQA
from sensorium.vision_language.clip import CLIP
from sensorium.vision_language.image_qa import ImageQA
from sensorium.vision_language.llava import LLaVA
from sensorium.vision_language.nudity import NudityDetector
from sensorium.vision_language.people import PeopleDetector
from sensorium.vision_language.text_embedder import TextEmbedder
from sensorium.vision_language.text_reader import TextReader

TASKS: dict[str, Any] = {
    kind.task: kind
    for kind in (
        CLIP,
        ControlNetwork,
        DepthEstimator,
        ImageQA,
        LanguageModel,
        LLaVA,
        NudityDetector,
        ObjectDetector,
        PeopleDetector,
        PoseEstimator,
        Segmenter,
        SpeakerDiarization,
        SpeechToText,
        TextEmbedder,
        TextReader,
        TextToImage,
        TextToSpeech,
        VideoClassifier,
        VideoQA,
    )
}
PARTS = {
    "kandinsky-2-2-prior",
    *(entry.name for task in ("image-prompt", "speech-component") for entry in catalog.entries(task)),
}
"""Entries that only exist as a part of another one."""
PAIRS = [
    (entry, task) for entry in catalog.entries() if entry.name not in PARTS for task in (entry.task, *entry.also_for)
]


def test_every_task_of_the_catalog_has_its_class() -> None:
    assert {task for _, task in PAIRS} == set(TASKS)


@pytest.mark.parametrize(("entry", "task"), PAIRS, ids=lambda item: getattr(item, "name", item))
def test_a_checkpoint_is_of_a_family_that_its_task_opens(entry: catalog.Checkpoint, task: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": entry.family}))
    if entry.family.endswith("Pipeline"):
        (tmp_path / "model_index.json").write_text(json.dumps({"_class_name": entry.family}))
    kind = TASKS[task]
    opened = kind.__new__(kind)
    opened.checkpoint = entry
    assert opened._family(tmp_path) in kind.families


def test_painters_are_pipelines_of_diffusers() -> None:
    import diffusers

    for entry in catalog.entries("text-to-image"):
        assert entry.family in dir(diffusers), entry.name


def test_language_models_are_architectures_of_transformers() -> None:
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

    for entry in catalog.entries("text-generation"):
        assert entry.family in {*MODEL_FOR_CAUSAL_LM_MAPPING_NAMES, "gguf"}, entry.name
