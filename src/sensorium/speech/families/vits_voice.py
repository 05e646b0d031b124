"""VITS (Kim et al. 2021) and its 1,100 languages of MMS-TTS (Pratap et al. 2023), through transformers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sensorium.errors import InputError, MissingDependencyError, UnsupportedError
from sensorium.models.catalog import Checkpoint
from sensorium.models.device import place, prepare_torch
from sensorium.models.memory import weights_memory
from sensorium.models.pretrained import open_model, open_part
from sensorium.progress import Cancellation
from sensorium.speech.families.alphabet import fit_to_alphabet, words_outside
from sensorium.speech.families.torch_generation import as_samples, seeded_generation
from sensorium.speech.speakable_text import Unspoken
from sensorium.text.languages import code_of_three_letters
from sensorium.text.spoken_form import spoken_form

if TYPE_CHECKING:
    from numpy.typing import NDArray


class VitsVoice:
    """A loaded checkpoint such as ``facebook/mms-tts-eng`` or ``facebook/mms-tts-deu``.

    Args:
        folder: A checkpoint in the layout of transformers.
        checkpoint: Its catalog entry.
        device: ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ``"mps"``.
        dtype: ``"auto"`` is float32 everywhere.

    Raises:
        ModelUnavailableError: Files are missing or damaged.
        MissingDependencyError: The checkpoint reads phonemes, and no package that makes them is installed.
        UnsupportedError: Another precision than float32 is asked for.
    """

    longest_sentence = 400

    def __init__(self, folder: Path, *, checkpoint: Checkpoint, device: str, dtype: str) -> None:
        prepare_torch()
        from transformers import VitsModel, VitsTokenizer
        from transformers.utils.import_utils import is_phonemizer_available

        self._name = checkpoint.name
        self._tokenizer: Any = open_part(VitsTokenizer, folder, checkpoint=checkpoint)
        if self._tokenizer.phonemize and not is_phonemizer_available():
            raise MissingDependencyError(
                f"The voice {checkpoint.name!r} reads phonemes, and the package phonemizer, which makes them, is not "
                "installed",
                "Run 'pip install phonemizer' and install the program espeak-ng, or choose an MMS voice",
            )
        if dtype not in ("auto", "float32"):
            # The splines that give each letter its length turn into numbers that are none.
            raise UnsupportedError(f"The voice {checkpoint.name!r} can't speak in {dtype}", "Use dtype='auto'")
        placement = place(device, "float32", memory_bytes=weights_memory(folder))
        self._model: Any = open_model(
            VitsModel, folder, checkpoint=checkpoint, device=placement.device, dtype=placement.dtype
        )
        language = self._tokenizer.language
        self.sample_rate: int = self._model.config.sampling_rate
        self.languages: tuple[str, ...] = (code_of_three_letters(language),) if language else ()
        self._alphabet = {sign for sign in self._tokenizer.encoder if len(sign) == 1}

    def unspoken(self, text: str, language: str | None) -> Unspoken | None:
        """Return the words with letters that the voice wasn't taught."""
        if self._tokenizer.phonemize:
            return None
        letters = [character for character in text if character.isalpha() and not character.isascii()]
        if self._tokenizer.is_uroman and letters:
            raise UnsupportedError(
                f"The voice {self._name!r} reads its language in Latin letters only, and the text holds {letters[0]!r}",
                "Romanise the text first with the program uroman (pip install uroman), and give what it returns",
            )
        return words_outside(text, self._alphabet, language=self._spoken(language), voice=self._name)

    def written_out(self, sentence: str, language: str | None) -> str:
        """Return a sentence in the letters that the voice was taught, or in words where it reads phonemes."""
        spoken = self._spoken(language)
        if self._tokenizer.phonemize:
            return spoken_form(sentence, spoken)
        return fit_to_alphabet(sentence, self._alphabet, language=spoken, voice=self._name)

    def speaker(self, voice: str | None) -> int | None:
        """Return the number of a speaker, for checkpoints that were taught several."""
        count = self._model.config.num_speakers
        if count <= 1:
            if voice is not None:
                raise UnsupportedError(f"The checkpoint {self._name!r} has one voice only", "Leave out the voice")
            return None
        if voice is not None and not (voice.isdecimal() and int(voice) < count):
            raise InputError(
                f"The checkpoint {self._name!r} has no voice {voice!r}", f"Choose a number from 0 to {count - 1}"
            )
        return int(voice or 0)

    def _spoken(self, language: str | None) -> str:
        return (*self.languages, language or "")[0]

    def speak(
        self, sentence: str, *, speaker: int | None, speed: float, seed: int, cancel: Cancellation | None
    ) -> NDArray[np.float32]:
        """Return the samples of a sentence; empty if it holds no letter of the voice's."""
        inputs = self._tokenizer(sentence, return_tensors="pt").to(self._model.device)
        blanks = 1 if self._tokenizer.add_blank else 0
        if inputs["input_ids"].shape[1] <= blanks:
            # transformers fails on it with a plain RuntimeError.
            return np.zeros(0, np.float32)
        with seeded_generation(self._model, seed=seed, voice=self._name, cancel=cancel):
            pace = self._model.config.speaking_rate * speed
            return as_samples(self._model(**inputs, speaker_id=speaker, speaking_rate=pace).waveform)
