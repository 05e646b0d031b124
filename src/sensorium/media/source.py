"""From whatever a caller names (path, address, data URI, bytes, open file) to bytes that may be decoded.

Everything is checked before it is read: where it comes from, whether it is a file at all, how large it is.
"""

from __future__ import annotations

import base64
import binascii
import errno
import io
import os
import stat
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias
from urllib.parse import unquote_to_bytes

from sensorium.errors import InputError
from sensorium.media.collect import collect_files
from sensorium.media.content import HEAD_BYTES, Kind, describe_content, sniff_kind
from sensorium.media.naming import display_name, size_in_words

__all__ = [
    "Kind",
    "Limits",
    "MediaSource",
    "ResolvedMedia",
    "collect_files",
    "describe_content",
    "display_name",
    "resolve",
    "sniff_kind",
]

MediaSource: TypeAlias = str | os.PathLike[str] | bytes | BinaryIO
"""A path, an http(s) address, a ``data:`` URI, the bytes of a file, or a file opened for reading bytes."""

_IN_MEMORY = 32 << 20
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Limits:
    """What an input may cost. The defaults suit a person's own files; a server sets smaller ones.

    Attributes:
        max_bytes: Largest file on disk, or data given directly, in bytes.
        max_download_bytes: Largest file fetched from an address, in bytes.
        max_image_bytes: Largest encoded picture, in bytes: pictures are read whole.
        max_pixels: Most pixels in a picture or film frame. The default is just above the largest phone sensors
            (16384×12288); decoding such a picture takes about 0.9 GB.
        max_side: Longest side of a picture or film frame, in pixels; the default is the longest that JPEG has.
        max_duration: Longest recording or film, in seconds.
        max_frames: Most frames that are taken from one film.
        allow_files: Whether text may name a file on this machine. A server that gets text from its clients says no.
        allow_urls: Whether http and https addresses are fetched.
        allowed_hosts: The only hosts that addresses may name; ``"*.example.org"`` stands for all below it.
            None allows every public host.
        allowed_ports: The only ports that addresses may name.
        allow_private: Whether addresses inside the local network, and this machine itself, are fetched.
        connect_timeout: Longest wait for a connection and for each piece of an answer, in seconds.
        download_timeout: Longest time for a whole download, in seconds.
    """

    max_bytes: int = 64 << 30
    max_download_bytes: int = 2 << 30
    max_image_bytes: int = 512 << 20
    max_pixels: int = 16384 * 12288
    max_side: int = 65_535
    max_duration: float = 24 * 3600.0
    max_frames: int = 100_000
    allow_files: bool = True
    allow_urls: bool = True
    allowed_hosts: frozenset[str] | None = None
    allowed_ports: frozenset[int] = frozenset({80, 443})
    allow_private: bool = False
    connect_timeout: float = 10.0
    download_timeout: float = 600.0


DEFAULT_LIMITS = Limits()


@dataclass(frozen=True)
class ResolvedMedia:
    """An input whose place and size have been checked. Either ``path`` or ``data`` is set.

    Keep the object as long as ``path`` is in use: a downloaded file is deleted together with it.

    Attributes:
        name: How messages call it; safe to print.
        head: The first bytes, for `sniff_kind`.
        size: Size in bytes.
        path: An absolute path to a regular file. FFmpeg can't take it for an address of one of its protocols.
        data: The bytes themselves.
    """

    name: str
    head: bytes
    size: int
    path: Path | None = None
    data: bytes | None = None
    _temporary: Any = field(default=None, repr=False)

    @property
    def kind(self) -> Kind:
        """What it holds: "image", "audio", "video", or "" for anything else."""
        return sniff_kind(self.head)

    @property
    def description(self) -> str:
        """What it holds, in words for a message: "a JPEG picture", "text", "a PDF document"."""
        return describe_content(self.head)

    def open(self) -> BinaryIO:
        """Open it for reading bytes, at the start.

        Raises:
            InputError: The file has gone, or is no longer a regular file.
        """
        if self.data is not None:
            return io.BytesIO(self.data)
        assert self.path is not None
        return open_regular_file(self.path, self.name)

    def read(self) -> bytes:
        """Return all its bytes."""
        if self.data is not None:
            return self.data
        with self.open() as file:
            return file.read(self.size)


