"""Recognisers that write along the sound, so that each token has its time: transducers, and those trained by CTC.

Sources: Graves et al. 2006, "Connectionist Temporal Classification"; Graves 2012, "Sequence Transduction with Recurrent
Neural Networks"; Xu et al. 2023, "Efficient Sequence Transduction by Jointly Predicting Tokens and Durations".
"""

from __future__ import annotations

import inspect
import math
from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sensorium.speech.families.torch_recogniser import Sureness, TorchRecogniser
from sensorium.speech.recognised_text import Recognition, compression_ratio
from sensorium.speech.recogniser import SAMPLE_RATE, Told
from sensorium.speech.word_times import TimedToken, timed_words

if TYPE_CHECKING:
    import torch

    from sensorium.speech.recogniser import Samples


class FrameRecogniser(TorchRecogniser):
    """A recogniser whose tokens have times."""

    words_are_timed_well = True
    times_words = True
    must_be_told_language = False
    languages: tuple[str, ...] = ()

    def written(self, windows: Sequence[Samples], told: Told) -> list[Recognition]:
        """Recognise windows together."""
        inputs = self.processor(self.heard(windows), sampling_rate=self.rate, return_tensors="pt", **self._told(told))
        tokens = self.tokens(self.prepared(inputs), windows)
        return [self._recognition(each) for each in tokens]

    @abstractmethod
    def tokens(self, inputs: Any, windows: Sequence[Samples]) -> list[list[TimedToken]]:
        """Return the tokens of each window."""

    def _told(self, told: Told) -> dict[str, str]:
        """Return how the language is named to a processor that takes it; it finds it out itself if nobody knows it."""
        takes = "language" in inspect.signature(type(self.processor).__call__).parameters
        return {"language": told.language} if takes and told.language else {}

    def _recognition(self, tokens: list[TimedToken]) -> Recognition:
        words = timed_words(tokens, self._decode)
        text = "".join(word.text for word in words)
        sure = sum(token.log_probability for token in tokens) / len(tokens) if tokens else 0.0
        return Recognition(text, words, sure, 0.0, compression_ratio(text))

    def _decode(self, numbers: list[int]) -> str:
        # Which tokens are said twice is settled already.
        text: str = self.processor.tokenizer.decode(numbers, skip_special_tokens=True, group_tokens=False)
        return text


class CTCRecogniser(FrameRecogniser):
    """A checkpoint such as ``facebook/wav2vec2-base-960h`` or ``nvidia/parakeet-ctc-1.1b``."""

    model_class = "AutoModelForCTC"

    @property
    def batches(self) -> bool:
        """Whether windows of different lengths may go through the model together; some take silence for sound."""
        return bool(getattr(self.processor.feature_extractor, "return_attention_mask", True))

    def tokens(self, inputs: Any, windows: Sequence[Samples]) -> list[list[TimedToken]]:
        """Return the tokens of each window: runs of frames that agree on one."""
        logits = self.model(**inputs).logits.float().log_softmax(dim=-1)
        seconds = max(map(len, windows)) / SAMPLE_RATE / logits.shape[1]
        return [
            self._runs(rows[: math.ceil(len(window) / SAMPLE_RATE / seconds)], seconds)
            for rows, window in zip(logits.cpu(), windows, strict=True)
        ]

    def _runs(self, frames: torch.Tensor, seconds: float) -> list[TimedToken]:
        """Join frames that agree; blanks between two runs of a token make it two tokens."""
        best = frames.max(dim=-1)
        numbers, sure = best.indices.tolist(), best.values.tolist()
        found, start = [], 0
        for at in range(1, len(numbers) + 1):
            if at == len(numbers) or numbers[at] != numbers[start]:
                if numbers[start] != self.model.config.pad_token_id:
                    found.append(TimedToken(numbers[start], start * seconds, at * seconds, max(sure[start:at])))
                start = at
        return found


class TransducerRecogniser(FrameRecogniser):
    """A checkpoint such as ``nvidia/nemotron-speech-streaming-en-0.6b``: each step is a token or leads a frame on."""

    model_class = "AutoModelForRNNT"

    def tokens(self, inputs: Any, windows: Sequence[Samples]) -> list[list[TimedToken]]:
        """Return the tokens of each window."""
        from transformers import LogitsProcessorList

        sureness = Sureness(self.model.config.vocab_size)
        frames = max(map(len, windows)) / SAMPLE_RATE / self._seconds
        found = self.model.generate(
            **inputs,
            max_new_tokens=math.ceil(frames) * self.model.max_symbols_per_step,
            logits_processor=LogitsProcessorList([sureness]),
        )
        steps = zip(found.sequences.tolist(), found.durations.tolist(), sureness.by_window(), strict=True)
        spoken = [self._spoken(*each) for each in steps]
        # What fills up a shorter window is heard, too.
        lengths = [len(window) / SAMPLE_RATE for window in windows]
        return [[token for token in each if token.start < length] for each, length in zip(spoken, lengths, strict=True)]

    def _spoken(self, numbers: list[int], durations: list[int], sure: list[float]) -> list[TimedToken]:
        """Return the steps that are words."""
        config, seconds = self.model.config, self._seconds
        found, frame = [], 0
        for number, lasts, probability in zip(numbers, durations, [0.0, *sure], strict=False):
            if number not in (config.blank_token_id, config.pad_token_id):
                end = frame + self._length(lasts)
                found.append(TimedToken(number, frame * seconds, end * seconds, probability))
            frame += lasts
        return found

    @property
    def _seconds(self) -> float:
        """How long a frame is."""
        features, encoder = self.processor.feature_extractor, self.model.config.encoder_config
        seconds: float = features.hop_length / features.sampling_rate * encoder.subsampling_factor
        return seconds

    def _length(self, advance: int) -> int:
        """Return how many frames a token lasts: nobody says it, so a single one."""
        return 1


class DurationTransducerRecogniser(TransducerRecogniser):
    """A checkpoint such as ``nvidia/parakeet-tdt-0.6b-v3``: each token comes with how many frames it lasts."""

    model_class = "AutoModelForTDT"

    def _length(self, advance: int) -> int:
        """Return how many frames a token lasts."""
        return advance
