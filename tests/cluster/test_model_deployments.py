"""Models as deployments of Ray Serve behind the engine's own queue: what is asked is answered, cancelled, survived."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from sensorium.cluster.serving.applications import application_name, gpu_fraction, states
from sensorium.cluster.serving.deployment_pool import deployment_pool
from sensorium.cluster.serving.model_options import ModelDeploymentOptions
from sensorium.cluster.serving.passes import Pass
from sensorium.cluster.serving.program import warn_of_small_machines
from sensorium.engine.engine import LocalEngine
from sensorium.engine.job import Job, ModelState
from sensorium.engine.options import STARTER, EngineOptions
from sensorium.engine.placement import WorkerKey
from sensorium.engine.wire import Run
from sensorium.errors import BusyError
from sensorium.media.audio import read_audio
from sensorium.media.audio_writer import write_audio
from sensorium.operations.operation import Operation
from sensorium.server.options import ServerOptions
from tests import real_media
from tests.engine.engines import done, operation, running_engine, sent, until
from tests.refusals import refused

CAT = real_media.photo("chelsea")
NAME = "tested"
LEFT = f"{NAME}-model-left"
MANY_STEPS = 500


@pytest.fixture(scope="module")
def ray_folder() -> Iterator[Path]:
    """A folder for Ray: with a short path, because sockets lie in it."""
    folder = Path(tempfile.mkdtemp(prefix="r"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def local_ray(ray_folder: Path) -> Iterator[None]:
    """Ray on this machine, with more CPUs than it has: nothing here waits for one."""
    import ray
    from ray import serve

    ray.init(
        address="local",
        num_cpus=8,
        include_dashboard=False,
        object_store_memory=100_000_000,
        log_to_driver=False,
        logging_level="error",
        _temp_dir=str(ray_folder),
    )
    try:
        serve.start(proxy_location="Disabled")
        yield
        serve.shutdown()
    finally:
        ray.shutdown()


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture(scope="module")
def left_behind(local_ray: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Leave an application as of an engine that was killed; it works until a file `free` lies in the folder."""
    from ray import serve

    folder = tmp_path_factory.mktemp("left")
    begun, free = folder / "begun", folder / "free"

    class Working:
        async def __call__(self) -> None:
            begun.touch()
            while not free.exists():
                await asyncio.sleep(0.1)

    options: dict[str, Any] = {"graceful_shutdown_timeout_s": 600, "ray_actor_options": {"num_cpus": 0}}
    made: Any = serve.deployment(Working)
    serve.run(made.options(**options).bind(), name=LEFT, route_prefix=None).remote()
    while not begun.exists():
        time.sleep(0.1)
    return folder


def test_too_small_machines_are_told_of(local_ray: None, caplog: pytest.LogCaptureFixture) -> None:
    warn_of_small_machines(ServerOptions(model_cpus=8))
    assert caplog.text == ""
    warn_of_small_machines(ServerOptions(model_cpus=64))
    assert "64 CPUs" in caplog.text


@pytest.fixture(scope="module")
def engine(
    local_ray: None, left_behind: Path, runner: asyncio.Runner, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LocalEngine]:
    """The engine whose models are deployments, one replica each."""
    options = EngineOptions(
        data=tmp_path_factory.mktemp("engine"), time_to_live=4.0, cancel_grace=2.0, queue=6, batch_wait=0.1
    )
    engine = LocalEngine(options, pool=deployment_pool(ModelDeploymentOptions(name=NAME, replicas=1)))
    runner.run(engine.start())
    try:
        yield engine
    finally:
        (left_behind / "free").touch()
        runner.run(engine.close())
    assert states(NAME) == {}


@pytest.fixture
def run(runner: asyncio.Runner) -> Any:
    """Run a story in the engine's loop."""

    def run(story: Coroutine[Any, Any, None]) -> None:
        runner.run(asyncio.wait_for(story, 300))

    return run