def resolve(source: MediaSource, *, limits: Limits = DEFAULT_LIMITS) -> ResolvedMedia:
    """Find an input, check that it may be read, and fetch it if it is an address.

    Nothing is decoded. A local file is not copied; downloads and open files over 32 MiB go to a temporary file.

    Args:
        source: A path, an http(s) address, a ``data:`` URI, bytes, or a file opened for reading bytes (read from
            where it stands, and put back there).
        limits: What is allowed.

    Raises:
        InputError: There is nothing to read there, it is empty, too large, no regular file, or not allowed.
    """
    if isinstance(source, (bytes, bytearray, memoryview)):
        return _from_bytes(bytes(source), display_name(source), limits.max_bytes)
    if isinstance(source, str):
        scheme = source[:8].lower()
        if scheme.startswith("data:"):
            return _from_data_uri(source, limits)
        if scheme.startswith(("http://", "https://")):
            return _from_address(source, limits)
    if isinstance(source, (str, os.PathLike)):
        return _from_path(source, limits)
    if hasattr(source, "read"):
        return _from_file(source, limits)
    raise InputError(
        f"A {type(source).__name__} is not a picture, recording or film",
        "Give a path, an http(s) address, a data: URI, bytes or an open file",
    )


def open_regular_file(path: Path, name: str) -> BinaryIO:
    """Open a regular file for reading bytes; anything else (folder, pipe, device) is refused without waiting for it."""
    try:
        # Opening a pipe waits for a writer unless told not to; on a regular file the flag changes nothing.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except (OSError, ValueError) as error:
        raise _unreadable(error, name) from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise InputError(f"{name} is no longer a regular file", "Give a regular file")
    return os.fdopen(descriptor, "rb")


def _from_path(source: str | os.PathLike[str], limits: Limits) -> ResolvedMedia:
    name = display_name(source)
    if not limits.allow_files:
        raise InputError(f"{name} is not allowed: files of this machine can't be named here", "Send the data itself")
    # An absolute path starts with a slash or a drive, so no later reader takes "concat:a" for a protocol.
    path = Path(source).absolute()
    try:
        state = path.stat()
    except (OSError, ValueError) as error:
        raise _unreadable(error, name) from None
    if stat.S_ISDIR(state.st_mode):
        raise InputError(f"{name} is a folder", "Give a file inside it")
    if not stat.S_ISREG(state.st_mode):
        raise InputError(f"{name} is a pipe, socket or device, not a regular file", "Save its content to a file first")
    _check_size(state.st_size, limits.max_bytes, name)
    with open_regular_file(path, name) as file:
        head = file.read(HEAD_BYTES)
    return ResolvedMedia(name, head, state.st_size, path=path)


def _from_bytes(data: bytes, name: str, largest: int) -> ResolvedMedia:
    _check_size(len(data), largest, name)
    return ResolvedMedia(name, data[:HEAD_BYTES], len(data), data=data)


