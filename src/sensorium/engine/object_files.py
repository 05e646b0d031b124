"""What an engine keeps in an object store: the files below its folder, at the same places below an address."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sensorium.errors import InputError, StorageError
from sensorium.storage.location import Location
from sensorium.storage.opening import location_of

_PROBE = ".probe"
_AGAIN = "Try again in a few seconds"


@dataclass(frozen=True)
class KeptObject:
    """A file in the object store.

    Attributes:
        place: Where it lies below the address, such as ``"uploads/ID"``.
        size: In bytes.
        changed: When it was written, in seconds since 1970.
    """

    place: str
    size: int
    changed: float


class ObjectFiles:
    """The files of an engine in an object store. Safe to use from any thread, and from any number of processes.

    All methods may take as long as the store does, and raise `StorageError` if it is away: at once, if it is known to
    be.

    Args:
        address: Such as ``"s3://bucket/prefix"``.
        folder: The engine's folder of this machine: what lies there has the same place below the address.

    Raises:
        InputError: The address can't be one.
    """

    def __init__(self, address: str, folder: Path) -> None:
        self.root: Location = location_of(address)
        self._folder = folder
        self.trouble = ""
        """Why the store can't be used, as far as somebody looks after it; "" if it can."""

    def probe(self) -> None:
        """Write and delete a small file.

        Raises:
            InputError: There is no such place.
            StorageError: The store is away, or refuses.
        """
        file = self.root.join(_PROBE)
        file.write(str(time.time()).encode())
        file.delete()

    def push(self, path: Path, place: str) -> None:
        """Keep a file of this machine at a place."""
        with self._working():
            self.root.join(place).put(path)

    def write(self, place: str, content: bytes) -> None:
        """Keep some bytes at a place."""
        with self._working():
            self.root.join(place).write(content)

    def pull(self, place: str) -> Path | None:
        """Return the file of a place in this machine's folder, fetched if it isn't there; None if there is none."""
        path = self._folder / place
        if path.is_file():
            return path
        location = self.root.join(place)
        with self._working():
            if location.info() is None:
                return None
            for folder in reversed(Path(place).parents[:-1]):
                (self._folder / folder).mkdir(exist_ok=True, mode=0o700)
            location.fetch(path)
        return path

    def read(self, place: str) -> bytes:
        """Return the bytes at a place; none if there is no file."""
        location = self.root.join(place)
        with self._working():
            return b"" if location.info() is None else location.read()

    def below(self, place: str) -> list[KeptObject]:
        """Return the files below a place."""
        start = len(self.root.address) + 1
        with self._working():
            found = self.root.join(place).files()
            return [KeptObject(each.location.address[start:], each.size, each.changed) for each in found]

    def delete(self, *places: str) -> None:
        """Delete files, and all that lies below folders."""
        with self._working():
            for place in places:
                self.root.join(place).delete()
                for each in list(self.root.join(place).files()):
                    each.location.delete()

    @contextmanager
    def _working(self) -> Iterator[None]:
        if self.trouble:
            raise StorageError(self.trouble, _AGAIN)
        try:
            yield
        except InputError as error:  # a bucket that was deleted meanwhile, or a disk without room for what is fetched
            raise StorageError(error.message, error.remedy or _AGAIN) from error
