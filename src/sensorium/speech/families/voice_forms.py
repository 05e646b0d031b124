"""How the processors of the library's text-to-waveform models are asked to speak, and what their models give.

Each form belongs to the class of a processor; every model that comes with such a processor is served by it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Messages = list[dict[str, Any]]

_SOUND: dict[str, Any] = {"type": "audio", "path": ""}
"""Where a recording stands in a conversation; the recording itself is handed over beside it."""


@dataclass(frozen=True)
class Form:
    """How one processor is used.

    Attributes:
        conversation: From a sentence, and what is said in the recording of the speaker (None without a recording), to
            the messages that its template takes.
        waveform: From the processor, what the model gave, and how much of that was heard before, to a tensor of sound;
            None if there is none.
        frames: From the model and its processor to how many frames a second of speech has; None where the model itself
            bounds how long it speaks.
        longest_sentence: How many letters the model speaks well at once.
        needs_transcript: Whether it must know what is said in a recording.
        half: The half precision that it runs in on a GPU; "float32" where it is too small to need one.
        prompts: Whether the model takes a speaker as latents, which files may hold (`voice_files`).
        reads_numbers: Whether it was taught to read numbers and signs as they are written.
    """

    conversation: Callable[[str, str | None], Messages]
    waveform: Callable[[Any, Any, int], Any]
    frames: Callable[[Any, Any], float] | None
    longest_sentence: int
    needs_transcript: bool
    half: str = "bfloat16"
    prompts: bool = False
    reads_numbers: bool = True


def _text(words: str) -> dict[str, Any]:
    return {"type": "text", "text": words}


def _latents_asked(sentence: str, heard: str | None) -> Messages:
    return [{"role": "user", "content": [*([] if heard is None else [_SOUND]), _text(sentence)]}]


def _decoded_latents(processor: Any, given: Any, before: int) -> Any:
    return processor.decode(given[0])


def _script_asked(sentence: str, heard: str | None) -> Messages:
    return [{"role": "0", "content": [_text(sentence), *([] if heard is None else [_SOUND])]}]


def _pieces(processor: Any, given: Any, before: int) -> Any:
    return given[0]


def _instruction_asked(sentence: str, heard: str | None) -> Messages:
    turns = [
        {"role": "system", "content": [_text("Generate audio following instruction.")]},
        {"role": "scene", "content": [_text("Audio is recorded from a quiet room.")]},
    ]
    if heard is not None:
        turns += [{"role": "user", "content": [_text(heard)]}, {"role": "assistant", "content": [_SOUND]}]
    return [*turns, {"role": "user", "content": [_text(sentence)]}]


def _decoded_codes(processor: Any, given: Any, before: int) -> Any:
    codes = given[:, before:]
    ends = (codes[0] == processor.audio_stream_eos_id).all(dim=-1).nonzero()
    spoken = int(ends.min()) if len(ends) else codes.shape[1]
    # The first row begins the stream, and each of the others lags behind the one before it.
    return processor.batch_decode(codes)[0] if spoken > codes.shape[2] else None


FORMS: Mapping[str, Form] = {
    "PocketTTSProcessor": Form(
        _latents_asked,
        _decoded_latents,
        None,
        200,
        needs_transcript=False,
        half="float32",
        prompts=True,
        reads_numbers=False,
    ),
    "VibeVoiceProcessor": Form(
        _script_asked,
        _pieces,
        lambda model, processor: processor.feature_extractor.sampling_rate / model.config.audio_config.hop_length,
        400,
        needs_transcript=False,
    ),
    "HiggsAudioV2Processor": Form(
        _instruction_asked,
        _decoded_codes,
        lambda model, processor: processor.audio_tokenizer.config.frame_rate,
        300,
        needs_transcript=True,
    ),
}
"""By the name of the processor's class."""


def form_of(family: str) -> Form | None:
    """Return the form of a family that the library lists among its models for text to waveform; None if it has none."""
    from transformers.models.auto import modeling_auto, processing_auto

    if family not in modeling_auto.MODEL_FOR_TEXT_TO_WAVEFORM_MAPPING_NAMES:
        return None
    processors: Mapping[str, str | None] = vars(processing_auto)["PROCESSOR_MAPPING_NAMES"]
    return FORMS.get(processors.get(family) or "")
