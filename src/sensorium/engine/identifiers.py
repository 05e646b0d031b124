"""What may be the id of a job or an upload, and the name of a search index: plain words, so that they can be files."""

from __future__ import annotations

import re

from sensorium.errors import InputError
from sensorium.media.naming import display_name

_IDENTIFIER = re.compile(r"[A-Za-z0-9_-]{1,100}")
_INDEX = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,99}")


def is_identifier(text: str) -> bool:
    """Tell what may be an id. A client's text may hold what a database refuses, or what leads out of a folder."""
    return _IDENTIFIER.fullmatch(text) is not None


def check_index_name(text: str) -> str:
    """Return the name of an index.

    Raises:
        InputError: It is no plain word.
    """
    if not _INDEX.fullmatch(text):
        raise InputError(
            f"{display_name(text)} can't be the name of an index",
            "Use up to 100 letters (a-z), digits, '-', '_' and '.', and no '.' in front",
        )
    return text
