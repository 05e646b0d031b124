"""The files that a search index holds: what is sent again takes the place of what was sent before."""

from __future__ import annotations

import filecmp
import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

_ORIGIN = ".origin"


def note_origin(file: Path, origin: str) -> None:
    """Write down beside a file in the folder of an index what tells it from all others at its sender's."""
    (file.parent / _ORIGIN).write_text(origin, encoding="utf-8")


def replace_earlier(folder: Path, files: Iterable[Path]) -> int:
    """Delete files that were sent before, and of which newer versions have just been sent.

    Those are files of the same name and content, and files of the same origin. The index drops what is gone when it is
    brought up to date, and knows the content of what took its place; so whoever indexes the same photos once more
    doesn't find each of them twice, nor beside a changed one what it was before.

    Args:
        folder: Of the index; each file lies in a folder of its own below it.
        files: Those that have just been sent, in it.

    Returns:
        How many were deleted.
    """
    new = list(files)
    origins = {file: _origin_of(file.parent) for file in new}
    earlier = {path.parent for _, path in (*_alike(folder, new), *_of_origins(folder, origins))}
    for place in earlier:
        shutil.rmtree(place, ignore_errors=True)
    return len(earlier)


def earlier_places(folder: Path, files: Mapping[Path, str]) -> dict[Path, Path]:
    """Return where files lie in an index to which they were sent before.

    Args:
        folder: Of the index.
        files: Those that have just been sent, elsewhere, with their origins: what has the same one is meant, or else
            what has the same name and content.
    """
    return dict([*_alike(folder, files), *_of_origins(folder, files)])


def _of_origins(folder: Path, files: Mapping[Path, str]) -> Iterator[tuple[Path, Path]]:
    """Yield files with those of the same origin that were in the folder of an index before."""
    named = {origin: file for file, origin in files.items() if origin}
    fresh = {file.parent for file in files}
    for note in folder.glob(f"*/{_ORIGIN}") if named else ():
        file = named.get(_origin_of(note.parent))
        if file is not None and note.parent not in fresh:
            yield from ((file, path) for path in note.parent.iterdir() if path != note)


def _alike(folder: Path, files: Iterable[Path]) -> list[tuple[Path, Path]]:
    """Return files with what has the same name and content in the folder of an index, and was there before."""
    new = list(files)
    fresh = {file.parent for file in new}
    named: dict[str, list[Path]] = {}
    for path in folder.glob("*/*"):
        if path.parent not in fresh and path.name != _ORIGIN and path.is_file():
            named.setdefault(path.name, []).append(path)
    return [(file, path) for file in new for path in named.get(file.name, ()) if filecmp.cmp(path, file, shallow=False)]


def _origin_of(place: Path) -> str:
    try:
        return (place / _ORIGIN).read_text(encoding="utf-8")
    except (OSError, ValueError):
        return ""
