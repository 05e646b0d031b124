"""Fetching checkpoints for whoever listens: it stops when they go."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import AsyncIterator
from functools import partial
from typing import Protocol

from sensorium.engine.job import JobEvent
from sensorium.errors import BusyError, InputError
from sensorium.image_generation.ip_adapter import adapter_on_the_hub
from sensorium.models import catalog, store
from sensorium.models.catalog import Checkpoint
from sensorium.models.lora_names import LORA, hub_lora
from sensorium.operations.events import event_document
from sensorium.progress import Progress

_HUB_ID = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")
_AT_ONCE = 2
_WAITING_REPORTS = 16


class Pulling(Protocol):
    """Fetches checkpoints, wherever that is done."""

    async def begin(self, name: str, *, convert_pickle: bool = False) -> AsyncIterator[JobEvent]:
        """Return the events of fetching a checkpoint and those that it needs; closing the iterator stops it.

        Args:
            name: Of the checkpoint.
            convert_pickle: Whether pickled weights may be fetched and converted, where the catalog names some.

        Raises:
            InputError: This is no name of a checkpoint.
            BusyError: Others are being fetched.
        """


class Puller:
    """Fetches checkpoints onto this machine, few at a time: see `Pulling`."""

    def __init__(self) -> None:
        self._busy = 0

    async def begin(self, name: str, *, convert_pickle: bool = False) -> AsyncIterator[JobEvent]:
        """Return the events of fetching a checkpoint: see `Pulling.begin`."""
        checkpoints = known(name)
        if self._busy >= _AT_ONCE:
            raise BusyError(f"{self._busy} checkpoints are being fetched already", "Ask again later", 30)
        return self._events(checkpoints, convert_pickle)

    async def _events(self, checkpoints: list[Checkpoint], convert_pickle: bool) -> AsyncIterator[JobEvent]:
        self._busy += 1
        number = 0
        try:
            for checkpoint in checkpoints:
                async for report in _fetching(checkpoint, convert_pickle):
                    number += 1
                    yield JobEvent(number, event_document(report))
            yield JobEvent(number + 1, {"type": "ended", "models": [each.name for each in checkpoints]})
        finally:
            self._busy -= 1


def known(name: str) -> list[Checkpoint]:
    """Return a checkpoint of the catalog or the hub, and those that it needs beside it; never a folder or an address.

    Raises:
        InputError: This is no such name, or several entries of the catalog have it.
        ModelUnavailableError: It names a pickle.
    """
    entry = catalog.find(name)
    is_lora = name.startswith(LORA) and hub_lora(name) is not None
    with catalog.names_only():
        if entry is None and ".." not in name.split("/"):
            entry = adapter_on_the_hub(name)
        if entry is None and (is_lora or _HUB_ID.fullmatch(name)):
            entry = catalog.resolve(name, task=catalog.ANY_TASK)
    if entry is not None:
        return [entry, *map(catalog.named, entry.companions)]
    raise InputError(f"{name[:100]!r} names no checkpoint of the catalog or the hub", "/v1/sensorium/models lists them")


async def _fetching(checkpoint: Checkpoint, convert_pickle: bool) -> AsyncIterator[Progress]:
    loop = asyncio.get_running_loop()
    reports: asyncio.Queue[Progress | None] = asyncio.Queue()
    stop = threading.Event()

    def keep(report: Progress) -> None:
        if reports.qsize() < _WAITING_REPORTS:
            reports.put_nowait(report)

    def progress(report: Progress) -> None:
        loop.call_soon_threadsafe(keep, report)

    fetch = partial(store.locate, checkpoint, progress=progress, cancel=stop, convert_pickle=convert_pickle)
    work = asyncio.ensure_future(asyncio.to_thread(fetch))
    work.add_done_callback(lambda _: reports.put_nowait(None))
    try:
        while (report := await reports.get()) is not None:
            yield report
        work.result()
    finally:
        stop.set()
        await asyncio.wait({work})
        work.exception()  # that it was stopped is no news; unasked, asyncio logs it
