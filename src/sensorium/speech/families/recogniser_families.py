"""Which backend recognises speech with a checkpoint of transformers, judged by its ``config.json``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from sensorium.models.json_files import json_table
from sensorium.vision_language.families.image_text_family import hears, is_made_for_conversations

CTC, TRANSDUCER, DURATION_TRANSDUCER = "ctc", "transducer", "duration-transducer"
SEQUENCE, MULTIMODAL, ALIGNER = "speech-sequence", "speech-multimodal", "forced-aligner"
SEAMLESS, SEQUENCE_TO_SEQUENCE = "seamless", "speech-sequence-to-sequence"
OMNI = "omni"
"""Models that see and hear."""
WHISPERS = ("whisper-ctranslate2", "whisper")

_TIMED = (CTC, TRANSDUCER, DURATION_TRANSDUCER)
_TIMED_CLASSES = ("ForCTC", "ForRNNT", "ForTDT")
_OTHER_PURPOSES = frozenset(
    {
        *("dia", "pop2piano", "vibevoice"),  # they speak or play
        *("speech-encoder-decoder", "kyutai_speech_to_text"),
        *("qwen2_audio", "qwen2_5_omni", "qwen3_omni_moe", "phi4_multimodal"),
    }
)
"""Families that transformers lists beside recognisers, but whose processors take neither sound alone nor a request to
transcribe. Models that see and hear are asked in a chat."""
REASONS: Mapping[str, str] = {
    "kyutai_speech_to_text": "it writes in step with the sound, a token for each moment, which this backend doesn't do",
    "qwen2_audio": "it is asked in a chat, and transformers has no request to transcribe for it",
}
"""Why some of them can't be used: half a sentence after a colon."""
PACKAGES: Mapping[str, tuple[str, ...]] = {
    "voxtral": ("mistral_common", "soundfile"),
    "voxtral_realtime": ("mistral_common",),
}
"""The modules that transformers needs to ask a family to transcribe, beside its own requirements."""
_BY_NAME = {"seamless_m4t": SEAMLESS, "seamless_m4t_v2": SEAMLESS, "audioflamingo3": SEQUENCE_TO_SEQUENCE}
"""Families whose checkpoints name another class than the one that recognises, or that stand in no list of recognisers.
"""


def recogniser_family(family: str, folder: Path) -> str:
    """Return the family whose backend opens a checkpoint; the one given if none recognises speech.

    Args:
        family: The ``model_type`` of the checkpoint.
        folder: Its folder, whose ``config.json`` names the class: some families also have classes for other purposes.
    """
    if hears(folder) and is_made_for_conversations(folder):
        return OMNI
    if family in _OTHER_PURPOSES:
        return family
    if family in _BY_NAME:
        return _BY_NAME[family]
    named = _architectures(folder)
    for kind, classes in _classes().items():
        if family in classes and (not named or classes[family] in named):
            return kind
    return family


def needs_aligner(family: str, folder: Path | None) -> bool:
    """Return whether a checkpoint writes text alone, judged without any library.

    Args:
        family: Its family in the catalog; "" if it has none.
        folder: Where it is; None if it isn't on this machine. Then only its family tells.
    """
    if family in (*_TIMED, *WHISPERS):
        return False
    if family in (SEQUENCE, MULTIMODAL, SEAMLESS, SEQUENCE_TO_SEQUENCE, OMNI):
        return True
    if folder is None or (folder / "model.bin").is_file():
        return False
    return not any(name.startswith("Whisper") or name.endswith(_TIMED_CLASSES) for name in _architectures(folder))


def _classes() -> dict[str, Mapping[str, str]]:
    """Return the classes of transformers by family, for each backend."""
    from transformers.models.auto import modeling_auto as auto

    written = auto.MODEL_FOR_SPEECH_SEQ_2_SEQ_MAPPING_NAMES
    marked = auto.MODEL_FOR_TOKEN_CLASSIFICATION_MAPPING_NAMES
    pictures = auto.MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES
    multimodal = auto.MODEL_FOR_MULTIMODAL_LM_MAPPING_NAMES
    return {
        DURATION_TRANSDUCER: auto.MODEL_FOR_TDT_MAPPING_NAMES,
        TRANSDUCER: auto.MODEL_FOR_RNNT_MAPPING_NAMES,
        CTC: auto.MODEL_FOR_CTC_MAPPING_NAMES,
        SEQUENCE: written,
        ALIGNER: {family: marked[family] for family in written if family in marked},
        MULTIMODAL: {family: name for family, name in multimodal.items() if family not in pictures},
    }


def _architectures(folder: Path) -> frozenset[str]:
    listed = json_table(folder / "config.json").get("architectures")
    return frozenset(map(str, listed)) if isinstance(listed, list) else frozenset()
