"""Where the files go that a command makes: to a name, to standard output, through a pipe or a device."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from sensorium.cli.streams import is_closed
from sensorium.errors import InputError

if TYPE_CHECKING:
    from sensorium.media.separate_files import File
    from sensorium.operations.operation import Operation

STANDARD_OUTPUT = Path("/dev/stdout")
"""Where ``-o -`` goes to."""

_STANDARD_INPUT = "-"


def output_path(named: str) -> Path:
    """Return where an output goes that the user named; ``-`` is `STANDARD_OUTPUT`, by whatever name it goes."""
    from sensorium.media.special_file import descriptor_of

    return STANDARD_OUTPUT if named == "-" or descriptor_of(named) == 1 else Path(named)


def shown(path: Path) -> str:
    """Return an output's name, as the user writes it."""
    return "-" if path == STANDARD_OUTPUT else str(path)


def is_stream(named: str) -> bool:
    """Return whether an output is no plain file, so that its name says nothing of a format."""
    from sensorium.media.special_file import is_special

    return is_special(output_path(named))


def require_room(outputs: Iterable[Path], inputs: Iterable[str | Path], *, as_json: bool) -> None:
    """See that files can be written without loss, before anything is loaded.

    Args:
        outputs: Where they go.
        inputs: What the command reads; ``-`` is standard input.
        as_json: Whether the results are printed on standard output, so that no file can go there.

    Raises:
        InputError: An output is an input or another output, or standard output is taken or closed.
    """
    from sensorium.media.separate_files import require_separate

    places = list(outputs)
    files: list[File] = [0 if each == _STANDARD_INPUT else each for each in inputs]
    if STANDARD_OUTPUT in places:
        if as_json:
            raise InputError(
                "The file and the JSON can't both go to standard output", "Name a file with -o, or leave out --json"
            )
        if is_closed(sys.stdout):
            raise InputError("Standard output is closed", "Name a file with -o")
    require_separate(places, files)


def inputs_of(operation: Operation) -> list[str]:
    """Return what an operation reads: its media, and the names in it that may be files of a checkpoint or a voice."""
    named = [getattr(operation, field, None) for field in ("model", "voice")]
    for field in ("controlnets", "annotators"):
        named += getattr(operation, field, {}).values()
    return [*operation.media(), *filter(None, named)]


def require_no_screen(path: Path, what: str) -> None:
    """Refuse to write what nobody can read to a screen.

    Args:
        path: Where it goes.
        what: What it is, in the sentence: ``"Sound"``.

    Raises:
        InputError: Standard output is a terminal.
    """
    if path == STANDARD_OUTPUT and sys.stdout.isatty():
        raise InputError(f"{what} can't be printed here", "Name a file with -o, or pipe the command into a program")


@contextmanager
def place_for(path: Path, name: str) -> Iterator[Path]:
    """Give the path to write a file to.

    Args:
        path: Where it goes in the end. What is no plain file gets the whole content at the end of the block.
        name: What the file is called by whoever makes it; its suffix tells the format.

    Raises:
        InputError: It can't be written there.
        BrokenPipeError: Whoever reads standard output has gone.
    """
    from sensorium.media.atomic_file import atomic_file
    from sensorium.media.special_file import is_special, passed_on

    if path == STANDARD_OUTPUT:
        with passed_on(name, _print_bytes) as place:
            yield place
    elif is_special(path):
        with atomic_file(path, suffix=Path(name).suffix) as place:
            yield place
    else:
        yield path


def _print_bytes(source: BinaryIO) -> None:
    sys.stdout.flush()
    shutil.copyfileobj(source, sys.stdout.buffer)
    sys.stdout.buffer.flush()
