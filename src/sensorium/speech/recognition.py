"""One recording on its way through a recogniser: read, cut at silences, recognised batch by batch, timed."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYetError
from contextlib import closing
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import TYPE_CHECKING, TypeAlias

from sensorium.errors import InputError, UnsupportedError
from sensorium.media.input_warnings import InputWarnings
from sensorium.media.limits import Limits
from sensorium.media.source import MediaSource, ResolvedMedia, resolve
from sensorium.media.subtitles import Word
from sensorium.media.track_choice import TrackName
from sensorium.progress import Cancellation, ProgressCallback, check_cancelled, report
from sensorium.speech.transcription import (
    LONG,
    DetectedLanguage,
    LanguageProbability,
    Segment,
    Transcription,
    phrases,
)
from sensorium.text.phrase_breaks import join_texts
from sensorium.text.sentences import split_sentences

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from sensorium.speech.families.whisper_ctranslate2 import CTranslate2Whisper, Encoded, Recognition
    from sensorium.speech.voice_activity import Window

    Samples = NDArray[np.float32]
    AudioSource: TypeAlias = MediaSource | Samples

_SAMPLE_RATE = 16_000
_WINDOW_SECONDS = 28.0
"""What goes to the recogniser at once; the model hears 30 s, and its last words are better with some silence after."""
_LENGTH_STEP = 4.0
"""Windows are filled up to multiples of so many seconds.

