"""A replica: the process of Ray Serve that has models in memory and runs calls on them, as a local worker does."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sensorium.cluster.serving.replica_report import ReplicaReport
from sensorium.engine.wire import Call, Cancel, Failed, Load, Ping, Run, Stop, WorkerSetup, line_of, message_of
from sensorium.engine.worker import end_with_all_that_was_started, gpu_memory, take_settings
from sensorium.engine.worker_memory import memory_of
from sensorium.errors import CancelledError

if TYPE_CHECKING:
    from sensorium.cluster.serving.call_streams import CallStream

_LAST_WORDS_SECONDS = 0.5
"""How long what was told last may be on its way before the process ends."""
_MEASURE_SECONDS = 4.0

logger = logging.getLogger(__name__)


class ModelReplica:
    """Runs calls; Serve makes it, and hands it its requests.

    Args:
        setup: The line of a `WorkerSetup`.
        switchboard: The actor that orders come from; once it is gone, so is the engine, and this process ends.
        grace: Seconds that calls have to stop whose request was cut off; then the process ends.
    """

    def __init__(self, setup: bytes, switchboard: Any, grace: float) -> None:
        told = message_of(setup)
        assert isinstance(told, WorkerSetup)
        take_settings(told)
        # Only now: what these import reads the settings.
        from sensorium.cluster.serving.call_streams import CallStreams
        from sensorium.engine.calls import Calls
        from sensorium.engine.outbox import Outbox

        self._grace = grace
        self._streams = CallStreams()
        self._calls = Calls(told, Outbox(self._streams))
        self._lanes: dict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._waiting: dict[str, CallStream] = {}
        """The streams of calls that haven't begun."""
        self._report = _first_report()
        self._loop: asyncio.AbstractEventLoop | None = None
        threading.Thread(target=self._listen, args=(switchboard,), name="sensorium-orders", daemon=True).start()

    async def run(self, line: bytes, lane: str) -> AsyncIterator[bytes]:
        """Run the calls of a message; yield this replica's report, then what the calls tell.

        Without anything after the report the calls haven't begun, and don't: they are to be sent again.

        Args:
            line: A `Run` or a `Load`.
            lane: Of messages with the same one, only one is worked on at a time.
        """
        self._loop = asyncio.get_running_loop()
        message = message_of(line)
        assert isinstance(message, Run | Load)
        calls = message.calls if isinstance(message, Run) else (message.call,)
        stream = self._streams.open(calls)
        self._waiting.update(dict.fromkeys(stream.unfinished, stream))
        working = asyncio.ensure_future(self._work(message, calls, stream, lane))
        try:
            yield self._report.line()
            while (told := await stream.lines.get()) is not None:
                yield told
            await working
        finally:
            if not working.done():  # whoever asked has gone
                await self._give_up(stream)
            self._streams.close(calls)
            if self._streams.spoiled and not self._streams:
                self._loop.call_later(_LAST_WORDS_SECONDS, end_with_all_that_was_started)

    async def _work(self, message: Run | Load, calls: Sequence[Call], stream: CallStream, lane: str) -> None:
        """Run calls when it is their turn; return when they have ended."""
        async with self._lanes[lane]:
            if self._streams.spoiled:
                stream.lines.put_nowait(None)
            elif stream.unfinished:
                self._begin(message, [call for call in calls if self._waiting.pop(call.id, None) is not None])
                await stream.ended.wait()

    def _begin(self, message: Run | Load, calls: Sequence[Call]) -> None:
        """Start those calls of a message that weren't cancelled while they waited for their turn."""
        if isinstance(message, Load):
            self._calls.load(message.call)
        else:
            self._calls.run(calls)

    async def _give_up(self, stream: CallStream) -> None:
        """Stop calls that nobody listens to; a process that they don't let go of ends."""
        for call in list(stream.unfinished):
            self._cancel(call)
        try:
            await asyncio.wait_for(stream.ended.wait(), self._grace)
        except TimeoutError:
            logger.warning("calls that were cut off don't stop, and their process is ended")
            end_with_all_that_was_started()

    # Orders, in a thread of their own: the loop that runs requests is Serve's

    def _listen(self, switchboard: Any) -> None:
        import ray

        measured = 0.0
        while True:
            if time.monotonic() - measured > _MEASURE_SECONDS:
                measured = time.monotonic()
                found = memory_of(os.getpid())
                self._report = replace(self._report, memory=found.main, gpu_memory=found.gpu or gpu_memory())
            try:
                lines = ray.get(switchboard.orders.remote(self._report.line()))
            except ray.exceptions.ActorUnavailableError:  # the network; it comes back, or the actor is declared dead
                time.sleep(_LAST_WORDS_SECONDS)
                continue
            except ray.exceptions.RayActorError:
                end_with_all_that_was_started()
            for line in lines:
                self._obey(line)

    def _obey(self, line: bytes) -> None:
        match message_of(line):
            case Ping(number):
                self._report = replace(self._report, answers=number)
            case Cancel(call) if self._loop is not None:
                self._loop.call_soon_threadsafe(self._cancel, call)
            case Stop():
                end_with_all_that_was_started()

    def _cancel(self, call: str) -> None:
        """Let a call stop, in the loop of the requests."""
        stream = self._waiting.pop(call, None)
        if stream is None:
            self._calls.cancel(call)
        else:
            stream.put(line_of(Failed(call, CancelledError("The job was cancelled").to_dict())), call)


def _first_report() -> ReplicaReport:
    import ray
    from ray import serve

    context = serve.get_replica_context()
    return ReplicaReport(
        replica=context.replica_id.unique_id,
        deployment=context.app_name,
        actor=context.replica_id.to_full_id_str(),
        pid=os.getpid(),
        node=ray.get_runtime_context().get_node_id(),
    )
