"""Writing to what is no plain file: devices, named pipes, and files that the program was started with open."""

from __future__ import annotations

import os
import re
import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from sensorium.errors import InputError
from sensorium.media.naming import display_name
from sensorium.unfinished import temporary_folder

_DESCRIPTORS = {"/dev/stdin": 0, "/dev/stdout": 1, "/dev/stderr": 2}
_NUMBERED = re.compile(r"/(?:dev|proc/self)/fd/([0-9]{1,9})")


def is_special(path: str | os.PathLike[str]) -> bool:
    """Return whether a path leads to something that can be written to and is no plain file."""
    if descriptor_of(path) is not None:
        return True
    try:
        mode = Path(path).stat().st_mode
    except (OSError, ValueError):
        return False
    return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)


def descriptor_of(path: str | os.PathLike[str]) -> int | None:
    """Return the number of the open file that a name such as ``/dev/fd/3`` stands for; None for other names."""
    name = os.fspath(path)
    if os.name != "posix":
        return None
    numbered = _NUMBERED.fullmatch(name)
    return int(numbered[1]) if numbered else _DESCRIPTORS.get(name)


def require_writable(path: str | os.PathLike[str]) -> None:
    """See that a special file can be written to, before anything costly is done for it.

    Raises:
        InputError: It can't, or it is a disk.
    """
    name, descriptor = display_name(path), descriptor_of(path)
    try:
        mode = os.fstat(descriptor).st_mode if descriptor is not None else Path(path).stat().st_mode
        writable = os.access(path, os.W_OK) if descriptor is None else _is_open_for_writing(descriptor)
    except OSError:
        raise InputError(f"{name} is not open", "Open it for the program, or name a file") from None
    if stat.S_ISBLK(mode):
        raise InputError(f"{name} is a disk, not a file", "Name a file on it")
    if not writable:
        raise InputError(f"{name} can't be written to", "Name another file")


@contextmanager
def written_through(path: str | os.PathLike[str], suffix: str) -> Iterator[Path]:
    """Give a temporary path; what was written there goes on into a special file, if the block doesn't fail.

    Args:
        path: A device, a named pipe or an open file.
        suffix: Of the temporary path.

    Raises:
        OSError: It can't be written to.
    """

    def copy(source: BinaryIO) -> None:
        with _opened(path) as target:
            shutil.copyfileobj(source, target)

    with passed_on(f"output{suffix}", copy) as file:
        yield file


@contextmanager
def passed_on(name: str, copy: Callable[[BinaryIO], None]) -> Iterator[Path]:
    """Give a temporary path; what was written there is read again at the end, if the block doesn't fail.

    Args:
        name: Of the temporary file, which isn't there yet.
        copy: Called with the file, open for reading bytes.
    """
    with temporary_folder("sensorium-output-") as folder:
        file = folder / name
        yield file
        with file.open("rb") as source:
            # A pipe may wait for its reader as long as it likes: whatever ends the program meanwhile, nothing stays.
            with suppress(PermissionError):  # Windows removes no open file
                file.unlink()
            copy(source)


def _opened(path: str | os.PathLike[str]) -> BinaryIO:
    descriptor = descriptor_of(path)
    if descriptor is not None:
        # Not opened by its name, which would begin at the start of a file that others write to as well.
        return os.fdopen(os.dup(descriptor), "wb")
    return os.fdopen(os.open(path, os.O_WRONLY | getattr(os, "O_NOCTTY", 0)), "wb")


def _is_open_for_writing(descriptor: int) -> bool:
    import fcntl

    return fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE != os.O_RDONLY
