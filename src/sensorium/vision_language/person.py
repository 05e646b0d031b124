"""A person in a picture, and the points of the body."""

from __future__ import annotations

from dataclasses import dataclass

from sensorium.record import Record

Box = tuple[float, float, float, float]


@dataclass(frozen=True, eq=False, repr=False)
class Landmark(Record):
    """A point of a body.

    Attributes:
        name: Such as ``"left elbow"``; left and right are the person's own.
        x: From the left edge, in pixels; may lie outside of the image.
        y: From the top edge, in pixels; may lie outside of the image.
        depth: Distance from the camera relative to the hips, on the scale of ``x``; smaller is nearer.
        visibility: From 0 to 1: how likely it is in the image and not hidden.
    """

    name: str
    x: float
    y: float
    depth: float
    visibility: float


@dataclass(frozen=True, eq=False, repr=False)
class Person(Record):
    """Somebody in a picture.

    Attributes:
        box: Left, top, right, bottom in pixels, within the image; of the face where nothing else of them was found.
        score: The detector's confidence, from 0 to 1.
        landmarks: The 33 points of BlazePose; empty if they weren't asked for.
        face: The box of the face, from the brows to the chin; None where none was looked for or found.
    """

    box: Box
    score: float
    landmarks: tuple[Landmark, ...] = ()
    face: Box | None = None
