"""How an operation becomes a job that waits: what is refused, where it will run, how its media come there."""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable, Coroutine
from typing import Any

from sensorium.engine.dispatcher import Dispatcher
from sensorium.engine.job import Job
from sensorium.engine.job_files import JobFiles
from sensorium.engine.job_media import JobMedia
from sensorium.engine.job_records import JobRecords
from sensorium.engine.live_job import LiveJob
from sensorium.engine.options import EngineOptions
from sensorium.engine.placement import place
from sensorium.engine.strikes import Strikes
from sensorium.errors import SensoriumError
from sensorium.explanation import explained
from sensorium.operations.operation import ModelOperation, Operation
from sensorium.operations.validation import require_unicode

logger = logging.getLogger("sensorium.engine")


class Admission:
    """Takes operations in.

    Args:
        options: The engine's.
        dispatcher: Has the queue.
        records: Hold the jobs.
        media: Bring what jobs refer to.
        files: Are deleted where nobody needs them any more.
        strikes: Know what has killed workers.
        background: Runs something beside everything else.
    """

    def __init__(
        self,
        options: EngineOptions,
        dispatcher: Dispatcher,
        records: JobRecords,
        media: JobMedia,
        files: JobFiles,
        strikes: Strikes,
        background: Callable[[Coroutine[Any, Any, None]], None],
    ) -> None:
        self._options = options
        self._dispatcher = dispatcher
        self._records = records
        self._media = media
        self._files = files
        self._strikes = strikes
        self._background = background
        self._next_rank = time.time()

    def come_after(self, job: LiveJob) -> None:
        """Put later jobs behind one of an earlier engine, even if the clock has been set back since."""
        self._next_rank = max(self._next_rank, job.rank)

    async def admit(self, operation: Operation, owner: str, *, durable: bool, loads_only: bool = False) -> LiveJob:
        """Queue an operation as a job.

        Args:
            operation: What to do.
            owner: For whom.
            durable: Keep it in the database.
            loads_only: Only load its model.

        Raises:
            SensoriumError: It is refused: see `Engine.submit`.
        """
        if isinstance(operation, ModelOperation) and operation.profile is None and self._options.profile is not None:
            operation = operation.model_copy(update={"profile": self._options.profile})
        require_unicode(operation.name, operation.model_dump())
        placement = place(operation, self._options, self._dispatcher.pool.gpus)
        if not loads_only:
            await self._media.check(operation, owner)
        if durable:
            operation = await self._media.without_data(operation, owner)
        job = Job(
            id=secrets.token_hex(12),
            owner=owner,
            operation=operation.name,
            arguments=operation.model_dump(mode="json"),
            state="queued",
            durable=durable,
            model=placement.key.name if placement.models else "",
            created=time.time(),
        )
        self._next_rank += 1
        live = LiveJob(job, operation, placement, self._next_rank)
        live.loads_only = loads_only
        self._dispatcher.add(live)
        self._records.hold(live)
        if durable:
            await self._insert(live)
        live.tell_state(self._dispatcher.queue.position(live) if not live.has_ended else None)
        if loads_only or not (self._media.needs_bringing(live) or self._strikes):
            live.media = {}
            self._dispatcher.wake()
        else:
            self._background(self.make_ready(live))
        return live

    async def make_ready(self, live: LiveJob) -> None:
        """Bring a job's media to where its worker finds them, and see whether it is known to kill workers."""
        try:
            files = await self._media.bring(live, here=bool(self._strikes))
            live.alone = await self._strikes.judge(live, files)
            live.media = files
        except Exception as error:
            if not isinstance(error, SensoriumError):
                logger.exception("the media of a job could not be brought")
            if not live.has_ended:
                self._dispatcher.drop(live, "failed", explained(error, remedy="Send it again"))
        if live.has_ended:
            self.clear_away(live)
        self._dispatcher.wake()

    def clear_away(self, job: LiveJob) -> None:
        """Delete the files that were put there for a job that had ended meanwhile."""
        if job.job.durable:
            self._media.release(job)
        elif self._records.find(job.id) is None:
            self._files.delete_job(job.id)

    async def _insert(self, live: LiveJob) -> None:
        try:
            await self._records.insert(live)
        except BaseException:
            live.change(durable=False)
            self._dispatcher.drop(live, "cancelled")
            raise
