"""The requests of a batch: a file with a JSON object on each line."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sensorium.record import Record

MOST_LINES = 50_000
_MOST_ERRORS = 100
_LONGEST_ID = 512


@dataclass(frozen=True)
class BatchLine:
    """A request.

    Attributes:
        custom_id: What its sender calls it.
        body: The JSON to be sent.
    """

    custom_id: str
    body: Mapping[str, Any]


@dataclass(frozen=True, eq=False, repr=False)
class LineError(Record):
    """What is wrong with a line.

    Attributes:
        line: Its number, from 1 on; None if it is the whole file.
        code: A word for it.
        message: A sentence.
        param: The field, if it is one.
    """

    line: int | None
    code: str
    message: str
    param: str | None = None


def check_lines(path: Path, endpoint: str, longest: int) -> tuple[int, list[LineError]]:
    """Return how many requests a file has, and what is wrong with it.

    Args:
        path: The file.
        endpoint: What they all must be for.
        longest: How many bytes a line may have.
    """
    errors: list[LineError] = []
    seen: set[str] = set()
    for number, raw in _raw_lines(path):
        if len(seen) >= MOST_LINES:
            errors.append(LineError(None, "too_many_requests", f"The file has more than {MOST_LINES} requests."))
            break
        error = _error_in(number, raw, endpoint, longest, seen)
        if error is not None:
            errors.append(error)
        if len(errors) >= _MOST_ERRORS:
            break
    if not seen and not errors:
        errors.append(LineError(None, "empty_file", "The file has no requests."))
    return len(seen), errors


def read_lines(path: Path) -> Iterator[BatchLine]:
    """Yield the requests of a file that was checked."""
    for _, raw in _raw_lines(path):
        document = json.loads(raw)
        yield BatchLine(document["custom_id"], document["body"])


def _raw_lines(path: Path) -> Iterator[tuple[int, bytes]]:
    with path.open("rb") as file:
        for number, raw in enumerate(file, 1):
            if raw.strip():
                yield number, raw


def _error_in(number: int, raw: bytes, endpoint: str, longest: int, seen: set[str]) -> LineError | None:
    if len(raw) > longest:
        return LineError(number, "line_too_long", f"This line has more than the {longest} bytes of a request.")
    try:
        document = json.loads(raw)
    except (ValueError, RecursionError):
        return LineError(number, "invalid_json_line", "This line isn't JSON in UTF-8.")
    if not isinstance(document, dict):
        return LineError(number, "invalid_json_line", "This line isn't a JSON object.")
    name = document.get("custom_id")
    if not isinstance(name, str) or not 0 < len(name) <= _LONGEST_ID:
        return LineError(
            number, "missing_required_parameter", "custom_id must be a text that names the request.", "custom_id"
        )
    if name in seen:
        return LineError(number, "duplicate_custom_id", "Another request has this custom_id.", "custom_id")
    seen.add(name)
    if document.get("method") != "POST":
        return LineError(number, "invalid_method", "The method must be POST.", "method")
    if document.get("url") != endpoint:
        return LineError(number, "mismatched_endpoint", f"The url must be the batch's endpoint, {endpoint}.", "url")
    if not isinstance(document.get("body"), dict):
        return LineError(number, "invalid_body", "The body must be a JSON object.", "body")
    return None
