"""People by their bodies and faces together: who shows both is one person, and each makes up for what the other misses.

A face is somebody. A body is somebody if its landmarks are surely there, unless somebody was found in its place.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sensorium.vision_language.faces import Face
from sensorium.vision_language.person import Box, Person
from sensorium.vision_language.single_shot import share_within

_AROUND_FACE = 0.6
_MOSTLY_WITHIN = 0.4


@dataclass(frozen=True)
class Body:
    """A body.

    Attributes:
        box: Left, top, right, bottom in pixels, within the image.
        head: The centre of its head, across and down in pixels.
        score: From 0 to 1.
    """

    box: Box
    head: tuple[float, float]
    score: float


def join(bodies: Sequence[Body], faces: Sequence[Face]) -> list[Person]:
    """Return each person once, most certain first.

    Args:
        bodies: Most certain first; one person's body may be there several times.
        faces: Each once.
    """
    owned: dict[int, Body] = {}
    faceless: list[Body] = []
    for body in bodies:
        near = [number for number, face in enumerate(faces) if _is_at(body.head, face.box)]
        if not near:
            faceless.append(body)
        elif near[0] not in owned:
            owned[near[0]] = body
    people = [_person(face, owned.get(number)) for number, face in enumerate(faces)]
    for body in faceless:
        if all(share_within(body.box, other.box) <= _MOSTLY_WITHIN for other in people):
            people.append(Person(box=body.box, score=body.score))
    return sorted(people, key=lambda person: -person.score)


def _person(face: Face, body: Body | None) -> Person:
    if body is None:
        return Person(box=face.box, score=face.score, face=face.box)
    left, top, right, bottom = (pair for pair in zip(face.box, body.box, strict=True))
    box = (min(left), min(top), max(right), max(bottom))
    return Person(box=box, score=max(face.score, body.score), face=face.box)


def _is_at(point: tuple[float, float], box: Box) -> bool:
    """Return whether a point is within a box or close to it."""
    left, top, right, bottom = box
    margin = _AROUND_FACE * max(right - left, bottom - top)
    return left - margin <= point[0] <= right + margin and top - margin <= point[1] <= bottom + margin
