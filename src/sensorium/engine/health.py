"""Whether the engine works: it asks every worker, and knows how the rest is without asking it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from sensorium.engine.dispatcher import Dispatcher
from sensorium.engine.job import EndpointHealth, Health
from sensorium.engine.job_files import JobFiles
from sensorium.engine.job_writer import JobWriter
from sensorium.media.naming import display_name
from sensorium.models.model_servers import ServedModel
from sensorium.models.server_probe import trouble_of

_PROBE_SECONDS = 5.0
_STORAGE_SECONDS = 10.0
_MOST_ASKED = 8
_GOOD = "ok"


class HealthCheck:
    """Asks workers when it is asked; looks after database and disk by itself, for they may take long to answer.

    Args:
        dispatcher: Has the workers.
        writer: Knows how the database is.
        files: Are on the disk.
        served: Models that run behind servers.
    """

    def __init__(
        self, dispatcher: Dispatcher, writer: JobWriter, files: JobFiles, served: Sequence[ServedModel]
    ) -> None:
        self._served = served
        self._endpoints = {each.name: "not asked yet" for each in served}
        self._asking = ThreadPoolExecutor(_MOST_ASKED, thread_name_prefix="sensorium-endpoint")
        self._dispatcher = dispatcher
        self._writer = writer
        self._files = files
        self._disk = self._storage = _GOOD

    async def ask(self) -> Health:
        """Return how everything is."""
        workers = [worker for worker in self._dispatcher.pool if worker.started and not worker.ending]
        answers = await asyncio.gather(*(worker.ask() for worker in workers))
        database = self._writer.trouble or _GOOD
        good = database == self._disk == self._storage == _GOOD and all(answer.alive for answer in answers)
        return Health(
            status=_GOOD if good else "degraded",
            database=database,
            disk=self._disk,
            storage=self._storage,
            workers=tuple(answers),
            queued=len(self._dispatcher.queue),
            running=sum(len(worker.calls) for worker in workers),
            paused=self._dispatcher.paused,
            endpoints=tuple(EndpointHealth(each.name, self._endpoints[each.name]) for each in self._served),
        )

    async def watch(self) -> None:
        """Look after the disk and the database until cancelled."""
        while True:
            self._disk = await asyncio.to_thread(self._files.probe) or _GOOD
            self._writer.look()
            self._storage = await self._ask_storage() or _GOOD
            self._files.note_storage("" if self._storage == _GOOD else self._storage)
            await asyncio.sleep(_PROBE_SECONDS)

    async def watch_endpoints(self) -> None:
        """Look after the servers that models run on until cancelled."""
        loop = asyncio.get_running_loop()
        try:
            while self._served:
                troubles = [loop.run_in_executor(self._asking, trouble_of, each) for each in self._served]
                for served, trouble in zip(self._served, await asyncio.gather(*troubles), strict=True):
                    self._endpoints[served.name] = trouble or _GOOD
                await asyncio.sleep(_PROBE_SECONDS)
        finally:
            self._asking.shutdown(wait=False, cancel_futures=True)

    async def _ask_storage(self) -> str:
        """Return why the object store can't be used, or ""."""
        try:
            return await asyncio.wait_for(asyncio.to_thread(self._files.probe_storage), _STORAGE_SECONDS)
        except TimeoutError:
            return f"The object store of {display_name(self._files.storage)} does not answer"
