"""Files that appear complete or not at all."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sensorium.errors import InputError
from sensorium.media.naming import display_name
from sensorium.media.regular_file import why_unreadable


@contextmanager
def atomic_file(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a temporary path beside ``path``; it is renamed to ``path`` on success and removed on any failure.

    Args:
        path: Where the finished file belongs. An existing file there is replaced only on success.

    Yields:
        The path to write to: in the same folder, with the same suffix, hidden, and not there yet.

    Raises:
        InputError: The folder doesn't exist, can't be written to, is full, or ``path`` is a folder.
    """
    require_place(path)
    target = Path(path)
    name = display_name(path)
    temporary = target.with_name(f".{secrets.token_hex(8)}{target.suffix}")
    try:
        yield temporary
        temporary.replace(target)
    except OSError as error:
        reason = error.strerror or "the system refused"
        raise InputError(f"{name} can't be written: {reason.lower()}", "Choose another folder") from None
    finally:
        temporary.unlink(missing_ok=True)


def require_place(path: str | os.PathLike[str]) -> None:
    """See that a file could be written, before anything costly is done for it.

    Raises:
        InputError: The folder doesn't exist, or ``path`` is a folder, too long or no name at all.
    """
    if "\0" in os.fspath(path):
        raise InputError(f"{display_name(path)} can't be the name of a file: it holds a null byte", "Leave that out")
    try:
        Path(path).lstat()
    except FileNotFoundError:
        pass
    except (OSError, ValueError) as error:
        if isinstance(error, ValueError) or error.errno == errno.ENAMETOOLONG:
            raise why_unreadable(error, display_name(path)) from None
    if Path(path).is_dir():
        raise InputError(f"{display_name(path)} is a folder, not a file", "Give the name of a file")
    if not Path(path).parent.is_dir():
        raise InputError(f"The folder of {display_name(path)} doesn't exist", "Create it first")
