"""The line to the keeper: what happens while it is away, and what it says is said again in the same words."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from ray.exceptions import RayActorError

from sensorium.cluster.serving.keeper_line import KeeperLine
from sensorium.cluster.serving.messages import TAKEN, answer, refusal, value_in
from sensorium.cluster.serving.remote_engine import RemoteEngine
from sensorium.engine.job import Job
from sensorium.engine.options import EngineOptions
from sensorium.errors import BusyError, ClosedError, NotFoundError, SensoriumError
from tests.refusals import refused

LOST = "lost"


class Handle:
    """A handle whose keeper answers as it is told: lines, `LOST` where it dies, None where nothing comes."""

    def __init__(self, *answers: list[str | None]) -> None:
        self._answers = list(answers)
        self.asked: list[dict[str, Any]] = []
        self.cancelled = 0
        self.ask = self

    def options(self, *, stream: bool) -> Handle:
        assert stream
        return self

    def remote(self, line: str) -> Lines:
        self.asked.append(json.loads(line))
        return Lines(self, self._answers.pop(0) if len(self._answers) > 1 else self._answers[0])


class Lines:
    def __init__(self, handle: Handle, lines: list[str | None]) -> None:
        self._handle, self._lines = handle, iter(lines)

    def __aiter__(self) -> AsyncIterator[str]:
        return self

    async def __anext__(self) -> str:
        line = next(self._lines, "")
        if line == "":
            raise StopAsyncIteration
        if line == LOST:
            raise RayActorError
        if line is None:
            await asyncio.Event().wait()
        assert line is not None
        return line

    def cancel(self) -> None:
        self._handle.cancelled += 1


def test_what_waits_for_a_keeper_is_answered_by_the_next_one() -> None:
    handle = Handle([LOST], [TAKEN, LOST], [TAKEN, answer(["a job"])])
    assert asyncio.run(KeeperLine(handle, patience=20).ask("jobs", limit=5)) == ["a job"]
    assert [each["arguments"] for each in handle.asked] == [{"limit": 5}] * 3


@pytest.mark.parametrize("nothing", [[LOST], [None]])
def test_nobody_waits_for_ever(nothing: list[str | None]) -> None:
    handle = Handle(nothing)
    with refused(ClosedError, "keeper"):
        asyncio.run(KeeperLine(handle, patience=0.3).ask("jobs"))
    assert handle.cancelled == len(handle.asked)


def test_what_must_not_be_done_twice_is_not_asked_again() -> None:
    handle = Handle([TAKEN, LOST])
    with refused(ClosedError, "keeper"):
        asyncio.run(KeeperLine(handle, patience=20).ask("submit"))
    assert len(handle.asked) == 1


def engine_with(handle: Handle) -> RemoteEngine:
    return RemoteEngine(KeeperLine(handle, patience=20), EngineOptions())


def test_events_go_on_after_the_last_one_that_was_heard() -> None:
    events = [answer({"id": number, "document": {"type": "note", "text": str(number)}}) for number in range(1, 5)]
    handle = Handle([TAKEN, *events[:2], LOST], [TAKEN, *events[2:]])

    async def heard() -> list[int]:
        return [event.id async for event in engine_with(handle).events("a-job")]

    assert asyncio.run(heard()) == [1, 2, 3, 4]
    assert [each["arguments"]["after"] for each in handle.asked] == [0, 2]


def test_a_job_that_went_with_its_keeper_is_told_as_such() -> None:
    gone = refusal(NotFoundError("There is no job 'a-job'", "List them"))
    with refused(ClosedError, "keeper"):
        asyncio.run(engine_with(Handle([TAKEN, LOST], [TAKEN, gone])).result("a-job"))
    with refused(NotFoundError, "a-job"):
        asyncio.run(engine_with(Handle([TAKEN, gone])).result("a-job"))


def test_whoever_stops_waiting_cancels_what_waits_at_the_keeper() -> None:
    handle = Handle([TAKEN, None])

    async def wait() -> None:
        waiting = asyncio.ensure_future(engine_with(handle).result("a-job"))
        while not handle.asked:
            await asyncio.sleep(0)
        await asyncio.sleep(0.05)
        waiting.cancel()
        await asyncio.wait({waiting})

    asyncio.run(wait())
    assert handle.cancelled == 1


def error_told(error: SensoriumError) -> SensoriumError:
    with pytest.raises(SensoriumError) as told:
        value_in(refusal(error))
    return told.value


@pytest.mark.parametrize("kind", [NotFoundError, ClosedError, lambda *words: BusyError(*words, 17)])
def test_errors_are_raised_again_as_they_were(kind: Callable[..., SensoriumError]) -> None:
    error = kind("There is no such thing", "List what there is")
    error.param, error.code = "after", "no_such_thing"
    told = error_told(error)
    assert type(told) is type(error)
    assert (str(told), told.param, told.code) == (str(error), "after", "no_such_thing")
    assert getattr(told, "retry_after", None) == getattr(error, "retry_after", None)


def test_a_job_comes_as_it_is() -> None:
    job = Job("a-job", "anna", "caption", {"image": "upload:1"}, "done", result={"text": "a cat", "scores": [0.5]})
    assert Job.from_dict(value_in(answer(job))) == job
