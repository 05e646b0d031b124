"""Finds what a user names in an index that calls it otherwise: through a link, or in capital letters."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from sensorium.errors import InputError
from sensorium.media.naming import display_name
from sensorium.retrieval.forgetting import where_they_may_be
from sensorium.retrieval.table import MediaTable
from sensorium.storage.location import is_stored_remotely


def folder_as_indexed(table: MediaTable, folder: str, index: str) -> str:
    """Return the path by which an index knows a folder.

    Args:
        table: The index.
        folder: Absolute.
        index: Where the index lies, for messages.

    Raises:
        InputError: There is no such folder, or the index knows nothing below it.
    """
    name, known = display_name(folder), table.knows_below(folder)
    if is_stored_remotely(folder):
        if not known:
            raise InputError(f"The index holds nothing that lies below {name}", "Check the address, or index it")
        return folder
    if not os.path.lexists(folder):
        if known:
            raise InputError(
                f"The folder {name} is not there, though the index has files of it", where_they_may_be(folder, index)
            )
        raise InputError(f"There is no folder {name}", "Check the name")
    if known:
        return folder
    if not os.path.isdir(folder):  # noqa: PTH112 - pathlib's raises an error for a long name
        raise InputError(f"{name} is not a folder", "Name the folder in which to search")
    spelled = _same(folder, _folders(table))
    if spelled is None:
        raise InputError(f"The index holds nothing that lies below {name}", "Index the folder, or name another one")
    return spelled


def as_indexed(table: MediaTable, path: str) -> str:
    """Return the path by which an index knows a file or folder; the path itself if it knows none such."""
    if table.states([path]):
        return path
    if os.path.isdir(path):  # noqa: PTH112 - pathlib's raises an error for a long name
        return _same(path, _folders(table)) or path
    folder = _same(os.path.dirname(path), _folders(table))  # noqa: PTH120 - of a text
    return (folder and _same(path, table.states([folder]))) or path


def _folders(table: MediaTable) -> set[str]:
    """Return all folders in which files of the index lie, and those above them."""
    nearest = {os.path.dirname(path) for path in table.paths()}  # noqa: PTH120 - pathlib's takes ten times as long
    return nearest | {str(folder) for each in nearest for folder in Path(each).parents}


def _same(path: str, candidates: Iterable[str]) -> str | None:
    """Return the candidate that is the same file or folder, if there is one."""
    try:
        wanted = os.stat(path)  # noqa: PTH116 - as below
    except OSError:
        return None
    for candidate in sorted(candidates):
        try:
            if os.path.samestat(os.stat(candidate), wanted):  # noqa: PTH116 - called for every folder of large indexes
                return candidate
        except OSError:
            continue
    return None