The text depends a little on how much silence follows it, and windows decoded together need one length. With few lengths
a short recording gets the same length, and so the same text, by itself and together with others.
"""
_LANGUAGE_WINDOWS = 4
"""How many windows the language is detected from: a greeting in another language should not decide it."""
_OTHER_LANGUAGES = 4
"""How many languages are told beside the likeliest."""
_NO_SPEECH = 0.6
_LOW_LOG_PROBABILITY = -1.0
"""Text is dropped where the model says that nobody speaks and is unsure of the text too (Radford et al.)."""
_SURELY_NO_PAUSE = 0.5
"""A silence this short, in seconds, ends no segment."""
_SHORTEST_PAUSE = 0.2
"""Words are cut off at silences at least this long, in seconds."""
_EDGE = 0.05
"""How far a word may reach into such a silence, in seconds, because its first and last sounds are quiet."""


@dataclass(frozen=True)
class RecognitionOptions:
    """What is asked of the recogniser.

    Attributes:
        language: Code of the language that is spoken; None to detect it.
        task: ``"transcribe"`` or ``"translate"``.
        word_timestamps: Whether segments list their words with times.
        segment_timestamps: Whether each sentence is a segment with times of its own.
        initial_prompt: Text in whose style and spelling to go on.
        hotwords: Words to expect.
        languages: Codes of the languages of which one is spoken; any if empty.
        track: The sound track that is heard, by its number or language; None to choose one.
        first_soon: Whether somebody waits for the first segment: then it comes after one window, if the language is
            known, rather than after a batch of windows.
    """

    language: str | None
    task: str
    word_timestamps: bool = False
    segment_timestamps: bool = True
    initial_prompt: str | None = None
    hotwords: str | None = None
    languages: tuple[str, ...] = ()
    track: TrackName | None = None
    first_soon: bool = False


@dataclass(frozen=True)
class _Batch:
    """Windows that are recognised together.

    Attributes:
        windows: In the order of time.
        longest: Seconds that the windows are filled up to. Part of a batch keeps the length of the whole one, so that
            the same text comes out.
    """

    windows: list[Window]
    longest: float


@dataclass
class RecognitionRun:
    """One recording on its way through the recogniser: read, cut at silences, recognised batch by batch."""

    backend: CTranslate2Whisper
    model: str
    source: AudioSource
    options: RecognitionOptions
    limits: Limits
    progress: ProgressCallback | None
    cancel: Cancellation | None
    language: str = ""
    language_probability: float = 0.0
    duration: float = 0.0
    warnings: InputWarnings = field(default_factory=InputWarnings)
    _found: tuple[ResolvedMedia, int] | None = None

    def segments(self) -> Generator[Segment, None, Transcription]:
        """Yield the segments one by one; return the whole transcription."""
        total = self.total()
        report(self.progress, "transcribing", 0.0, total, "seconds")
        found: list[Segment] = []
        for batch, recognitions in self._recognised():
            for window, recognition in zip(batch.windows, recognitions, strict=True):
                for segment in self.segments_in(window, recognition, first=len(found)):
                    check_cancelled(self.cancel)
                    found.append(segment)
                    yield segment
            report(self.progress, "transcribing", batch.windows[-1].end, total, "seconds")
        return self.transcription(found)

    def segments_in(self, window: Window, recognition: Recognition, *, first: int = 0) -> Iterator[Segment]:
        """Yield the segments of a window, numbered from ``first``, with times in the recording."""
        for number, segment in enumerate(_segments(window, recognition), first):
            words = segment.words if self.options.word_timestamps else ()
            yield replace(segment, id=number, words=words)

    def transcription(self, found: Sequence[Segment]) -> Transcription:
        """Return the whole transcription, once all windows are recognised."""
        report(self.progress, "transcribing", self.duration, self.duration, "seconds")
        return Transcription(
            text=join_texts([segment.text for segment in found]),
            language=self.language,
            language_probability=self.language_probability,
            duration=self.duration,
            segments=tuple(found),
            task=self.options.task,
            model=self.model,
            warnings=self.warnings.told(),
        )

    def detected_language(self) -> DetectedLanguage:
        """Return which language is spoken, as `segments` finds it: from the first windows in which somebody speaks."""
        report(self.progress, "detecting the language", 0.0, None, "seconds")
        with closing(self._batches()) as batches:
            batch = next(batches, None)
        if batch is None:
            return DetectedLanguage("", 0.0, (), self.model, self.warnings.told())
        encoded = self.backend.encode([window.samples for window in batch.windows], longest=batch.longest)
        check_cancelled(self.cancel)
        found = self._language_probabilities(encoded)
        best, *others = sorted(found, key=found.__getitem__, reverse=True)[: 1 + _OTHER_LANGUAGES]
        likely = tuple(LanguageProbability(code, found[code]) for code in others)
        return DetectedLanguage(best, found[best], likely, self.model, self.warnings.told())

    def _recognised(self) -> Iterator[tuple[_Batch, list[Recognition]]]:
        """Recognise one batch in the background while the next is read and searched for speech."""
        pool = ThreadPoolExecutor(1, thread_name_prefix="speech-to-text")
        running: tuple[_Batch, Future[list[Recognition]]] | None = None
        try:
            for batch in self._batches():
                following = batch, pool.submit(self._recognise, batch)
                if running is not None:
                    yield running[0], self._wait(running[1])
                running = following
            if running is not None:
                yield running[0], self._wait(running[1])
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def _recognise(self, batch: _Batch) -> list[Recognition]:
        encoded = self.backend.encode([window.samples for window in batch.windows], longest=batch.longest)
        check_cancelled(self.cancel)
        if not self.language:
            self.settle_language(lambda: self._language_probabilities(encoded))
        return self.backend.recognise(
            encoded,
            language=self.language,
            task=self.options.task,
            initial_prompt=self.options.initial_prompt,
            hotwords=self.options.hotwords,
            needs_words=lambda number, text: self.needs_words(batch.windows[number], text),
        )

    def settle_language(self, detect: Callable[[], Mapping[str, float]]) -> None:
        """Take the language that was asked for, or else the likeliest one of those that are detected.

        Raises:
            UnsupportedError: The checkpoint knows none of the languages that may be spoken.
        """
        if self.options.language:
            self.language, self.language_probability = self.options.language, 1.0
            return
        probabilities = self._possible(detect())
        self.language = max(probabilities, key=probabilities.__getitem__)
        self.language_probability = probabilities[self.language]

    def _possible(self, probabilities: Mapping[str, float]) -> dict[str, float]:
        """Return the probabilities of the languages that may be spoken."""
        wanted = self.options.languages
        found = {code: each for code, each in probabilities.items() if not wanted or code in wanted}
        if not found:
            raise UnsupportedError(
                f"The checkpoint {self.model!r} knows none of the languages {', '.join(wanted)}", "Leave them out"
            )
        return found

    def _language_probabilities(self, encoded: Encoded) -> dict[str, float]:
        """Return how likely each language is, averaged over the windows by their length."""
        found: dict[str, float] = {}
        total = sum(map(len, encoded.windows))
        for window, likely in zip(encoded.windows, self.backend.language_probabilities(encoded), strict=True):
            for code, probability in likely.items():
                found[code] = found.get(code, 0.0) + probability * len(window) / total
        return found

    def needs_words(self, window: Window, text: str) -> bool:
        """Return whether the words in a window must be timed: for themselves, or to tell one segment from the next."""
        if self.options.word_timestamps or not self.options.segment_timestamps:
            return self.options.word_timestamps
        start, end = window.speech
        return end - start > LONG or window.longest_pause > _SURELY_NO_PAUSE or len(split_sentences(text)) > 1

    def _wait(self, future: Future[list[Recognition]]) -> list[Recognition]:
        while True:
            check_cancelled(self.cancel)
            try:
                return future.result(timeout=0.1)
            except NotYetError:
                continue

    def _batches(self) -> Generator[_Batch]:
        windows = self.windows()
        first_alone = self.options.first_soon and self.options.language is not None
        size = _LANGUAGE_WINDOWS
        while together := list(islice(windows, size)):
            longest = max(map(filled_up, together))
            parts = [together[:1], together[1:]] if first_alone else [together]
            yield from (_Batch(part, longest) for part in parts if part)
            size, first_alone = self.backend.batch_size, False

    def windows(self) -> Iterator[Window]:
        """Read the recording; yield what is spoken in it, up to 28 seconds at a time."""
        from sensorium.speech.voice_activity import speech_windows

        return speech_windows(self._blocks(), longest=_WINDOW_SECONDS)

    def _blocks(self) -> Iterator[Samples]:
        import numpy as np

        from sensorium.media.audio import stream_audio

        blocks: Iterable[Samples]
        if isinstance(self.source, np.ndarray):
            if self.options.track is not None:
                raise InputError("Samples have no sound tracks to choose from", "Leave out the track")
            samples = _checked(self.source)
            step = 30 * _SAMPLE_RATE
            blocks = (samples[at : at + step] for at in range(0, len(samples), step))
        else:
            source, track = self._sound(self.source)
            blocks = stream_audio(
                source,
                sample_rate=_SAMPLE_RATE,
                track=track,
                voices=True,
                limits=self.limits,
                on_warning=self.warnings,
            )
        for block in blocks:
            check_cancelled(self.cancel)
            self.duration += len(block) / _SAMPLE_RATE
            yield block

    def _sound(self, source: MediaSource) -> tuple[ResolvedMedia, int]:
        """Return the file, found once, and the number of the sound track that is heard."""
        from sensorium.media.track_choice import choose_track

        if self._found is None:
            wanted = self.options
            media = resolve(source, limits=self.limits, cancel=self.cancel)
            track = choose_track(
                media,
                track=wanted.track,
                languages=(wanted.language,) if wanted.language else wanted.languages,
                limits=self.limits,
                on_warning=self.warnings,
                cancel=self.cancel,
            )
            self._found = media, track
        return self._found

    def total(self) -> float | None:
        """Return how long the recording is, where somebody wants to know and it costs little to tell."""
        import numpy as np

        from sensorium.media.audio import probe_audio

        if self.progress is None:
            return None
        if isinstance(self.source, np.ndarray):
            return len(self.source) / _SAMPLE_RATE
        # Not pathlib's way, which raises an error for a name that is too long, as a data: URI is.
        if isinstance(self.source, (str, os.PathLike)) and os.path.isfile(self.source):  # noqa: PTH113
            source, track = self._sound(self.source)
            return probe_audio(source, track=track, limits=self.limits).duration
        return None


def filled_up(window: Window) -> float:
    """Return the seconds that a window is filled up to."""
    return math.ceil(len(window.samples) / _SAMPLE_RATE / _LENGTH_STEP) * _LENGTH_STEP


def _checked(samples: Samples) -> Samples:
    import numpy as np

    if samples.ndim != 1 or samples.dtype.kind != "f":
        raise InputError(
            f"Samples of the shape {samples.shape} and type {samples.dtype} are not a recording",
            "Give one row of floating-point samples at 16 kHz, or the path of a file",
        )
    return np.nan_to_num(samples.astype(np.float32), copy=False)


def _segments(window: Window, recognition: Recognition) -> Iterator[Segment]:
    """Turn what was recognised in a window into segments with times in the recording."""
    unlikely = recognition.average_log_probability < _LOW_LOG_PROBABILITY
    if recognition.no_speech_probability > _NO_SPEECH and unlikely:
        return
    if not recognition.words:
        if text := recognition.text.strip():
            start, end = window.speech
            yield _segment(recognition, round(start, 3), round(end, 3), text, ())
        return
    words = []
    for word in recognition.words:
        start, end = window.times(*_off_silence(word.start, word.end, window.silences))
        words.append(Word(round(start, 3), round(end, 3), word.text, round(word.probability, 4)))
    for phrase in phrases(words):
        text = "".join(word.text for word in phrase).strip()
        if text:
            yield _segment(recognition, phrase[0].start, phrase[-1].end, text, phrase)


def _segment(recognition: Recognition, start: float, end: float, text: str, words: tuple[Word, ...]) -> Segment:
    return Segment(
        id=0,
        start=start,
        end=end,
        text=text,
        words=words,
        average_log_probability=recognition.average_log_probability,
        no_speech_probability=recognition.no_speech_probability,
        compression_ratio=recognition.compression_ratio,
    )


def _off_silence(start: float, end: float, silences: tuple[tuple[float, float], ...]) -> tuple[float, float]:
    """Take silence off a word's times: the model counts a pause as part of the word before or after it."""
    for silent_from, silent_to in silences:
        if silent_to - silent_from < _SHORTEST_PAUSE or end <= silent_from or start >= silent_to:
            continue
        before, after = silent_from - start, end - silent_to
        if before >= max(after, 0.0):
            end = silent_from + _EDGE
        elif after > 0:
            start = silent_to - _EDGE
    return start, max(start, end)
