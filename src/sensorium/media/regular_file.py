"""Opens regular files only (no pipes, no devices), and says why a file can't be opened."""

from __future__ import annotations

import errno
import os
import stat
from typing import BinaryIO

from sensorium.errors import InputError

_REASONS = {
    errno.ENOENT: ("There is no file {name}", "Check the name and the folder"),
    errno.ENOTDIR: ("There is no file {name}: a part of its path is not a folder", "Check the path"),
    errno.EACCES: ("{name} can't be read: permission denied", "Allow this user to read it"),
    errno.EPERM: ("{name} can't be read: permission denied", "Allow this user to read it"),
    errno.EISDIR: ("{name} is a folder", "Give a file inside it"),
    errno.ELOOP: ("{name} is a link that leads back to itself", "Give the real file"),
    errno.ENAMETOOLONG: ("{name} is too long for a file name", "Check the name"),
    errno.ENXIO: ("{name} is a pipe, socket or device, not a regular file", "Save its content to a file first"),
}


def open_regular_file(path: str | os.PathLike[str]) -> BinaryIO:
    """Open a file for reading bytes; never wait for a device or for the other end of a pipe.

    Raises:
        OSError: The file can't be opened, or is no regular file; `why_unreadable` turns this into a sentence.
        ValueError: The path is no valid path: it contains a zero byte.
    """
    # Without O_NONBLOCK, opening a pipe that has no writer would wait. The flag has no effect on regular files.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOCTTY", 0)
    descriptor = os.open(path, flags)
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISREG(mode):
        return os.fdopen(descriptor, "rb")
    os.close(descriptor)
    raise OSError(errno.EISDIR if stat.S_ISDIR(mode) else errno.ENXIO, "not a regular file")


def why_unreadable(error: OSError | ValueError, name: str) -> InputError:
    """Turn an error at opening or reading a file into one plain sentence.

    Args:
        error: The system's error.
        name: The file's name in the sentence; safe to print.
    """
    if isinstance(error, OSError):
        sentence, remedy = _REASONS.get(
            error.errno or 0, ("{name} can't be read", "Check that the disk or network folder is there")
        )
        return InputError(sentence.format(name=name), remedy)
    return InputError(f"{name} can't be the name of a file", "Check the name")
