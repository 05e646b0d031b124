"""Recordings sent to the engine at once: short ones go through the recogniser together, and nobody pays for another."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sensorium.engine.engine import LocalEngine
from sensorium.engine.job import Job
from sensorium.engine.worker_process import clean_parent
from sensorium.media.audio import write_audio
from tests import real_media
from tests.engine.engines import done, loaded, operation, running_engine, sent, until
from tests.speech.conftest import joined_clips

SHORT = [clip.path for clip in real_media.speech_clips("en")[:5]]


@pytest.fixture(autouse=True)
def one_clean_parent() -> Iterator[None]:
    clean_parent.start()
    yield
    clean_parent.end()


@pytest.fixture
def talk(tmp_path: Path) -> Path:
    return write_audio(joined_clips("en")[0][: 45 * 16_000], tmp_path / "talk.flac", 16_000)


async def submitted(engine: LocalEngine, paths: list[Path], **fields: Any) -> list[Job]:
    """Submit recordings that wait until the engine goes on."""
    await engine.pause()
    uploads = [await sent(engine, path) for path in paths]
    return [await engine.submit(operation("transcribe", audio=f"upload:{each.id}", **fields)) for each in uploads]


def passes(engine: LocalEngine) -> list[float]:
    """Return how many times requests were sent to a model, and how many requests in all."""
    lines = [line.split() for line in engine.metrics.text().decode().splitlines()]
    return [float(words[-1]) for end in ("_count", "_sum") for words in lines if f"batch_size{end}" in words[0]]


def test_each_gets_what_it_gets_alone_whatever_is_sent_with_it(tmp_path: Path, talk: Path) -> None:
    broken = tmp_path / "broken.mp3"
    broken.write_text("no sound")

    async def story() -> None:
        async with running_engine(tmp_path / "data") as engine:
            paths = [SHORT[0], talk, *SHORT[1:], broken, talk]
            jobs = await submitted(engine, paths, language="en")
            await engine.resume()
            ended = [await engine.result(job.id) for job in jobs]
            assert [job.state for job in ended] == ["done"] * 6 + ["failed", "done"]
            assert "broken.mp3" in (ended[6].error or {})["message"]
            assert {job.attempts for job in ended} == {1}
            assert passes(engine)[0] < len(paths)
            for path, together in zip(paths[:6], ended, strict=False):
                upload = await sent(engine, path)
                alone = await done(engine, operation("transcribe", audio=f"upload:{upload.id}", language="en"))
                assert (together.result or {})["text"] == (alone.result or {})["text"] != ""

    asyncio.run(asyncio.wait_for(story(), 300))


def test_whoever_cancels_leaves_the_others_alone(tmp_path: Path) -> None:
    async def story() -> None:
        async with running_engine(tmp_path / "data") as engine:
            jobs = await submitted(engine, SHORT)
            await engine.resume()
            await until(lambda: [each for each in loaded(engine) if jobs[1].id in each.running])
            assert (await engine.cancel(jobs[1].id)).state == "cancelled"
            ended = [await engine.result(job.id) for job in jobs]
            assert [job.state for job in ended] == ["done", "cancelled", "done", "done", "done"]
            assert len({each.pid for each in loaded(engine)}) == 1
            assert {job.attempts for job in ended} == {1}

    asyncio.run(asyncio.wait_for(story(), 300))
