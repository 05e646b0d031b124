"""Turns what a caller names (path, address, data URI, bytes, open file) into bytes that may be decoded.

Before an input is read, three things are checked: where it comes from, whether it is a regular file, how large it is.
"""

from __future__ import annotations

import base64
import binascii
import io
import os
import tempfile
import weakref
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias
from urllib.parse import unquote_to_bytes

from sensorium.errors import InputError
from sensorium.media.collect import collect_files
from sensorium.media.content import HEAD_BYTES, Kind, describe_content, sniff_kind
from sensorium.media.limits import DEFAULT_LIMITS, Limits
from sensorium.media.naming import display_name, size_in_words
from sensorium.media.regular_file import open_regular_file, why_unreadable
from sensorium.progress import Cancellation, ProgressCallback, check_cancelled, report
from sensorium.unfinished import forget_unfinished, note_unfinished

__all__ = [
    "Kind",
    "MediaSource",
    "ResolvedMedia",
    "collect_files",
    "describe_content",
    "display_name",
    "is_path",
    "resolve",
    "resolve_file",
    "sniff_kind",
]

_ADDRESSES = ("http://", "https://", "data:")
_IN_MEMORY = 32 << 20
_CHUNK = 1 << 20


@dataclass(frozen=True)
class ResolvedMedia:
    """An input whose origin and size have been checked. Either ``path`` or ``data`` is set.

    Keep the object while ``path`` is in use: a downloaded file is deleted together with the object.

    Attributes:
        name: The input's name in messages; safe to print.
        head: The first bytes, for `sniff_kind`.
        size: Size in bytes.
        path: An absolute path to a regular file. Because it is absolute, FFmpeg doesn't mistake it for an address.
        data: The bytes of the input.
    """

    name: str
    head: bytes
    size: int
    path: Path | None = None
    data: bytes | None = None
    _temporary: Any = field(default=None, repr=False)

    @property
    def kind(self) -> Kind:
        """The kind of content: "image", "audio", "video", or "" for anything else."""
        return sniff_kind(self.head)

    @property
    def description(self) -> str:
        """The content in words, for messages: "a JPEG picture", "text", "a PDF document"."""
        return describe_content(self.head)

    def open(self) -> BinaryIO:
        """Open the input for reading bytes from its beginning.

        Raises:
            InputError: The file no longer exists, or is no longer a regular file.
        """
        if self.data is not None:
            return io.BytesIO(self.data)
        assert self.path is not None
        try:
            return open_regular_file(self.path)
        except OSError as error:
            raise why_unreadable(error, self.name) from None

    def read(self) -> bytes:
        """Return all bytes of the input."""
        if self.data is not None:
            return self.data
        with self.open() as file:
            return file.read(self.size)


MediaSource: TypeAlias = str | os.PathLike[str] | bytes | BinaryIO | ResolvedMedia
"""A path, an http(s) address, a ``data:`` URI, the bytes of a file, a file opened for reading bytes, or an input that
was resolved before."""


def is_path(source: Any) -> bool:
    """Return whether an input is the path of a file on this machine, and no address or data: URI."""
    return isinstance(source, os.PathLike) or (isinstance(source, str) and not source.lower().startswith(_ADDRESSES))


def resolve(
    source: MediaSource,
    *,
    limits: Limits = DEFAULT_LIMITS,
    progress: ProgressCallback | None = None,
    cancel: Cancellation | None = None,
) -> ResolvedMedia:
    """Find an input, check that it may be read, and fetch it if the input is an address.

    Nothing is decoded. A local file is not copied; downloads and open files over 32 MiB go to a temporary file.

    Args:
        source: A path, an http(s) address, a ``data:`` URI, bytes, or a file opened for reading bytes. An open file is
            read from its current position, and set back to that position. What was resolved before comes back as it
            is.
        limits: What is allowed.
        progress: Told the bytes fetched so far.
        cancel: Stops the fetch; the bytes fetched so far are removed.

    Raises:
        InputError: The input doesn't exist, is empty, too large, no regular file, or not allowed.
    """
    if isinstance(source, ResolvedMedia):
        return source
    if isinstance(source, (bytes, bytearray, memoryview)):
        return _from_bytes(bytes(source), display_name(source), limits.max_bytes)
    if isinstance(source, str):
        scheme = source[:8].lower()
        if scheme.startswith("data:"):
            return _from_data_uri(source, limits)
        if scheme.startswith(("http://", "https://")):
            return _from_address(source, limits, progress, cancel)
    if isinstance(source, (str, os.PathLike)):
        if not limits.allow_files:
            name = display_name(source)
            raise InputError(f"{name} is refused: files on this machine can't be named here", "Send the data itself")
        return _from_path(Path(source), display_name(source), limits)
    if hasattr(source, "read"):
        return _from_file(source, limits, progress, cancel)
    raise InputError(
        f"{display_name(source)} is nothing that can be read",
        "Give a path, an http(s) address, a data: URI, bytes or an open file",
    )


