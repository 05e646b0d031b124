"""Files that appear complete or not at all."""

from __future__ import annotations

import errno
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sensorium.errors import InputError
from sensorium.media.naming import display_name
from sensorium.media.regular_file import why_unreadable
from sensorium.media.special_file import is_special, require_writable, written_through
from sensorium.unfinished import unfinished

_OWNER_ALONE = 0o600
_NO_FILE = (errno.ENOENT, errno.ENOTDIR)


@contextmanager
def atomic_file(path: str | os.PathLike[str], *, suffix: str | None = None) -> Iterator[Path]:
    """Give a temporary path; what was written there appears under ``path`` on success, and is removed on any failure.

    Args:
        path: Where the finished file belongs. An existing file there is replaced only on success; the new one has its
            mode, and where the system allows it its owner. Links are followed. What is no plain file, such as a named
            pipe, a device or an open file (``/dev/fd/3``), stays what it is, and gets the whole content on success.
        suffix: Of the temporary path; by default that of ``path``.

    Yields:
        The path to write to: not there yet, or empty.

    Raises:
        InputError: The folder doesn't exist, can't be written to, is full, or ``path`` is a folder.
        BrokenPipeError: Whoever reads what is written has gone.
    """
    require_place(path)
    try:
        ending = Path(path).suffix if suffix is None else suffix
        with (written_through if is_special(path) else _replaced)(path, ending) as temporary:
            yield temporary
    except BrokenPipeError:
        raise
    except OSError as error:
        reason = error.strerror or "the system refused"
        raise InputError(f"{display_name(path)} can't be written: {reason.lower()}", "Choose another folder") from None


def require_place(path: str | os.PathLike[str]) -> None:
    """See that a file could be written, before anything costly is done for it.

    Raises:
        InputError: The folder doesn't exist, or ``path`` is a folder, can't be written to, is too long or no name.
    """
    name = display_name(path)
    if "\0" in os.fspath(path):
        raise InputError(f"{name} can't be the name of a file: it holds a null byte", "Leave that out")
    if is_special(path):
        require_writable(path)
        return
    try:
        there = stat.S_ISDIR(Path(path).stat().st_mode)
    except (OSError, ValueError) as error:
        if isinstance(error, ValueError) or error.errno not in _NO_FILE:
            raise why_unwritable(error, name) from None
        _require_folder(_followed(path).parent, name)
        return
    if there:
        raise InputError(f"{name} is a folder, not a file", "Give the name of a file")
    if not os.access(path, os.W_OK):
        raise InputError(f"{name} is there already and can't be written to", "Allow that, or name another file")
    _require_folder(_followed(path).parent, name)


def why_unwritable(error: OSError | ValueError, name: str) -> InputError:
    """Turn an error at looking for a place into one plain sentence.

    Args:
        error: The system's error.
        name: The file's name in the sentence; safe to print.
    """
    if isinstance(error, PermissionError):
        return InputError(f"{name} can't be written: permission denied", "Choose another folder")
    return why_unreadable(error, name)


def _require_folder(folder: Path, name: str) -> None:
    if not folder.is_dir():
        raise InputError(f"The folder of {name} doesn't exist", "Create it first")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise InputError(f"The folder of {name} can't be written to", "Choose another folder")


@contextmanager
def _replaced(path: str | os.PathLike[str], suffix: str) -> Iterator[Path]:
    target = _followed(path)
    before = target.stat() if target.exists() else None
    with unfinished(target.with_name(f".{secrets.token_hex(8)}{suffix}")) as temporary:
        if before is not None:
            # What only some may read must not be readable for all while it is written.
            os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, _OWNER_ALONE))
        yield temporary
        if before is not None:
            _make_alike(temporary, before)
        temporary.replace(target)


def _followed(path: str | os.PathLike[str]) -> Path:
    """Return where a link leads to, whether or not there is a file; other paths as they are."""
    return Path(os.path.realpath(path)) if Path(path).is_symlink() else Path(path)


def _make_alike(file: Path, before: os.stat_result) -> None:
    now = file.stat()
    if (now.st_uid, now.st_gid) != (before.st_uid, before.st_gid) and hasattr(os, "chown"):
        with suppress(PermissionError):  # only an administrator gives files away
            os.chown(file, before.st_uid, before.st_gid)
    file.chmod(stat.S_IMODE(before.st_mode) & 0o777)
