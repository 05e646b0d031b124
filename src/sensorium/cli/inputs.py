"""The inputs of a command: files, folders, globs, addresses and standard input, one after the other."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sensorium.errors import InputError, SensoriumError

if TYPE_CHECKING:
    from sensorium.media.source import Kind
    from sensorium.operations.media import Media

STANDARD_INPUT = "-"
_ADDRESSES = ("http://", "https://", "data:")
_ON_A_SERVER = ("upload:", "artifact:")


@dataclass(frozen=True)
class Input:
    """One picture, recording, film or text that a command was given.

    Attributes:
        name: The input's path, its address, or ``"-"`` for standard input.
        error: Why the input can't be used; None if it can.
        below: The subfolders between the folder that the user named and the file; "" if the file itself was named.
    """

    name: str
    error: SensoriumError | None = None
    below: str = ""

    @property
    def source(self) -> str | bytes:
        """The argument for a task: the path or address, or all bytes of standard input.

        Raises:
            SensoriumError: The input can't be used.
        """
        if self.error is not None:
            raise self.error
        return read_standard_input() if self.name == STANDARD_INPUT else self.name

    @property
    def media(self) -> Media:
        """The reference for an operation.

        Raises:
            SensoriumError: The input can't be used.
        """
        from sensorium.operations.media import Media

        if self.error is not None:
            raise self.error
        return Media(self.name)

    @property
    def stem(self) -> str:
        """The input's name without folder and suffix, for the name of an output file."""
        return Path(self.full_name).stem

    @property
    def full_name(self) -> str:
        """The input's name without folder."""
        if self.name == STANDARD_INPUT:
            return "standard-input"
        if self.name.lower().startswith("data:"):
            return "data"
        if self.name.startswith(_ON_A_SERVER):
            return Path(self.name.partition(":")[2]).name
        return Path(self.name.partition("?")[0] if _is_single(self.name) else self.name).name


def media_of(name: str | None) -> Media | None:
    """Return the reference for a file that an option names, if it does."""
    return None if name is None else Input(name).media


def stands_for_several(argument: str) -> bool:
    """Return whether an argument is a folder or a glob, and not one file or address."""
    if _is_single(argument):
        return False
    # Not pathlib's ways, which raise an error for a text that is too long for a file's name.
    is_there = os.path.exists(argument)  # noqa: PTH110
    return os.path.isdir(argument) or (not is_there and any(sign in argument for sign in "*?["))  # noqa: PTH112


def gather(arguments: Sequence[str], kinds: Sequence[Kind]) -> list[Input]:
    """Return the inputs that the arguments stand for, in order, each once.

    Args:
        arguments: Files, folders (searched for media of ``kinds``), globs, http(s) addresses, ``"-"``, or
            ``upload:ID`` and ``artifact:JOB/NAME`` of a server.
        kinds: ``"image"``, ``"audio"``, ``"video"``.
    """
    found: dict[str, Input] = {}
    for argument in arguments:
        for item in _expand(argument, kinds):
            found.setdefault(item.name, item)
    return list(found.values())


def read_standard_input() -> bytes:
    """Return all bytes of standard input.

    Raises:
        InputError: Standard input is a terminal, or empty.
    """
    if sys.stdin.isatty():
        raise InputError("Standard input is a terminal", "Pipe a file into the command, or name one")
    buffer = getattr(sys.stdin, "buffer", None)
    data: bytes = buffer.read() if buffer is not None else sys.stdin.read().encode()
    if not data:
        raise InputError("Standard input is empty", "Pipe a file into the command, or name one")
    return data


def _expand(argument: str, kinds: Sequence[Kind]) -> Iterator[Input]:
    from sensorium.media.source import collect_files

    if _is_single(argument) or os.path.isfile(argument):  # noqa: PTH113
        yield Input(argument)
        return
    if not argument.strip():
        # This happens with an unset variable in a script. As a path, "" would mean the whole current folder.
        yield Input(argument, InputError("The name of an input is empty", "Name a file, a folder or a glob"))
        return
    folder, missed = Path(argument), list[Input]()
    empty = True
    for path in collect_files([argument], kinds=kinds, on_error=lambda *why: missed.append(Input(str(why[0]), why[1]))):
        empty = False
        below = path.parent.relative_to(folder) if path.is_relative_to(folder) else Path()
        yield Input(_as_path(str(path)), below="" if below == Path() else str(below))
    yield from missed
    if empty and not missed:
        wanted = " or ".join(kinds)
        yield Input(argument, InputError(f"{argument!r} holds no {wanted} file", "Name a file, a folder or a glob"))


def _as_path(found: str) -> str:
    """Return the name of a file of a folder so that it can't be taken for standard input, or for an address."""
    return f".{os.sep}{found}" if _is_single(found) else found


def _is_single(argument: str) -> bool:
    return argument == STANDARD_INPUT or argument.lower().startswith(_ADDRESSES) or argument.startswith(_ON_A_SERVER)
