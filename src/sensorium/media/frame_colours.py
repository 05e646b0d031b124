"""Turns decoded film frames into RGB pictures with the colours that a player shows."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sensorium.media.colour_mapping import ColourCode

_WIDE, _HIGH = 1280, 576
"""Pixels. If a film doesn't say which matrix made its colours, frames of this width, or higher than this, are read by
BT.709, smaller ones by BT.601, as mpv does."""

_UNKNOWN_MATRIX = 2
_MASTERING_NUMBERS, _MOST_LIGHT, _LIGHT_IS_KNOWN = 22, 18, 21
"""How many numbers describe the screen that a film was made on, and which of them tell of its brightest light."""


class FrameColours:
    """Makes RGB pictures of the frames of one film.

    Args:
        threads: For scaling; None for as many as the machine has.
    """

    def __init__(self, threads: int | None = None) -> None:
        from av.video.reformatter import VideoReformatter

        self._reformatter = VideoReformatter()
        self._threads = threads

    def rgb(self, frame: Any, width: int, height: int) -> NDArray[Any]:
        """Return a frame as sRGB in another size: an array (height, width, 3) of uint8."""
        from av.video.reformatter import ColorRange, Colorspace, Interpolation

        code = colour_code_of(frame)
        unknown = frame.colorspace == _UNKNOWN_MATRIX and (frame.width >= _WIDE or frame.height > _HIGH)
        shrinks = width * height < frame.width * frame.height
        pixels: NDArray[Any] = self._reformatter.reformat(
            frame,
            width=width,
            height=height,
            format="rgb24" if code.is_ordinary else "rgb48le",
            src_colorspace=Colorspace.ITU709 if unknown else None,
            dst_color_range=ColorRange.JPEG,
            interpolation=Interpolation.AREA if shrinks else Interpolation.BICUBIC,
            threads=self._threads,
        ).to_ndarray()
        if code.is_ordinary:
            return pixels
        from sensorium.media.colour_mapping import to_ordinary

        return to_ordinary(pixels, code)


def colour_code_of(frame: Any) -> ColourCode:
    """Return what a frame's numbers stand for."""
    from sensorium.media.colour_mapping import USUAL_PEAK, ColourCode

    return ColourCode(int(frame.color_primaries), int(frame.color_trc), _peak_of(frame) or USUAL_PEAK)


def _peak_of(frame: Any) -> float:
    """Return the brightest light of the film in cd/m², as its maker noted it; 0 if nothing is noted."""
    levels = frame.side_data.get("CONTENT_LIGHT_LEVEL")
    if levels is not None:
        (most,) = struct.unpack_from("=I", bytes(levels))
        if most:
            return float(most)
    mastering = frame.side_data.get("MASTERING_DISPLAY_METADATA")
    if mastering is None:
        return 0.0
    numbers = struct.unpack_from(f"={_MASTERING_NUMBERS}i", bytes(mastering))
    over, under = numbers[_MOST_LIGHT : _MOST_LIGHT + 2]
    return over / under if numbers[_LIGHT_IS_KNOWN] and over > 0 and under > 0 else 0.0
