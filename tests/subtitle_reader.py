"""Reads the subtitle files that Sensorium writes, so that tests can look at the cues in them."""

from __future__ import annotations

import html
import json
import re

from sensorium.media.subtitles import Cue

_TIMES = re.compile(r"(\d+):(\d\d):(\d\d)[.,](\d{3}) --> (\d+):(\d\d):(\d\d)[.,](\d{3})")

_LANGUAGE = re.compile(r"<lang ([a-z]+)>(.*)</lang>", re.DOTALL)


def read_cues(text: str, format: str = "srt") -> list[Cue]:
    """Return the cues of a subtitle file.

    Args:
        text: Text of the file.
        format: ``"srt"``, ``"vtt"``, ``"tsv"`` or ``"json"``.

    Raises:
        ValueError, KeyError, AssertionError: The text isn't a file of that format.
    """
    if format == "json":
        return [Cue(item["start"], item["end"], item["text"], item.get("language", "")) for item in json.loads(text)]
    if format == "tsv":
        header, *rows = text.splitlines()
        assert header in ("start\tend\ttext", "start\tend\ttext\tlanguage")
        cells = (row.split("\t") for row in rows)
        return [Cue(int(start) / 1000, int(end) / 1000, *said) for start, end, *said in cells]
    head, blocks = "", [block for block in text.split("\n\n") if block.strip()]
    if format == "vtt":
        head, *blocks = blocks
        assert head.strip() == "WEBVTT"
    return [_cue(block.strip("\n").split("\n"), format) for block in blocks]


def _cue(lines: list[str], format: str) -> Cue:
    if format == "srt":
        number, *lines = lines
        assert number.isdigit()
    times = _TIMES.fullmatch(lines[0])
    assert times, f"these are no times: {lines[0]!r}"
    said, language = "\n".join(lines[1:]), ""
    if format == "vtt":
        if marked := _LANGUAGE.fullmatch(said):
            language, said = marked.groups()
        said = html.unescape(said)
    return Cue(_seconds(*times.groups()[:4]), _seconds(*times.groups()[4:]), said, language)


def _seconds(hours: str, minutes: str, seconds: str, milliseconds: str) -> float:
    return (((int(hours) * 60 + int(minutes)) * 60 + int(seconds)) * 1000 + int(milliseconds)) / 1000
