"""Files and folders of this machine."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from sensorium.errors import InputError
from sensorium.media.atomic_file import atomic_file, why_unwritable
from sensorium.media.naming import display_name
from sensorium.media.regular_file import open_regular_file, why_unreadable
from sensorium.storage.location import Location, StoredFile


@dataclass(frozen=True)
class LocalLocation(Location):
    """A file or folder of this machine; folders are made when something is written into them."""

    @property
    def local(self) -> Path:
        """The path."""
        return Path(self.address)

    def info(self) -> StoredFile | None:
        """Return size and time of the last change."""
        try:
            return _stored(self, self.local.stat()) if self.local.is_file() else None
        except (OSError, ValueError):
            return None

    def exists(self) -> bool:
        """Return whether there is a file, or a folder with something in it."""
        if self.local.is_dir():
            return next(self.local.iterdir(), None) is not None
        return self.local.exists()

    def files(self, prefix: str = "") -> Iterator[StoredFile]:
        """Yield the files below, sorted; links to files are followed, links to folders are not."""
        yield from _below(self.local, f"{self.address.rstrip('/')}/{prefix}")

    @contextmanager
    def open(self) -> Iterator[BinaryIO]:
        """Open the file."""
        try:
            file = open_regular_file(self.local)
        except (OSError, ValueError) as error:
            raise why_unreadable(error, display_name(self.address)) from None
        with file:
            yield file

    def read(self) -> bytes:
        """Return the whole file."""
        with self.open() as file:
            return file.read()

    def write(self, data: bytes) -> None:
        """Write the whole file."""
        with self.written() as temporary:
            temporary.write_bytes(data)

    def write_new(self, data: bytes) -> bool:
        """Write the whole file unless there is one."""
        self._make_folder()
        try:
            with self.local.open("xb") as file:
                file.write(data)
        except FileExistsError:
            return False
        except OSError as error:
            raise why_unwritable(error, display_name(self.address)) from None
        return True

    def written(self, suffix: str | None = None) -> AbstractContextManager[Path]:
        """Give a temporary path beside the file."""
        self._make_folder()
        return atomic_file(self.local, suffix=suffix)

    def put(self, file: Path) -> None:
        """Copy a file here."""
        with self.written() as temporary:
            shutil.copyfile(file, temporary)

    def fetch(self, file: Path) -> None:
        """Copy the file elsewhere."""
        with self.open() as source, atomic_file(file) as temporary, temporary.open("wb") as target:
            shutil.copyfileobj(source, target)

    def delete(self) -> None:
        """Remove the file."""
        try:
            self.local.unlink(missing_ok=True)
        except OSError as error:
            reason = (error.strerror or "the system refused").lower()
            raise InputError(f"{display_name(self.address)} can't be removed: {reason}", "Allow that") from None

    def _make_folder(self) -> None:
        try:
            self.local.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise why_unwritable(error, display_name(self.local.parent)) from None


def _stored(location: Location, state: os.stat_result) -> StoredFile:
    return StoredFile(location, state.st_size, f"{state.st_size}-{state.st_mtime_ns}", state.st_mtime)


def _below(folder: Path, prefix: str) -> Iterator[StoredFile]:
    """Yield in the order of the whole addresses, as object stores do: ``a.png`` before ``a/b.png``."""
    try:
        with os.scandir(folder) as found:
            entries = sorted(found, key=lambda each: each.name + ("/" if each.is_dir(follow_symlinks=False) else ""))
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        raise why_unreadable(error, display_name(folder)) from None
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            path = entry.path + "/"
            if path.startswith(prefix) or prefix.startswith(path):
                yield from _below(Path(entry.path), prefix)
        elif entry.path.startswith(prefix) and entry.is_file():
            yield _stored(LocalLocation(entry.path), entry.stat())
