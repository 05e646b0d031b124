"""Whisper on CTranslate2: int8 on a CPU, float16 on a GPU, several windows decoded together."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sensorium.errors import InputError, InsufficientMemoryError, ModelUnavailableError, UnsupportedError
from sensorium.explanation import ran_out_of_memory
from sensorium.models import store
from sensorium.models.catalog import Checkpoint
from sensorium.progress import Cancellation, check_cancelled
from sensorium.speech.families.ctranslate2_file import UnknownFormatError
from sensorium.speech.families.whisper_folder import CheckedWhisper, checked_whisper, damaged
from sensorium.speech.families.whisper_int8 import write_int8
from sensorium.speech.recognised_text import (
    LOOP_COMPRESSION,
    Recognition,
    SpokenWord,
    compression_ratio,
    loops,
    without_squeezed,
)
from sensorium.speech.recogniser import HOTWORDS, INITIAL_PROMPT, SAMPLE_RATE, Encoded, Told
from sensorium.threads import thread_count

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sensorium.speech.families.whisper_tokenizer import WhisperTokenizer

    Samples = NDArray[np.float32]

_INT8_FORM = "int8-1"
"""The number grows when `write_int8` changes."""
_LARGEST_DOUBLED = 512 << 20
"""Files of more bytes aren't kept in a second form: their owner doesn't expect to lose so much room."""
_DTYPES = ("int8", "float32", "float16", "bfloat16", "int8_float16")
_HOP = 160
_FULL_FRAMES = 3000
_SILENT_FRAMES = 800
"""Silence after the speech that the encoder sees on a CPU instead of the rest of the 30 seconds.

Attention grows with the square of the length. With 8 s of silence Whisper base made exactly as many errors on 140
recordings in five languages as with the full 30 s (216 in 1,770 words, at 2.4 times the speed); with 2 s it begins to
repeat itself.
"""
_FRAMES_PER_SECOND = 50
"""Of the encoder's output."""
_TAIL = 2 * _FRAMES_PER_SECOND
"""Every window ends with at least two seconds of silence."""
_BEAM = 5
_END_OF_ENGLISH_TEXT = 50_256
"""The number of the end in Whispers that understand English only: they know a word less."""
_PROMPT_TOKENS = 8
"""What stands before and behind the words of a text that is aligned."""
_TOKENS_PER_SECOND = 25
_SPARE_TOKENS = 20
"""A window of n seconds gets at most 25 n + 20 tokens: nobody speaks faster, so more can only be repetition."""
_PREPENDED = "\"'“¿([{-«"
"""Punctuation that belongs to the word after it."""
_APPENDED = "\"'.。,，!！?？:：”)]}、»…;；"
"""Punctuation that belongs to the word before it."""


