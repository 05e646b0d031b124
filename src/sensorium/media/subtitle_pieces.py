"""A transcription as pieces that can't be broken, with their times: words, and characters of Chinese and Japanese."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from sensorium.record import Record
from sensorium.text.characters import cut_word, written_length
from sensorium.text.phrase_breaks import is_east_asian, is_unspaced, needs_space


@dataclass(frozen=True, eq=False, repr=False)
class Word(Record):
    """A spoken word.

    Attributes:
        start: Where it begins, in seconds.
        end: Where it ends, in seconds.
        text: The word as written, with the space before it, if it has one: joined words are the text.
        probability: How sure the model is of it, from 0 to 1.
        speaker: Who says it: a name or a letter; "" if that isn't known.
    """

    start: float
    end: float
    text: str
    probability: float = 1.0
    speaker: str = ""


class SpokenText(Protocol):
    """What `layout_cues` lays out: a segment of a transcription, with or without words."""

    @property
    def start(self) -> float: ...
    @property
    def end(self) -> float: ...
    @property
    def text(self) -> str: ...
    @property
    def words(self) -> Sequence[Word]: ...
    @property
    def language(self) -> str: ...
    @property
    def speaker(self) -> str: ...


@dataclass(frozen=True)
class Piece:
    """What can't be broken: a word, or a character of Chinese or Japanese.

    Attributes:
        text: Without spaces around it.
        start: In seconds.
        end: In seconds.
        space: Whether a space stands before it.
        inside_word: Whether it continues a word that the recogniser saw as one.
        language: Code of its language; "" if unknown.
        speaker: Who says it; "" if unknown.
    """

    text: str
    start: float
    end: float
    space: bool
    inside_word: bool = False
    language: str = ""
    speaker: str = ""


def spoken_pieces(segments: Iterable[SpokenText]) -> list[Piece]:
    """Return the pieces of a transcription, in the order of time; words without times share that of their segment."""
    pieces: list[Piece] = []
    for segment in segments:
        words = [word for word in segment.words if word.text.strip()] or _share_time(segment)
        exact = "".join(word.text for word in words).strip() == segment.text.strip()
        for number, word in enumerate(words):
            space = word.text[0].isspace()
            if pieces and (number == 0 or not exact):
                space = _joins_with_space(pieces[-1].text, word.text.strip())
            speaker = word.speaker or segment.speaker
            for piece in _split_word(word, space):
                if pieces and pieces[-1].speaker == speaker and _are_one(pieces[-1], piece):
                    pieces[-1] = replace(pieces[-1], text=pieces[-1].text + piece.text, end=piece.end)
                else:
                    pieces.append(replace(piece, language=segment.language, speaker=speaker))
    return _in_order(pieces)


def _are_one(before: Piece, after: Piece) -> bool:
    """Return whether two pieces are parts of one written word, such as "50" and "%"."""
    return not (after.space or is_unspaced(before.text[-1]) or is_unspaced(after.text[0]))


def _share_time(segment: SpokenText) -> list[Word]:
    """Make up word times for a segment that has none: each word gets a part as long as its letters."""
    text = " ".join(segment.text.split())
    share = max(0.0, segment.end - segment.start) / max(1, len(text))
    words = []
    position = 0
    for number, word in enumerate(text.split()):
        begin = segment.start + position * share
        words.append(Word(begin, begin + len(word) * share, (" " if number else "") + word))
        position += len(word) + 1
    return words


def _joins_with_space(before: str, after: str) -> bool:
    return needs_space(before, after) and any(map(str.isalnum, after))


def _split_word(word: Word, space: bool) -> list[Piece]:
    texts: list[tuple[str, bool]] = []
    for number, part in enumerate(unicodedata.normalize("NFC", word.text).split()):
        begins = True
        for character in part:
            alone = is_east_asian(character)
            if begins or alone or is_east_asian(texts[-1][0][-1]):
                texts.append((character, begins and (number > 0 or space)))
            else:
                texts[-1] = (texts[-1][0] + character, texts[-1][1])
            begins = False
    total = sum(len(text) for text, _ in texts)
    share = max(0.0, word.end - word.start) / max(1, total)
    pieces = []
    position = 0
    for number, (text, spaced) in enumerate(texts):
        begin = word.start + position * share
        position += len(text)
        pieces.append(Piece(text, begin, word.start + position * share, spaced, number > 0 and not spaced))
    return pieces


def _in_order(pieces: list[Piece]) -> list[Piece]:
    """Make times run forward: recognisers give words that overlap a little, or last no time."""
    ordered: list[Piece] = []
    latest = 0.0
    for piece in pieces:
        start = max(piece.start, latest)
        end = max(piece.end, start)
        ordered.append(replace(piece, start=start, end=end))
        latest = start
    for number in range(len(ordered) - 1):
        if ordered[number].end > ordered[number + 1].start:
            ordered[number] = replace(ordered[number], end=ordered[number + 1].start)
    return ordered


def fit_pieces(pieces: list[Piece], line_length: int) -> list[Piece]:
    """Cut words that are longer than a line; nothing else can be done with them."""
    fitting: list[Piece] = []
    for piece in pieces:
        parts = cut_word(piece.text, line_length)
        share = (piece.end - piece.start) / len(parts)
        for number, part in enumerate(parts):
            fitting.append(
                Piece(
                    part,
                    piece.start + number * share,
                    piece.start + (number + 1) * share,
                    piece.space and number == 0,
                    piece.inside_word or number > 0,
                    speaker=piece.speaker,
                )
            )
    return fitting


def with_names(pieces: list[Piece], room: int, *, before: str = "") -> list[Piece]:
    """Put the speaker's name before what somebody says first, and before what they say after somebody else.

    Args:
        pieces: In the order of time.
        room: A name and the word after it stay together if they aren't longer.
        before: Who spoke before.
    """
    named: list[Piece] = []
    for piece in pieces:
        name = f"{' '.join(piece.speaker.split())}:"
        if not piece.speaker or piece.speaker == before:
            named.append(piece)
        elif written_length(f"{name} {piece.text}") <= room:
            named.append(replace(piece, text=f"{name} {piece.text}"))
        else:
            words = [replace(piece, text=word, end=piece.start, space=True) for word in name.split()]
            named += [replace(words[0], space=piece.space), *words[1:], replace(piece, space=True)]
        before = piece.speaker
    return named
