"""Subtitles that people can read: cues laid out from words, written and read back in the common formats."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sensorium.errors import InputError
from sensorium.record import Record

FORMATS = ("srt", "vtt", "txt", "tsv", "json")


@dataclass(frozen=True, eq=False, repr=False)
class Word(Record):
    """A spoken word.

    Attributes:
        start: Where it begins, in seconds.
        end: Where it ends, in seconds.
        text: The word as written, with the space before it, if it has one: joined words are the text.
        probability: How sure the model is of it, from 0 to 1.
    """

    start: float
    end: float
    text: str
    probability: float = 1.0


@dataclass(frozen=True, eq=False, repr=False)
class Cue(Record):
    """One subtitle as it stands on the screen.

    Attributes:
        start: When it appears, in seconds.
        end: When it goes, in seconds.
        text: Its lines, joined by newlines.
    """

    start: float
    end: float
    text: str


def layout_cues(segments: Iterable[Any], *, language: str = "") -> list[Cue]:
    """Lay out transcribed segments (start, end, text, words) as cues for reading."""
    return [Cue(segment.start, segment.end, segment.text.strip()) for segment in segments if segment.text.strip()]


def format_subtitles(cues: Iterable[Cue], format: str = "srt") -> str:
    """Return cues as the text of a subtitle file."""
    if format not in FORMATS:
        raise InputError(f"There is no subtitle format {format!r}", f"Use {', '.join(FORMATS)}")

    def clock(seconds: float, mark: str = ",") -> str:
        total = round(seconds * 1000)
        return f"{total // 3600000:02d}:{total // 60000 % 60:02d}:{total // 1000 % 60:02d}{mark}{total % 1000:03d}"

    return "\n".join(
        f"{number}\n{clock(cue.start)} --> {clock(cue.end)}\n{cue.text}\n" for number, cue in enumerate(cues, 1)
    )


def write_subtitles(cues: Iterable[Cue], path: str | os.PathLike[str], format: str | None = None) -> Path:
    """Write cues to a file; the format follows the suffix unless given. Return the path."""
    target = Path(path)
    target.write_text(format_subtitles(cues, format or target.suffix.lstrip(".").lower() or "srt"), encoding="utf-8")
    return target
