"""A Whisper's weights made int8 once and kept: CTranslate2 would make them so at each start, which takes 0.3 s.

The numbers are those that CTranslate2 itself computes: each row of a matrix is scaled so that its largest weight is
127.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sensorium.speech.families.ctranslate2_file import (
    UnknownFormatError,
    read_contents,
    read_values,
    write_beginning,
    write_variable,
)

_SPECIFICATION = "WhisperSpec"
_REVISION = 3


def write_int8(source: Path, target: Path) -> None:
    """Write a Whisper for CTranslate2 with int8 weights.

    Args:
        source: Its folder.
        target: An empty folder.

    Raises:
        UnknownFormatError: Its weights are int8 already, or of a version that isn't known here; the target is then
            unfinished.
    """
    try:
        _write(source / "model.bin", target / "model.bin")
    except ValueError as error:
        raise UnknownFormatError(str(error)) from error
    for path in source.iterdir():
        if path.is_file() and path.name != "model.bin":
            shutil.copyfile(path, target / path.name)


def _write(source: Path, target: Path) -> None:
    contents = read_contents(source)
    if (contents.specification, contents.revision) != (_SPECIFICATION, _REVISION):
        raise UnknownFormatError("another version")
    with source.open("rb") as file, target.open("wb") as out:
        write_beginning(out, _SPECIFICATION, _REVISION, 0)
        written = 0
        for name, variable in contents.variables.items():
            for part_name, part in _as_int8(name, read_values(file, variable)):
                write_variable(out, part_name, part)
                written += 1
        file.seek(contents.aliases_offset)
        shutil.copyfileobj(file, out)
        write_beginning(out, _SPECIFICATION, _REVISION, written)


def _as_int8(name: str, weights: NDArray[np.generic]) -> Iterator[tuple[str, NDArray[np.generic]]]:
    if weights.dtype.kind != "f":
        yield name, weights
        return
    if name.endswith("_scale"):
        raise UnknownFormatError("int8 already")
    full = weights.astype(np.float32)
    if weights.ndim != 2 or not name.endswith("weight"):
        yield name, full
        return
    largest = np.abs(full).max(axis=1)
    scale = (127.0 / np.where(largest == 0, 127.0, largest)).astype(np.float32)
    yield name, np.rint(full * scale[:, None]).astype(np.int8)
    yield f"{name}_scale", scale
