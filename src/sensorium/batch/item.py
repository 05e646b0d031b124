"""One item of a batch, and what came of it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sensorium.record import Record

FILES = "files"
"""The folder of the output below which each item has a folder for the files that it makes."""
_UNSAFE = re.compile(r"[^\w.-]+")
_LONGEST_STEM = 60
_ID_BYTES = 16
_WINDOWS_NAMES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\.|$)", re.IGNORECASE)


@dataclass(frozen=True, eq=False, repr=False)
class BatchItem(Record):
    """One call of an operation; plain data that crosses processes.

    Attributes:
        id: 32 hexadecimal digits that stand for operation, input and arguments, and for the input file as it is now.
            Whoever plans the same batch again gets the same ids for what has not changed.
        input: What the user calls it in the manifest: a path, an address, a text, or a JSON object of several fields.
        name: Of the folder for its files, below ``files/`` in the output; no other item has the same.
        fields: Of the operation, as JSON; media are absolute paths or addresses.
        weight: How much work it is about: megapixels or seconds of media where they are known, else 1.
        error: Why it can't be run, known before it is; "" if it can.
    """

    id: str
    input: str
    name: str
    fields: Mapping[str, Any]
    weight: float = 1.0
    error: str = ""


@dataclass(frozen=True, eq=False, repr=False)
class ItemOutcome(Record):
    """What came of an item: a row of the manifest.

    Attributes:
        id: Of the item.
        input: Of the item.
        result: The result as JSON; "" if there is none.
        files: The files that were made, as paths below the output.
        model: The checkpoint that made the result; "" if none is named.
        seed: Draws the same result again; None if nothing was drawn.
        started: When the work began, in ISO 8601.
        seconds: How long it took; of items that went through a model together, their share.
        weight: Of the item.
        error: Why there is no result, in a sentence; "" if there is one.
        error_type: Of the error, such as ``"InputError"``; "" if there is none.
    """

    id: str
    input: str
    result: str = ""
    files: tuple[str, ...] = ()
    model: str = ""
    seed: int | None = None
    started: str = ""
    seconds: float = 0.0
    weight: float = 1.0
    error: str = ""
    error_type: str = ""


def item_id(operation: str, fields: Mapping[str, Any], versions: Mapping[str, str]) -> str:
    """Return the id of an item.

    Args:
        operation: Its name.
        fields: Of the operation.
        versions: For each medium that it names, what another content would change.
    """
    document = json.dumps([operation, fields, versions], sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(document.encode()).hexdigest()[: 2 * _ID_BYTES]


def folder_name(stem: str, id: str) -> str:
    """Return a name for an item's folder that is safe on every system, and that no other item has.

    Args:
        stem: What the folder is to be recognised by, such as the input's name without its suffix.
        id: Of the item.
    """
    safe = _UNSAFE.sub("-", stem).strip("-. ")[:_LONGEST_STEM].strip("-. ")
    if _WINDOWS_NAMES.match(safe):
        safe = f"_{safe}"
    return f"{safe}-{id[:12]}" if safe else id[:12]
