"""What speech recognition gives back, and how recognised words become segments."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sensorium.media.subtitles import Word
from sensorium.record import Record
from sensorium.text.phrase_breaks import ends_sentence

if TYPE_CHECKING:
    from sensorium.speech.recognised_text import Recognition
    from sensorium.speech.voice_activity import Window

_PAUSE = 0.8
"""A silence that ends a segment, in seconds."""
LONG = 12.0
"""A segment that lasts longer ends at the next comma or short pause, in seconds."""
_TOOLONG = 20.0
_CLAUSE_ENDS = frozenset(",;:，、；：،؛")
_SHORTEST_PAUSE = 0.2
"""Words are cut off at silences at least this long, in seconds."""
_EDGE = 0.05
"""How far a word may reach into such a silence, in seconds, because its first and last sounds are quiet."""


@dataclass(frozen=True, eq=False, repr=False)
class Segment(Record):
    """A sentence or phrase of a recording.

    Attributes:
        id: Its number, from 0.
        start: Where it begins, in seconds.
        end: Where it ends, in seconds.
        text: What is said.
        words: Its words with their times; empty unless word timestamps were asked for.
        average_log_probability: How sure the model is of the text around it: 0 is certain, under -1 is guessing.
        no_speech_probability: How likely nobody speaks there, from 0 to 1.
        compression_ratio: How repetitive the text around it is; over 2.4 is suspicious.
        language: Code of the language that is spoken in it.
        speaker: Who says it: a name or a letter; "" unless speakers were to be told apart.
    """

    id: int
    start: float
    end: float
    text: str
    words: tuple[Word, ...] = ()
    average_log_probability: float = 0.0
    no_speech_probability: float = 0.0
    compression_ratio: float = 0.0
    language: str = ""
    speaker: str = ""


@dataclass(frozen=True, eq=False, repr=False)
class Transcription(Record):
    """What is said in a recording.

    Attributes:
        text: All of it; "" where nobody speaks.
        language: Code of the language that is spoken most, such as ``"en"``; "" where nobody speaks.
        language_probability: How sure the detection is, from 0 to 1; 1 if the caller named the language.
        duration: Length of the recording, in seconds.
        segments: Sentences and phrases with their times.
        task: ``"transcribe"`` or ``"translate"``.
        model: Name of the checkpoint.
        warnings: What was missing, damaged, left out or unsure in the recording: a sentence for each.
        speakers: Who says something, in the order of their first words; none unless speakers were to be told apart.
    """

    text: str
    language: str
    language_probability: float
    duration: float
    segments: tuple[Segment, ...]
    task: str
    model: str
    warnings: tuple[str, ...] = ()
    speakers: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False, repr=False)
class LanguageProbability(Record):
    """How likely a language is spoken.

    Attributes:
        language: Code of the language, such as ``"en"``.
        probability: From 0 to 1.
    """

    language: str
    probability: float


@dataclass(frozen=True, eq=False, repr=False)
class DetectedLanguage(Record):
    """Which language is spoken in a recording.

    Attributes:
        language: Code of the likeliest language, such as ``"en"``; "" where nobody speaks.
        probability: How sure the model is of it, from 0 to 1.
        others: The likeliest of all other languages, best first.
        model: Name of the checkpoint.
        warnings: What was missing, damaged, left out or unsure in the recording: a sentence for each.
    """

    language: str
    probability: float
    others: tuple[LanguageProbability, ...]
    model: str
    warnings: tuple[str, ...] = ()


def phrases(words: Iterable[Word]) -> Iterator[tuple[Word, ...]]:
    """Cut words into sentences; a long sentence also at commas, and anything at a silence."""
    held: list[Word] = []
    for word in words:
        if held and _ends_before(held, word):
            yield tuple(held)
            held = []
        held.append(word)
    if held:
        yield tuple(held)


def _ends_before(held: list[Word], word: Word) -> bool:
    last = held[-1]
    pause = word.start - last.end
    lasted = last.end - held[0].start
    if pause >= _PAUSE or ends_sentence(last.text.strip()) or word.end - held[0].start > _TOOLONG:
        return True
    return lasted > LONG and (last.text.strip()[-1:] in _CLAUSE_ENDS or pause >= 0.25)


def segments_of(window: Window, recognition: Recognition, language: str) -> Iterator[Segment]:
    """Turn what was recognised in a window into segments with times in the recording; none is numbered.

    Args:
        window: The window.
        recognition: What was recognised in it.
        language: Code of the language that is spoken in it.
    """
    if not recognition.said:
        return
    if not recognition.words:
        if text := recognition.said:
            start, end = window.speech
            yield _segment(recognition, language, round(start, 3), round(end, 3), text, ())
        return
    words = []
    for word in recognition.words:
        start, end = window.times(*_off_silence(word.start, word.end, window.silences))
        words.append(Word(round(start, 3), round(end, 3), word.text, round(word.probability, 4)))
    for phrase in phrases(words):
        text = "".join(word.text for word in phrase).strip()
        if text:
            yield _segment(recognition, language, phrase[0].start, phrase[-1].end, text, phrase)


def _segment(
    recognition: Recognition, language: str, start: float, end: float, text: str, words: tuple[Word, ...]
) -> Segment:
    return Segment(
        id=0,
        start=start,
        end=end,
        text=text,
        words=words,
        average_log_probability=recognition.average_log_probability,
        no_speech_probability=recognition.no_speech_probability,
        compression_ratio=recognition.compression_ratio,
        language=language,
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
