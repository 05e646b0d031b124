"""Dia (Nari Labs, 2025) over the DAC codec: dialogue in the voice that it has heard."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sensorium.errors import UnsupportedError
from sensorium.models.catalog import Checkpoint
from sensorium.models.device import place, prepare_torch
from sensorium.models.memory import weights_memory
from sensorium.models.pretrained import open_model, open_part
from sensorium.progress import Cancellation
from sensorium.speech.families.components import CODEC, component
from sensorium.speech.families.torch_generation import as_samples, seeded_generation
from sensorium.speech.tempo import change_tempo
from sensorium.speech.voice import Reference, SpokenBefore

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SLOWEST = 8.0
"""Letters a second of very slow speech; it bounds how long a sentence may get."""


class DiaVoice:
    """A loaded checkpoint such as ``nari-labs/Dia-1.6B-0626``. Sounds go in brackets: "(laughs)".

    Args:
        folder: A checkpoint in the layout of transformers.
        checkpoint: Its catalog entry.
        device: ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ``"mps"``.
        dtype: ``"auto"`` is half precision on a GPU, float32 on a CPU.

    Raises:
        ModelUnavailableError: Files of the checkpoint or of its codec are missing or damaged.
    """

    longest_sentence = 300
    needs_transcript = True
    clones = True

    def __init__(self, folder: Path, *, checkpoint: Checkpoint, device: str, dtype: str) -> None:
        prepare_torch()
        from transformers import (
            DacModel,
            DiaFeatureExtractor,
            DiaForConditionalGeneration,
            DiaProcessor,
            DiaTokenizer,
        )

        self._name = checkpoint.name
        self.languages = checkpoint.languages
        codec, codec_folder = component(CODEC)
        placement = place(device, dtype, memory_bytes=weights_memory(folder) + weights_memory(codec_folder))
        features = open_part(DiaFeatureExtractor, folder, checkpoint=checkpoint)
        tokenizer = open_part(DiaTokenizer, folder, checkpoint=checkpoint)
        self._model: Any = open_model(
            DiaForConditionalGeneration, folder, checkpoint=checkpoint, device=placement.device, dtype=placement.dtype
        )
        # The codec is small, and its sound is better in full precision.
        full = place(placement.device, "float32").dtype
        dac = open_model(DacModel, codec_folder, checkpoint=codec, device=placement.device, dtype=full)
        processor_class: Any = DiaProcessor
        self._processor: Any = processor_class(features, tokenizer, audio_tokenizer=dac)
        self.sample_rate: int = features.sampling_rate
        self.reference_rate: int = features.sampling_rate
        self._frame_rate: float = features.sampling_rate / features.hop_length
        self._layout: dict[str, Any] = {
            "delay_pattern": list(self._model.config.delay_pattern),
            "bos_token_id": self._model.config.decoder_config.bos_token_id,
            "eos_token_id": self._model.config.decoder_config.eos_token_id,
            "pad_token_id": self._model.config.decoder_config.pad_token_id,
        }

    def unspoken(self, text: str, language: str | None) -> None:
        """Return nothing: the model reads any letters, as well as it can."""

    def written_out(self, sentence: str, language: str | None) -> str:
        """Return a sentence without the marks that stand for a change of speaker."""
        return re.sub(r"\[S\d\]", " ", sentence)

    def speaker(self, voice: str | None) -> SpokenBefore:
        """Return a speaker drawn by the seed, and kept from sentence to sentence."""
        if voice is not None:
            raise UnsupportedError(
                f"The checkpoint {self._name!r} has no voices to choose from",
                "Leave out the voice, or clone a recording",
            )
        return SpokenBefore(name="[S1]")

    def imitate(self, reference: Reference) -> SpokenBefore:
        """Return the speaker of a recording."""
        return SpokenBefore(name="[S1]", reference=reference)

    def speak(
        self, sentence: str, *, speaker: SpokenBefore, speed: float, seed: int, cancel: Cancellation | None
    ) -> NDArray[np.float32]:
        """Return the samples of a sentence; empty if the model ends before it begins."""
        heard = speaker.reference
        text = f"{speaker.name} {sentence}"
        if heard is not None:
            text = f"{speaker.name} {self.written_out(heard.text, None)} {text}"
        inputs = self._processor(
            text=[text],
            audio=None if heard is None else [heard.samples],
            text_kwargs={"padding": False},
            sampling_rate=self.reference_rate,
            **self._layout,
        ).to(self._model.device)
        given = self._processor.get_audio_prompt_len(inputs["decoder_attention_mask"], **self._layout)
        frames = int(self._frame_rate * (2 + len(sentence) / _SLOWEST))
        room = self._model.config.decoder_config.max_position_embeddings - given - max(self._model.config.delay_pattern)
        watched = self._model.model.decoder
        with seeded_generation(watched, seed=seed, voice=self._name, cancel=cancel):
            codes = self._model.generate(**inputs, max_new_tokens=max(1, min(frames, room)))
            if codes.shape[1] - given < 2:
                return np.zeros(0, np.float32)
            samples = as_samples(self._processor.decode(codes, audio_prompt_len=given, **self._layout))
        speaker.remember(samples, sentence)
        return change_tempo(samples, self.sample_rate, speed)