def resolve_file(path: Path, name: str, *, limits: Limits = DEFAULT_LIMITS) -> ResolvedMedia:
    """Take a file that the program itself has put there, such as one that was uploaded.

    Args:
        path: Where it lies.
        name: What it is called in messages; safe to print.
        limits: How large it may be; whether files may be named doesn't matter.

    Raises:
        InputError: It doesn't exist, is empty, too large, or no regular file.
    """
    return _from_path(path, name, limits)


def _from_path(path: Path, name: str, limits: Limits) -> ResolvedMedia:
    # An absolute path starts with a slash or a drive. So FFmpeg doesn't mistake a file called "concat:a" for a
    # protocol.
    path = path.absolute()
    try:
        with open_regular_file(path) as file:
            size = os.fstat(file.fileno()).st_size
            _check_size(size, limits.max_bytes, name)
            head = file.read(HEAD_BYTES)
    except (OSError, ValueError) as error:
        raise why_unreadable(error, name) from None
    return ResolvedMedia(name, head, size, path=path)


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


def _from_address(
    source: str, limits: Limits, progress: ProgressCallback | None, cancel: Cancellation | None
) -> ResolvedMedia:
    name = display_name(source)
    if not limits.allow_urls:
        raise InputError(f"{name} is not fetched: addresses are not allowed here", "Give a file or the data itself")
    from sensorium.media.fetch import fetch

    with closing(fetch(source, limits=limits)) as chunks:
        return _spool(chunks, name, limits.max_download_bytes, progress, cancel)


def _from_file(
    source: Any, limits: Limits, progress: ProgressCallback | None, cancel: Cancellation | None
) -> ResolvedMedia:
    name = display_name(source)
    if isinstance(source, io.TextIOBase):
        raise _not_bytes(name)
    try:
        start = source.tell() if source.seekable() else None
    except (AttributeError, OSError, ValueError):
        start = None
    if start == 0 and (path := _path_of(source)) is not None:
        return _from_path(path, name, limits)
    try:
        chunks = iter(lambda: source.read(_CHUNK), b"")
        media = _spool(chunks, name, limits.max_download_bytes, progress, cancel)
        if start is not None:
            source.seek(start)
    except (OSError, ValueError):
        raise InputError(f"{name} can't be read", "Give a file that is open for reading") from None
    return media


def _path_of(file: Any) -> Path | None:
    """Return the path of an open file, if the path still leads to that file; else None."""
    try:
        path = Path(file.name)
        return path if os.path.samestat(os.fstat(file.fileno()), path.stat()) else None
    except (AttributeError, TypeError, OSError, ValueError):
        return None


def _spool(
    chunks: Iterable[bytes],
    name: str,
    largest: int,
    progress: ProgressCallback | None,
    cancel: Cancellation | None,
) -> ResolvedMedia:
    """Keep arriving bytes in memory, or on disk if they are many; refuse more than ``largest`` bytes."""
    size = 0
    memory = bytearray()
    temporary = None
    for chunk in chunks:
        check_cancelled(cancel)
        if not isinstance(chunk, bytes):
            raise _not_bytes(name)
        size += len(chunk)
        _check_size(size, largest, name)
        report(progress, f"fetching {name}", size, None, "bytes")
        memory += chunk
        if len(memory) > _IN_MEMORY:
            temporary = temporary or _temporary_file(name)
            _write(temporary, memory, name)
            memory.clear()
    if temporary is None:
        return _from_bytes(bytes(memory), name, largest)
    _write(temporary, memory, name)
    path = Path(temporary.name)
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    return ResolvedMedia(name, head, size, path=path, _temporary=temporary)


def _temporary_file(name: str) -> Any:
    try:
        file = tempfile.NamedTemporaryFile(prefix="sensorium-")  # noqa: SIM115  (`ResolvedMedia` closes it)
    except OSError:
        raise InputError(
            f"{name} can't be kept: no temporary file can be made", "Set TMPDIR to another folder"
        ) from None
    note_unfinished(Path(file.name))
    weakref.finalize(file, forget_unfinished, Path(file.name))
    return file


def _write(temporary: Any, data: bytearray, name: str) -> None:
    try:
        temporary.write(data)
        temporary.flush()
    except OSError:
        raise InputError(f"{name} doesn't fit on the disk", "Make room, or set TMPDIR to another folder") from None


def _not_bytes(name: str) -> InputError:
    return InputError(f"{name} gives no bytes when it is read", 'Open it for reading bytes: open(path, "rb")')


def _check_size(size: int, largest: int, name: str) -> None:
    if size == 0:
        raise InputError(f"{name} is empty", "Give a file with something in it")
    if size > largest:
        raise InputError(
            f"{name} is larger than the {size_in_words(largest)} allowed", "Give a smaller file, or raise the limit"
        )
