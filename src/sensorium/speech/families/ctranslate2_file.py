"""The file in which CTranslate2 keeps weights: what it holds and where, and how it is written (binary version 6).

CTranslate2 believes what the file says of itself. Whoever lets it read somebody's file finds out here first whether the
file is whole.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

_VERSION = 6
_DTYPES = ("float32", "int8", "int16", "int32", "float16", "bfloat16")
"""By the number that stands for them in the file."""
_ITEM_BYTES = {"float32": 4, "int8": 1, "int16": 2, "int32": 4, "float16": 2, "bfloat16": 2}


class UnknownFormatError(Exception):
    """It is no such file, not a whole one, or of a version that isn't known here."""


@dataclass(frozen=True)
class StoredVariable:
    """A variable in the file.

    Attributes:
        shape: Its lengths; empty for a number.
        dtype: Such as ``"float16"``.
        offset: Where its values begin in the file, in bytes.
        size: How many bytes they are.
    """

    shape: tuple[int, ...]
    dtype: str
    offset: int
    size: int


@dataclass(frozen=True)
class Contents:
    """What a file holds.

    Attributes:
        specification: Which kind of model it is, such as ``"WhisperSpec"``.
        revision: Of the specification.
        variables: By name, in the order of the file.
        aliases: Further names of variables, each with the name that it stands for.
        aliases_offset: Where the list of aliases begins in the file, in bytes.
    """

    specification: str
    revision: int
    variables: Mapping[str, StoredVariable]
    aliases: Mapping[str, str]
    aliases_offset: int

    def find(self, name: str) -> StoredVariable | None:
        """Return a variable by one of its names; None if there is none."""
        return self.variables.get(self.aliases.get(name, name))

    @property
    def names(self) -> tuple[str, ...]:
        """All names of variables."""
        return *self.variables, *self.aliases


def read_contents(path: Path) -> Contents:
    """Read what a file holds; the values are passed over.

    Raises:
        UnknownFormatError: It is no such file, not a whole one, or of another version.
    """
    try:
        with path.open("rb") as file:
            return _contents(file, path.stat().st_size)
    except struct.error as error:
        raise UnknownFormatError("the end is missing") from error
    except UnicodeDecodeError as error:
        raise UnknownFormatError("names are no text") from error
    except OSError as error:
        raise UnknownFormatError(f"nothing can be read: {error.strerror}") from error


def read_values(file: BinaryIO, variable: StoredVariable) -> NDArray[np.generic]:
    """Read the values of a variable.

    Raises:
        UnknownFormatError: NumPy has no such numbers.
    """
    if variable.dtype == "bfloat16":
        raise UnknownFormatError(variable.dtype)
    file.seek(variable.offset)
    return np.frombuffer(file.read(variable.size), variable.dtype).reshape(variable.shape)


def write_beginning(file: BinaryIO, specification: str, revision: int, count: int) -> None:
    """Write what comes before the variables.

    Args:
        file: At its beginning.
        specification: As in `Contents`.
        revision: As in `Contents`.
        count: How many variables follow.
    """
    file.seek(0)
    file.write(struct.pack("<I", _VERSION) + _text(specification) + struct.pack("<II", revision, count))


def write_variable(file: BinaryIO, name: str, values: NDArray[np.generic]) -> None:
    """Write the next variable."""
    file.write(_text(name) + struct.pack(f"<B{values.ndim}I", values.ndim, *values.shape))
    file.write(struct.pack("<BI", _DTYPES.index(values.dtype.name), values.nbytes) + values.tobytes())


def _contents(file: BinaryIO, size: int) -> Contents:
    (version,) = _numbers(file, "I")
    if version != _VERSION:
        raise UnknownFormatError("the beginning is another file's")
    specification = _read_text(file)
    revision, count = _numbers(file, "II")
    variables = {}
    for _ in range(count):
        name = _read_text(file)
        variables[name] = _variable(file)
        file.seek(variables[name].offset + variables[name].size)
        if file.tell() > size:
            raise UnknownFormatError("the end is missing")
    aliases_offset = file.tell()
    (alias_count,) = _numbers(file, "I")
    aliases = {_read_text(file): _read_text(file) for _ in range(alias_count)}
    return Contents(specification, revision, variables, aliases, aliases_offset)


def _variable(file: BinaryIO) -> StoredVariable:
    (rank,) = _numbers(file, "B")
    shape = _numbers(file, f"{rank}I")
    kind, size = _numbers(file, "BI")
    if kind >= len(_DTYPES):
        raise UnknownFormatError(f"numbers are of an unknown kind, {kind}")
    dtype = _DTYPES[kind]
    if size != math.prod(shape) * _ITEM_BYTES[dtype]:
        raise UnknownFormatError(f"{size} bytes are for the shape {shape}")
    return StoredVariable(shape, dtype, file.tell(), size)


def _numbers(file: BinaryIO, kinds: str) -> tuple[int, ...]:
    kinds = f"<{kinds}"
    return struct.unpack(kinds, file.read(struct.calcsize(kinds)))


def _read_text(file: BinaryIO) -> str:
    (length,) = _numbers(file, "H")
    text = file.read(length)
    if len(text) != length or not text.endswith(b"\0"):
        raise UnknownFormatError("the end of a name is missing")
    return text[:-1].decode()


def _text(text: str) -> bytes:
    data = text.encode() + b"\0"
    return struct.pack("<H", len(data)) + data
