"""One recording on its way through a recogniser: read, cut at silences, recognised batch by batch, timed."""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYetError
from contextlib import closing
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import TYPE_CHECKING

from sensorium.errors import UnsupportedError
from sensorium.media.input_warnings import InputWarnings
from sensorium.media.limits import Limits
from sensorium.progress import Cancellation, ProgressCallback, check_cancelled, report
from sensorium.speech.alignment import Beside, aligned, likeliest_language
from sensorium.speech.language_pieces import hear
from sensorium.speech.recognised_text import loops, without_squeezed
from sensorium.speech.recogniser import (
    HOTWORDS,
    INITIAL_PROMPT,
    SAMPLE_RATE,
    Encoded,
    LanguageListener,
    Recogniser,
    Told,
)
from sensorium.speech.recognition_options import RecognitionOptions
from sensorium.speech.recorded_sound import RecordedSound
from sensorium.speech.scarce_text import LONGEST_PART, is_fuller, is_hardly_any, is_scarce, short_parts
from sensorium.speech.spoken_languages import Passage, SpokenLanguages
from sensorium.speech.transcription import (
    LONG,
    DetectedLanguage,
    LanguageProbability,
    Segment,
    Transcription,
    segments_of,
)
from sensorium.text.phrase_breaks import join_texts
from sensorium.text.sentences import split_sentences
from sensorium.text.stretches import listed, stretch

if TYPE_CHECKING:
    from sensorium.speech.recognised_text import Recognition
    from sensorium.speech.recorded_sound import AudioSource as AudioSource
    from sensorium.speech.speaker_diarization import SpeakerDiarization
    from sensorium.speech.spoken_by import SpokenBy
    from sensorium.speech.voice_activity import Window

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
_SURELY_NO_PAUSE = 0.5
"""A silence this short, in seconds, ends no segment."""


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


@dataclass(frozen=True)
class Recognised:
    """A passage, and what was recognised in it."""

    passage: Passage
    recognition: Recognition


