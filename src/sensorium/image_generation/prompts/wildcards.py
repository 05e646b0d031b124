"""Lists of words for prompts: the text files of a folder of wildcards, or lists by name."""

from __future__ import annotations

import difflib
import itertools
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

from sensorium.errors import InputError

_LARGEST_FILE = 10_000_000
_SHOWN_NAMES = 20
_LISTED_NAMES = 1000
_SEARCHED_FOLDERS = 1000

Wildcards: TypeAlias = Path | Mapping[str, Sequence[str]] | None
"""Lists of words: a folder of text files, or a dict from name to words."""


def list_named(name: str, wildcards: Wildcards) -> tuple[str, ...]:
    """Return the lines of a list that count.

    Raises:
        InputError: There is no such list, or it can't be read or is empty.
    """
    if wildcards is None:
        raise InputError(
            f"The prompt has the wildcard __{name}__, and no folder of wildcards is named",
            "Name a folder that holds a text file of that name, one word or phrase a line",
        )
    if isinstance(wildcards, Mapping):
        what = f"list of the wildcard __{name}__"
        if name not in wildcards:
            raise InputError(f"There is no {what}", _choice_of(sorted(wildcards), name))
        lines = wildcards[name]
    else:
        what = f"list {name.rpartition('/')[2]}.txt"
        lines = _read_list(wildcards, name)
    found = tuple(line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#"))
    if not found:
        raise InputError(f"The {what} is empty", "Write one word or phrase a line")
    return found


def _read_list(folder: Path, name: str) -> list[str]:
    path = folder / f"{name}.txt"
    if not path.is_file():
        raise InputError(
            f"There is no file {name}.txt in the folder of wildcards {str(folder)!r}", _there(folder, name)
        )
    try:
        if path.stat().st_size > _LARGEST_FILE:
            raise InputError(f"The list {path.name} is larger than {_LARGEST_FILE // 1_000_000} MB", "Split it")
        return path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise InputError(f"The list {path.name} is not UTF-8 text", "Save it as UTF-8") from None
    except OSError:
        raise InputError(f"The list {path.name} can't be read", "Check its permissions") from None


def _there(folder: Path, name: str) -> str:
    """Tell what a folder of wildcards holds, and what may have been meant."""
    if not folder.is_dir():
        return "There is no such folder; name another one"
    names = sorted(itertools.islice(_names(folder), _LISTED_NAMES))
    return _choice_of(names, name) if names else "It holds no text files at all"


def _choice_of(names: Sequence[str], name: str) -> str:
    """Tell which lists there are, and what may have been meant."""
    near = difflib.get_close_matches(name, names, n=1)
    if near:
        return f"Did you mean __{near[0]}__?"
    shown = ", ".join(f"__{found}__" for found in names[:_SHOWN_NAMES])
    more = " and more" if len(names) > _SHOWN_NAMES else ""
    return f"It has {shown}{more}" if names else "Give one"


def _names(folder: Path) -> Iterator[str]:
    for place, folders, files in itertools.islice(os.walk(folder), _SEARCHED_FOLDERS):
        folders.sort()
        for file in sorted(files):
            if file.endswith(".txt"):
                yield (Path(place) / file).relative_to(folder).with_suffix("").as_posix()
