"""How paths are written down in an index: whatever a file system allows, as valid Unicode."""

from __future__ import annotations

import re

_SURROGATE = re.compile("[\ud800-\udfff]")
# No path holds a zero character, so what follows one in a stored path is never part of a name.
_ESCAPED = re.compile("\0([0-9a-f]{4})")


def stored(path: str) -> str:
    """Return a path as an index holds it.

    A byte of a name that is not UTF-8 stands in Python's paths as a surrogate, which no text of a table may hold.
    Sorting and comparing beginnings is the same for stored paths as for paths.
    """
    if path.isascii():
        return path
    return _SURROGATE.sub(lambda letter: f"\0{ord(letter[0]):04x}", path)


def restored(text: str) -> str:
    """Return the path that `stored` made a text of."""
    if "\0" not in text:
        return text
    return _ESCAPED.sub(lambda code: chr(int(code[1], 16)), text)
