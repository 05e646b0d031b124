"""Answers the requests of batches in the background, few at a time; a batch outlives the server."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import secrets
import shutil
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from starlette.types import ASGIApp

from sensorium.engine.interface import Engine
from sensorium.errors import BusyError, InputError, NotFoundError, SensoriumError
from sensorium.server.errors import error_body, unexpected
from sensorium.server.inside import ask_inside
from sensorium.server.openai.batch import Batch, BatchFolder, Status
from sensorium.server.openai.batch_lines import BatchLine, LineError, check_lines, read_lines
from sensorium.server.openai.files import BATCH_OUTPUT
from sensorium.server.options import ServerOptions

logger = logging.getLogger("sensorium.server")

Value = TypeVar("Value")

_AT_ONCE = 2
"""How many requests of all batches are under way: one works and one waits, so that others hardly wait for them."""
_MOST_UNFINISHED = 100
_LONGEST_PAUSE = 60.0
_PIECE = 1 << 20
_EXPIRED = {"code": "batch_expired", "message": "The batch expired before this request was answered."}


class BatchRunner:
    """The batches of a server.

    Args:
        engine: Keeps files.
        options: Limits.
        application: Answers requests from inside.
    """

    def __init__(self, engine: Engine, options: ServerOptions, application: ASGIApp) -> None:
        self._engine, self._options, self._application = engine, options, application
        self._batches: dict[str, Batch] = {}
        self._folders: dict[str, BatchFolder] = {}
        self._runs: dict[str, asyncio.Task[None]] = {}
        self._asking: dict[str, asyncio.Future[None]] = {}
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._disk = ThreadPoolExecutor(1, "batches")

    async def start(self) -> None:
        """Take up the batches that an earlier server left unfinished."""
        for name, (batch, folder) in (await self._on_disk(self._read_all)).items():
            self._batches[name], self._folders[name] = batch, folder
        await self._forget_old()
        for batch in self._batches.values():
            if not batch.is_over:
                self._begin(batch)

    async def close(self) -> None:
        """Stop: what isn't answered yet is asked again by the next server."""
        runs = list(self._runs.values())
        for run in runs:
            run.cancel()
        await asyncio.gather(*runs, return_exceptions=True)
        self._disk.shutdown()

    async def create(self, batch: Batch) -> Batch:
        """Take a new batch: see `Batches.create`."""
        requests = await self._engine.upload_file(batch.input_file, owner=batch.owner)
        await self._forget_old()
        unfinished = sum(not each.is_over and each.owner == batch.owner for each in self._batches.values())
        if unfinished >= _MOST_UNFINISHED:
            raise BusyError(f"{unfinished} batches aren't over yet", "Send it once one of them is", 60)
        folder = BatchFolder(self._engine.folder_of("batches") / batch.id)

        def keep() -> None:
            folder.save(batch)
            _link(requests, folder.requests)

        await self._on_disk(keep)
        self._batches[batch.id], self._folders[batch.id] = batch, folder
        self._begin(batch)
        return batch

    async def batch(self, name: str, owner: str | None) -> Batch:
        """Return a batch as it is now: see `Batches.batch`."""
        return self._batch(name, owner)

    def _batch(self, name: str, owner: str | None) -> Batch:
        found = self._batches.get(name)
        if found is None or owner not in (None, found.owner):
            raise NotFoundError(f"There is no batch {name[:100]!r}", "/v1/batches lists those there are")
        if found.is_over:
            return found
        completed, failed = self._folders[name].counts
        return replace(found, completed=completed, failed=failed)

    async def batches(self, owner: str | None, *, after: str | None, limit: int) -> list[Batch]:
        """Return batches, the newest first: see `Batches.batches`."""
        mine = [each for each in self._batches.values() if owner in (None, each.owner)]
        mine.sort(key=lambda each: (each.moments["created"], each.id), reverse=True)
        names = [each.id for each in mine]
        start = 0 if after is None else names.index(self._batch(after, owner).id) + 1
        return [self._batch(name, owner) for name in names[start : start + limit]]

    async def cancel(self, name: str, owner: str | None) -> Batch:
        """Give a batch up: see `Batches.cancel`."""
        batch = self._batch(name, owner)
        if batch.is_over:
            raise InputError(f"The batch {name} is {batch.status} already", "Cancel one that isn't over")
        if batch.status in ("validating", "in_progress"):
            await self._become(name, "cancelling")
            if name in self._asking:
                self._asking[name].cancel()
        return self._batch(name, owner)

    def _begin(self, batch: Batch) -> None:
        run = asyncio.ensure_future(self._run(batch.id))
        self._runs[batch.id] = run
        run.add_done_callback(lambda _: self._runs.pop(batch.id, None))

    async def _run(self, name: str) -> None:
        try:
            if self._batches[name].status == "validating":
                await self._check(name)
            if self._batches[name].status == "in_progress":
                await self._ask_until_over(name)
            if self._batches[name].status == "cancelling":
                await self._finish(name, "cancelled")
            if self._batches[name].status == "finalizing":
                await self._finish(name, "completed")
        except SensoriumError as error:
            await self._fail(name, [LineError(None, "server_error", str(error))])
        except Exception:
            logger.exception("batch %s failed", name)
            await self._fail(name, [LineError(None, "server_error", str(unexpected()))])

    async def _check(self, name: str) -> None:
        batch, folder = self._batches[name], self._folders[name]
        total, errors = await self._on_disk(
            lambda: check_lines(folder.requests, batch.endpoint, self._options.largest_body)
        )
        if errors:
            await self._fail(name, errors)
        elif self._batches[name].status == "validating":
            await self._become(name, "in_progress", total=total)

    async def _ask_until_over(self, name: str) -> None:
        asking = self._asking[name] = asyncio.ensure_future(self._ask_all(name))
        try:
            await asyncio.wait({asking}, timeout=max(0.0, self._batches[name].expires - time.time()))
        finally:
            asking.cancel()
            await asyncio.wait({asking})
            del self._asking[name]
        if not asking.cancelled():
            asking.result()
            await self._become(name, "finalizing")
        elif self._batches[name].status != "cancelling":
            await self._on_disk(lambda: self._give_up(name))
            await self._finish(name, "expired")

    async def _ask_all(self, name: str) -> None:
        lines, one_at_a_time = read_lines(self._folders[name].requests), asyncio.Lock()

        async def work() -> None:
            while True:
                async with one_at_a_time:
                    line = await self._on_disk(lambda: self._next(name, lines))
                if line is None:
                    return
                async with self._turns:
                    answer, failed = await self._answer(self._batches[name], line)
                await self._on_disk(lambda answer=answer, failed=failed: self._add(name, answer, failed))  # type: ignore[misc]

        async with asyncio.TaskGroup() as group:
            for _ in range(_AT_ONCE):
                group.create_task(work())

    def _next(self, name: str, lines: Iterator[BatchLine]) -> BatchLine | None:
        folder = self._folders[name]
        return next((line for line in lines if not folder.is_answered(line.custom_id)), None)

    def _add(self, name: str, answer: Mapping[str, Any], failed: bool) -> None:
        self._folders[name].add(answer, failed=failed)

    def _give_up(self, name: str) -> None:
        """Write down the requests that were not answered in time."""
        lines = read_lines(self._folders[name].requests)
        while (line := self._next(name, lines)) is not None:
            self._add(name, _written(line, None, _EXPIRED), True)

    async def _answer(self, batch: Batch, line: BatchLine) -> tuple[dict[str, Any], bool]:
        """Return what is written down for a request, and whether it failed."""
        for field in ("stream", "background"):
            if line.body.get(field):
                error = InputError(f"Requests of a batch have no {field!r}", "Leave it out")
                error.param = field
                return _written(line, (400, _request_id(), error_body(error, 400)), None), True
        body = json.dumps(line.body).encode()
        while True:
            try:
                found = await ask_inside(
                    self._application, batch.endpoint, body, owner=batch.owner, address=batch.address
                )
            except Exception:
                logger.exception("a request of the batch %s failed", batch.id)
                return _written(line, (500, _request_id(), error_body(unexpected(), 500)), None), True
            if "retry-after" not in found.headers:
                response = (found.status, _request_id(), json.loads(found.body))
                return _written(line, response, None), not 200 <= found.status < 300
            await asyncio.sleep(min(float(found.headers["retry-after"]), _LONGEST_PAUSE))

    async def _finish(self, name: str, status: Status) -> None:
        """Make files of the answers, and end the batch."""
        batch, folder = self._batches[name], self._folders[name]
        counts = await self._on_disk(lambda: folder.counts)
        now = time.time()
        expires = None if batch.output_life is None else now + batch.output_life
        files = ["", ""]
        for number, kind in enumerate(("output", "error")):
            if counts[number]:
                upload = await self._engine.receive(
                    self._pieces(folder.journal(bool(number))),
                    name=f"{name}_{kind}.jsonl",
                    owner=batch.owner,
                    purpose=BATCH_OUTPUT,
                    expires=expires,
                )
                files[number] = upload.id
        completed, failed = counts
        await self._become(name, status, output_file=files[0], error_file=files[1], completed=completed, failed=failed)
        await self._on_disk(folder.forget_lines)

    async def _fail(self, name: str, errors: list[LineError]) -> None:
        await self._become(name, "failed", errors=tuple(error.to_dict() for error in errors))
        await self._on_disk(self._folders[name].forget_lines)

    async def _become(self, name: str, status: Status, **changes: Any) -> None:
        batch = self._batches[name].become(status, time.time(), **changes)
        self._batches[name] = batch
        await self._on_disk(lambda: self._folders[name].save(batch))

    async def _pieces(self, path: Path) -> AsyncIterator[bytes]:
        with path.open("rb") as file:
            while piece := await self._on_disk(lambda: file.read(_PIECE)):
                yield piece

    async def _on_disk(self, work: Callable[[], Value]) -> Value:
        """Do something with files; one thing after the other, even if nobody waits for it any more."""
        return await asyncio.get_running_loop().run_in_executor(self._disk, work)

    def _read_all(self) -> dict[str, tuple[Batch, BatchFolder]]:
        found = {}
        for path in sorted(self._engine.folder_of("batches").iterdir()):
            folder = BatchFolder(path)
            try:
                found[path.name] = folder.load(), folder
            except (OSError, ValueError, SensoriumError) as error:
                logger.warning("the batch %s can't be read: %s", path.name, error)
        return found

    async def _forget_old(self) -> None:
        oldest = time.time() - self._options.keep_seconds
        for batch in list(self._batches.values()):
            if batch.is_over and max(batch.moments.values()) < oldest:
                await self._on_disk(self._folders.pop(batch.id).delete)
                del self._batches[batch.id]


def _written(line: BatchLine, response: tuple[int, str, Any] | None, error: Mapping[str, str] | None) -> dict[str, Any]:
    """Return the line of a file of answers."""
    told = None if response is None else dict(zip(("status_code", "request_id", "body"), response, strict=True))
    return {
        "id": f"batch_req_{secrets.token_hex(12)}",
        "custom_id": line.custom_id,
        "response": told,
        "error": error,
    }


def _request_id() -> str:
    return f"req-{secrets.token_hex(12)}"


def _link(origin: Path, target: Path) -> None:
    """Keep a file under another name too: it stays if the other is deleted."""
    try:
        os.link(origin, target)
    except FileExistsError:
        pass
    except OSError:
        shutil.copyfile(origin, target)
