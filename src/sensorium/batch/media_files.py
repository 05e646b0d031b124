"""What is known of the media of a batch before they are read: how they may have changed, and how large they are."""

from __future__ import annotations

from pathlib import Path

from sensorium.errors import InputError, SensoriumError
from sensorium.media.content import Kind
from sensorium.media.limits import DEFAULT_LIMITS
from sensorium.media.source import resolve
from sensorium.storage.location import is_stored_remotely, scheme_of
from sensorium.storage.opening import location_of

_BYTES_PER_MEGAPIXEL = 400_000
_BYTES_PER_SECOND = {"audio": 16_000, "video": 250_000}
"""Usual rates, for files whose headers would have to be fetched."""


def absolute(reference: str, base: str) -> str:
    """Return a reference to a medium that means the same from every folder and machine.

    Args:
        reference: A path, an address or a data: URI.
        base: The folder, or its address, that relative paths are relative to.

    Raises:
        InputError: It is standard input.
    """
    if reference == "-":
        raise InputError("A batch can't read standard input", "Save it to a file, and name that")
    if reference.lower().startswith("data:") or scheme_of(reference):
        return reference
    if Path(reference).is_absolute():
        return reference
    return (
        location_of(base).join(reference.removeprefix("./")).address
        if is_stored_remotely(base)
        else str(Path(base) / reference)
    )


def version_of(reference: str) -> str:
    """Return what is another text once a medium has another content; "" for the web, and for what isn't there."""
    if reference.lower().startswith("data:") or scheme_of(reference) in ("http", "https"):
        return ""
    found = location_of(reference).info()
    return "" if found is None else found.version


def weight_of(reference: str, kind: Kind, size: int | None = None) -> float:
    """Return how much work a medium may be: megapixels of pictures, seconds of recordings and films, else 1.

    Args:
        reference: A path of this machine, or an address.
        kind: Of the medium.
        size: In bytes, where it is known from a listing; then, of what lies elsewhere, the weight is estimated.
    """
    if kind not in ("image", "audio", "video"):
        return 1.0
    if scheme_of(reference) or reference.lower().startswith("data:"):
        return 1.0 if size is None else size / _BYTES_PER_SECOND.get(kind, _BYTES_PER_MEGAPIXEL)
    try:
        return _megapixels(reference) if kind == "image" else _seconds(reference)
    except SensoriumError:  # whoever runs it says what is wrong
        return 1.0


def _megapixels(path: str) -> float:
    from sensorium.media.picture_formats import stored_size

    width, height = stored_size(resolve(path))
    return max(width * height / 1e6, 0.01)


def _seconds(path: str) -> float:
    from sensorium.media.container import open_media

    with open_media(path, limits=DEFAULT_LIMITS) as media:
        return max(media.stated_duration or 1.0, 0.01)
