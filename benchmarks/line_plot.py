"""Lines over time as a picture, drawn with Pillow: several panels, one below the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 1000, 220, 80, 220, 34, 28
_COLOURS = ("#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#8c564b")
_GREY, _BLACK = "#cccccc", "#222222"
_STEPS = 4
_SIZE = 14


@dataclass(frozen=True)
class Panel:
    """One diagram.

    Attributes:
        title: What it shows, with the unit.
        lines: From name to values, as many as there are times.
    """

    title: str
    lines: Mapping[str, Sequence[float]]


def draw(path: Path, times: Sequence[float], panels: Sequence[Panel], unit: str = "min") -> None:
    """Write the picture as PNG.

    Args:
        path: Where to.
        times: Of all values, ascending.
        panels: What to show, from top to bottom.
        unit: Of the times.
    """
    image = Image.new("RGB", (_WIDTH, _HEIGHT * len(panels)), "white")
    for number, panel in enumerate(panels):
        _draw_panel(ImageDraw.Draw(image), _HEIGHT * number, times, panel, unit)
    image.save(path)


def _draw_panel(pen: ImageDraw.ImageDraw, top: int, times: Sequence[float], panel: Panel, unit: str) -> None:
    font = ImageFont.load_default(_SIZE)
    left, right, upper, lower = _LEFT, _WIDTH - _RIGHT, top + _TOP, top + _HEIGHT - _BOTTOM
    most = max((value for values in panel.lines.values() for value in values), default=0.0) or 1.0
    span = (times[-1] - times[0]) or 1.0
    pen.text((left, top + 8), panel.title, _BLACK, font)
    for step in range(_STEPS + 1):
        y = lower - step * (lower - upper) / _STEPS
        pen.line((left, y, right, y), _GREY)
        pen.text((left - 8, y), f"{most * step / _STEPS:.4g}", _BLACK, font, anchor="rm")
        x = left + step * (right - left) / _STEPS
        pen.text((x, lower + 4), f"{times[0] + span * step / _STEPS:.1f} {unit}", _BLACK, font, anchor="ma")
    for number, (name, values) in enumerate(panel.lines.items()):
        colour = _COLOURS[number % len(_COLOURS)]
        points = [
            (left + (right - left) * (time - times[0]) / span, lower - (lower - upper) * value / most)
            for time, value in zip(times, values, strict=True)
        ]
        pen.line(points, colour, 2)
        pen.text((right + 12, upper + 20 * number), f"{name}: {values[-1]:.4g}", colour, font)
