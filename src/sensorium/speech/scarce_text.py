"""Speech of which a model wrote down too little, and the parts in which it is recognised once more.

Whisper folds what is repeated: of a sentence that is said eight times it writes one, of a word that is said for a
minute a few, or none at all. In short parts there is less to fold.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from sensorium.speech.language_pieces import quiet_places
from sensorium.text.phrase_breaks import is_east_asian, is_hangul

if TYPE_CHECKING:
    from sensorium.speech.voice_activity import Window

_SLOWEST = 7.0
"""Letters that somebody says in a second at least; in recordings in five languages it was 10 to 16."""
_HARDLY_ANY = 1.0
"""Where there are fewer letters a second, hardly anything was understood."""
_SHORTEST = 4.0
"""Less speech, in seconds, is not judged."""
_PART = 5.0
"""How long a part is at most, in seconds."""
LONGEST_PART = 8.0
"""What parts are filled up to, in seconds."""
_GAIN = 1.5
"""A text is taken for fuller if it has so many times the letters."""
_WORTH = 3
"""For how many letters a digit counts, or a character of Chinese, Japanese or Korean."""


def is_scarce(window: Window, text: str) -> bool:
    """Return whether a text is too short for all that is spoken in a window."""
    return _is_slower(window, text, _SLOWEST)


def is_hardly_any(window: Window, text: str) -> bool:
    """Return whether hardly anything of what is spoken in a window is in a text."""
    return _is_slower(window, text, _HARDLY_ANY)


def _is_slower(window: Window, text: str, letters: float) -> bool:
    spoken = window.seconds - sum(until - since for since, until in window.silences)
    return spoken >= _SHORTEST and _letters(text) < letters * spoken


def is_fuller(text: str, than: str) -> bool:
    """Return whether a text has clearly more in it than another."""
    return _letters(text) > _GAIN * _letters(than)


def short_parts(window: Window) -> list[Window]:
    """Cut a window into parts of a few seconds, at its pauses where there are some."""
    pauses = [(since + until) / 2 for since, until in window.silences[1:-1]]
    edges = [0.0]
    for start, end in pairwise([0.0, *pauses, window.seconds]):
        if end - edges[-1] > _PART and start > edges[-1]:
            edges.append(start)
        while end - edges[-1] > _PART:
            quiet = quiet_places(window, edges[-1] + _PART / 2, edges[-1] + _PART, most=1)
            edges.append(quiet[0] if quiet else edges[-1] + _PART)
    return [window.part(start, end) for start, end in pairwise([*edges, window.seconds])]


def _letters(text: str) -> int:
    return sum(
        _WORTH if letter.isdigit() or is_east_asian(letter) or is_hangul(letter) else 1
        for letter in text
        if letter.isalnum()
    )
