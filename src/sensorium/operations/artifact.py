"""A file that an operation makes: a picture, sound, subtitles."""

from __future__ import annotations

from dataclasses import dataclass

from sensorium.record import Record


@dataclass(frozen=True, eq=False, repr=False)
class Artifact(Record):
    """A file that belongs to the result of an operation; whoever runs the operation keeps the file.

    Attributes:
        name: The file's name, unique within the result, such as ``"picture-1.png"``.
        media_type: Such as ``"image/png"``.
        size: In bytes.
    """

    name: str
    media_type: str
    size: int
