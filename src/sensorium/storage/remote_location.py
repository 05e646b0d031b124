"""Files in object stores, and in other file systems that fsspec knows."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, cast

from sensorium.errors import InputError
from sensorium.media.atomic_file import atomic_file
from sensorium.media.naming import display_name
from sensorium.storage.failures import failures_explained
from sensorium.storage.location import Location, StoredFile, scheme_of
from sensorium.unfinished import unfinished

_S3 = ("s3", "s3a")
PAGE = 1000
"""How many files of a listing are asked for at a time; S3 gives no more."""


@dataclass(frozen=True)
class RemoteLocation(Location):
    """A file, or what stands for a folder: all keys that go on after a slash."""

    def info(self) -> StoredFile | None:
        """Return size and ETag."""
        with failures_explained(self.address):
            file_system, path = self._opened()
            try:
                found = file_system.info(path)
            except FileNotFoundError:
                return None
        return _stored(self, found) if found["type"] == "file" else None

    def exists(self) -> bool:
        """Return whether there is a file, or anything below."""
        return self.info() is not None or next(self.files(), None) is not None

    def files(self, prefix: str = "") -> Iterator[StoredFile]:
        """Yield the files below, sorted; a page of a listing at a time is held, or a folder."""
        with failures_explained(self.address):
            file_system, path = self._opened()
            scheme = scheme_of(self.address)
            found = _pages(file_system, path, prefix) if scheme in _S3 else _walked(file_system, path)
            for each in found:
                location = RemoteLocation(f"{scheme}://{each['name'].lstrip('/')}")
                if location.address.startswith(f"{self.address}/{prefix}"):
                    yield _stored(location, each)

    @contextmanager
    def open(self) -> Iterator[BinaryIO]:
        """Open the file; parts of it are fetched as they are read."""
        with failures_explained(self.address):
            file_system, path = self._opened()
            with file_system.open(path, "rb") as file:
                yield cast(BinaryIO, file)

    def read(self) -> bytes:
        """Return the whole file."""
        with failures_explained(self.address):
            file_system, path = self._opened()
            return cast(bytes, file_system.cat_file(path))

    def write(self, data: bytes) -> None:
        """Write the whole file."""
        with failures_explained(self.address):
            file_system, path = self._opened()
            file_system.pipe_file(path, data)

    def write_new(self, data: bytes) -> bool:
        """Write the whole file unless there is one; the store itself sees to it that only one succeeds."""
        with failures_explained(self.address):
            file_system, path = self._opened()
            try:
                file_system.pipe_file(path, data, mode="create")
            except FileExistsError:
                return False
        return True

    @contextmanager
    def written(self, suffix: str | None = None) -> Iterator[Path]:
        """Give a temporary path of this machine; the file is sent at the end."""
        ending = Path(self.name).suffix if suffix is None else suffix
        with _temporary_file(ending) as temporary:
            yield temporary
            self.put(temporary)

    def put(self, file: Path) -> None:
        """Send a file."""
        with failures_explained(self.address):
            file_system, path = self._opened()
            file_system.put_file(str(file), path)

    def fetch(self, file: Path) -> None:
        """Fetch the file."""
        with atomic_file(file) as temporary, failures_explained(self.address):
            file_system, path = self._opened()
            file_system.get_file(path, str(temporary))

    def delete(self) -> None:
        """Remove the file."""
        with failures_explained(self.address):
            file_system, path = self._opened()
            try:
                file_system.rm_file(path)
            except FileNotFoundError:
                return

    def _opened(self) -> tuple[Any, str]:
        """Return the file system, and the path in it. Listings aren't remembered: others write there too."""
        import fsspec

        file_system, path = fsspec.core.url_to_fs(self.address, use_listings_cache=False)
        return file_system, path


def _stored(location: Location, found: dict[str, Any]) -> StoredFile:
    changed = found.get("LastModified") or found.get("mtime") or found.get("created") or ""
    version = found.get("ETag") or found.get("etag") or f"{found.get('size')}-{changed}"
    return StoredFile(location, int(found.get("size") or 0), str(version).strip('"'), _moment(changed))


def _moment(changed: Any) -> float:
    """Return a time as a store tells it in seconds since 1970; infinite if it can't be told."""
    moment = changed.timestamp() if isinstance(changed, datetime) else changed
    return float(moment) if isinstance(moment, (int, float)) else math.inf


def _pages(file_system: Any, path: str, prefix: str) -> Iterator[dict[str, Any]]:
    """List an S3 bucket page by page; s3fs's own listing holds all of it, which is too much for millions of files."""
    bucket, _, key = path.partition("/")
    options = {"Bucket": bucket, "Prefix": f"{key}/{prefix}" if key else prefix, "MaxKeys": PAGE}
    while True:
        page = file_system.call_s3("list_objects_v2", **options)
        for each in page.get("Contents", ()):
            if not each["Key"].endswith("/"):
                yield {"name": f"{bucket}/{each['Key']}", "size": each["Size"], **each}
        if not page.get("IsTruncated"):
            return
        options["ContinuationToken"] = page["NextContinuationToken"]


def _walked(file_system: Any, path: str) -> Iterator[dict[str, Any]]:
    try:
        entries = file_system.ls(path, detail=True)
    except FileNotFoundError:
        return
    for each in sorted(entries, key=lambda entry: entry["name"] + ("/" if entry["type"] == "directory" else "")):
        if each["type"] == "directory":
            yield from _walked(file_system, each["name"])
        elif each["name"] != path:
            yield each


@contextmanager
def _temporary_file(suffix: str) -> Iterator[Path]:
    try:
        descriptor = tempfile.NamedTemporaryFile(prefix="sensorium-", suffix=suffix, delete=False)  # noqa: SIM115
    except OSError:
        raise InputError("No temporary file can be made", "Set TMPDIR to another folder") from None
    descriptor.close()
    with unfinished(Path(descriptor.name)) as file:
        yield file


def require_scheme(address: str) -> None:
    """See that fsspec knows an address's scheme.

    Raises:
        InputError: It doesn't.
    """
    from fsspec.registry import known_implementations

    if scheme_of(address) not in known_implementations:
        raise InputError(
            f"{display_name(address)} is no address of a store that fsspec knows", "Write it like s3://bucket/folder"
        )
