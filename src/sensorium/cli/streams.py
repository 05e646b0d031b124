"""The standard streams of a program that was started without them, as services and ``>&-`` do."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TextIO


def open_closed_streams() -> None:
    """Put the null device in the place of standard streams that are closed.

    Nothing can be read there, and what is printed there is lost, as whoever closed them wanted. Their numbers are
    taken too: else the next file to be opened would get one, and what a library prints would land in that file.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            setattr(sys, name, _null_device(number))


def is_closed(stream: TextIO) -> bool:
    """Return whether the program was started without a stream."""
    return getattr(stream, "name", "") == os.devnull


def _null_device(number: int) -> TextIO:
    try:
        os.fstat(number)
    except OSError:
        opened = os.open(os.devnull, os.O_RDWR)
        if opened != number:
            os.dup2(opened, number)
            os.close(opened)
    return Path(os.devnull).open("r" if number == 0 else "w", encoding="utf-8")