def _from_data_uri(source: str, limits: Limits) -> ResolvedMedia:
    name = display_name(source)
    head, comma, body = source.partition(",")
    if not comma:
        raise InputError(
            f"{name} is not a complete data: URI", "Write data:image/png;base64,… with the data after the comma"
        )
    if head.lower().endswith(";base64"):
        _check_size(len(body) * 3 // 4, limits.max_bytes, name)
        try:
            data = base64.b64decode(unquote_to_bytes(body) if "%" in body else body, validate=True)
        except (binascii.Error, ValueError):
            raise InputError(f"The base64 data of {name} is damaged", "Encode the whole file again") from None
    else:
        _check_size(len(body) // 3, limits.max_bytes, name)
        data = unquote_to_bytes(body)
    return _from_bytes(data, name, limits.max_bytes)


def _from_address(source: str, limits: Limits) -> ResolvedMedia:
    name = display_name(source)
    if not limits.allow_urls:
        raise InputError(f"{name} is not fetched: addresses are not allowed here", "Give a file or the data itself")
    from sensorium.media.fetch import fetch

    return _spool(fetch(source, limits=limits), name, limits.max_download_bytes)


def _from_file(source: Any, limits: Limits) -> ResolvedMedia:
    name = display_name(source)
    if isinstance(source, io.TextIOBase):
        raise InputError(f"{name} was opened as text", 'Open it for reading bytes: open(path, "rb")')
    try:
        start = source.tell() if source.seekable() else None
    except (AttributeError, OSError, ValueError):
        start = None
    if start == 0 and (path := _path_of(source)) is not None:
        return _from_path(path, limits)
    try:
        media = _spool(iter(lambda: source.read(_CHUNK), b""), name, limits.max_bytes)
        if start is not None:
            source.seek(start)
    except (OSError, ValueError) as error:
        raise _unreadable(error, name) from None
    return media


def _path_of(file: Any) -> Path | None:
    """Return the path of an open file, if the same file is still there."""
    try:
        path = Path(file.name)
        same = path.is_absolute() or path.exists()
        return path if same and os.path.samestat(os.fstat(file.fileno()), path.stat()) else None
    except (AttributeError, TypeError, OSError, ValueError):
        return None


def _spool(chunks: Iterable[bytes], name: str, largest: int) -> ResolvedMedia:
    """Keep what arrives in memory, or on disk once there is much of it, and never more than ``largest`` bytes."""
    size = 0
    memory = bytearray()
    temporary = None
    for chunk in chunks:
        if not isinstance(chunk, bytes):
            raise InputError(f"{name} gives no bytes when read", 'Open it for reading bytes: open(path, "rb")')
        size += len(chunk)
        _check_size(size, largest, name, growing=True)
        if temporary is None and size > _IN_MEMORY:
            temporary = tempfile.NamedTemporaryFile(prefix="sensorium-")  # noqa: SIM115 -- deleted with its owner
            temporary.write(memory)
            memory.clear()
        if temporary is None:
            memory += chunk
        else:
            temporary.write(chunk)
    if temporary is None:
        return _from_bytes(bytes(memory), name, largest)
    temporary.flush()
    path = Path(temporary.name)
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    return ResolvedMedia(name, head, size, path=path, _temporary=temporary)


def _check_size(size: int, largest: int, name: str, *, growing: bool = False) -> None:
    if size == 0:
        raise InputError(f"{name} is empty", "Give a file with something in it")
    if size > largest:
        has = "more than the" if growing else f"{size_in_words(size)}, more than the"
        raise InputError(f"{name} has {has} {size_in_words(largest)} allowed", "Give a smaller file or raise the limit")


def _unreadable(error: OSError | ValueError, name: str) -> InputError:
    number = getattr(error, "errno", None)
    if number == errno.ENOENT:
        return InputError(f"There is no file {name}", "Check the name and the folder")
    if number in (errno.EACCES, errno.EPERM):
        return InputError(f"{name} can't be read: permission denied", "Allow this user to read it")
    if number == errno.ENOTDIR:
        return InputError(f"There is no file {name}: a part of its path is not a folder", "Check the path")
    if number == errno.ELOOP:
        return InputError(f"{name} is a link that leads back to itself", "Give the real file")
    if number == errno.ENAMETOOLONG:
        return InputError(f"{name} is too long for a file name", "Check the name")
    if isinstance(error, ValueError):
        return InputError(f"{name} can't be the name of a file", "Check the name")
    return InputError(f"{name} can't be read", "Check that the disk or network folder is there")
