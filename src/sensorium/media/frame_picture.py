"""Turns decoded film frames into pictures as a player shows them: upright, with square pixels, in RGB."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from sensorium.media.container import OpenMedia
from sensorium.media.frame_colours import FrameColours

if TYPE_CHECKING:
    from PIL.Image import Image


@dataclass(frozen=True)
class Turn:
    """How a stored picture must be turned before it is shown.

    Attributes:
        clockwise: Degrees by which the picture is turned clockwise: 0, 90, 180, 270.
        mirrored: Whether the turned picture is then flipped left to right.
    """

    clockwise: int = 0
    mirrored: bool = False


def turn_of(frame: Any) -> Turn:
    """Return how the film's display matrix turns its frames."""
    data = frame.side_data.get("DISPLAYMATRIX")
    if data is None:
        return Turn()
    # The matrix has nine 32-bit numbers, row by row. The point (x, y) is shown at (a·x + c·y, b·x + d·y); y points
    # down.
    a, b, _, c, d = struct.unpack("=9i", bytes(data))[:5]
    mirrored = a * d - b * c < 0
    if mirrored:
        a, c = -a, -c
    if abs(a) >= abs(b):
        return Turn(0 if a >= 0 else 180, mirrored)
    return Turn(90 if b > 0 else 270, mirrored)


def shown_size(width: int, height: int, pixel_shape: Fraction | None, turn: Turn) -> tuple[int, int]:
    """Return width and height of the shown picture, in square pixels.

    Args:
        width: Width of the stored picture, in pixels.
        height: Height of the stored picture, in pixels.
        pixel_shape: Width of a pixel divided by its height (sample aspect ratio); None for square pixels.
        turn: How the picture is turned.
    """
    # Values outside this range come from damaged headers.
    if pixel_shape and Fraction(1, 8) <= pixel_shape <= 8:
        width = max(1, round(width * pixel_shape))
    return (height, width) if turn.clockwise in (90, 270) else (width, height)


class PictureMaker:
    """Turns the decoded frames of one film into pictures.

    Args:
        media: The open film.
        stream: The film's picture stream.
        minimum_side: Pictures are shrunk to this many pixels on the shorter side; None for the full size.
    """

    def __init__(self, media: OpenMedia, stream: Any, minimum_side: int | None) -> None:
        self._media = media
        self._stream = stream
        self._minimum_side = minimum_side
        self._colours = FrameColours()

    def picture(self, frame: Any) -> Image:
        """Return a decoded frame as the picture that a player shows."""
        from PIL import Image

        turn = turn_of(frame)
        width, height = shown_size(frame.width, frame.height, self._stream.sample_aspect_ratio, turn)
        if self._minimum_side is not None and min(width, height) > self._minimum_side:
            scale = self._minimum_side / min(width, height)
            width, height = round(width * scale), round(height * scale)
        if turn.clockwise in (90, 270):
            width, height = height, width
        image = Image.fromarray(self._colours.rgb(frame, width, height))
        if turn.clockwise:
            image = image.transpose(
                {90: Image.Transpose.ROTATE_270, 180: Image.Transpose.ROTATE_180, 270: Image.Transpose.ROTATE_90}[
                    turn.clockwise
                ]
            )
        return image.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if turn.mirrored else image
