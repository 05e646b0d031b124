"""Batches, and checkpoints that are being fetched, as an ingress replica has them: the keeper works on them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing

from sensorium.cluster.serving.keeper_line import KeeperLine, KeeperLostError
from sensorium.engine.job import JobEvent
from sensorium.errors import ClosedError
from sensorium.server.openai.batch import Batch, Batches
from sensorium.server.pulling import Pulling, known


class RemoteBackground:
    """What the keeper works on: see `Background`.

    Args:
        line: To the keeper.
    """

    def __init__(self, line: KeeperLine) -> None:
        self.batches: Batches = RemoteBatches(line)
        self.puller: Pulling = RemotePuller(line)

    async def start(self) -> None:
        """Begin: the keeper has."""

    async def close(self) -> None:
        """Stop: the keeper goes on."""


class RemoteBatches:
    """The keeper's batches: see `Batches`.

    Args:
        line: To the keeper.
    """

    def __init__(self, line: KeeperLine) -> None:
        self._line = line

    async def create(self, batch: Batch) -> Batch:
        """Take a new batch: see `Batches.create`."""
        return Batch.from_dict(await self._line.ask("batches.create", batch=batch))

    async def batch(self, name: str, owner: str | None) -> Batch:
        """Return a batch as it is now: see `Batches.batch`."""
        return Batch.from_dict(await self._line.ask("batches.batch", name=name, owner=owner))

    async def batches(self, owner: str | None, *, after: str | None, limit: int) -> list[Batch]:
        """Return batches, the newest first: see `Batches.batches`."""
        found = await self._line.ask("batches.batches", owner=owner, after=after, limit=limit)
        return [Batch.from_dict(each) for each in found]

    async def cancel(self, name: str, owner: str | None) -> Batch:
        """Give a batch up: see `Batches.cancel`."""
        return Batch.from_dict(await self._line.ask("batches.cancel", name=name, owner=owner))


class RemotePuller:
    """Fetches checkpoints where the keeper is: see `Pulling`.

    Args:
        line: To the keeper.
    """

    def __init__(self, line: KeeperLine) -> None:
        self._line = line

    async def begin(self, name: str, *, convert_pickle: bool = False) -> AsyncIterator[JobEvent]:
        """Return the events of fetching a checkpoint: see `Pulling.begin`."""
        known(name)
        await self._line.ask("ready")
        return self._events(name, convert_pickle)

    async def _events(self, name: str, convert_pickle: bool) -> AsyncIterator[JobEvent]:
        try:
            async with aclosing(self._line.listen("fetch", name=name, convert_pickle=convert_pickle)) as heard:
                async for document in heard:
                    yield JobEvent.from_dict(document)
        except KeeperLostError:
            raise ClosedError(
                f"The keeper of the jobs ended while it fetched {name!r}", "Fetch it again; what has arrived is kept"
            ) from None
