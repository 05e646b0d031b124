"""Recognisers that write a text about the sound, without times: encoder-decoders, and language models that hear.

What each is asked is decided by its processor: most have ``apply_transcription_request``, which puts the question into
the words that the model was trained with; the others take the sound alone.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sensorium.errors import SensoriumError, UnsupportedError
from sensorium.models.catalog import Checkpoint
from sensorium.speech.families.spoken_request import WORDS, SpokenRequest
from sensorium.speech.families.torch_generation import seeded
from sensorium.speech.families.torch_recogniser import Sureness, TorchRecogniser
from sensorium.speech.recognised_text import Recognition, compression_ratio
from sensorium.speech.recogniser import HOTWORDS, INITIAL_PROMPT, SAMPLE_RATE, Told
from sensorium.text.languages import language_code

if TYPE_CHECKING:
    from sensorium.speech.recogniser import Samples

_TOKENS_PER_SECOND = 16
_SPARE_TOKENS = 64
_SEED = 0
_NOISY = ("vibevoice_asr",)
"""Families whose encoders add noise to the sound, another one to each window of several."""
_INSTRUCTION = "default_transcription_prompt"
"""Of a processor whose ``prompt`` is the question itself, and not what the recording is about."""


class SequenceRecogniser(TorchRecogniser):
    """A checkpoint such as ``CohereLabs/cohere-transcribe-03-2026`` or ``Qwen/Qwen3-ASR-1.7B``.

    Raises:
        UnsupportedError: Its processor takes neither sound alone nor a request to transcribe.
    """

    model_class = "AutoModelForSpeechSeq2Seq"
    times_words = False
    words_are_timed_well = True

    def __init__(self, folder: Path, *, checkpoint: Checkpoint, device: str, dtype: str) -> None:
        super().__init__(folder, checkpoint=checkpoint, device=device, dtype=dtype)
        family = self.model.config.model_type
        self._alone = family in _NOISY
        if not self.model.config.is_encoder_decoder:
            self.processor.tokenizer.padding_side = "left"
        words = WORDS.get(family)
        self._request = getattr(self.processor, "apply_transcription_request", self.processor)
        if words is not None:
            self._request = SpokenRequest(self.processor, words)
        self._parameters = inspect.signature(self._request).parameters
        self.translates = not {"target_language", "task"}.isdisjoint(self._parameters)
        language = self._parameters.get("language")
        self.must_be_told_language = "source_language" in self._parameters or (
            language is not None and language.default is inspect.Parameter.empty
        )
        self.languages = _known_languages(self.processor)
        self.takes = self._taken()

    def written(self, windows: Sequence[Samples], told: Told) -> list[Recognition]:
        """Recognise windows together."""
        from transformers import LogitsProcessorList

        try:
            inputs = self.prepared(self._asked(windows, told))
        except UnsupportedError:
            if len(windows) == 1:
                raise
            self._alone = True  # its processor can't fill up windows to one length
            return [each for window in windows for each in self.written([window], told)]
        most = [_SPARE_TOKENS + int(len(window) / SAMPLE_RATE * _TOKENS_PER_SECOND) for window in windows]
        sureness = Sureness()
        with seeded(self.model.device, _SEED):
            found = self.model.generate(
                **inputs,
                do_sample=False,
                num_beams=1,
                max_new_tokens=max(most),
                logits_processor=LogitsProcessorList([sureness]),
                **self.generation_options(told),
            )
        sequences = getattr(found, "sequences", found)
        steps = sureness.by_window()
        new = [
            numbers[len(numbers) - len(sure) :][:length]
            for numbers, sure, length in zip(sequences.tolist(), steps, most, strict=True)
        ]
        read = zip(self._texts(new), new, steps, strict=True)
        return [
            self._recognition(text, language or told.language, numbers, sure)
            for (text, language), numbers, sure in read
        ]

    @property
    def batches(self) -> bool:
        """Whether windows of different lengths may go through the model together."""
        return not self._alone

    def generation_options(self, told: Told) -> dict[str, Any]:
        """Return what else ``generate`` is told."""
        return {}

    def _asked(self, windows: Sequence[Samples], told: Told) -> Any:
        """Return the inputs of the model: the sound, and what it is asked."""
        given: dict[str, Any] = {"language": told.language, "source_language": told.language, "task": told.task}
        given |= {"model_id": self.name, "format": "wav", "sampling_rate": self.rate}
        if self.translates:
            given["target_language"] = "en" if told.task == "translate" else told.language
        context = [text for text in (told.initial_prompt, told.hotwords) if text]
        if INITIAL_PROMPT in self.takes:
            given["prompt"] = "\n".join(context)
        elif HOTWORDS in self.takes and told.hotwords:
            given["keywords"] = [word.strip() for word in told.hotwords.split(",") if word.strip()]
        options = {name: value for name, value in given.items() if value and name in self._parameters}
        if self._request is self.processor:
            options["sampling_rate"] = self.rate
        try:
            return self._request(audio=self.heard(windows), return_tensors="pt", **options)
        except (ValueError, TypeError, KeyError) as error:
            raise UnsupportedError(
                f"The checkpoint {self._checkpoint.name!r} can't be asked to transcribe"
                f"{f' {told.language!r}' if told.language else ''}: {' '.join(str(error).split())[:200]}",
                "Name a language that its page names, or choose another checkpoint",
            ) from error

    def _taken(self) -> frozenset[str]:
        if "keywords" in self._parameters:
            return frozenset({HOTWORDS})
        says_what_to_do = hasattr(self.processor, _INSTRUCTION)
        takes = "prompt" in self._parameters and not says_what_to_do
        return frozenset({INITIAL_PROMPT, HOTWORDS}) if takes else frozenset()

    def _texts(self, sequences: list[list[int]]) -> list[tuple[str, str]]:
        """Return what was written, and the code of the language that the model says it is in; "" where it doesn't."""
        decode = self.processor.decode
        if hasattr(self.processor, "parse_output"):
            parsed = decode(sequences, return_format="parsed")
            return [(each["transcription"], _code(each["language"])) for each in parsed]
        parameters = inspect.signature(decode).parameters
        if "return_format" in parameters:
            return [(text, "") for text in decode(sequences, return_format="transcription_only")]
        if "strip_prefix" in parameters:
            return [(text, "") for text in decode(sequences, skip_special_tokens=True, strip_prefix=True)]
        return [(text, "") for text in self.processor.tokenizer.batch_decode(sequences, skip_special_tokens=True)]

    def _recognition(self, text: str, language: str, numbers: list[int], sure: list[float]) -> Recognition:
        ends = self._ends()
        length = next((at for at, number in enumerate(numbers) if number in ends), len(numbers)) + 1
        counted = sure[:length]
        average = sum(counted) / len(counted) if counted else 0.0
        return Recognition(text.strip(), (), average, 0.0, compression_ratio(text), language)

    def _ends(self) -> frozenset[int]:
        end = self.model.generation_config.eos_token_id
        return frozenset(end if isinstance(end, (list, tuple)) else [end])


class HearingSequenceModel(SequenceRecogniser):
    """A checkpoint such as ``nvidia/audio-flamingo-3-hf``, which transformers counts among those that rewrite text."""

    model_class = "AutoModelForSeq2SeqLM"


class HearingLanguageModel(SequenceRecogniser):
    """A checkpoint such as ``zai-org/GLM-ASR-Nano-2512``, which transformers counts among the multimodal ones."""

    model_class = "AutoModelForMultimodalLM"


def _known_languages(processor: Any) -> tuple[str, ...]:
    """Return the codes of the languages that a processor can be told: transformers writes them beside its class."""
    module = inspect.getmodule(type(processor))
    listed: Iterable[Any] = getattr(module, "LANGUAGE_CODE_TO_NAME", None) or getattr(module, "LANGUAGES", None) or ()
    return tuple(sorted(map(str, listed)))


def _code(language: str | None) -> str:
    try:
        return language_code(language) if language else ""
    except SensoriumError:  # a name that only the model knows
        return ""
