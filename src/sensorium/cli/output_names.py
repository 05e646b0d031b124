"""The file that an input becomes: the one that the user named, or one of its own in a folder for several inputs."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Callable, Sequence
from pathlib import Path

from sensorium.cli.inputs import Input, stands_for_several
from sensorium.cli.outputs import is_stream, output_path
from sensorium.errors import InputError


def names_a_folder(output: str, inputs: Sequence[str]) -> bool:
    """Return whether an output that the user named is a folder, with a file in it for each input.

    Args:
        output: What stands after ``-o``.
        inputs: The inputs, as the user named them.

    Raises:
        InputError: The output takes one text, and there are several inputs.
    """
    several = len(inputs) > 1 or any(map(stands_for_several, inputs))
    if is_stream(output):
        if several:
            raise InputError(f"{output!r} takes one text", "Leave out -o to print all, or name a folder")
        return False
    return several or Path(output).is_dir() or output.endswith(("/", "\\"))


def output_files(output: str, inputs: Sequence[str], items: Sequence[Input], suffix: str) -> list[Path]:
    """Return the file for each input, after seeing that it can be written.

    Args:
        output: What stands after ``-o``.
        inputs: The inputs, as the user named them.
        items: What they stand for.
        suffix: Of the files in a folder, without a dot.

    Raises:
        InputError: The file or the folder can't be written.
    """
    from sensorium.media.atomic_file import require_place

    target = output_path(output)
    if not names_a_folder(output, inputs):
        require_place(target)
        return [target]
    if target.exists() and not target.is_dir():
        raise InputError(f"{output!r} is a file", "Several inputs need a folder: name one with -o")
    require_place(next(each for each in (target, *target.parents) if each.exists()) / suffix)
    return [target / name for name in output_names(items, suffix)]


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
