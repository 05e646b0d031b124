"""One rule for all that write files: what is written is neither something that is read, nor written twice."""

from __future__ import annotations

import os
import secrets
import stat
import unicodedata
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from sensorium.errors import InputError
from sensorium.media.naming import display_name
from sensorium.media.special_file import descriptor_of

File: TypeAlias = str | os.PathLike[str] | int
"""A path, or the number of an open file."""


def require_separate(outputs: Iterable[File], inputs: Iterable[File] = ()) -> None:
    """See that no file would be overwritten that is needed, however it is spelled.

    Links and hard links are the file that they lead to, and so are names that differ in case where the file system
    makes no difference. Devices are no files: any number of outputs may go to ``/dev/null``.

    Args:
        outputs: What will be written.
        inputs: What will be read; what can't be found is passed over.

    Raises:
        InputError: An output is an input, or another output.
    """
    read = {_identity(each, plain=True) for each in inputs}
    written: dict[_There | _New, File] = {}
    alike: dict[_New, _New] = {}
    for output in outputs:
        identity = _identity(output)
        if identity is None:
            continue
        if isinstance(identity, _There) and identity in read:
            raise InputError(
                f"The output {display_name(output)} is also an input, which would be lost", "Name another file with -o"
            )
        if identity in written:
            _refuse_twice(output, written[identity])
        written[identity] = output
        if isinstance(identity, _New):
            other = alike.setdefault(identity.without_case(), identity)
            if other != identity and ignores_case(identity.folder):
                _refuse_twice(output, written[other])


def ignores_case(folder: Path) -> bool:
    """Return whether the file system takes names that differ in case only for the same."""
    name = f".{secrets.token_hex(8)}-case"
    try:
        os.close(os.open(folder / name, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except OSError:  # nothing can be written there anyway
        return False
    try:
        return (folder / name.upper()).exists()
    finally:
        with suppress(OSError):
            (folder / name).unlink()


@dataclass(frozen=True)
class _There:
    """A file that exists, by its device and its number there."""

    device: int
    number: int


@dataclass(frozen=True)
class _New:
    """A file that doesn't exist: the nearest folder that does, and the names below it."""

    folder: Path
    names: tuple[str, ...]

    def without_case(self) -> _New:
        return _New(self.folder, tuple(unicodedata.normalize("NFC", name).casefold() for name in self.names))


def _identity(file: File, *, plain: bool = False) -> _There | _New | None:
    """Return what a file is known by; None for devices, what can't be looked at, and with `plain` all but plain files.

    Standard input and output may be one and the same socket, which is no reason to refuse anything.
    """
    try:
        state = _state(file)
    except (FileNotFoundError, NotADirectoryError):
        return None if isinstance(file, int) else _new(file)
    except (OSError, ValueError):
        return None
    if stat.S_ISCHR(state.st_mode) or (plain and not stat.S_ISREG(state.st_mode)):
        return None
    return _There(state.st_dev, state.st_ino)


def _state(file: File) -> os.stat_result:
    if isinstance(file, int):
        return os.fstat(file)
    descriptor = descriptor_of(file)
    return Path(file).stat() if descriptor is None else os.fstat(descriptor)


def _new(file: str | os.PathLike[str]) -> _New:
    path = Path(os.path.realpath(file))
    # Not pathlib's way, which raises an error for a folder that may not be looked at.
    folder = next((each for each in path.parents if os.path.isdir(each)), path.parent)  # noqa: PTH112
    names = path.relative_to(folder).parts
    # Windows takes no notice of dots and spaces at the end of a name.
    return _New(folder, tuple(name.rstrip(". ") for name in names) if os.name == "nt" else names)


def _refuse_twice(output: File, other: File) -> None:
    also = "" if display_name(output) == display_name(other) else f", also called {display_name(other)}"
    raise InputError(f"Two files would both be written to {display_name(output)}{also}", "Name each its own file")
