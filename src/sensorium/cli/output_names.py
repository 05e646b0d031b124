"""A name of its own for the file that each of several inputs becomes."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Callable, Sequence
from pathlib import Path

from sensorium.cli.inputs import Input


def output_names(items: Sequence[Input], suffix: str) -> list[Path]:
    """Return where each input's file goes inside a folder.

    A file found below a folder that the user named goes below the same subfolders: ``day 2/talk.srt``. What would get
    the same name as another keeps its suffix (``talk.mp4.srt``, ``talk.wav.srt``), then the folder that it lies in,
    then gets a number. Names that differ in case only count as the same, since many file systems take them for one.

    Args:
        items: The inputs.
        suffix: Of the files, without a dot.

    Returns:
        A relative path for each, all different.
    """
    ways: list[Callable[[int], Path]] = [
        lambda number: Path(items[number].below, f"{items[number].stem}.{suffix}"),
        lambda number: Path(items[number].below, f"{items[number].full_name}.{suffix}"),
        lambda number: Path(_parent(items[number].name), f"{items[number].full_name}.{suffix}"),
        lambda number: Path(items[number].below, f"{items[number].full_name}-{number + 1}.{suffix}"),
    ]
    names = [ways[0](number) for number in range(len(items))]
    for way in ways[1:]:
        for number in _not_alone(names):
            names[number] = way(number)
    return names


def _not_alone(names: Sequence[Path]) -> list[int]:
    """Return the positions of names that occur more than once."""
    positions: dict[str, list[int]] = {}
    for number, name in enumerate(names):
        positions.setdefault(unicodedata.normalize("NFC", str(name)).casefold(), []).append(number)
    return [number for same in positions.values() if len(same) > 1 for number in same]


def _parent(name: str) -> str:
    """Return the name of the folder that a file lies in, if it has one."""
    folder = os.path.basename(os.path.dirname(name))  # noqa: PTH119, PTH120  (an address is no path)
    return "" if folder in ("", ".", "..") else folder
