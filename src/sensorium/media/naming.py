"""How inputs are named in messages: short, on one line, and without secrets."""

from __future__ import annotations

import os
from typing import Any
from urllib.parse import urlsplit

_LONGEST = 100
_ALSO_PRINTABLE = frozenset("\u200d\u3000")  # the joiner inside emoji, and the space of Chinese and Japanese


def display_name(source: Any) -> str:
    """Return a name for an input that is safe to print inside a sentence.

    Newlines, control characters and text-direction marks are escaped, long names are shortened in the middle,
    an address loses its password and its query (which may hold a key), and for bytes only their number is given.

    Args:
        source: A path, address, ``data:`` URI, bytes, open file, PIL image or array.

    Returns:
        One line of printable characters, about 100 at most.
    """
    if isinstance(source, (bytes, bytearray, memoryview)):
        return f"<{size_in_words(len(source))} of data>"
    if isinstance(source, str):
        return _shorten(_escape(_without_secrets(source)))
    if isinstance(source, os.PathLike):
        return _shorten(_escape(os.fsdecode(os.fspath(source))))
    shape, size = getattr(source, "shape", None), getattr(source, "size", None)
    if shape is not None:
        return f"<array of shape {'×'.join(str(side) for side in shape)}>"
    if isinstance(size, tuple):
        return f"<image of {'×'.join(str(side) for side in size)} pixels>"
    name = getattr(source, "name", None)
    if isinstance(name, (str, os.PathLike)) and str(name):
        return _shorten(_escape(str(name)))
    return "<open file>" if hasattr(source, "read") else f"<{type(source).__name__}>"


def _without_secrets(text: str) -> str:
    if text[:5].lower() == "data:":
        head, _, rest = text[:200].partition(",")
        return f"{head},… ({size_in_words(len(text))})" if rest else head
    if text[:7].lower() != "http://" and text[:8].lower() != "https://":
        return text
    try:
        parts = urlsplit(text)
    except ValueError:
        return text.partition("?")[0]
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}{parts.path}" + ("?…" if parts.query else "")


def _escape(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(
        letter if letter.isprintable() or letter in _ALSO_PRINTABLE else ascii(letter)[1:-1] for letter in text
    )


def _shorten(text: str) -> str:
    if len(text) <= _LONGEST:
        return text or "<empty name>"
    half = _LONGEST // 2
    return f"{text[:half]}…{text[-half:]}"


def size_in_words(count: int) -> str:
    """Return a number of bytes in words: ``12.3 MB``."""
    for unit, scale in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= scale:
            return f"{count / scale:.3g} {unit}"
    return f"{count} bytes"
