"""What the ingress and the keeper tell each other: lines of JSON, never pickle."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sensorium.errors import BusyError, SensoriumError
from sensorium.record import plain

TAKEN = json.dumps({"taken": True})
"""The first line of each answer: the keeper is there and works on it."""


def question(method: str, arguments: Mapping[str, Any]) -> str:
    """Return the line that asks the keeper something."""
    return json.dumps({"method": method, "arguments": plain(arguments)})


def asked(line: str) -> tuple[str, dict[str, Any]]:
    """Return the method and the arguments of a question."""
    document = json.loads(line)
    return document["method"], document["arguments"]


def answer(value: Any) -> str:
    """Return the line that tells a value, as plain data."""
    return json.dumps({"value": plain(value)})


def refusal(error: SensoriumError) -> str:
    """Return the line that tells an error, with what an error knows besides its sentence."""
    more = {name: getattr(error, name, None) for name in ("param", "code", "retry_after")}
    return json.dumps({"error": error.to_dict(), **more})


def value_in(line: str) -> Any:
    """Return the value of an answer.

    Raises:
        SensoriumError: The line tells an error.
    """
    document = json.loads(line)
    if "error" not in document:
        return document["value"]
    error = SensoriumError.from_dict(document["error"])
    error.param, error.code = document["param"], document["code"]
    if isinstance(error, BusyError) and document["retry_after"] is not None:
        error.retry_after = document["retry_after"]
    raise error
