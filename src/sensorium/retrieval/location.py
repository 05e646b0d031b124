"""Where an index may lie: in a folder, or in an object store."""

from __future__ import annotations

import os
import re

from sensorium import settings
from sensorium.errors import InputError
from sensorium.media.source import display_name

_OBJECT_STORES = ("s3://", "s3+ddb://", "gs://", "az://", "abfss://")


def is_remote(location: str) -> bool:
    """Return whether an index lies in an object store."""
    return location.startswith(_OBJECT_STORES)


def check_location(location: str | os.PathLike[str]) -> str:
    """Return where an index lies: an absolute folder or an object store address.

    Raises:
        InputError: It is empty, a file, or an address of another kind.
    """
    text = os.fspath(location)
    if is_remote(text):
        return text.rstrip("/")
    if re.match(r"[\w+]+://", text):
        raise InputError(
            f"An index can't lie at {display_name(text)}",
            f"Name a folder, or an address with {', '.join(_OBJECT_STORES)}",
        )
    if not text:
        raise InputError("The index has no name", "Name the folder that shall hold it")
    path = settings.user_path(text).absolute()
    try:
        str(path).encode()
    except UnicodeEncodeError:
        raise InputError(
            f"An index can't lie at {display_name(path)}: that name is not valid Unicode", "Name another folder"
        ) from None
    if os.path.exists(path) and not path.is_dir():  # noqa: PTH110 - pathlib's raises an error for a long name
        raise InputError(f"{display_name(text)} is a file, not an index", "Name the folder that shall hold the index")
    return str(path)
