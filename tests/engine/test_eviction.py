"""Models make room for each other: real checkpoints, loaded by real workers, under a budget that holds one or two."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from sensorium.engine.engine import LocalEngine
from sensorium.engine.job import Job
from sensorium.engine.worker_process import clean_parent
from sensorium.errors import InsufficientMemoryError
from tests import real_media
from tests.checkpoints.clip import tiny_clip
from tests.engine.engines import done, loaded, operation, running_engine, sent, until
from tests.refusals import refused

NAMES = ("tests/first-clip", "tests/second-clip", "tests/third-clip")
GIGABYTE = 1_000_000_000
EACH = {name: {"memory": GIGABYTE} for name in NAMES}


@pytest.fixture(scope="module", autouse=True)
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A hub cache with three checkpoints, for this process and the workers of it."""
    from huggingface_hub import constants

    cache = tmp_path_factory.mktemp("hub")
    commit = "0123456789abcdef0123456789abcdef01234567"
    for number, name in enumerate(NAMES):
        kept = cache / f"models--{name.replace('/', '--')}"
        tiny_clip(kept / "snapshots" / commit, seed=number)
        (kept / "refs").mkdir()
        (kept / "refs" / "main").write_text(commit)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_HUB_CACHE", str(cache))
        patch.setattr(constants, "HF_HUB_CACHE", str(cache))
        clean_parent.end()  # the next one knows this cache
        yield
    clean_parent.end()


def run(story: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(story, 300))


async def embed(engine: LocalEngine, model: str) -> Job:
    job = await done(engine, operation("embed", texts=["a cat"], model=model))
    assert (job.state, job.error) == ("done", None)
    return job


def names_of_loaded(engine: LocalEngine) -> list[str]:
    return sorted(model.name for model in loaded(engine))


def test_the_one_used_least_recently_goes_and_is_gone_before_the_next_one_comes(tmp_path: Path) -> None:
    async def story() -> None:
        async with running_engine(tmp_path, memory=2 * GIGABYTE + 1, models=EACH) as engine:
            first, second, third = NAMES
            await embed(engine, first)
            await embed(engine, second)
            assert names_of_loaded(engine) == sorted([first, second])
            # What was measured is far below what was declared: all three would fit. Hold them to what was declared.
            for worker in engine.dispatcher.pool:
                worker.memory = {"main": GIGABYTE}
            pids = {model.name: model.pid for model in loaded(engine)}
            await embed(engine, first)
            await embed(engine, third)
            assert names_of_loaded(engine) == sorted([first, third])
            assert not psutil.pid_exists(pids[second])
            assert psutil.pid_exists(pids[first])

    run(story())


def test_what_is_pinned_or_at_work_stays_and_the_others_wait(tmp_path: Path) -> None:
    async def story() -> None:
        models = {**EACH, NAMES[0]: {"memory": GIGABYTE, "pinned": True}}
        async with running_engine(tmp_path, memory=GIGABYTE + GIGABYTE // 2, models=models) as engine:
            await embed(engine, NAMES[0])
            next(iter(engine.dispatcher.pool)).memory = {"main": GIGABYTE}
            with refused(InsufficientMemoryError, NAMES[1], "pinned"):
                await engine.submit(operation("embed", texts=["a cat"], model=NAMES[1]))
            await engine.pin(NAMES[0], False)
            await embed(engine, NAMES[1])
            assert names_of_loaded(engine) == [NAMES[1]]

    run(story())


def test_declared_sizes_are_corrected_by_what_is_measured(tmp_path: Path) -> None:
    async def story() -> None:
        async with running_engine(tmp_path, memory=2 * GIGABYTE - 1, models=EACH) as engine:
            await embed(engine, NAMES[0])
            await until(lambda: loaded(engine)[0].memory < GIGABYTE)
            await embed(engine, NAMES[1])
            assert names_of_loaded(engine) == sorted(NAMES[:2]), "both fit, by what they really take"

    run(story())


def test_many_models_take_turns_and_everything_is_answered(tmp_path: Path) -> None:
    async def story() -> None:
        async with running_engine(tmp_path, memory=GIGABYTE + 1, models=EACH) as engine:
            asked = [operation("embed", texts=[f"cat {number}"], model=NAMES[number % 3]) for number in range(9)]
            jobs = [await engine.submit(each) for each in asked]
            ended = await asyncio.gather(*(engine.result(job.id) for job in jobs))
            assert {job.state for job in ended} == {"done"}
            assert {job.result["model"] for job in ended if job.result} == set(NAMES)

    run(story())


def test_each_model_has_a_process_and_small_ones_share_one(tmp_path: Path) -> None:
    async def story() -> None:
        async with running_engine(tmp_path) as engine:
            upload = await sent(engine, real_media.photo("chelsea"))
            await embed(engine, NAMES[0])
            await done(engine, operation("classify", image=f"upload:{upload.id}", labels=["cat"]))
            await done(engine, operation("speak", text="Good morning."))
            assert names_of_loaded(engine) == ["starter", NAMES[0]]
            assert len({model.pid for model in loaded(engine)}) == 2

    run(story())
