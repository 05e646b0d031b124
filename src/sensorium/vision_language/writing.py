"""What is written in a picture."""

from __future__ import annotations

from dataclasses import dataclass

from sensorium.record import Record

Point = tuple[float, float]


@dataclass(frozen=True, eq=False, repr=False)
class WrittenLine(Record):
    """A line of writing, or a piece of one.

    Attributes:
        text: What it says.
        box: Its four corners, x and y in pixels of the upright picture. They begin where the writing's top left is, and
            go round clockwise as the writing is read, so those of upside-down writing begin at the picture's bottom
            right.
        confidence: How sure the reader is of the characters, from 0 to 1.
    """

    text: str
    box: tuple[Point, Point, Point, Point]
    confidence: float


@dataclass(frozen=True, eq=False, repr=False)
class Writing(Record):
    """All writing that was found in a picture.

    Attributes:
        text: All of it in reading order; pieces that stand side by side are on one line. "" if there is none.
        lines: The pieces in the same order.
        model: The name of the checkpoint that read it.
        width: Of the upright picture, in pixels.
        height: Of the upright picture, in pixels.
    """

    text: str
    lines: tuple[WrittenLine, ...]
    model: str
    width: int
    height: int

    def __str__(self) -> str:
        return self.text
