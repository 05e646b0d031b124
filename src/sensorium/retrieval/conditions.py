"""What rows must fulfil, in the SQL that Lance understands."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence

from sensorium.retrieval.stored_paths import stored


def quoted(text: str) -> str:
    """Return a text as SQL writes it."""
    return "'" + text.replace("'", "''") + "'"


def listed(texts: Iterable[str]) -> str:
    """Return texts as they stand between the brackets of IN."""
    return ", ".join(map(quoted, texts))


def every(*conditions: str | None) -> str:
    """Return the condition that all of them hold; "" if there are none."""
    return " AND ".join(f"({condition})" for condition in conditions if condition)


def some(conditions: Sequence[str]) -> str:
    """Return the condition that one of them holds."""
    return " OR ".join(f"({condition})" for condition in conditions)


def paths_below(folder: str) -> tuple[str, str]:
    """Return the range in which all stored paths below a folder lie: from the first text to the second, without it."""
    first = stored(folder).rstrip(os.sep) + os.sep
    return first, first[:-1] + chr(ord(os.sep) + 1)


def under(folder: str | None) -> str | None:
    """Return the condition that a path lies below a folder; None for None."""
    if folder is None:
        return None
    first, end = paths_below(folder)
    return f"path >= {quoted(first)} AND path < {quoted(end)}"


def at(path: str) -> str:
    """Return the condition that a path is this one."""
    return f"path = {quoted(stored(path))}"


def among(paths: Iterable[str]) -> str:
    """Return the condition that a path is one of these."""
    return f"path IN ({listed(map(stored, paths))})"


def at_or_under(root: str) -> str:
    """Return the condition that a path is this one, or lies below it."""
    return f"{at(root)} OR ({under(root)})"
