"""The text of a file in whatever encoding it was saved."""

from __future__ import annotations

import codecs
from dataclasses import dataclass

from sensorium.errors import InputError

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig", "UTF-8"),
    (codecs.BOM_UTF32_LE, "utf-32", "UTF-32"),  # Before that of UTF-16, with which it begins.
    (codecs.BOM_UTF32_BE, "utf-32", "UTF-32"),
    (codecs.BOM_UTF16_LE, "utf-16", "UTF-16"),
    (codecs.BOM_UTF16_BE, "utf-16", "UTF-16"),
)
_EXAMINED = 256 * 1024
"""Bytes: more don't make the guess any surer."""
_ENCODINGS = ["cp1252", "cp1250", "cp1251", "koi8_r", "gb18030", "big5", "cp949", "cp932", "euc_jp"]
"""What programs save text in that don't save it as UTF-8; the first two are hard to tell from each other."""
_LARGEST_DOUBT = 0.1
"""From 0 to 1, by charset-normalizer's measure of how much of a text looks like the wrong encoding."""
_NEAR = 0.05
"""Encodings that are no further apart, by its measures, are as likely as each other."""


@dataclass(frozen=True)
class DecodedText:
    """A text and where it came from.

    Attributes:
        text: Without the mark at its beginning.
        encoding: Such as ``"UTF-8"`` or ``"cp1252"``.
        guessed: Whether the encoding was told by what the bytes look like, and not by themselves.
    """

    text: str
    encoding: str
    guessed: bool


def decode_text(data: bytes, name: str) -> DecodedText:
    """Return the text in a file's bytes: UTF-8, what a mark at the beginning says, or what they surely look like.

    Args:
        data: The whole file.
        name: What to call it in an error, such as ``"'story.txt'"``.

    Raises:
        InputError: It is no text, or nobody can tell in which encoding.
    """
    for mark, codec, encoding in _MARKS:
        if data.startswith(mark):
            try:
                return DecodedText(data.decode(codec), encoding, guessed=False)
            except UnicodeDecodeError:
                raise InputError(f"The text in {name} is damaged: it is not {encoding}, as it says", _REMEDY) from None
    try:
        if b"\0" not in data:
            return DecodedText(data.decode("utf-8"), "UTF-8", guessed=False)
    except UnicodeDecodeError:
        pass
    likely = _guessed(data)
    try:
        if likely:
            return DecodedText(data.decode(likely), likely, guessed=True)
    except UnicodeDecodeError:
        pass
    raise InputError(f"The text in {name} is not UTF-8, and in which encoding it is can't be told", _REMEDY)


_REMEDY = "Save it as UTF-8 text"


def _guessed(data: bytes) -> str | None:
    """Return the encoding that bytes look like; None where they look like no text, or like several."""
    from charset_normalizer import from_bytes, is_binary

    if b"\0" in data:
        return _without_mark(data)
    examined = data[:_EXAMINED]
    if is_binary(examined):
        return None
    found = list(from_bytes(examined, cp_isolation=_ENCODINGS, enable_fallback=False))
    if not found or min(match.chaos for match in found) > _LARGEST_DOUBT:
        return None
    cleanest = min(match.chaos for match in found)
    clean = [match for match in found if match.chaos <= cleanest + _NEAR]
    likeliest = max(match.coherence for match in clean)
    likely = [match.encoding for match in clean if match.coherence >= likeliest - _NEAR]
    if any(match.encoding == _ENCODINGS[0] and match.coherence > likeliest - 3 * _NEAR for match in clean):
        likely = [*dict.fromkeys((*likely, _ENCODINGS[0]))]
    if len(likely) > 1 and (likeliest == 0 or not set(likely) <= set(_ENCODINGS[:2])):
        return None
    return min(likely, key=_ENCODINGS.index)


def _without_mark(data: bytes) -> str | None:
    """Return which UTF-16 bytes are in: in most languages every other byte of its spaces and signs is zero."""
    pairs = len(data) // 2
    for codec, zeros in (("utf-16-le", data[1::2].count(0)), ("utf-16-be", data[0::2].count(0))):
        if len(data) % 2 == 0 and zeros > 0.1 * pairs and data.count(0) == zeros:
            return codec
    return None
