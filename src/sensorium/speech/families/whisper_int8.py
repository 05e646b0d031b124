"""A Whisper's weights made int8 once and kept: CTranslate2 would make them so at each start, which takes 0.3 s.

The numbers are those that CTranslate2 itself computes: each row of a matrix is scaled so that its largest weight is
127. Only the file's own format is read and written here (CTranslate2's binary version 6).
"""

from __future__ import annotations

import shutil
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

_VERSION = 6
_SPECIFICATION = "WhisperSpec"
_REVISION = 3
_DTYPES = tuple(map(np.dtype, ("float32", "int8", "int16", "int32", "float16")))
"""By the number that stands for them in the file."""


class UnknownFormatError(Exception):
    """A file of weights is int8 already, or of a version that isn't known here."""


def write_int8(source: Path, target: Path) -> None:
    """Write a Whisper for CTranslate2 with int8 weights.

    Args:
        source: Its folder.
        target: An empty folder.

    Raises:
        UnknownFormatError: It can't be done; the target is then unfinished.
    """
    try:
        _write(source, target)
    except (struct.error, UnicodeDecodeError, ValueError, IndexError) as error:
        raise UnknownFormatError(str(error)) from error
    for path in source.iterdir():
        if path.is_file() and path.name != "model.bin":
            shutil.copyfile(path, target / path.name)


def _write(source: Path, target: Path) -> None:
    with (source / "model.bin").open("rb") as file, (target / "model.bin").open("wb") as out:
        if _header(file) != (_VERSION, _SPECIFICATION, _REVISION):
            raise ValueError("another version")
        out.write(struct.pack("<I", _VERSION) + _text(_SPECIFICATION) + struct.pack("<I", _REVISION))
        count_at = out.tell()
        out.write(struct.pack("<I", 0))
        written = 0
        for name, weights in _variables(file):
            for part_name, part in _as_int8(name, weights):
                shape = struct.pack(f"<B{part.ndim}I", part.ndim, *part.shape)
                out.write(_text(part_name) + shape + struct.pack("<BI", _DTYPES.index(part.dtype), part.nbytes))
                out.write(part.tobytes())
                written += 1
        shutil.copyfileobj(file, out)
        out.seek(count_at)
        out.write(struct.pack("<I", written))


def _as_int8(name: str, weights: NDArray[np.generic]) -> Iterator[tuple[str, NDArray[np.generic]]]:
    if weights.dtype.kind != "f":
        yield name, weights
        return
    if name.endswith("_scale"):
        raise ValueError("int8 already")
    full = weights.astype(np.float32)
    if weights.ndim != 2 or not name.endswith("weight"):
        yield name, full
        return
    largest = np.abs(full).max(axis=1)
    scale = (127.0 / np.where(largest == 0, 127.0, largest)).astype(np.float32)
    yield name, np.rint(full * scale[:, None]).astype(np.int8)
    yield f"{name}_scale", scale


def _header(file: BinaryIO) -> tuple[int, str, int]:
    (version,) = _numbers(file, "I")
    name = _read_text(file)
    (revision,) = _numbers(file, "I")
    return version, name, revision


def _variables(file: BinaryIO) -> Iterator[tuple[str, NDArray[np.generic]]]:
    """Yield the names and values of the variables; afterwards the file stands at its list of aliases."""
    (count,) = _numbers(file, "I")
    for _ in range(count):
        name = _read_text(file)
        (rank,) = _numbers(file, "B")
        shape = _numbers(file, f"{rank}I")
        kind, size = _numbers(file, "BI")
        yield name, np.frombuffer(file.read(size), _DTYPES[kind]).reshape(shape)


def _numbers(file: BinaryIO, kinds: str) -> tuple[int, ...]:
    kinds = f"<{kinds}"
    return struct.unpack(kinds, file.read(struct.calcsize(kinds)))


def _read_text(file: BinaryIO) -> str:
    (length,) = _numbers(file, "H")
    return file.read(length)[:-1].decode()


def _text(text: str) -> bytes:
    data = text.encode() + b"\0"
    return struct.pack("<H", len(data)) + data
