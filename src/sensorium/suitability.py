"""Which tasks a checkpoint can be used for: those that can open its family."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sensorium.errors import MissingDependencyError, SensoriumError
from sensorium.models.extras import missing_packages_explained

if TYPE_CHECKING:
    from sensorium.models.catalog import Checkpoint

_SYSTEMS = (
    "sensorium.vision_language.clip:CLIP",
    "sensorium.vision_language.image_qa:ImageQA",
    "sensorium.vision_language.llava:LLaVA",
    "sensorium.vision_language.nudity:NudityDetector",
    "sensorium.vision_language.people:PeopleDetector",
    "sensorium.vision_language.text_reader:TextReader",
    "sensorium.language.language_model:LanguageModel",
    "sensorium.vision_language.text_embedder:TextEmbedder",
    "sensorium.speech.speech_to_text:SpeechToText",
    "sensorium.speech.speaker_diarization:SpeakerDiarization",
    "sensorium.speech.text_to_speech:TextToSpeech",
    "sensorium.video.video_qa:VideoQA",
    "sensorium.video.video_classification:VideoClassifier",
    "sensorium.image_generation.text_to_image:TextToImage",
    "sensorium.image_generation.diffusion.control.control_network:ControlNetwork",
    "sensorium.image_generation.annotators.depth_estimation:DepthEstimator",
    "sensorium.image_generation.annotators.segmentation:Segmenter",
    "sensorium.image_generation.annotators.object_detection:ObjectDetector",
    "sensorium.image_generation.annotators.pose_estimation:PoseEstimator",
)
"""All subclasses of `Task`."""

_WORDS_ALONE = "text-generation"
"""transformers can open the text decoder of many families, such as Whisper, as a language model. That is not what these
families are for, so this task is left out if a checkpoint has another one."""


def tasks_for(checkpoint: Checkpoint, folder: Path | None) -> tuple[str, ...]:
    """Return the tasks that a checkpoint can be used for; nothing is loaded.

    Args:
        checkpoint: Its ``family`` decides, if a task lists it.
        folder: The checkpoint's folder, whose ``config.json`` decides otherwise; None if the checkpoint isn't on this
            machine.
    """
    found = [system.task for system in map(_system, _SYSTEMS) if _opens(system, checkpoint, folder)]
    if folder is not None and len(found) > 1 and _WORDS_ALONE in found:
        found.remove(_WORDS_ALONE)
    return tuple(found)


def _system(where: str) -> Any:
    module, _, name = where.partition(":")
    return getattr(importlib.import_module(module), name)


def _opens(system: Any, checkpoint: Checkpoint, folder: Path | None) -> bool:
    if checkpoint.family in system.families:
        return True
    # A file's family is its own, whatever lies beside it.
    if folder is None or (checkpoint.family and not checkpoint.repository):
        return False
    try:
        with missing_packages_explained(f"Looking at {folder.name!r}"):
            return bool(system(folder)._opens(folder))
    except MissingDependencyError:
        raise
    except SensoriumError:  # no config.json, or none that this system reads
        return False
