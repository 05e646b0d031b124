"""Subtitle files: cues written as SRT, VTT, TXT, TSV or JSON."""

from __future__ import annotations

import html
import json
import os
import unicodedata
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from sensorium.errors import InputError
from sensorium.media.atomic_file import atomic_file
from sensorium.media.subtitle_layout import Cue as Cue
from sensorium.media.subtitle_layout import layout_cues as layout_cues
from sensorium.media.subtitle_pieces import Word as Word
from sensorium.text.characters import CUT
from sensorium.text.phrase_breaks import join_texts

MEDIA_TYPES = {
    "srt": "application/x-subrip",
    "vtt": "text/vtt",
    "txt": "text/plain",
    "tsv": "text/tab-separated-values",
    "json": "application/json",
}
FORMATS = tuple(MEDIA_TYPES)
"""SubRip, WebVTT, plain text, tab-separated (milliseconds), JSON (seconds)."""


def subtitle_format(path: str | os.PathLike[str]) -> str:
    """Return the format that a file name asks for by its suffix.

    Raises:
        InputError: The suffix is none of `FORMATS`.
    """
    return known_format(Path(path).suffix.lstrip(".").lower() or "none")


def format_subtitles(cues: Iterable[Cue], format: str = "srt") -> str:
    """Return cues as the text of a subtitle file.

    Where the cues are in several languages, VTT marks those in another language than most, and a table has a column for
    the language; JSON tells the language of each cue that has one. Where it is known who speaks, VTT marks their
    voices, text begins with the name, a table has a column for it, and JSON tells it.

    Args:
        cues: In the order of time.
        format: ``"srt"``, ``"vtt"``, ``"txt"``, ``"tsv"``, ``"json"``.

    Raises:
        InputError: There is no such format.
    """
    write = {"srt": _srt, "vtt": _vtt, "txt": _txt, "tsv": _tsv, "json": _json}[known_format(format)]
    return write([replace(cue, text=_clean(cue.text)) for cue in cues])


def write_subtitles(cues: Iterable[Cue], path: str | os.PathLike[str], format: str | None = None) -> Path:
    """Write cues to a file in UTF-8; it appears complete or not at all.

    Args:
        cues: In the order of time.
        path: Where to; its suffix names the format unless ``format`` does.
        format: ``"srt"``, ``"vtt"``, ``"txt"``, ``"tsv"``, ``"json"``.

    Returns:
        The path.

    Raises:
        InputError: There is no such format, or the file can't be written.
    """
    text = format_subtitles(cues, subtitle_format(path) if format is None else format)
    with atomic_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")
    return Path(path)


def known_format(format: str) -> str:
    """Return the name of a format.

    Raises:
        InputError: It is none of `FORMATS`.
    """
    if format not in FORMATS:
        raise InputError(f"There is no subtitle format {format!r}", f"Use {', '.join(FORMATS)}")
    return format


def _clean(text: str) -> str:
    """Drop empty lines, which end a cue, and the control characters that no subtitle holds."""
    lines = ("".join(c if unicodedata.category(c) != "Cc" else " " for c in line) for line in text.splitlines())
    return "\n".join(line.strip() for line in lines if line.strip())


def _milliseconds(seconds: float) -> int:
    return max(0, round(seconds * 1000))


def _clock(seconds: float, mark: str) -> str:
    # Rounded once, as a whole: rounding the fraction alone turns 59.9996 s into 59,1000.
    minutes, milliseconds = divmod(_milliseconds(seconds), 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{milliseconds // 1000:02d}{mark}{milliseconds % 1000:03d}"


def _srt(cues: list[Cue]) -> str:
    blocks = []
    for number, cue in enumerate(cues, 1):
        # SubRip knows no escapes; an arrow inside the text would read as a line of times.
        said = cue.text.replace("-->", "→")
        blocks.append(f"{number}\n{_clock(cue.start, ',')} --> {_clock(cue.end, ',')}\n{said}\n")
    return "\n".join(blocks)


def _vtt(cues: list[Cue]) -> str:
    blocks = ["WEBVTT\n"]
    main = _main_language(cues)
    for cue in cues:
        said = _voiced(cue)
        if cue.language and cue.language != main:
            said = f"<lang {cue.language}>{said}</lang>"
        blocks.append(f"{_clock(cue.start, '.')} --> {_clock(cue.end, '.')}\n{said}\n")
    return "\n".join(blocks)


def _voiced(cue: Cue) -> str:
    """Return the text of a cue for VTT, with the voices of those who speak."""
    parts = cue.text.split("\n") if len(cue.speakers) > 1 else [cue.text]
    said = [html.escape(part, quote=False) for part in parts]
    names = [html.escape(" ".join(name.split()), quote=False) for name in cue.speakers] or [""]
    voiced = (f"<v {name}>{part}</v>" if name else part for name, part in zip(names, said, strict=False))
    return "\n".join(voiced)


def _txt(cues: list[Cue]) -> str:
    return "".join((f"{_speaker(cue)}: " if cue.speakers else "") + _unwrapped(cue) + "\n" for cue in cues)


def _speaker(cue: Cue) -> str:
    return ", ".join(cue.speakers)


def _tsv(cues: list[Cue]) -> str:
    rows = [[str(_milliseconds(cue.start)), str(_milliseconds(cue.end)), _unwrapped(cue)] for cue in cues]
    header = ["start", "end", "text"]
    # Programs that read Whisper's tables expect three columns: there are more only where they say something.
    if len({cue.language for cue in cues}) > 1:
        header.append("language")
        rows = [[*row, cue.language] for row, cue in zip(rows, cues, strict=True)]
    if any(cue.speakers for cue in cues):
        header.append("speaker")
        rows = [[*row, _speaker(cue)] for row, cue in zip(rows, cues, strict=True)]
    return "".join("\t".join(row) + "\n" for row in [header, *rows])


def _json(cues: list[Cue]) -> str:
    items = [
        {
            "start": _milliseconds(cue.start) / 1000,
            "end": _milliseconds(cue.end) / 1000,
            "text": cue.text,
            **({"language": cue.language} if cue.language else {}),
            **({"speaker": _speaker(cue)} if cue.speakers else {}),
        }
        for cue in cues
    ]
    return json.dumps(items, ensure_ascii=False, indent=2) + "\n"


def _main_language(cues: list[Cue]) -> str:
    """Return the language of most of the text."""
    lengths: dict[str, int] = {}
    for cue in cues:
        lengths[cue.language] = lengths.get(cue.language, 0) + len(cue.text)
    return max(lengths, key=lengths.__getitem__, default="")


def _unwrapped(cue: Cue) -> str:
    return join_texts(cue.text.replace(f"{CUT}\n", "").split("\n"))
