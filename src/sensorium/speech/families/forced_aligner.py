"""Forced aligners of transformers: they write nothing, and tell when the words of a text are spoken.

Source: Shi et al. 2026, "Qwen3-ASR Technical Report": a mark stands before and behind each word, and of each mark the
model says in which of the steps of 80 ms it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sensorium.errors import UnsupportedError
from sensorium.models.extras import missing_packages_explained
from sensorium.quiet import quiet_transformers
from sensorium.speech.families.torch_recogniser import TorchListener
from sensorium.speech.recognised_text import SpokenWord
from sensorium.speech.recogniser import SAMPLE_RATE
from sensorium.speech.word_times import TimedText, placed_words

if TYPE_CHECKING:
    from sensorium.speech.recogniser import Samples


class ForcedAligner(TorchListener):
    """A checkpoint such as ``Qwen/Qwen3-ForcedAligner-0.6B-hf``."""

    model_class = "AutoModelForTokenClassification"

    def align(
        self, windows: Sequence[Samples], texts: Sequence[str], languages: Sequence[str]
    ) -> list[tuple[SpokenWord, ...]]:
        """Return when the words of texts are spoken that another model has written down.

        Args:
            windows: float32 mono at 16 kHz, of at most 30 seconds.
            texts: What is said in each.
            languages: The code of each one's language; "" if nobody knows it.

        Returns:
            The words of each window; none of a text without letters.

        Raises:
            UnsupportedError: It doesn't know a language.
            MissingDependencyError: The package that finds the words of Japanese or Korean is not installed.
        """
        return [self._aligned(*each) for each in zip(windows, texts, languages, strict=True)]

    def _aligned(self, window: Samples, text: str, language: str) -> tuple[SpokenWord, ...]:
        inputs, words = self._asked(window, text, language)
        if not words:
            return ()
        import torch

        with self.lock, torch.inference_mode(), quiet_transformers(), self.out_of_memory("Timing words"):
            logits = self.model(**self.prepared(inputs)).logits.float().cpu()
        mark = self.model.config.timestamp_token_id
        [timed] = self.processor.decode_forced_alignment(logits, inputs["input_ids"].cpu(), [words], mark)
        sure = logits[inputs["input_ids"].cpu() == mark].softmax(dim=-1).amax(dim=-1).reshape(-1, 2).mean(dim=-1)
        seconds = len(window) / SAMPLE_RATE
        spoken = [
            TimedText(each["text"], min(each["start_time"], seconds), min(each["end_time"], seconds), probability)
            for each, probability in zip(timed, sure.tolist(), strict=True)
        ]
        return placed_words(text, spoken)

    def _asked(self, window: Samples, text: str, language: str) -> tuple[Any, list[str]]:
        """Return the inputs of the model, and the words before and behind which there are marks."""
        try:
            with missing_packages_explained(f"Timing words of {language!r} with {self.name!r}"):
                inputs, [words] = self.processor.prepare_forced_aligner_inputs(
                    audio=[window], transcript=[text], language=[language] if language else None
                )
        except ValueError as error:
            raise UnsupportedError(
                f"The aligner {self.name!r} doesn't know the language {language!r}", "Choose a Whisper as the aligner"
            ) from error
        return inputs, words