@dataclass
class RecognitionRun:
    """One recording on its way through the recogniser: read, cut at silences, recognised batch by batch."""

    backend: Recogniser
    model: str
    source: AudioSource
    options: RecognitionOptions
    limits: Limits
    progress: ProgressCallback | None
    cancel: Cancellation | None
    beside: Beside = field(default_factory=Beside)
    warnings: InputWarnings = field(default_factory=InputWarnings)
    languages: SpokenLanguages = field(init=False)
    lost: list[str] = field(default_factory=list)
    unspoken: list[str] = field(default_factory=list)
    words_timed: bool = False
    rough_times: set[str] = field(default_factory=set)
    spoken_by: SpokenBy | None = None

    def __post_init__(self) -> None:
        wanted = self.options
        languages = (wanted.language,) if wanted.language else wanted.languages
        self._sound = RecordedSound(self.source, wanted.track, languages, self.limits, self.warnings, self.cancel)
        told = self.backend.languages if self.backend.must_be_told_language else ()
        possible = self.options.languages or told
        self.languages = SpokenLanguages(self.listener or self.backend, possible, self.model)
        if self.beside.unneeded:
            self.warnings(
                f"{self.model!r} itself tells when words are spoken: the aligner {self.beside.unneeded!r} was not used"
            )

    @property
    def duration(self) -> float:
        """How much of the recording was read, in seconds."""
        return self._sound.read

    @property
    def listener(self) -> LanguageListener | None:
        """What tells which language is spoken: the recogniser, or what stands beside it where it must be told."""
        if isinstance(self.backend, LanguageListener):
            return self.backend
        return self.beside.listener if self.backend.must_be_told_language else None

    def tell_speakers_apart(self, diarization: SpeakerDiarization) -> None:
        """Find out who speaks when, for the segments; the recording is read for it before anything is recognised."""
        from sensorium.speech.spoken_by import SpokenBy

        voices = self.options.voices
        turns = diarization.turns_in(self._sound, voices, progress=self.progress, cancel=self.cancel)
        self.spoken_by = SpokenBy(turns)

    def segments(self) -> Generator[Segment, None, Transcription]:
        """Yield the segments one by one; return the whole transcription."""
        total = self.total()
        report(self.progress, "transcribing", 0.0, total, "seconds")
        found: list[Segment] = []
        for batch, recognised in self._recognised():
            for each in recognised:
                for segment in self.segments_in(each, first=len(found)):
                    check_cancelled(self.cancel)
                    found.append(segment)
                    yield segment
            report(self.progress, "transcribing", batch.windows[-1].end, total, "seconds")
        return self.transcription(found)

    def segments_in(self, recognised: Recognised, *, first: int = 0) -> Iterator[Segment]:
        """Yield the segments of a passage, numbered from ``first``, with times in the recording."""
        passage = recognised.passage
        self.words_timed |= bool(recognised.recognition.words)
        found = segments_of(passage.window, recognised.recognition, passage.language)
        if self.spoken_by is not None:
            found = self.spoken_by.told(found)
        for number, segment in enumerate(found, first):
            words = segment.words if self.options.word_timestamps else ()
            yield replace(segment, id=number, words=words)

    def transcription(self, found: Sequence[Segment]) -> Transcription:
        """Return the whole transcription, once all windows are recognised."""
        report(self.progress, "transcribing", self.duration, self.duration, "seconds")
        language, probability = self.languages.main()
        if unsure := self.languages.unsure():
            self.warnings(unsure)
        if self.lost:
            self.warnings(f"Somebody speaks or sings {listed(self.lost)}, but hardly a word of it was understood")
        if self.unspoken:
            self.warnings(f"What is heard {listed(self.unspoken)} is no speech, as far as can be told; it was left out")
        if self.rough_times:
            reasons = "; ".join(sorted(self.rough_times))
            self.warnings(
                f"{self.model!r} doesn't say when words are spoken: times of words and sentences are rough ({reasons})"
            )
        elif self.words_timed and not self.backend.words_are_timed_well:
            self.warnings(
                f"{self.model!r} doesn't say which of its attention heads tell when words are spoken: "
                "times of words and sentences are rough"
            )
        if len(self.options.languages) > 1 and self.listener is None:
            self.warnings(f"{self.model!r} finds the language by itself: which ones may be spoken was not used")
        given = {INITIAL_PROMPT: self.options.initial_prompt, HOTWORDS: self.options.hotwords}
        for name, text in given.items():
            if text and name not in self.backend.takes:
                self.warnings(f"{self.model!r} takes no {name}: it was recognised without")
        return Transcription(
            text=join_texts([segment.text for segment in found]),
            language=language,
            language_probability=probability,
            duration=self.duration,
            segments=tuple(found),
            task=self.options.task,
            model=self.model,
            warnings=self.warnings.told(),
            speakers=tuple(dict.fromkeys(segment.speaker for segment in found if segment.speaker)),
        )

    def detected_language(self) -> DetectedLanguage:
        """Return which language is spoken, judged by the first windows in which somebody speaks."""
        listener = self.listener or self.beside.listener
        if listener is None:
            raise UnsupportedError(
                f"The checkpoint {self.model!r} doesn't tell which language is spoken", "Use a Whisper for that"
            )
        report(self.progress, "detecting the language", 0.0, None, "seconds")
        with closing(self._batches()) as batches:
            batch = next(batches, None)
        if batch is None:
            return DetectedLanguage("", 0.0, (), self.model, self.warnings.told())
        encoded = listener.encode([window.samples for window in batch.windows], longest=batch.longest)
        check_cancelled(self.cancel)
        found = self._language_probabilities(listener, encoded)
        best, *others = sorted(found, key=found.__getitem__, reverse=True)[: 1 + _OTHER_LANGUAGES]
        likely = tuple(LanguageProbability(code, found[code]) for code in others)
        return DetectedLanguage(best, found[best], likely, self.model, self.warnings.told())

    def _recognised(self) -> Iterator[tuple[_Batch, list[Recognised]]]:
        """Recognise one batch in the background while the next is read and searched for speech."""
        pool = ThreadPoolExecutor(1, thread_name_prefix="speech-to-text")
        running: tuple[_Batch, Future[list[Recognised]]] | None = None
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

    def _recognise(self, batch: _Batch) -> list[Recognised]:
        encoded = self.backend.encode([window.samples for window in batch.windows], longest=batch.longest)
        check_cancelled(self.cancel)
        if named := self.named_language:
            passages = self.languages.named(batch.windows, named)
        elif (listener := self.listener) is not None:
            heard = self.heard(listener, encoded)
            passages = self.languages.followed(hear(listener, heard, dict(enumerate(batch.windows))))
        else:
            passages = self.languages.unknown(batch.windows)
        return self.recognised(passages, encoded)

    def recognised(self, passages: Sequence[Passage], encoded: Encoded) -> list[Recognised]:
        """Recognise passages; whole windows of one language are decoded together.

        Args:
            passages: Of the windows of a batch.
            encoded: The batch.
        """
        found: dict[int, Recognition] = {}
        for language, places in _together(passages):
            whole = [passages[place].number for place in places]
            numbers = [number for number in whole if number is not None]
            if numbers:
                part = self.backend.some(encoded, numbers)
            else:
                window = passages[places[0]].window
                part = self.backend.encode([window.samples], longest=filled_up(window))
            check_cancelled(self.cancel)
            windows = [passages[place].window for place in places]
            found.update(zip(places, self._decoded(part, windows, language), strict=True))
        return [each for place, passage in enumerate(passages) for each in self.filled_out(passage, found[place])]

    def filled_out(self, passage: Passage, recognition: Recognition) -> list[Recognised]:
        """Return what was recognised in a passage; in short parts if it was too little for what is spoken."""
        passage = self.languages.told(passage, recognition.language or self._guessed(passage))
        found = [each for each in self._filled_out(passage, recognition) if self._is_spoken(each)]
        for each in found:
            if is_hardly_any(each.passage.window, each.recognition.said):
                self.lost.append(stretch(*each.passage.window.speech))
        return [self._timed(each) for each in found]

    def _is_spoken(self, recognised: Recognised) -> bool:
        """Return whether somebody speaks in a passage, or the recogniser made words of another sound."""
        from sensorium.speech.invented_text import is_invented

        passage, recognition = recognised.passage, recognised.recognition
        if self.backend.judges_speech and is_invented(recognition, passage.window):
            self.languages.not_spoken(passage)
            self.unspoken.append(stretch(*passage.window.speech))
            return False
        self.languages.spoken(passage)
        return True

    def _filled_out(self, passage: Passage, recognition: Recognition) -> list[Recognised]:
        found = [Recognised(passage, recognition)]
        if not is_scarce(passage.window, recognition.said):
            return found
        check_cancelled(self.cancel)
        parts = short_parts(passage.window)
        encoded = self.backend.encode([part.samples for part in parts], longest=LONGEST_PART)
        again = self._decoded(encoded, parts, passage.language)
        texts = [each.said for each in again]
        if len(parts) > 1 and is_fuller(" ".join(texts), recognition.said):
            found = [
                Recognised(replace(passage, window=part, number=None), each)
                for part, each in zip(parts, again, strict=True)
            ]
        return found

    @property
    def named_language(self) -> str | None:
        """The language that the caller has named, or the only one that may be spoken where nothing listens for it."""
        only = self.options.languages
        return self.options.language or (only[0] if self.listener is None and len(only) == 1 else None)

    def heard(self, listener: LanguageListener, encoded: Encoded) -> Encoded:
        """Return what the listener makes of windows that were prepared for the recogniser."""
        return encoded if listener is self.backend else listener.encode(encoded.windows, longest=encoded.longest)

    def _guessed(self, passage: Passage) -> str:
        """Return the language of a passage of which neither the caller nor the recogniser has said it."""
        if passage.language or self.beside.listener is None:
            return ""
        return likeliest_language(self.beside.listener, passage.window, self.options.languages)

    def _timed(self, recognised: Recognised) -> Recognised:
        """Return what was recognised with the times of its words, where the recogniser doesn't tell them."""
        window, said = recognised.passage.window, recognised.recognition.said
        aligner = None if self.backend.times_words else self.beside.aligner
        if aligner is None or not said or not self.needs_words(window, said):
            return recognised
        check_cancelled(self.cancel)
        words, rough = aligned(aligner, window, said, recognised.passage.language)
        self.rough_times |= {rough} if rough else set()
        recognition = replace(recognised.recognition, words=words)
        if not rough and loops(recognition):
            recognition = without_squeezed(recognition)
        return replace(recognised, recognition=recognition)

    def _decoded(self, encoded: Encoded, windows: Sequence[Window], language: str) -> list[Recognition]:
        return self.backend.recognise(
            encoded,
            self.told(language),
            needs_words=lambda number, text: self.needs_words(windows[number], text),
            cancel=self.cancel,
        )

    def told(self, language: str) -> Told:
        """Return what the recogniser is told of a passage in a language; "" if nobody knows it."""
        options, takes = self.options, self.backend.takes
        return Told(
            language,
            options.task,
            options.initial_prompt if INITIAL_PROMPT in takes else None,
            options.hotwords if HOTWORDS in takes else None,
        )

    def _language_probabilities(self, backend: LanguageListener, encoded: Encoded) -> dict[str, float]:
        """Return how likely each language is, averaged over the windows by their length."""
        found: dict[str, float] = {}
        total = sum(map(len, encoded.windows))
        for window, likely in zip(encoded.windows, backend.language_probabilities(encoded), strict=True):
            for code, probability in likely.items():
                found[code] = found.get(code, 0.0) + probability * len(window) / total
        return found

    def needs_words(self, window: Window, text: str) -> bool:
        """Return whether the words in a window must be timed: for themselves, or to tell one segment from the next."""
        if self.options.voices is not None:
            return True
        if self.options.word_timestamps or not self.options.segment_timestamps:
            return self.options.word_timestamps
        start, end = window.speech
        return end - start > LONG or window.longest_pause > _SURELY_NO_PAUSE or len(split_sentences(text)) > 1

    def _wait(self, future: Future[list[Recognised]]) -> list[Recognised]:
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

        return speech_windows(self._sound.blocks(), longest=_WINDOW_SECONDS)

    def total(self) -> float | None:
        """Return how long the recording is, where somebody wants to know and it costs little to tell."""
        return None if self.progress is None else self._sound.length()


def filled_up(window: Window) -> float:
    """Return the seconds that a window is filled up to."""
    return math.ceil(len(window.samples) / SAMPLE_RATE / _LENGTH_STEP) * _LENGTH_STEP


def _together(passages: Sequence[Passage]) -> Iterator[tuple[str, list[int]]]:
    """Yield the places of passages that are decoded together: whole windows of one language, each part by itself."""
    whole: dict[str, list[int]] = {}
    for place, passage in enumerate(passages):
        if passage.number is None:
            yield passage.language, [place]
        else:
            whole.setdefault(passage.language, []).append(place)
    yield from whole.items()
