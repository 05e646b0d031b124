"""Readers of a job's events get each one once, whenever they come and however slow they are."""

from __future__ import annotations

import asyncio
from typing import Any

from sensorium.engine.job import JobEvent
from sensorium.engine.live_job import LiveJob
from tests.engine.live_jobs import live_job


def progress(done: int) -> dict[str, Any]:
    return {"type": "progress", "stage": "painting", "done": done, "total": 9, "unit": "steps"}


def piece(text: str) -> dict[str, Any]:
    return {"type": "piece", "text": text}


async def read(job: LiveJob, after: int = 0) -> list[JobEvent]:
    return [event async for event in job.read(after)]


def told(events: list[JobEvent]) -> list[str]:
    return [str(event.document.get("text") or event.document.get("done") or event.document["type"]) for event in events]


def test_events_come_in_order_and_end_with_the_job() -> None:
    async def story() -> list[JobEvent]:
        job = live_job()
        reader = asyncio.create_task(read(job))
        for text in "abc":
            job.tell(piece(text))
            await asyncio.sleep(0)
        job.end(state="done", result={"text": "abc"})
        return await reader

    events = asyncio.run(story())
    assert told(events) == ["a", "b", "c", "ended"]
    assert events[-1].document["job"]["result"] == {"text": "abc"}


def test_a_reader_who_lost_the_connection_goes_on_after_the_last_event() -> None:
    async def story() -> tuple[list[JobEvent], list[JobEvent]]:
        job = live_job()
        for text in "abcd":
            job.tell(piece(text))
        job.end(state="done")
        every = await read(job)
        return every, await read(job, after=every[1].id)

    every, rest = asyncio.run(story())
    assert rest == every[2:]


def test_of_past_progress_only_the_latest_is_told() -> None:
    async def story() -> list[str]:
        job = live_job()
        for done in range(1, 8):
            job.tell(progress(done))
        job.tell(piece("a"))
        events = job.read(0)
        seen = [await anext(events), await anext(events)]
        job.end(state="done")
        assert job.job.progress is not None
        assert job.job.progress["done"] == 7
        return told([*seen, *[event async for event in events]])

    assert asyncio.run(story()) == ["7", "a", "ended"]


def test_a_slow_reader_loses_nothing_but_progress() -> None:
    async def story() -> list[str]:
        job = live_job()
        events = job.read(0)
        job.tell(piece("0"))
        seen = [await anext(events)]
        for number in range(1, 500):
            job.tell(progress(number))
            job.tell(piece(str(number)))
        job.end(state="done")
        return told([*seen, *[event async for event in events]])

    assert asyncio.run(story()) == [*map(str, range(500)), "ended"]


def test_all_who_wait_are_told_the_end() -> None:
    async def story() -> list[str]:
        job = live_job()
        waiting = [asyncio.create_task(job.wait()) for _ in range(20)]
        await asyncio.sleep(0)
        job.tell(piece("a"))
        await asyncio.sleep(0)
        job.end(state="cancelled")
        return [ended.state for ended in await asyncio.gather(*waiting)]

    assert asyncio.run(story()) == ["cancelled"] * 20
