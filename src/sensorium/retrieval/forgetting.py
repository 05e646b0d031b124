"""What messages advise to do with files that an index holds and that aren't there any more."""

from __future__ import annotations

import shlex

from sensorium.media.naming import display_name


def where_they_may_be(place: str, index: str) -> str:
    """Return the remedy for files that are missing.

    Args:
        place: The file or folder that is missing.
        index: Where the index lies.
    """
    return (
        "Mount their drive if it is away, or index the folder that they were moved to; "
        f"{how_to_forget(place, index)} takes them out of the index"
    )


def how_to_forget(place: str, index: str) -> str:
    """Return the command that takes a file, or all files below a folder, out of an index."""
    remove, to = (shlex.quote(display_name(each)) for each in (place, index))
    return f"'sensorium index --remove {remove} --to {to}'"
