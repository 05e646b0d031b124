"""Contact sheets: pictures in rows with their prompts beneath."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import PIL.Image
import PIL.ImageDraw
import PIL.ImageFont

_MARGIN, _LETTERS, _LINE, _LINES = 6, 22, 12, 3
_QUALITY = 90  # of formats that lose something


def write(path: Path, pictures: Sequence[PIL.Image.Image], texts: Sequence[str], columns: int = 8) -> None:
    """Write a sheet with all pictures, in order, none left out.

    Args:
        path: Its ending says the format.
        pictures: Of one size.
        texts: One for each.
        columns: How many in a row.
    """
    cell = 136
    height = cell + _LINES * _LINE + _MARGIN
    rows = -(-len(pictures) // columns)
    sheet = PIL.Image.new("RGB", (columns * (cell + _MARGIN) + _MARGIN, rows * (height + _MARGIN) + _MARGIN), "#f4f4f4")
    draw, font = PIL.ImageDraw.Draw(sheet), PIL.ImageFont.load_default(size=10)
    for number, (picture, text) in enumerate(zip(pictures, texts, strict=True)):
        x = _MARGIN + number % columns * (cell + _MARGIN)
        y = _MARGIN + number // columns * (height + _MARGIN)
        sheet.paste(picture.resize((cell, cell), PIL.Image.Resampling.LANCZOS), (x, y))
        for line, words in enumerate(_wrapped(text)[:_LINES]):
            draw.text((x, y + cell + 2 + line * _LINE), words, "#222222", font)
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(path, quality=_QUALITY)


def _wrapped(text: str) -> list[str]:
    lines = [""]
    for word in text.split():
        if lines[-1] and len(lines[-1]) + 1 + len(word) > _LETTERS:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return lines
