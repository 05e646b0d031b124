"""A message with calls on its way through Ray Serve, and the answers on their way back."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable
from typing import Any, Literal, TypeAlias

from sensorium.cluster.serving.replica_report import ReplicaReport, report_of
from sensorium.engine.wire import Done, Failed, FromWorker, Load, Returned, Run, Started, line_of, message_of

logger = logging.getLogger("sensorium.engine")

End: TypeAlias = Literal["done", "refused", "lost", "broken"]
"""How a pass came to its end: all calls have ended; no replica took it; its replica is gone; Serve has a fault."""


class Pass:
    """Calls that go to a replica together.

    Args:
        message: With the calls.
        lane: Of messages with the same one, a replica works on one at a time.
    """

    def __init__(self, message: Run | Load, lane: str) -> None:
        self.message = message
        self.lane = lane
        self.unfinished = {call.id for call in (message.calls if isinstance(message, Run) else (message.call,))}
        self.unwanted: set[str] = set()
        """Those of its calls that were cancelled before a replica had them."""
        self.replica: ReplicaReport | None = None
        """Who has it; None while it waits for a replica."""
        self.begun = False
        self._response: Any = None

    async def answers(self, handle: Any, taken: Callable[[ReplicaReport], None]) -> AsyncIterator[FromWorker]:
        """Send it; set `replica` when one has taken it, and yield what that tells of its calls.

        Args:
            handle: The deployment's.
            taken: Told who has taken it.

        Raises:
            Exception: Whatever Serve or Ray say; see `end_of`.
        """
        self._response = handle.remote(line_of(self.message), self.lane)
        async for line in self._response:
            if self.replica is None:
                self.replica = report_of(line)
                taken(self.replica)
                continue
            message = message_of(line)
            assert not isinstance(message, Run | Load)
            self.begun = self.begun or isinstance(message, Started)
            if isinstance(message, (Done, Failed, Returned)):
                self.unfinished.discard(message.id)
            yield message  # type: ignore[misc]

    def cut_off(self) -> None:
        """Take it back from Serve; a replica that has it stops its calls."""
        if self._response is not None:
            self._response.cancel()

    def end_of(self, error: Exception | None) -> End:
        """Return how it came to its end.

        Args:
            error: What `answers` raised, if it raised anything.
        """
        import ray
        from ray.serve.exceptions import RayServeException

        if not self.unfinished:
            return "done"
        if error is None or isinstance(error, RayServeException):  # of these, one says that Serve's queue is full
            return "lost" if self.begun else "refused"
        if isinstance(error, ray.exceptions.RayError) and not isinstance(error, ray.exceptions.RayTaskError):
            return "refused" if self.replica is None else "lost"
        logger.error("a replica has a fault", exc_info=error)
        return "broken"
