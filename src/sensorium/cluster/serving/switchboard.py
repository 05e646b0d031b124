"""Between the engine and its replicas: orders to a certain one, and what each says of itself.

Serve brings calls to whichever replica is free, and their answers back; it has no way to a certain replica that is at
work. That way is a small actor, which the engine's process owns: it ends with it, and by that replicas notice.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from contextlib import suppress

from sensorium.cluster.serving.replica_report import report_of

_PATIENCE_SECONDS = 5.0
"""After so long without orders a replica reports again."""
_LONGEST_SECONDS = 20.0


class Switchboard:
    """Passes orders on. It is run as an actor whose methods wait beside each other."""

    def __init__(self) -> None:
        self._orders: dict[str, list[bytes]] = defaultdict(list)
        self._reports: list[bytes] = []
        self._ordered: dict[str, asyncio.Event] = defaultdict(asyncio.Event)
        self._reported = asyncio.Event()

    async def order(self, replica: str, line: bytes) -> None:
        """Tell a replica something."""
        self._orders[replica].append(line)
        self._ordered[replica].set()

    async def forget(self, replica: str) -> None:
        """Keep nothing for a replica that is gone."""
        self._orders.pop(replica, None)
        self._ordered.pop(replica, None)

    async def orders(self, report: bytes) -> list[bytes]:
        """Take what a replica says of itself; return its orders once there are any, or none after some seconds."""
        replica = report_of(report).replica
        self._reports.append(report)
        self._reported.set()
        event = self._ordered[replica]
        await _wait(event, _PATIENCE_SECONDS)
        event.clear()
        return self._orders.pop(replica, [])

    async def reports(self) -> list[bytes]:
        """Return what replicas have said since the last time, once there is anything, or nothing after some seconds."""
        await _wait(self._reported, _LONGEST_SECONDS)
        self._reported.clear()
        reports, self._reports = self._reports, []
        return reports


async def _wait(event: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        await asyncio.wait_for(event.wait(), seconds)
