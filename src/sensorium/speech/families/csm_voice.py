"""CSM (Sesame, 2025), a speaking Llama over the Mimi codec that goes on in the voice it has heard."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sensorium.errors import InputError
from sensorium.models.catalog import Checkpoint
from sensorium.models.device import place, prepare_torch
from sensorium.models.memory import weights_memory
from sensorium.models.pretrained import open_model, open_part
from sensorium.progress import Cancellation
from sensorium.speech.families.torch_generation import as_samples, seeded_generation
from sensorium.speech.tempo import change_tempo
from sensorium.speech.voice import Reference, SpokenBefore

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SLOWEST = 8.0
"""Letters a second of very slow speech; it bounds how long a sentence may get."""
_SPEAKERS = 10


class CsmVoice:
    """A loaded checkpoint such as ``sesame/csm-1b``.

    Args:
        folder: A checkpoint in the layout of transformers.
        checkpoint: Its catalog entry.
        device: ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ``"mps"``.
        dtype: ``"auto"`` is half precision on a GPU, float32 on a CPU.

    Raises:
        ModelUnavailableError: Files are missing or damaged.
    """

    longest_sentence = 300
    needs_transcript = True
    clones = True

    def __init__(self, folder: Path, *, checkpoint: Checkpoint, device: str, dtype: str) -> None:
        prepare_torch()
        from transformers import CsmForConditionalGeneration, CsmProcessor

        self._name = checkpoint.name
        self.languages = checkpoint.languages
        placement = place(device, dtype, memory_bytes=weights_memory(folder))
        self._processor: Any = open_part(CsmProcessor, folder, checkpoint=checkpoint)
        self._model: Any = open_model(
            CsmForConditionalGeneration, folder, checkpoint=checkpoint, device=placement.device, dtype=placement.dtype
        )
        codec = self._model.config.codec_config
        self.sample_rate: int = codec.sampling_rate
        self.reference_rate: int = codec.sampling_rate
        self._frame_rate: float = codec.frame_rate

    def unspoken(self, text: str, language: str | None) -> None:
        """Return nothing: the model reads any letters, as well as it can."""

    def written_out(self, sentence: str, language: str | None) -> str:
        """Return a sentence without the model's own control words."""
        return re.sub(r"<\|[^|<>]*\|>", " ", sentence)

    def speaker(self, voice: str | None) -> SpokenBefore:
        """Return a speaker by number; who that is, is drawn by the seed and kept from sentence to sentence."""
        if voice is not None and not (voice.isdecimal() and int(voice) < _SPEAKERS):
            raise InputError(
                f"The checkpoint {self._name!r} has no voice {voice!r}", f"Choose a number from 0 to {_SPEAKERS - 1}"
            )
        return SpokenBefore(name=voice or "0")

    def imitate(self, reference: Reference) -> SpokenBefore:
        """Return the speaker of a recording."""
        return SpokenBefore(name="0", reference=reference)

    def speak(
        self, sentence: str, *, speaker: SpokenBefore, speed: float, seed: int, cancel: Cancellation | None
    ) -> NDArray[np.float32]:
        """Return the samples of a sentence; empty if the model ends before it begins."""
        inputs = self._inputs(sentence, speaker)
        room = self._model.config.max_position_embeddings - inputs["input_ids"].shape[1]
        frames = int(self._frame_rate * (2 + len(sentence) / _SLOWEST))
        watched = self._model.depth_decoder
        with seeded_generation(watched, seed=seed, voice=self._name, cancel=cancel):
            codes = self._model.generate(**inputs, max_new_tokens=max(1, min(frames, room)))[0]
            ends = (codes == self._model.config.codebook_eos_token_id).all(dim=-1).nonzero()
            codes = codes[: int(ends.min())] if len(ends) else codes
            if not len(codes):
                return np.zeros(0, np.float32)
            # The model's codebooks end with control words, for which the codec has no sound.
            codes = codes.clamp(max=self._model.codec_model.config.codebook_size - 1)
            samples = as_samples(self._model.codec_model.decode(codes.transpose(0, 1).unsqueeze(0)).audio_values)
        speaker.remember(samples, sentence)
        return change_tempo(samples, self.sample_rate, speed)

    def _inputs(self, sentence: str, speaker: SpokenBefore) -> dict[str, Any]:
        turns = [(sentence, False)]
        sounds = None
        if speaker.reference is not None:
            turns.insert(0, (self.written_out(speaker.reference.text, None), True))
            sounds = [speaker.reference.samples]
        conversation = [
            {
                "role": speaker.name,
                "content": [{"type": "text", "text": text}, *([{"type": "audio", "path": ""}] if heard else [])],
            }
            for text, heard in turns
        ]
        prompt = self._processor.apply_chat_template(conversation, tokenize=False)
        inputs = self._processor(text=prompt, audio=sounds, return_tensors="pt").to(self._model.device)
        if "input_values" in inputs:
            inputs["input_values"] = inputs["input_values"].to(self._model.dtype)
        return dict(inputs)
