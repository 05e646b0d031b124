"""Turns decoded film frames into pictures as a player shows them: upright, with square pixels, in RGB."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from sensorium.media.container import OpenMedia

if TYPE_CHECKING:
    from PIL.Image import Image

_HIGH_DEFINITION = 720
"""Pixels. If a film doesn't say which colour standard it uses, frames of at least this height are read as BT.709,
smaller ones as BT.601, as in players."""


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
        from av.video.reformatter import VideoReformatter

        self._media = media
        self._stream = stream
        self._minimum_side = minimum_side
        self._reformatter = VideoReformatter()

    def picture(self, frame: Any) -> Image:
        """Return a decoded frame as the picture that a player shows."""
        from av.video.reformatter import ColorRange, Colorspace, Interpolation
        from PIL import Image

        turn = turn_of(frame)
        width, height = shown_size(frame.width, frame.height, self._stream.sample_aspect_ratio, turn)
        if self._minimum_side is not None and min(width, height) > self._minimum_side:
            scale = self._minimum_side / min(width, height)
            width, height = round(width * scale), round(height * scale)
        if turn.clockwise in (90, 270):
            width, height = height, width
        plane = self._reformatter.reformat(
            frame,
            width=width,
            height=height,
            format="rgb24",
            src_colorspace=Colorspace.ITU709 if frame.colorspace == 2 and frame.height >= _HIGH_DEFINITION else None,
            dst_color_range=ColorRange.JPEG,
            interpolation=Interpolation.AREA if width * height < frame.width * frame.height else Interpolation.BICUBIC,
        ).planes[0]
        image = Image.frombytes("RGB", (width, height), memoryview(plane), "raw", "RGB", plane.line_size)
        if turn.clockwise:
            image = image.transpose(
                {90: Image.Transpose.ROTATE_270, 180: Image.Transpose.ROTATE_180, 270: Image.Transpose.ROTATE_90}[
                    turn.clockwise
                ]
            )
        return image.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if turn.mirrored else image
