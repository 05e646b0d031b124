"""Which media files a list of paths, folders and patterns stands for."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TypeAlias

from sensorium.errors import InputError, SensoriumError
from sensorium.media.content import HEAD_BYTES, Kind, sniff_kind
from sensorium.media.naming import display_name

OnError: TypeAlias = Callable[[Path, SensoriumError], None]


def collect_files(
    paths: Iterable[str | os.PathLike[str]] | str | os.PathLike[str],
    *,
    kinds: Iterable[Kind] = ("image", "video", "audio"),
    on_error: OnError | None = None,
) -> Iterator[Path]:
    """List files."""
    if isinstance(paths, (str, os.PathLike)):
        paths = [paths]
    for path in map(Path, paths):
        if path.is_dir():
            yield from sorted(p for p in path.rglob("*") if p.is_file() and _kind(p) in set(kinds))
        elif path.exists():
            yield path
        else:
            error = InputError(f"There is no file {display_name(path)}", "Check the name and the folder")
            if on_error is None:
                raise error
            on_error(path, error)


def _kind(path: Path) -> Kind:
    with path.open("rb") as file:
        return sniff_kind(file.read(HEAD_BYTES))
