"""Who listens to operations in the tests, and the way of an operation through JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sensorium.operations.operation import Operation
from sensorium.operations.reporter import Reporter
from sensorium.operations.tasks import Tasks
from sensorium.progress import Event
from tests.operations.unheard import Unheard


class Listening(Unheard):
    """Keeps what it is told; with ``until``, it stops the operation as soon as that is told of."""

    def __init__(self, until: Callable[[Event], bool] = lambda event: False, *, folder: Path | None = None) -> None:
        super().__init__(folder)
        self.told: list[Event] = []
        self._until = until
        self._stop = False

    def tell(self, event: Event) -> None:
        self.told.append(event)
        self._stop = self._stop or self._until(event)

    def is_set(self) -> bool:
        return self._stop


def through_json(operation: Operation, tasks: Tasks, report: Reporter | None = None) -> Any:
    """Send an operation and its result through JSON, as a server and its client do; return what the client gets."""
    arrived = type(operation).of(json.loads(operation.model_dump_json()))
    assert arrived == operation
    result = arrived.run(tasks, report or Unheard())
    received = operation.result_type().from_dict(json.loads(json.dumps(result.to_dict())))
    assert received == result
    assert received.to_dict() == result.to_dict()
    return received
