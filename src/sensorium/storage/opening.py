"""From what a user writes to a location."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

from sensorium import settings
from sensorium.errors import InputError
from sensorium.media.naming import display_name
from sensorium.storage.local_location import LocalLocation
from sensorium.storage.location import Location, StoredFile, is_stored_remotely, scheme_of
from sensorium.storage.remote_location import RemoteLocation, require_scheme

_WILD = re.compile(r"[*?\[]")


def location_of(address: str | os.PathLike[str]) -> Location:
    """Return the location that a path or an address such as ``s3://bucket/folder`` stands for; nothing is opened.

    Raises:
        InputError: It is empty, of the web, or of a kind that isn't known.
    """
    text = os.fspath(address)
    if is_stored_remotely(text):
        require_scheme(text)
        scheme, _, rest = text.partition("://")
        if scheme.lower() in ("s3", "s3a", "gs", "gcs", "az", "abfs") and not rest.strip("/"):
            raise InputError(f"{display_name(text)} names no bucket", "Write it like s3://bucket/folder")
        return RemoteLocation(f"{scheme.lower()}://{rest.rstrip('/')}")
    if scheme_of(text):
        raise InputError(
            f"{display_name(text)} is an address of the web, not a place for files", "Name a folder, or s3://…"
        )
    if not text:
        raise InputError("A place for files has no name", "Name a folder, or an address such as s3://bucket/folder")
    return LocalLocation(str(settings.user_path(text).absolute()))


def is_pattern(address: str) -> bool:
    """Return whether an address holds ``*``, ``?`` or ``[``."""
    return _WILD.search(address) is not None


def matching(pattern: str) -> Iterator[StoredFile]:
    """Yield the files of an object store that fit a pattern, sorted: ``s3://bucket/2024/**/*.jpg``.

    ``*`` and ``?`` stand for letters other than slashes, ``**`` for any number of folders.
    """
    from fsspec.utils import glob_translate

    wild = _WILD.search(pattern)
    literal = pattern[: wild.start()] if wild else pattern
    folder, _, prefix = literal.rpartition("/")
    fits = re.compile(glob_translate(pattern))
    for each in location_of(folder).files(prefix):
        if fits.match(each.location.address):
            yield each
