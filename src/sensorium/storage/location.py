"""A file or folder, here or in an object store: one small set of methods for both."""

from __future__ import annotations

import math
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Self

_SCHEME = re.compile(r"([A-Za-z][\w+.-]+)://")


def scheme_of(address: str) -> str:
    """Return what stands before ``://`` of an address, in small letters; "" for a path."""
    found = _SCHEME.match(address)
    return found[1].lower() if found else ""


def is_stored_remotely(address: str) -> bool:
    """Return whether an address names an object store or another remote file system, and neither a path nor the web."""
    return scheme_of(address) not in ("", "http", "https")


@dataclass(frozen=True)
class Location(ABC):
    """A place for a file or a folder. Get one from `sensorium.storage.opening.location_of`.

    It is plain data and may cross processes. Nothing is asked of the store until a method needs it; each method raises
    `StorageError` if the store refuses or doesn't answer, and `InputError` if what it needs isn't there.

    Attributes:
        address: An absolute path, or an address such as ``s3://bucket/folder``, without a slash at its end.
    """

    address: str

    def __str__(self) -> str:
        return self.address

    @property
    def name(self) -> str:
        """The last part of the address."""
        return self.address.rpartition("/")[2]

    def join(self, *parts: str) -> Self:
        """Return what lies below, whether or not it is there; a part may be several with slashes between them."""
        return type(self)("/".join([self.address.rstrip("/"), *parts]))

    @property
    def local(self) -> Path | None:
        """The path, if it lies on this machine."""
        return None

    @abstractmethod
    def info(self) -> StoredFile | None:
        """Return what is known of the file, or None if there is no file."""

    @abstractmethod
    def exists(self) -> bool:
        """Return whether there is a file, or a folder with something in it."""

    @abstractmethod
    def files(self, prefix: str = "") -> Iterator[StoredFile]:
        """Yield the files below, in all folders, sorted by address; few of them are held at a time.

        Args:
            prefix: How what follows the folder's own address must begin.
        """

    @abstractmethod
    def open(self) -> AbstractContextManager[BinaryIO]:
        """Open the file for reading bytes at any place of it; errors inside the block are told in plain words."""

    @abstractmethod
    def read(self) -> bytes:
        """Return the whole file."""

    @abstractmethod
    def write(self, data: bytes) -> None:
        """Write the whole file: it appears complete or not at all, and replaces one that is there."""

    @abstractmethod
    def write_new(self, data: bytes) -> bool:
        """Write the whole file unless there is one; return whether it was written. Only one of several succeeds."""

    @abstractmethod
    def written(self, suffix: str | None = None) -> AbstractContextManager[Path]:
        """Give a temporary path; what is written there becomes the file when the block ends well.

        Args:
            suffix: Of the temporary path; by default that of the file's own name.
        """

    @abstractmethod
    def put(self, file: Path) -> None:
        """Copy a file of this machine here; it appears complete or not at all."""

    @abstractmethod
    def fetch(self, file: Path) -> None:
        """Copy the file to a path of this machine; it appears there complete or not at all."""

    @abstractmethod
    def delete(self) -> None:
        """Remove the file; do nothing if there is none."""


@dataclass(frozen=True)
class StoredFile:
    """A file as a listing knows it.

    Attributes:
        location: Where it lies.
        size: In bytes.
        version: Another one for other content: the store's ETag, or the time of the last change.
        changed: When it was last written, in seconds since 1970; infinite if the store doesn't tell.
    """

    location: Location
    size: int
    version: str
    changed: float = math.inf
