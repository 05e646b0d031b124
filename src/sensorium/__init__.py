"""Sensorium: pictures, speech and video behind one consistent API.

Classes and methods are called as in a textbook chapter on multimodal models, whose examples run as written.

Everything here loads at first use, so that ``import sensorium`` costs next to nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from sensorium.version import VERSION

if TYPE_CHECKING:
    from sensorium.errors import SensoriumError as SensoriumError
    from sensorium.image_generation.controlnet import ControlNetGenerator as ControlNetGenerator
    from sensorium.image_generation.ip_adapter import IPAdapter as IPAdapter
    from sensorium.image_generation.prompt_engineer import PromptEngineer as PromptEngineer
    from sensorium.image_generation.text_to_image import TextToImage as TextToImage
    from sensorium.language.language_model import LanguageModel as LanguageModel
    from sensorium.retrieval.index import SearchIndex as SearchIndex
    from sensorium.speech.speaker_diarization import SpeakerDiarization as SpeakerDiarization
    from sensorium.speech.speech_to_text import SpeechToText as SpeechToText
    from sensorium.speech.text_to_speech import TextToSpeech as TextToSpeech
    from sensorium.video.film_writing import read_film as read_film
    from sensorium.video.video_qa import VideoQA as VideoQA
    from sensorium.vision_language.clip import CLIP as CLIP
    from sensorium.vision_language.conversation import Conversation as Conversation
    from sensorium.vision_language.image_qa import ImageQA as ImageQA
    from sensorium.vision_language.llava import LLaVA as LLaVA
    from sensorium.vision_language.text_embedder import TextEmbedder as TextEmbedder
    from sensorium.vision_language.text_reader import TextReader as TextReader
    from sensorium.vision_language.zero_shot import zero_shot_classification as zero_shot_classification

__version__ = VERSION

_HOMES = {
    "CLIP": "sensorium.vision_language.clip",
    "ControlNetGenerator": "sensorium.image_generation.controlnet",
    "Conversation": "sensorium.vision_language.conversation",
    "IPAdapter": "sensorium.image_generation.ip_adapter",
    "ImageQA": "sensorium.vision_language.image_qa",
    "LLaVA": "sensorium.vision_language.llava",
    "LanguageModel": "sensorium.language.language_model",
    "PromptEngineer": "sensorium.image_generation.prompt_engineer",
    "SearchIndex": "sensorium.retrieval.index",
    "SensoriumError": "sensorium.errors",
    "SpeakerDiarization": "sensorium.speech.speaker_diarization",
    "SpeechToText": "sensorium.speech.speech_to_text",
    "TextEmbedder": "sensorium.vision_language.text_embedder",
    "TextReader": "sensorium.vision_language.text_reader",
    "TextToImage": "sensorium.image_generation.text_to_image",
    "TextToSpeech": "sensorium.speech.text_to_speech",
    "VideoQA": "sensorium.video.video_qa",
    "read_film": "sensorium.video.film_writing",
    "zero_shot_classification": "sensorium.vision_language.zero_shot",
}

__all__ = sorted([*_HOMES, "__version__"])


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'sensorium' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
