"""Under which circumstances a file couldn't be read: while they stay the same, another try is in vain."""

from __future__ import annotations

import hashlib
from dataclasses import fields
from functools import cache
from importlib.metadata import distributions

from sensorium.media.limits import Limits
from sensorium.version import VERSION


def circumstances(limits: Limits, changed: object) -> str:
    """Return what tells one try to read a file from another, besides the file's size and the time of its last change.

    That is what is installed (Sensorium itself, readers of formats), the limits for inputs, and the time at which the
    file's owner, its permissions or anything else about it changed: a file that is repaired may keep size and time.

    Args:
        limits: For files.
        changed: ``st_ctime_ns`` of the file, or its version in an object store.
    """
    sizes = [getattr(limits, field.name) for field in fields(limits) if field.name.startswith("max_")]
    readers = hashlib.sha256(f"{_installed()} {sizes}".encode()).hexdigest()[:16]
    return f"{readers} {changed}"


@cache
def _installed() -> str:
    """Return all packages and their versions: any of them may read a format, or bring what another one needs for it."""
    packages = sorted(f"{package.name} {package.version}" for package in distributions())
    return f"{VERSION} {packages}"
