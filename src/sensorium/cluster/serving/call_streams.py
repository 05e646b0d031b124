"""Where a replica's outbox writes to: each message goes to the request that brought its call."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field

from sensorium.engine.wire import Call, Done, Failed, Returned, message_of


@dataclass(eq=False)
class CallStream:
    """The messages of the calls of one request.

    Attributes:
        loop: In which they are read.
        unfinished: The calls whose last message hasn't been written yet.
        lines: What was written and not read; None after the last message of all calls.
        ended: Set with the last message of all calls.
    """

    loop: asyncio.AbstractEventLoop
    unfinished: set[str]
    lines: asyncio.Queue[bytes | None] = field(default_factory=asyncio.Queue)
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    def put(self, line: bytes, last: str = "") -> None:
        """Add a line in the stream's loop; ``last`` is the id of the call that has ended with it."""
        self.lines.put_nowait(line)
        self.unfinished.discard(last)
        if last and not self.unfinished:
            self.lines.put_nowait(None)
            self.ended.set()


class CallStreams:
    """The streams of a replica, as the connection of its `Outbox`."""

    def __init__(self) -> None:
        self._streams: dict[str, CallStream] = {}
        self.spoiled = False
        """Whether a call has failed in a way after which this process shouldn't go on."""

    def __bool__(self) -> bool:
        return bool(self._streams)

    def open(self, calls: Iterable[Call]) -> CallStream:
        """Return a stream for some calls, to be read in the running loop."""
        stream = CallStream(asyncio.get_running_loop(), {call.id for call in calls})
        self._streams.update(dict.fromkeys(stream.unfinished, stream))
        return stream

    def close(self, calls: Iterable[Call]) -> None:
        """Forget the stream of some calls."""
        for call in calls:
            self._streams.pop(call.id, None)

    def write(self, line: bytes) -> None:
        """Take a line from the outbox, in its thread."""
        message = message_of(line)
        call = getattr(message, "id", "")
        stream = self._streams.get(call)
        if stream is None:
            return
        if isinstance(message, Failed):
            self.spoiled = self.spoiled or message.recycle
        last = call if isinstance(message, (Done, Failed, Returned)) else ""
        stream.loop.call_soon_threadsafe(stream.put, line, last)

    def flush(self) -> None:
        """Do nothing: lines go out as they come."""
