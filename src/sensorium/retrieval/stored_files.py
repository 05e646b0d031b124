"""Files in object stores, as an index looks at them: by listings, without opening them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from sensorium.errors import InputError
from sensorium.media.collect import claimed_kind
from sensorium.media.limits import Limits
from sensorium.media.naming import size_in_words
from sensorium.media.source import ResolvedMedia, display_name, resolve
from sensorium.storage.location import StoredFile
from sensorium.storage.opening import is_pattern, location_of, matching

if TYPE_CHECKING:
    from sensorium.media.content import Kind


@dataclass(frozen=True)
class FoundInStore:
    """A file of a listing.

    Attributes:
        file: What the listing says of it.
        kind: What its name stands for; "" if that isn't known.
        named: Whether the user named the very file.
    """

    file: StoredFile
    kind: Kind
    named: bool


def listed(address: str) -> Iterator[FoundInStore]:
    """Yield the file of an address, those below it, or those that fit the pattern that it is.

    Names that begin with a dot, and what lies below such folders, are skipped.

    Raises:
        InputError: There is no such bucket.
        StorageError: The store refuses, or doesn't answer.
    """
    location = location_of(address)
    if is_pattern(address):
        files = matching(address)
    else:
        file = location.info()
        if file is not None:
            yield FoundInStore(file, claimed_kind(Path(file.location.name)), named=True)
            return
        files = location.files()
    start = len(fixed_part(address))
    for file in files:
        below = file.location.address[start:]
        if not any(part.startswith(".") for part in below.split("/")):
            yield FoundInStore(file, claimed_kind(Path(file.location.name)), named=False)


def fixed_part(address: str) -> str:
    """Return an address, or the folder in which a pattern begins to vary."""
    if not is_pattern(address):
        return address
    parts = address.split("/")
    varies = next(number for number, part in enumerate(parts) if is_pattern(part))
    return "/".join(parts[:varies])


def number_of_version(version: str) -> int:
    """Return what stands for a file's version where files of this machine have the time of their last change."""
    return int.from_bytes(hashlib.sha256(version.encode()).digest()[:7])


def fetched(address: str, limits: Limits) -> tuple[ResolvedMedia, str]:
    """Fetch a file, into memory or a temporary file that goes with the object; return it and its version.

    Raises:
        InputError: It is no more, or too large.
        StorageError: The store refuses, or doesn't answer.
    """
    location = location_of(address)
    file = location.info()
    if file is None:
        raise InputError(f"{display_name(address)} doesn't exist", "Check the address")
    if file.size > limits.max_download_bytes:
        allowed = size_in_words(limits.max_download_bytes)
        raise InputError(f"{display_name(address)} is larger than the {allowed} allowed", "Raise the limit")
    with location.open() as stream:
        return replace(resolve(stream, limits=limits), name=display_name(address)), file.version
