"""Models that see and hear as recognisers: they are asked in words to write down, or to translate, what is said."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sensorium.errors import SensoriumError
from sensorium.language.messages import MediaPart, TextPart, Turn
from sensorium.language.sampling import Sampling
from sensorium.models.catalog import Checkpoint, family_of
from sensorium.models.device import prepare_torch
from sensorium.progress import Cancellation
from sensorium.speech.families.torch_recogniser import KeepsWindows, Sureness
from sensorium.speech.recognised_text import Recognition, compression_ratio
from sensorium.speech.recogniser import SAMPLE_RATE, Encoded, Told
from sensorium.text.languages import LANGUAGES

if TYPE_CHECKING:
    from sensorium.speech.recogniser import Samples

_TOKENS_PER_SECOND = 16
_SPARE_TOKENS = 64


@dataclass(frozen=True)
class Requests:
    """What a family is asked, in the words that it was trained with.

    Attributes:
        transcribe: To write down what is said, in a language that nobody knows.
        transcribe_language: The same, ``{language}`` being known.
        translate: To translate it into English.
        before_translation: What stands in front of the translation where the model writes it after the transcription;
            "" where it writes nothing else.
    """

    transcribe: str
    transcribe_language: str
    translate: str
    before_translation: str = ""


_GEMMA_FORMAT = (
    "\n\nFollow these specific instructions for formatting the answer:\n"
    "* Only output the transcription, with no newlines.\n"
    "* When transcribing numbers, write the digits, i.e. write 1.7 and not one point seven, and write 3 instead of "
    "three."
)
_GEMMA = Requests(
    transcribe="Transcribe the following speech segment in its original language." + _GEMMA_FORMAT,
    transcribe_language="Transcribe the following speech segment in {language} into {language} text." + _GEMMA_FORMAT,
    translate=(
        "Transcribe the following speech segment in {language}, then translate it into English.\n"
        "When formatting the answer, first output the transcription in {language}, then one newline, then output the "
        "string 'English: ', then the translation in English."
    ),
    before_translation="English: ",
)
_OTHERS = Requests(
    transcribe="Transcribe the audio into text.",
    transcribe_language="Transcribe the {language} audio into text.",
    translate="Listen to the provided {language} speech and produce a translation in English text.",
)
_REQUESTS = {"gemma3n": _GEMMA, "gemma4": _GEMMA}
"""By family, from the pages of their checkpoints; the others are asked as Qwen-Omni's pages do."""


class OmniRecogniser(KeepsWindows):
    """A checkpoint such as ``google/gemma-4-E4B-it`` or ``Qwen/Qwen3-Omni-30B-A3B-Instruct`` that writes what it hears.

    A process that also chats with the checkpoint holds its weights once.

    Args:
        folder: The checkpoint's folder, in transformers' layout.
        checkpoint: Its catalog entry.
        device: Where to run.
        dtype: ``"auto"`` or a precision.

    Raises:
        UnsupportedError: The checkpoint has no chat template, or no processor that runs here.
        ModelUnavailableError: Files are missing or damaged.
        InsufficientMemoryError: The weights don't fit.
    """

    multilingual = translates = True
    takes: frozenset[str] = frozenset()
    times_words = must_be_told_language = judges_speech = False
    words_are_timed_well = True
    languages: tuple[str, ...] = ()

    def __init__(self, folder: Path, *, checkpoint: Checkpoint, device: str, dtype: str) -> None:
        prepare_torch()
        from sensorium.vision_language.families.image_text_model import shared_image_text_model

        shared = shared_image_text_model(folder, checkpoint=checkpoint, device=device, dtype=dtype)
        self._model = shared.backend
        weakref.finalize(self, shared.release)
        self._requests = _REQUESTS.get(family_of(folder), _OTHERS)
        self.batch_size = self._model.batch_size

    def recognise(
        self,
        encoded: Encoded,
        told: Told,
        *,
        needs_words: Callable[[int, str], bool],
        cancel: Cancellation | None = None,
    ) -> list[Recognition]:
        """Recognise windows together."""
        size = self.batch_size if self._model.runs_on_gpu else 1  # together they would be no faster on a CPU
        windows = encoded.windows
        groups = [windows[start : start + size] for start in range(0, len(windows), size)]
        return [recognition for group in groups for recognition in self._written(group, told, cancel)]

    def request(self, told: Told) -> str:
        """Return what the model is asked beside the sound."""
        language = LANGUAGES.get(told.language, "")
        if told.task == "translate":
            return self._requests.translate.format(language=language or "its original language")
        if language:
            return self._requests.transcribe_language.format(language=language)
        return self._requests.transcribe

    def _written(self, windows: Sequence[Samples], told: Told, cancel: Cancellation | None) -> list[Recognition]:
        request, sureness = self.request(told), Sureness()
        longest = max(map(len, windows)) / SAMPLE_RATE
        answers = self._model.answer_batch(
            [[Turn("user", (MediaPart("audio", window), TextPart(request)))] for window in windows],
            Sampling(_SPARE_TOKENS + int(longest * _TOKENS_PER_SECOND)),
            watch=sureness,
            cancel=cancel,
        )
        found = []
        for answer, steps in zip(answers, sureness.by_window(), strict=True):
            if isinstance(answer, SensoriumError):
                raise answer
            text = self._said(str(answer), told)
            counted = steps[: answer.usage.completion_tokens + 1] if answer.usage else steps
            average = sum(counted) / max(1, len(counted))
            found.append(Recognition(text, (), average, 0.0, compression_ratio(text), told.language))
        return found

    def _said(self, text: str, told: Told) -> str:
        before = self._requests.before_translation
        if told.task == "translate" and before and before in text:
            text = text.rpartition(before)[2]
        return " ".join(text.split())
