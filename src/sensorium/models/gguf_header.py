"""What a GGUF file says of its tensors; no weight is read."""

from __future__ import annotations

import math
import os
import struct
from collections import Counter
from pathlib import Path
from typing import Any

ARCHITECTURE = "general.architecture"
GGUF_SUFFIX = ".gguf"


def read_gguf_header(path: Path) -> tuple[dict[str, tuple[int, ...]], str, dict[str, str]]:
    """Read the names, shapes and types of a GGUF file's tensors.

    Returns:
        From the name of each tensor to its shape, as torch has it; the type of most of its numbers, such as
        ``"Q4_K"``; and what the file says of itself in words.

    Raises:
        ValueError, IndexError, KeyError: It is none, or it is damaged or cut off.
    """
    from gguf import GGUFReader

    _require_room(path)
    reader: Any = GGUFReader(str(path))
    shapes, types = {}, Counter[str]()
    for tensor in reader.tensors:
        # GGML names the sides in the opposite order.
        shape = tuple(int(side) for side in reversed(tensor.shape.tolist()))
        shapes[str(tensor.name)] = shape
        types[tensor.tensor_type.name] += math.prod(shape)
    field = reader.get_field(ARCHITECTURE)
    named = {ARCHITECTURE: str(field.contents())} if field is not None else {}
    return shapes, next((kind for kind, _ in types.most_common(1)), ""), named


_WIDTHS = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
"""From the number of a type to its width in bytes."""
_STRING, _ARRAY = 8, 9


def _require_room(path: Path) -> None:
    """See that lists and strings in a header are no longer than the file: gguf reads on behind its end for ever.

    Raises:
        ValueError, KeyError, struct.error: One is, or it is no such header.
    """
    size = path.stat().st_size
    with path.open("rb") as stream:

        def number(form: str) -> int:
            found: int = struct.unpack(form, stream.read(struct.calcsize(form)))[0]
            return found

        def skip(length: int) -> None:
            if stream.seek(length, os.SEEK_CUR) > size:
                raise ValueError(length)

        def skip_value(kind: int) -> None:
            if kind == _STRING:
                skip(number("<Q"))
            else:
                skip(_WIDTHS[kind])

        skip(4)
        number("<I")
        number("<Q")
        for _ in range(min(number("<Q"), size)):
            skip(number("<Q"))
            kind = number("<I")
            if kind != _ARRAY:
                skip_value(kind)
                continue
            of, count = number("<I"), number("<Q")
            if of != _STRING:
                skip(_WIDTHS[of] * count)
                continue
            for _ in range(count):
                skip_value(_STRING)


_BEGINNING = 1 << 20
_TEXT = 8
_MAGIC = b"GGUF"
_PAINTERS = frozenset(
    (
        *("", "flux", "sd1", "sd2", "sdxl", "sd3", "aura", "chroma", "cosmos", "hidream", "hyvid", "ltxv"),
        *("lumina2", "pig", "qwen_image", "wan"),
    )
)
"""The architectures that programs which convert painters and film makers write; "" where a program writes none."""


def may_paint(architecture: str | None) -> bool:
    """Return whether a GGUF file may hold a painter.

    Args:
        architecture: From `read_architecture`.
    """
    return architecture in _PAINTERS


def read_architecture(path: Path) -> str | None:
    """Return the architecture that a GGUF file names at its beginning, "" if it names none; None if it is no GGUF file.

    The whole header of a language model takes seconds to read, for its vocabulary is in it.
    """
    with path.open("rb") as stream:
        beginning = stream.read(_BEGINNING)
    return _architecture(beginning) if beginning.startswith(_MAGIC) else None


def _architecture(beginning: bytes) -> str:
    key = ARCHITECTURE.encode()
    place = beginning.find(struct.pack("<Q", len(key)) + key)
    if place < 0:
        return ""
    place += 8 + len(key)
    try:
        kind, length = struct.unpack_from("<IQ", beginning, place)
    except struct.error:
        return ""
    value = beginning[place + 12 : place + 12 + length]
    return value.decode("utf-8", "replace") if kind == _TEXT else ""
