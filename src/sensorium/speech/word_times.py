"""When words are spoken: from the times of a recogniser's tokens, or shared out where nobody knows better."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sensorium.speech.recognised_text import SpokenWord

if TYPE_CHECKING:
    from sensorium.speech.voice_activity import Window


@dataclass(frozen=True)
class TimedToken:
    """A token and when it is spoken.

    Attributes:
        number: In the vocabulary.
        start: In seconds from the beginning of the window.
        end: In seconds from the beginning of the window.
        log_probability: How sure the model is of it: 0 is certain.
    """

    number: int
    start: float
    end: float
    log_probability: float = 0.0


def timed_words(tokens: Sequence[TimedToken], decode: Callable[[list[int]], str]) -> tuple[SpokenWord, ...]:
    """Return the words that tokens make up; joined, they are the text.

    Args:
        tokens: In the order of the text.
        decode: Turns numbers of tokens into text.
    """
    text = decode([token.number for token in tokens])
    # Several tokens may make up a single character, and a token's text may depend on those before it.
    ends = [_common(decode([token.number for token in tokens[: count + 1]]), text) for count in range(len(tokens))]
    words = []
    for begin, end in _places(text):
        of = [
            token for token, first, last in zip(tokens, [0, *ends], ends, strict=False) if first < end and begin < last
        ]
        if of:
            start, stop = of[0].start, max(of[0].start, of[-1].end)
            sure = math.exp(sum(token.log_probability for token in of) / len(of))
            words.append(SpokenWord(text[begin:end], start, stop, sure))
    return tuple(words)


@dataclass(frozen=True)
class TimedText:
    """The letters of a word, without the signs around them, and when they are spoken.

    Attributes:
        letters: In the order of the text.
        start: In seconds from the beginning of the window.
        end: In seconds from the beginning of the window.
        probability: How sure the model is of the times, from 0 to 1.
    """

    letters: str
    start: float
    end: float
    probability: float


def placed_words(text: str, spoken: Sequence[TimedText]) -> tuple[SpokenWord, ...]:
    """Return the words of a text, with the signs around them; joined, they are the text.

    Args:
        text: All of it.
        spoken: The words' letters, one after the other as in the text. Where they aren't those of the text, there are
            no words.
    """
    starts: list[int] = []
    at = 0
    for word in spoken:
        begin = text.find(word.letters[0], at)
        between = re.search(r"\s", text[at:begin])
        starts.append(at + between.start() if between and starts else begin if starts else 0)
        for letter in word.letters:
            at = text.find(letter, at) + 1
            if not at:
                return ()
    pieces = zip(starts, [*starts[1:], len(text)], spoken, strict=False)
    return tuple(
        SpokenWord(text[begin:end], each.start, max(each.start, each.end), each.probability)
        for begin, end, each in pieces
    )


def shared_out(text: str, window: Window) -> tuple[SpokenWord, ...]:
    """Share the time in which somebody speaks in a window among words, by their lengths.

    Args:
        text: What is said in the window.
        window: The window.
    """
    spoken = _spoken_stretches(window)
    total = sum(end - start for start, end in spoken)
    places = _places(text)
    letters = sum(end - begin for begin, end in places)
    words, done = [], 0
    for begin, end in places:
        start = _at(done / letters * total, spoken)
        done += end - begin
        words.append(SpokenWord(text[begin:end], start, max(start, _at(done / letters * total, spoken)), 0.0))
    return tuple(words)


def _places(text: str) -> list[tuple[int, int]]:
    """Return where the words of a text begin and end: each with the space before it, the last with that behind it."""
    ends = [found.end() for found in re.finditer(r"\s*\S+", text)]
    return list(zip([0, *ends], [*ends[:-1], len(text)], strict=False)) if ends else []


def _common(beginning: str, text: str) -> int:
    """Return how many characters two texts have in common at their beginning."""
    for at, (one, other) in enumerate(zip(beginning, text, strict=False)):
        if one != other:
            return at
    return min(len(beginning), len(text))


def _spoken_stretches(window: Window) -> list[tuple[float, float]]:
    stretches, start = [], 0.0
    for since, until in window.silences:
        if since > start:
            stretches.append((start, since))
        start = max(start, until)
    if start < window.seconds:
        stretches.append((start, window.seconds))
    return stretches or [(0.0, window.seconds)]


def _at(spoken: float, stretches: Sequence[tuple[float, float]]) -> float:
    """Return the place at which so many seconds were spoken."""
    for start, end in stretches:
        if spoken <= end - start:
            return start + spoken
        spoken -= end - start
    return stretches[-1][1]
