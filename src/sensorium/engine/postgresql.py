"""Connections to PostgreSQL that give up on a server that says nothing: its own limits don't work while it hangs."""

from __future__ import annotations

import time
from collections.abc import Generator
from typing import Any, TypeVar

import psycopg

Value = TypeVar("Value")

_SECONDS = 12.0
"""Longer than the limits that the server is given for statements and locks."""


class ImpatientConnection(psycopg.Connection[Any]):
    """A connection that closes itself if the server doesn't answer in time."""

    def wait(self, gen: Generator[Any, Any, Value], *arguments: Any, **options: Any) -> Value:
        """Wait for the server.

        Raises:
            QueryCanceled: It took too long.
        """
        return super().wait(self._in_time(gen), *arguments, **options)

    def _in_time(self, gen: Generator[Any, Any, Value]) -> Generator[Any, Any, Value]:
        deadline = time.monotonic() + _SECONDS
        try:
            wanted = next(gen)
            while True:
                ready = yield wanted
                if not ready and time.monotonic() > deadline:
                    self.close()
                    raise psycopg.errors.QueryCanceled("the server doesn't answer")
                wanted = gen.send(ready)
        except StopIteration as end:
            value: Value = end.value
            return value
