"""Hibari: a small English voice on ONNX Runtime, distilled from Kokoro-82M (package hibari-tts)."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from pathlib import Path
from threading import get_ident
from typing import TYPE_CHECKING, Any

import numpy as np

from sensorium.errors import UnsupportedError
from sensorium.models.catalog import Checkpoint
from sensorium.progress import Cancellation
from sensorium.speech.speakable_text import Unspoken, cut_long_sentence, foreign_words
from sensorium.text.spoken_form import spoken_form
from sensorium.threads import thread_count

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MAX_PHONEMES = 400
"""Memory grows with the length of what is spoken at once, about half a megabyte a phoneme."""


class HibariVoice:
    """The loaded voice.

    Args:
        folder: Unused: the package finds its own files.
        checkpoint: Its catalog entry.
        device: ``"cpu"``.
        dtype: Unused: the weights are int8.
    """

    def __init__(self, folder: Path, *, checkpoint: Checkpoint, device: str, dtype: str) -> None:
        with _without_scipy_fft():
            from hibari import Hibari

        self._voice: Any = Hibari(threads=thread_count())
        self.sample_rate: int = self._voice.sample_rate
        self.languages = checkpoint.languages
        self.longest_sentence = 400
        self._name = checkpoint.name

    def unspoken(self, text: str, language: str | None) -> Unspoken | None:
        """Return the words of other scripts, which the voice's front end would drop."""
        return foreign_words(text, self._name)

    def written_out(self, sentence: str, language: str | None) -> str:
        """Return a sentence with numbers and signs as words; the voice's own front end gets many of them wrong."""
        return spoken_form(sentence, "en")

    def speaker(self, voice: str | None) -> None:
        """Refuse any name: there is one voice."""
        if voice is not None:
            raise UnsupportedError(f"The checkpoint {self._name!r} has one voice only", "Leave out the voice")

    def speak(
        self, sentence: str, *, speaker: None, speed: float, seed: int, cancel: Cancellation | None
    ) -> NDArray[np.float32]:
        """Return the samples of a sentence; empty if nothing in it is pronounced.

        Args:
            sentence: A few hundred letters at most.
            speaker: Unused.
            speed: 1.0 is the voice's own pace.
            seed: Of the breath in the voice; the same one gives the same samples.
            cancel: Unused: a sentence takes a moment.
        """
        noise = np.random.default_rng(seed)
        spoken = [
            self._voice.from_ids(self._voice.ids(part), speed, noise)
            # Not `phonemize`, which would end a sentence at abbreviations once more.
            for part in cut_long_sentence(self._voice.g2p(sentence), _MAX_PHONEMES)
        ]
        return np.concatenate(spoken).astype(np.float32) if spoken else np.zeros(0, np.float32)


class _HidesScipyFft(MetaPathFinder):
    """Says that there is no ``scipy.fft``, to the thread that made it and to no other."""

    def __init__(self) -> None:
        self._thread = get_ident()

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> None:
        if fullname == "scipy.fft" and get_ident() == self._thread:
            raise ModuleNotFoundError("hidden for a moment", name=fullname)


@contextmanager
def _without_scipy_fft() -> Iterator[None]:
    """Let hibari be imported without ``scipy.fft``, whose import takes a fifth of the time to the first word.

    hibari then uses numpy's, which gives the same samples (within 2e-7) as fast.
    """
    finder = _HidesScipyFft()
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