class CTranslate2Whisper:
    """A loaded Whisper checkpoint in CTranslate2's form.

    Args:
        folder: Holds ``model.bin``, ``config.json``, ``tokenizer.json`` and the vocabulary.
        checkpoint: Its catalog entry.
        device: ``"cpu"``, ``"cuda"``, ``"cuda:1"``.
        dtype: ``"auto"``, ``"int8"``, ``"float32"``, ``"float16"``, ``"bfloat16"``, ``"int8_float16"``.

    Attributes:
        batch_size: How many windows are best recognised together.
        multilingual: Whether it understands other languages than English.
        translates: Whether it was trained to translate into English.
        takes: What it takes beside the sound.
        times_words: True: it tells when words are spoken.
        must_be_told_language: False: it finds it out.
        languages: Empty: what it knows is seen when it is told.
        words_are_timed_well: Whether the checkpoint says which of its attention heads tell when words are spoken.
        judges_speech: True: it tells how likely nobody speaks.

    Raises:
        ModelUnavailableError: Files are missing or damaged, or are no Whisper's.
        UnsupportedError: It hears less than 30 seconds at once.
        InsufficientMemoryError: It doesn't fit.
    """

    takes = frozenset({INITIAL_PROMPT, HOTWORDS})
    times_words = judges_speech = True
    must_be_told_language = False
    languages: tuple[str, ...] = ()

    def __init__(self, folder: Path, *, checkpoint: Checkpoint, device: str, dtype: str) -> None:
        kind, _, index = device.partition(":")
        self._on_cpu = kind == "cpu"
        self._name = checkpoint.name
        if not (folder / "model.bin").is_file():
            raise ModelUnavailableError(
                f"The checkpoint {checkpoint.name!r} has no model.bin", "Name a folder with a Whisper for CTranslate2"
            )
        compute_type = _compute_type(dtype, kind)
        loaded = _kept_as_int8(folder, checkpoint) if (kind, compute_type) == ("cpu", "int8") else folder
        with checked_whisper(loaded, checkpoint, state_of(folder)) as checked:
            try:
                self._whisper = _opened(checked.folder, kind, int(index or 0), compute_type)
                self._tokenizer = _tokenizer(self._whisper.hf_tokenizer, checked)
            except (KeyboardInterrupt, SystemExit):
                raise
            except BaseException as error:  # tokenizers raises bare Exception, and panics as BaseException
                if ran_out_of_memory(error):
                    raise InsufficientMemoryError(
                        f"The checkpoint {checkpoint.name!r} needs more memory than is left",
                        "Choose a smaller checkpoint",
                    ) from error
                raise damaged(checkpoint, f"it can't be opened ({' '.join(str(error).split())})") from error
        self._whisper.max_length = min(self._whisper.max_length, checked.sizes.longest_text)
        self.batch_size = 4 if self._on_cpu else 16
        # CTranslate2 judges by the number of words; a fine-tuned one that understands English only may have as many.
        self.multilingual = bool(self._whisper.model.is_multilingual) and self._tokenizer.eot != _END_OF_ENGLISH_TEXT
        self.translates = self.multilingual and not _has_pruned_decoder(checked)
        self.words_are_timed_well = checked.heads_known

    def encode(self, windows: Sequence[Samples], *, longest: float | None = None, full: bool = False) -> Encoded:
        """Run the encoder over windows of at most 30 seconds.

        Args:
            windows: float32 mono at 16 kHz.
            longest: Seconds to which they are filled up before the silence that follows them all; by default those of
                the longest.
            full: Pad to 30 seconds even where less would do.
        """
        frames = _FULL_FRAMES
        if longest is None:
            longest = max(len(window) for window in windows) / SAMPLE_RATE
        if self._on_cpu and not full:
            frames = min(_FULL_FRAMES, round(longest * SAMPLE_RATE) // _HOP + _SILENT_FRAMES) // 2 * 2
        spectrograms = [self._spectrogram(window, frames) for window in windows]
        if self._on_cpu:
            # One by one is quicker than together: the activations of a single window still fit in the caches.
            encoded = [np.array(self._whisper.encode(spectrogram)) for spectrogram in spectrograms]
            return Encoded(windows, longest, _storage(np.concatenate(encoded)))
        return Encoded(windows, longest, self._whisper.encode(np.stack(spectrograms)))

    def some(self, encoded: Encoded, numbers: list[int]) -> Encoded:
        """Return some of the windows that were encoded, as if they had been encoded without the others."""
        if numbers == list(range(len(encoded.windows))):
            return encoded
        windows = [encoded.windows[number] for number in numbers]
        if self._on_cpu:
            return Encoded(windows, encoded.longest, _storage(np.array(encoded.features)[numbers]))
        return self.encode(windows, longest=encoded.longest)

    def language_probabilities(self, encoded: Encoded) -> list[dict[str, float]]:
        """Return for each window how likely each language is."""
        found = self._whisper.model.detect_language(encoded.features)
        return [_by_code(guesses) for guesses in found]

    def piece_language_probabilities(
        self, encoded: Encoded, pieces: Sequence[tuple[int, float, float]]
    ) -> list[dict[str, float]]:
        """Return for pieces of windows how likely each language is, without encoding them again.

        A piece is heard with the silence at the end of its window after it: without, languages are mistaken four times
        as often.

        Args:
            encoded: From `encode`.
            pieces: Numbers of windows, and where in them the pieces begin and end, in seconds.
        """
        features = self._on_host(encoded.features)
        alike: dict[int, list[int]] = {}
        heard = []
        for place, (number, start, end) in enumerate(pieces):
            # Whole seconds, so that many pieces are of one length and go through the decoder together.
            length = max(1, round(end - start)) * _FRAMES_PER_SECOND
            first = min(max(0, round((start + end) / 2 * _FRAMES_PER_SECOND) - length // 2), features.shape[1] - length)
            heard.append(np.concatenate([features[number, first : first + length], features[number, -_TAIL:]]))
            alike.setdefault(length, []).append(place)
        found: dict[int, dict[str, float]] = {}
        for places in alike.values():
            guesses = self._whisper.model.detect_language(_storage(np.stack([heard[place] for place in places])))
            found.update(zip(places, map(_by_code, guesses), strict=True))
        return [found[place] for place in range(len(pieces))]

    def recognise(
        self,
        encoded: Encoded,
        told: Told,
        *,
        needs_words: Callable[[int, str], bool],
        cancel: Cancellation | None = None,
    ) -> list[Recognition]:
        """Decode windows together; a window in which the model repeats itself is decoded again.

        Args:
            encoded: From `encode`.
            told: What there is to know beside the sound.
            needs_words: Told the number of a window and its text, says whether its words need times: that takes about
                a tenth of the work.
            cancel: Looked at before windows are decoded again; CTranslate2 itself can't be stopped.

        Returns:
            One result for each window.

        Raises:
            UnsupportedError: The checkpoint doesn't know the language.
        """
        tokenizer = self._tokenizer_for(told)
        previous = tokenizer.encode(" " + told.initial_prompt.strip()) if told.initial_prompt else []
        prompt = self._whisper.get_prompt(tokenizer, previous, without_timestamps=True, hotwords=told.hotwords)
        results = self._decode(encoded, tokenizer, prompt, needs_words)
        for number, result in enumerate(results):
            if loops(result):
                check_cancelled(cancel)
                again = self.encode([encoded.windows[number]], full=True)
                results[number] = self._decode(again, tokenizer, prompt, _always)[0]
                if loops(results[number]):
                    results[number] = self._decode(again, tokenizer, prompt, _always, no_repeat_ngram_size=5)[0]
                if loops(results[number]):
                    results[number] = without_squeezed(results[number])
        return results

    def align(
        self, windows: Sequence[Samples], texts: Sequence[str], languages: Sequence[str]
    ) -> list[tuple[SpokenWord, ...]]:
        """Return when the words of texts are spoken that another model has written down.

        Args:
            windows: float32 mono at 16 kHz, of at most 30 seconds.
            texts: What is said in each.
            languages: The code of each one's language.

        Returns:
            The words of each window; none where the text has more of them than anybody says in 30 seconds.
        """
        found: list[tuple[SpokenWord, ...]] = []
        for window, text, language in zip(windows, texts, languages, strict=True):
            encoded = self.encode([window], full=True)
            tokenizer = self._tokenizer_for(Told(language))
            tokens = tokenizer.encode(" " + text.strip())
            fits = len(tokens) + _PROMPT_TOKENS <= self._whisper.max_length
            found += self._aligned(encoded, tokenizer, [tokens], [0]) if fits else [()]
        return found

    def _tokenizer_for(self, told: Told) -> WhisperTokenizer:
        tokenizer = copy(self._tokenizer)
        if self.multilingual and not tokenizer.told(told.language, told.task):
            raise UnsupportedError(
                f"The checkpoint {self._name!r} doesn't know the language {told.language!r}",
                "Choose another checkpoint",
            )
        return tokenizer

    def _on_host(self, features: Any) -> NDArray[np.float32]:
        import ctranslate2

        if self._on_cpu:
            return np.asarray(features)
        # NumPy knows no bfloat16.
        return np.asarray(features.to_device(ctranslate2.Device.cpu).to(ctranslate2.DataType.float32))

    def _spectrogram(self, window: Samples, frames: int) -> NDArray[np.float32]:
        spectrogram = self._whisper.feature_extractor(window)[..., :frames]
        missing = frames - spectrogram.shape[-1]
        return np.pad(spectrogram, ((0, 0), (0, missing))).astype(np.float32) if missing > 0 else spectrogram

    def _decode(
        self,
        encoded: Encoded,
        tokenizer: WhisperTokenizer,
        prompt: list[int],
        needs_words: Callable[[int, str], bool],
        no_repeat_ngram_size: int = 0,
    ) -> list[Recognition]:
        most = len(prompt) + _SPARE_TOKENS + int(encoded.longest * _TOKENS_PER_SECOND)
        found = self._whisper.model.generate(
            encoded.features,
            [prompt] * len(encoded.windows),
            beam_size=_BEAM,
            max_length=min(self._whisper.max_length, most),
            no_repeat_ngram_size=no_repeat_ngram_size,
            return_scores=True,
            return_no_speech_prob=True,
            suppress_tokens=tokenizer.suppressed,
        )
        tokens = [tokenizer.spoken(result.sequences_ids[0]) for result in found]
        recognitions = []
        for result, spoken in zip(found, tokens, strict=True):
            text = tokenizer.decode(spoken)
            length = len(result.sequences_ids[0])
            recognitions.append(
                Recognition(
                    text=text,
                    words=(),
                    average_log_probability=result.scores[0] * length / (length + 1),
                    no_speech_probability=result.no_speech_prob,
                    compression_ratio=compression_ratio(text),
                )
            )
        # Only the times of its words tell whether the model repeats itself or the speaker does.
        wanted = [
            number
            for number, result in enumerate(recognitions)
            if result.compression_ratio > LOOP_COMPRESSION or needs_words(number, result.text)
        ]
        for number, words in zip(wanted, self._aligned(encoded, tokenizer, tokens, wanted), strict=True):
            recognitions[number] = replace(recognitions[number], words=words)
        return recognitions

    def _aligned(
        self, encoded: Encoded, tokenizer: WhisperTokenizer, tokens: list[list[int]], wanted: list[int]
    ) -> list[tuple[SpokenWord, ...]]:
        """Return the words of some of the windows, with their times."""
        if not wanted:
            return []
        features = encoded.features
        frames = [min(len(window) // _HOP, features.shape[1] * 2) for window in encoded.windows]
        aligning = list(range(len(tokens)))
        if self._on_cpu and wanted != aligning:
            features, aligning = _storage(np.array(features)[wanted]), wanted
        found = self._whisper.find_alignment(
            tokenizer, [tokens[number] for number in aligning], features, [frames[number] for number in aligning]
        )
        words = dict(zip(aligning, map(_words, found), strict=True))
        return [words[number] for number in wanted]


def _by_code(guesses: list[tuple[str, float]]) -> dict[str, float]:
    """Turn ("<|en|>", 0.9) into {"en": 0.9}."""
    return {token[2:-2]: probability for token, probability in guesses}


def _always(number: int, text: str) -> bool:
    return True


def state_of(folder: Path) -> str:
    """Return twelve letters that are others for another folder, and for the same folder when its files have changed."""
    changed = max((path.stat().st_mtime_ns for path in folder.iterdir()), default=0)
    return hashlib.sha256(f"{folder.resolve()} {changed}".encode()).hexdigest()[:12]


def _kept_as_int8(folder: Path, checkpoint: Checkpoint) -> Path:
    """Return a folder with the same weights as int8, or the given one where they can't be kept in that form."""
    if checkpoint.folder or (folder / "model.bin").stat().st_size > _LARGEST_DOUBLED:
        return folder
    try:
        return store.derive(checkpoint, f"{_INT8_FORM}-{state_of(folder)}", lambda target: write_int8(folder, target))
    except (UnknownFormatError, ModelUnavailableError, OSError):
        return folder  # It is int8 already, or there is no room for another copy: CTranslate2 reads it as it is.


def _compute_type(dtype: str, device: str) -> str:
    import ctranslate2

    if dtype == "auto":
        return "int8" if device == "cpu" else "float16"
    if dtype not in _DTYPES:
        raise InputError(f"There is no dtype {dtype!r} for speech recognition", f"Use auto, {', '.join(_DTYPES)}")
    if dtype not in ctranslate2.get_supported_compute_types(device):
        raise InputError(f"The dtype {dtype!r} doesn't run on the device {device!r}", "Use dtype='auto'")
    return dtype


def _has_pruned_decoder(checked: CheckedWhisper) -> bool:
    """Return whether it is one of the large models with few decoder layers, which were trained to transcribe only."""
    return checked.sizes.mel_bands == 128 and checked.sizes.decoder_layers < 8


def _opened(folder: Path, device: str, index: int, compute_type: str) -> Any:
    from faster_whisper import WhisperModel

    return WhisperModel(
        str(folder),
        device=device,
        device_index=index,
        compute_type=compute_type,
        cpu_threads=thread_count(),
        local_files_only=True,
    )


def _tokenizer(found: Any, checked: CheckedWhisper) -> WhisperTokenizer:
    from sensorium.speech.families.whisper_tokenizer import WhisperTokenizer

    tokenizer = WhisperTokenizer(found, checked.words)
    if not tokenizer.suppressed:  # computed here, where it tells whether the tokenizer can do anything
        raise ValueError("its tokenizer knows no words")
    return tokenizer


def _storage(array: NDArray[np.float32]) -> Any:
    import ctranslate2

    return ctranslate2.StorageView.from_array(np.ascontiguousarray(array))


def _words(alignment: list[dict[str, Any]]) -> tuple[SpokenWord, ...]:
    from faster_whisper.transcribe import merge_punctuations

    merge_punctuations(alignment, _PREPENDED, _APPENDED)
    return tuple(
        SpokenWord(word["word"], float(word["start"]), float(word["end"]), float(word["probability"]))
        for word in alignment
        if word["word"]
    )
