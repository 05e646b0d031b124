"""SpeechT5 (Ao et al. 2022) with its HiFi-GAN vocoder, in the voice of a speaker embedding, through transformers."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sensorium.errors import InputError, UnsupportedError
from sensorium.models.catalog import Checkpoint
from sensorium.models.device import Placement, place, prepare_torch
from sensorium.models.memory import weights_memory
from sensorium.models.pretrained import open_model, open_part
from sensorium.progress import Cancellation
from sensorium.speech.families.alphabet import fit_to_alphabet, words_outside
from sensorium.speech.families.components import SPEAKER_ENCODER, VOCODER, component
from sensorium.speech.families.speaker_encoder import SpeakerEncoder
from sensorium.speech.families.torch_generation import as_samples, seeded_generation
from sensorium.speech.speakable_text import Unspoken
from sensorium.speech.tempo import change_tempo
from sensorium.speech.voice import Reference

if TYPE_CHECKING:
    from numpy.typing import NDArray

_LONGEST_RATIO = 20.0
"""Spectrogram frames to a letter, at most: the library's own limit."""


class SpeechT5Voice:
    """A loaded checkpoint such as ``microsoft/speecht5_tts``; it has no voice until it is given one.

    Args:
        folder: A checkpoint in the layout of transformers.
        checkpoint: Its catalog entry.
        device: ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ``"mps"``.
        dtype: ``"auto"`` is half precision on a GPU, float32 on a CPU.

    Raises:
        ModelUnavailableError: Files of the checkpoint or of its vocoder are missing or damaged.
        UnsupportedError: It is a SpeechT5 for another task.
    """

    reference_rate = 16_000
    needs_transcript = False
    clones = True

    def __init__(self, folder: Path, *, checkpoint: Checkpoint, device: str, dtype: str) -> None:
        prepare_torch()
        from transformers import SpeechT5ForTextToSpeech, SpeechT5HifiGan, SpeechT5Tokenizer

        _require_text_to_speech(folder, checkpoint)
        self._name = checkpoint.name
        self.languages = checkpoint.languages
        vocoder, vocoder_folder = component(VOCODER)
        self._placement: Placement = place(
            device, dtype, memory_bytes=weights_memory(folder) + weights_memory(vocoder_folder), half="float16"
        )
        where: dict[str, Any] = {"device": self._placement.device, "dtype": self._placement.dtype}
        self._tokenizer: Any = open_part(SpeechT5Tokenizer, folder, checkpoint=checkpoint)
        self._model: Any = open_model(SpeechT5ForTextToSpeech, folder, checkpoint=checkpoint, **where)
        self._vocoder: Any = open_model(SpeechT5HifiGan, vocoder_folder, checkpoint=vocoder, **where)
        self._speaker_encoder: SpeakerEncoder | None = None
        self._opening = threading.Lock()
        self.sample_rate: int = self._vocoder.config.sampling_rate
        self.longest_sentence: int = min(400, self._model.config.max_text_positions - 2)
        self._alphabet = {" ", *(sign for sign in self._tokenizer.get_vocab() if len(sign) == 1)}

    def unspoken(self, text: str, language: str | None) -> Unspoken | None:
        """Return the words with letters that the voice wasn't taught."""
        return words_outside(text, self._alphabet, language=self._spoken(language), voice=self._name)

    def written_out(self, sentence: str, language: str | None) -> str:
        """Return a sentence in the letters that the voice was taught."""
        return fit_to_alphabet(sentence, self._alphabet, language=self._spoken(language), voice=self._name)

    def speaker(self, voice: str | None) -> Any:
        """Return the speaker embedding of a .npy file, a tensor of shape [1, width]."""
        import torch

        if voice is None:
            raise UnsupportedError(
                f"The checkpoint {self._name!r} speaks only in a voice that it is given",
                "Name a .npy file with a speaker's x-vector as the voice, or clone the voice of a recording",
            )
        width = self._model.config.speaker_embedding_dim
        try:
            vector = np.load(voice, allow_pickle=False)
        except (OSError, ValueError, EOFError):
            raise InputError(
                f"The voice {voice!r} is not a readable .npy file", "Name a file with one x-vector"
            ) from None
        if vector.size != width or vector.dtype.kind != "f" or not np.isfinite(vector).all():
            raise InputError(
                f"The file {voice!r} doesn't hold {width} numbers but an array of {list(vector.shape)}",
                f"Name a .npy file with one x-vector of {width} numbers",
            )
        return torch.from_numpy(vector.reshape(1, width).astype(np.float32)).to(
            self._model.device, self._placement.dtype
        )

    def voice_is_file(self, voice: str) -> bool:
        """Return True: all its speakers are in files."""
        return True

    def imitate(self, reference: Reference) -> Any:
        """Return the x-vector of a recording, a tensor of shape [1, width]."""
        import torch

        with self._opening:
            if self._speaker_encoder is None:
                encoder, encoder_folder = component(SPEAKER_ENCODER)
                self._speaker_encoder = SpeakerEncoder(encoder_folder, checkpoint=encoder, placement=self._placement)
        vector = self._speaker_encoder.embed(reference.samples)
        width = self._model.config.speaker_embedding_dim
        if vector.shape[-1] != width:
            raise UnsupportedError(
                f"The checkpoint {self._name!r} wants x-vectors of {width} numbers, and those of {SPEAKER_ENCODER!r} "
                f"have {vector.shape[-1]}",
                "Choose another checkpoint",
            )
        return torch.nn.functional.normalize(vector).to(self._model.device, self._placement.dtype)

    def _spoken(self, language: str | None) -> str:
        return (*self.languages, language or "")[0]

    def speak(
        self, sentence: str, *, speaker: Any, speed: float, seed: int, cancel: Cancellation | None
    ) -> NDArray[np.float32]:
        """Return the samples of a sentence. The decoder drops random units even when it speaks: hence the seed."""
        tokens = self._tokenizer(sentence, return_tensors="pt").input_ids.to(self._model.device)
        config = self._model.config
        most = (config.max_speech_positions - 1) * config.reduction_factor / tokens.shape[1]
        decoder = self._model.speecht5.decoder
        with seeded_generation(decoder.prenet, self._vocoder, seed=seed, voice=self._name, cancel=cancel):
            waveform = self._model.generate(
                tokens, speaker_embeddings=speaker, vocoder=self._vocoder, maxlenratio=min(_LONGEST_RATIO, most)
            )
        return change_tempo(as_samples(waveform), self.sample_rate, speed)


def _require_text_to_speech(folder: Path, checkpoint: Checkpoint) -> None:
    """Refuse the siblings with the same model type: speech recognition and voice conversion."""
    try:
        architectures = json.loads((folder / "config.json").read_text(encoding="utf-8")).get("architectures") or []
    except (OSError, ValueError):
        return
    if architectures and "SpeechT5ForTextToSpeech" not in architectures:
        raise UnsupportedError(
            f"The checkpoint {checkpoint.name!r} is a SpeechT5 for another task ({architectures[0]})",
            "Choose one for text to speech, such as 'microsoft/speecht5_tts'",
        )