@pytest.fixture(scope="module")
def talk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Speech that takes long to write down."""
    path = tmp_path_factory.mktemp("talk") / "talk.wav"
    clip = min((clip.path for clip in real_media.speech_clips("en")), key=lambda each: each.stat().st_size)
    write_audio(np.tile(read_audio(clip), 400), path, 16_000)
    return path


async def classify(engine: LocalEngine) -> Operation:
    upload = await sent(engine, CAT)
    return operation("classify", image=f"upload:{upload.id}", labels=["cat", "dog", "car"])


def paint(steps: int, **more: Any) -> Operation:
    return operation("imagine", prompt="a red apple on a table", steps=steps, seed=7, **more)


async def asked_for_all(engine: LocalEngine) -> list[Job]:
    """Ask for a bit of everything; the answers are to be the same wherever an engine works."""
    clip = min((clip.path for clip in real_media.speech_clips("en")), key=lambda each: each.stat().st_size)
    speech = await sent(engine, clip)
    operations = [
        await classify(engine),
        operation("embed", texts=["a cat", "a dog"]),
        operation("transcribe", audio=f"upload:{speech.id}"),
    ]
    return [await done(engine, each) for each in operations]


def states_of(engine: LocalEngine) -> list[ModelState]:
    return [worker.state() for worker in engine.dispatcher.pool]


async def pictures_of(engine: LocalEngine, job: Job) -> list[bytes]:
    return [(await engine.artifact(job.id, each.name))[0].read_bytes() for each in job.artifacts]


async def pid_of(engine: LocalEngine) -> int:
    """Return the process of the only replica, once the engine knows it."""
    return int(await until(lambda: next((model.pid for model in states_of(engine)), 0)))


async def painting(engine: LocalEngine) -> Job:
    """Submit a picture of many steps; return once some are done."""
    job = await engine.submit(paint(MANY_STEPS))
    async for event in engine.events(job.id):
        told = event.document
        if told["type"] == "progress" and told["total"] == MANY_STEPS and told["done"]:
            return job
    raise AssertionError("it has ended")


def counted(engine: LocalEngine, name: str) -> float:
    return sum(float(line.split()[-1]) for line in engine.metrics.text().decode().splitlines() if line.startswith(name))


def test_answers_are_those_of_the_local_engine(engine: LocalEngine, run: Any, tmp_path: Path) -> None:
    async def story() -> None:
        async with running_engine(tmp_path, preload=False) as local:
            expected = await asked_for_all(local)
        got = await asked_for_all(engine)
        assert [(job.state, job.model, job.attempts) for job in got] == [("done", STARTER, 1)] * 3
        assert got[0].result == expected[0].result
        assert got[1].result is not None
        assert expected[1].result is not None
        np.testing.assert_allclose(got[1].result["vectors"], expected[1].result["vectors"], atol=1e-5)
        assert got[2].result is not None
        assert expected[2].result is not None
        assert got[2].result["text"] == expected[2].result["text"]
        (model,) = states_of(engine)
        assert (model.name, model.state, model.replicas) == (STARTER, "idle", 1)
        assert psutil.pid_exists(await pid_of(engine))
        assert counted(engine, "sensorium_replicas") == 1
        health = await engine.health()
        assert [worker.alive for worker in health.workers] == [True]
        assert health.workers[0].seconds is not None

    run(story())


def test_what_an_engine_that_was_killed_has_left_is_not_waited_for(engine: LocalEngine, run: Any) -> None:
    async def story() -> None:
        await done(engine, await classify(engine))
        assert LEFT in states(NAME), "it goes when it can"

    run(story())


def test_many_requests_go_through_the_model_together(engine: LocalEngine, run: Any) -> None:
    async def story() -> None:
        before = counted(engine, "sensorium_batch_size_count")
        await engine.pause()
        jobs = [await engine.submit(operation("embed", texts=[f"{number} cats"]), durable=False) for number in range(6)]
        with refused(BusyError, "full"):
            await engine.submit(operation("embed", texts=["one too many"]))
        await engine.resume()
        ended = [await engine.result(job.id) for job in jobs]
        assert [job.state for job in ended] == ["done"] * 6
        assert counted(engine, "sensorium_batch_size_count") - before == 1

    run(story())


def test_steps_are_told_while_a_picture_is_painted_and_cancelling_reaches_them(engine: LocalEngine, run: Any) -> None:
    async def story() -> None:
        job = await painting(engine)
        assert (await engine.job(job.id)).state == "running"
        pid = await pid_of(engine)
        assert (await engine.cancel(job.id)).state == "cancelled"
        assert (await done(engine, await classify(engine))).state == "done"
        assert await pid_of(engine) == pid, "the picture wasn't let go of, and its process had to end"
        waiting = await engine.submit(paint(2))
        last = await engine.submit(paint(2))
        assert (await engine.cancel(last.id)).state == "cancelled"
        painted = await engine.result(waiting.id)
        assert painted.state == "done"
        assert [picture.startswith(b"\x89PNG") for picture in await pictures_of(engine, painted)] == [True]

    run(story())


def test_a_replica_that_does_not_let_go_is_ended_and_its_other_calls_run_again(
    engine: LocalEngine, run: Any, talk: Path
) -> None:
    async def story() -> None:
        upload = await sent(engine, talk)
        other = await engine.submit(operation("transcribe", audio=f"upload:{upload.id}"))
        job = await painting(engine)
        pid = await pid_of(engine)
        os.kill(pid, signal.SIGSTOP)
        assert (await engine.cancel(job.id)).state == "cancelled"
        await until(lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
        again = await until_running(engine, other, attempts=2)
        assert again.error is None
        assert (await engine.cancel(other.id)).state == "cancelled"

    run(story())


async def until_running(engine: LocalEngine, job: Job, *, attempts: int) -> Job:
    while True:
        now = await engine.job(job.id)
        if now.attempts == attempts and now.state == "running":
            return now
        assert now.state in ("queued", "running"), now
        await asyncio.sleep(0.05)


def test_a_killed_replica_fails_its_call_and_the_next_gets_a_fresh_one(engine: LocalEngine, run: Any) -> None:
    async def story() -> None:
        job = await painting(engine)
        pid = await pid_of(engine)
        os.kill(pid, signal.SIGKILL)
        ended = await engine.result(job.id)
        assert ended.state == "failed"
        assert ended.error is not None
        assert ended.error["type"] == "WorkerLostError"
        assert (await done(engine, await classify(engine))).state == "done"
        assert await pid_of(engine) != pid

    run(story())


def test_a_model_goes_when_nobody_asks_and_comes_back_with_the_next_request(engine: LocalEngine, run: Any) -> None:
    async def story() -> None:
        asked = await classify(engine)
        await timed(engine, asked)
        warm = await timed(engine, asked)
        pid = await pid_of(engine)
        memory = psutil.Process(pid).memory_info().rss
        begun = time.monotonic()
        await until(lambda: states_of(engine)[0].replicas == 0)
        gone = time.monotonic() - begun
        await until(lambda: not psutil.pid_exists(pid))
        await until(lambda: states_of(engine)[0].pid == 0)
        (model,) = states_of(engine)
        assert (model.state, model.pid, model.memory) == ("idle", 0, 0)
        assert (await engine.health()).status == "ok"
        cold = await timed(engine, asked)
        assert await pid_of(engine) != pid
        print(
            f"\nwarm {warm:.3f} s; a process of {memory / 1e6:.0f} MB, after {gone:.1f} s without work none; "
            f"the next request {cold:.2f} s"
        )

    run(story())


async def timed(engine: LocalEngine, asked: Operation) -> float:
    begun = time.monotonic()
    assert (await done(engine, asked)).state == "done"
    return time.monotonic() - begun


def test_a_model_is_unloaded_and_pinned(engine: LocalEngine, run: Any) -> None:
    async def story() -> None:
        loaded = await engine.load(operation("embed", texts=["a cat"]))
        assert loaded.name == STARTER
        assert (await engine.pin(STARTER)).pinned
        pid = await pid_of(engine)
        await engine.unload(STARTER)
        assert states_of(engine) == []
        assert not psutil.pid_exists(pid)

    run(story())


@pytest.mark.parametrize(
    ("needed", "fraction"), [(1, 0.01), (800_000_000, 0.01), (800_000_001, 0.02), (40_000_000_000, 0.5), (10**12, 1.0)]
)
def test_a_model_takes_hundredths_of_a_gpu(needed: int, fraction: float) -> None:
    assert gpu_fraction(needed, 80_000_000_000) == fraction


def test_no_two_deployments_have_one_name() -> None:
    key = WorkerKey("a/b+c d", "cuda:0", "auto", "int8")
    first, second = application_name("s-model-", key), application_name("s-model-", key)
    assert first != second
    assert first.startswith("s-model-a-b-c-d-cuda-0-int8-")


def test_what_serve_has_no_room_for_waits_in_our_queue() -> None:
    from ray.exceptions import ActorDiedError
    from ray.serve.exceptions import BackPressureError

    sent = Pass(Run(()), "")
    sent.unfinished = {"a"}
    assert sent.end_of(BackPressureError(5, 5)) == "refused"
    assert sent.end_of(ActorDiedError()) == "refused", "no replica had it"
    sent.begun = True
    assert sent.end_of(BackPressureError(5, 5)) == "lost"
