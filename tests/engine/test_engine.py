"""The engine with real workers and models: what is asked is answered, queued, cancelled, kept and cleared away."""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from sensorium.engine.engine import LocalEngine
from sensorium.engine.job import Job
from sensorium.engine.worker_process import clean_parent
from sensorium.errors import BusyError, InputError, InsufficientMemoryError, ModelUnavailableError, NotFoundError
from sensorium.media.audio import read_audio
from sensorium.media.audio_writer import write_audio
from sensorium.operations.operation import Operation
from tests import real_media
from tests.engine.engines import done, loaded, operation, running_engine, sent, until
from tests.refusals import refused

CAT = real_media.photo("chelsea")


def run(story: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(story, 300))


@pytest.fixture(scope="module", autouse=True)
def one_clean_parent() -> Iterator[None]:
    """Keep what workers are forked from, for all engines of these tests: its imports take seconds."""
    clean_parent.start()
    yield
    clean_parent.end()
    assert clean_parent.pid is None


@pytest.fixture(scope="module")
def talk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Speech that takes long to write down: its end never comes before a test stops it."""
    path = tmp_path_factory.mktemp("talk") / "talk.wav"
    clip = min((clip.path for clip in real_media.speech_clips("en")), key=lambda each: each.stat().st_size)
    write_audio(np.tile(read_audio(clip), 400), path, 16_000)
    return path


async def long_job(engine: LocalEngine, talk: Path, **options: Any) -> Job:
    """Submit a job that runs until it is stopped; return once it runs."""
    upload = await sent(engine, talk, options.get("owner", ""))
    job = await engine.submit(operation("transcribe", audio=f"upload:{upload.id}"), **options)
    await until(lambda: [one for one in loaded(engine) if job.id in one.running])
    return job


async def classify(engine: LocalEngine, **more: Any) -> Operation:
    upload = await sent(engine, CAT)
    return operation("classify", image=f"upload:{upload.id}", labels=["cat", "dog", "car"], **more)


def test_an_operation_is_answered_and_its_job_can_be_read_later(tmp_path: Path) -> None:
    async def story() -> None:
        async with running_engine(tmp_path) as engine:
            job = await done(engine, await classify(engine))
            assert (job.state, job.model, job.attempts) == ("done", "starter", 1)
            assert job.result is not None
            assert job.result["labels"][0]["label"] == "cat"
            assert job.created <= (job.started or 0) <= (job.ended or 0)
            assert await engine.job(job.id) == job
            kinds = [event.document["type"] async for event in engine.events(job.id)]
            assert kinds == ["state", "state", "ended"]
        async with running_engine(tmp_path) as engine:
            assert (await engine.job(job.id)).result == job.result
            events = [event async for event in engine.events(job.id)]
            assert [event.document["type"] for event in events] == kinds
            rest = [event async for event in engine.events(job.id, after=events[0].id)]
            assert rest == events[1:]

    run(story())


def test_many_requests_go_through_the_model_together(tmp_path: Path) -> None:
    async def story() -> None:
        async with running_engine(tmp_path) as engine:
            texts = [f"a photo of {number} cats" for number in range(40)]
            alone = [await done(engine, operation("embed", texts=[text]), durable=False) for text in texts[:3]]
            jobs = [await engine.submit(operation("embed", texts=[text]), durable=False) for text in texts]
            together = await asyncio.gather(*(engine.result(job.id) for job in jobs))
            for one, other in zip(alone, together, strict=False):
                assert one.result is not None
                assert other.result is not None
                np.testing.assert_allclose(one.result["vectors"], other.result["vectors"], atol=1e-5)
            text = engine.metrics.text().decode()
            largest = [line for line in text.splitlines() if line.startswith("sensorium_batch_size_bucket")]
            assert any('le="8.0"' in line for line in largest)
            count = float(next(line for line in text.splitlines() if "batch_size_count" in line).split()[-1])
            assert count < 20, "43 requests took as many passes"

    run(story())


def test_one_bad_item_costs_the_others_nothing(tmp_path: Path) -> None:
    async def story() -> None:
        broken = tmp_path / "broken.jpg"
        broken.write_bytes(CAT.read_bytes()[:500])
        async with running_engine(tmp_path / "data") as engine:
            uploads = [await sent(engine, path) for path in (CAT, broken, CAT)]
            await engine.pause()
            jobs = [
                await engine.submit(operation("classify", image=f"upload:{each.id}", labels=["cat", "dog"]))
                for each in uploads
            ]
            await engine.resume()
            ended = await asyncio.gather(*(engine.result(job.id) for job in jobs))
            assert [job.state for job in ended] == ["done", "failed", "done"]
            assert ended[1].error is not None
            assert ended[1].error["type"] == "InputError"
            assert "broken.jpg" in ended[1].error["message"]

    run(story())


def test_a_queued_job_is_cancelled_at_once_and_a_running_one_soon(tmp_path: Path, talk: Path) -> None:
    async def story() -> None:
        async with running_engine(tmp_path) as engine:
            first = await long_job(engine, talk)
            upload = await sent(engine, talk)
            second = await engine.submit(operation("transcribe", audio=f"upload:{upload.id}"))
            assert (await engine.job(second.id)).position == 0
            assert (await engine.cancel(second.id)).state == "cancelled"
            assert (await engine.job(first.id)).state == "running"
            assert (await engine.cancel(first.id)).state == "cancelled"
            (model,) = loaded(engine)
            assert model.state == "idle", "the worker lives on"
            assert (await done(engine, await classify(engine))).state == "done"
            assert (await engine.cancel(first.id)).state == "cancelled", "cancelling again changes nothing"

    run(story())


def test_a_deleted_job_is_gone_with_its_events_and_a_running_one_ends(tmp_path: Path, talk: Path) -> None:
    async def story() -> None:
        async with running_engine(tmp_path) as engine:
            running = await long_job(engine, talk)
            ended = await done(engine, operation("embed", texts=["a cat"]), owner="anna")
            with refused(NotFoundError, ended.id):
                await engine.delete(ended.id, owner="ben")
            for job in (running, ended):
                await engine.delete(job.id)
                for ask in (engine.job, engine.delete, engine.cancel):
                    with refused(NotFoundError, job.id):
                        await ask(job.id)
                assert not await asyncio.to_thread(engine.store.events, job.id)
            assert await engine.jobs() == []
            assert not [model for model in loaded(engine) if model.running]

    run(story())


def test_a_request_whose_reader_goes_away_is_cancelled_and_a_job_is_not(tmp_path: Path, talk: Path) -> None:
    async def story() -> None:
        async with running_engine(tmp_path) as engine:
            for wait in (False, True):
                request = await long_job(engine, talk, durable=False)
                if wait:
                    reader: asyncio.Task[Any] = asyncio.create_task(engine.result(request.id))
                else:
                    reader = asyncio.create_task(_read_all(engine, request.id))
                await asyncio.sleep(0.05)
                reader.cancel()
                await until(lambda: not [model for model in loaded(engine) if model.running])
            job = await long_job(engine, talk)
            reader = asyncio.create_task(engine.result(job.id))
            await asyncio.sleep(0.05)
            reader.cancel()
            await asyncio.sleep(0.3)
            assert (await engine.job(job.id)).state == "running"
            assert [each.id for each in await engine.jobs()] == [job.id], "requests are no jobs"
            await engine.cancel(job.id)

    run(story())


async def _read_all(engine: LocalEngine, job: str) -> None:
    async for _ in engine.events(job):
        pass


def test_the_queue_is_paused_reordered_and_bounded(tmp_path: Path) -> None:
    async def story() -> None:
        async with running_engine(tmp_path, queue=3) as engine:
            await engine.pause()
            asked = await classify(engine)
            jobs = [await engine.submit(asked) for _ in range(3)]
            assert [job.position for job in jobs] == [0, 1, 2]
            with refused(BusyError, "3 jobs") as caught:
                await engine.submit(asked)
            assert caught.value.retry_after >= 1
            assert (await engine.move(jobs[2].id, 0)).position == 0
            assert (await engine.job(jobs[0].id)).position == 1
            assert (await engine.health()).paused
            await engine.resume()
            ended = await asyncio.gather(*(engine.result(job.id) for job in jobs))
            assert {job.state for job in ended} == {"done"}
            with refused(InputError, jobs[0].id):
                await engine.move(jobs[0].id, 1)

    run(story())


def test_queued_jobs_and_the_pause_survive_a_restart(tmp_path: Path) -> None:
    async def story() -> None:
        async with running_engine(tmp_path) as engine:
            await engine.pause()
            asked = await classify(engine)
            jobs = [await engine.submit(asked) for _ in range(2)]
            await engine.move(jobs[1].id, 0)
        async with running_engine(tmp_path) as engine:
            assert (await engine.health()).paused
            assert [(await engine.job(job.id)).position for job in jobs] == [1, 0]
            await engine.resume()
            assert [(await engine.result(job.id)).state for job in jobs] == ["done", "done"]

    run(story())


def test_a_clock_that_is_set_back_holds_nothing_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        async with running_engine(tmp_path, batch_wait=0.05) as engine:
            asked = await classify(engine)
            together = [await engine.submit(asked) for _ in range(4)]
            await asyncio.gather(*(engine.result(job.id) for job in together))
            await engine.pause()
            before = await engine.submit(asked)
            monkeypatch.setattr(time, "time", lambda: 0.0 + time.monotonic() % 1)
            later = await engine.submit(asked)
            assert (await engine.job(later.id)).position == 1
        async with running_engine(tmp_path, batch_wait=0.05) as engine:
            last = await engine.submit(asked)
            assert [(await engine.job(job.id)).position for job in (before, later, last)] == [0, 1, 2]
            await engine.resume()
            ended = await asyncio.gather(*(engine.result(job.id) for job in (before, later, last)))
            assert {job.state for job in ended} == {"done"}
            alone = await asyncio.wait_for(done(engine, asked), 60)
            assert alone.state == "done"

    run(story())


def test_a_running_job_runs_again_after_a_restart(tmp_path: Path, talk: Path) -> None:
    async def story() -> None:
        async with running_engine(tmp_path) as engine:
            job = await long_job(engine, talk)
        async with running_engine(tmp_path) as engine:
            await until(lambda: [model for model in loaded(engine) if job.id in model.running])
            again = await engine.job(job.id)
            assert (again.state, again.attempts) == ("running", 2)
            assert (await engine.cancel(job.id)).state == "cancelled"

    run(story())


def test_data_uris_are_kept_as_uploads_and_not_in_the_database(tmp_path: Path) -> None:
    async def story() -> None:
        uri = f"data:image/png;base64,{base64.b64encode(CAT.read_bytes()).decode()}"
        async with running_engine(tmp_path) as engine:
            asked = operation("classify", image=uri, labels=["cat", "dog"])
            kept, passing = await done(engine, asked), await done(engine, asked, durable=False)
            assert kept.result == passing.result
            assert str(kept.arguments["image"]).startswith("upload:")

    run(story())


@pytest.mark.parametrize("size", [0, 1_000_000])
def test_data_uris_of_any_size_leave_nothing_behind(tmp_path: Path, size: int) -> None:
    async def story() -> None:
        inside = base64.b64encode(CAT.read_bytes() + bytes(size)).decode()
        async with running_engine(tmp_path) as engine:
            asked = operation("classify", image=f"data:image/png;base64,{inside}", labels=["cat", "dog"])
            job = await done(engine, asked, durable=False)
            assert job.result is not None
            assert job.result["labels"][0]["label"] == "cat"
            await until(lambda: not engine.files.has_files(job.id))
            assert not any(engine.files.uploads.iterdir())

    run(story())


@pytest.mark.parametrize(
    ("reference", "error", "named"),
    [
        ("/etc/passwd", InputError, "files on this machine"),
        ("photos/cat.jpg", InputError, "files on this machine"),
        ("-", InputError, "files on this machine"),
        ("http://example.org/cat.jpg", InputError, "addresses"),
        ("upload:nobody", NotFoundError, "nobody"),
        ("artifact:nobody/cat.png", NotFoundError, "cat.png"),
        ("data:image/png;base64,???", InputError, "base64"),
    ],
)
def test_what_a_client_must_not_name_is_refused(tmp_path: Path, reference: str, error: type[Any], named: str) -> None:
    async def story() -> None:
        async with running_engine(tmp_path) as engine:
            asked = operation("classify", image=reference, labels=["cat", "dog"])
            with refused(error, named):
                await engine.submit(asked)

    run(story())


def test_owners_find_only_what_is_theirs(tmp_path: Path) -> None:
    async def story() -> None:
        async with running_engine(tmp_path) as engine:
            upload = await sent(engine, CAT, "alice")
            asked = operation("classify", image=f"upload:{upload.id}", labels=["cat"])
            with refused(NotFoundError, upload.id):
                await engine.submit(asked, owner="bob")
            job = await done(engine, asked, owner="alice")
            assert job.state == "done"
            for look in (engine.job(job.id, owner="bob"), engine.cancel(job.id, owner="bob")):
                with refused(NotFoundError, job.id):
                    await look
            assert await engine.jobs(owner="bob") == []
            assert [each.id for each in await engine.jobs(owner="alice")] == [job.id]
            with refused(NotFoundError, upload.id):
                await engine.discard(upload.id, owner="bob")

    run(story())


def test_files_of_results_are_kept_and_can_be_used_by_the_next_operation(tmp_path: Path) -> None:
    async def story() -> None:
        async with running_engine(tmp_path) as engine:
            spoken = await done(engine, operation("speak", text="The harvest was late this year.", format="wav"))
            (artifact,) = spoken.artifacts
            path, media_type = await engine.artifact(spoken.id, artifact.name)
            assert media_type == "audio/wav"
            assert path.stat().st_size == artifact.size
            with av.open(str(path)) as sound:
                assert sound.streams.audio[0].codec_context.sample_rate > 0
            heard = await done(engine, operation("transcribe", audio=f"artifact:{spoken.id}/{artifact.name}"))
            assert heard.result is not None
            assert "harvest" in heard.result["text"]
            with refused(NotFoundError, "../jobs.sqlite"):
                await engine.artifact(spoken.id, "../jobs.sqlite")

    run(story())


def test_a_deleted_upload_hurts_no_job_that_was_given_it(tmp_path: Path) -> None:
    async def story() -> None:
        async with running_engine(tmp_path) as engine:
            await engine.pause()
            upload = await sent(engine, CAT)
            job = await engine.submit(operation("classify", image=f"upload:{upload.id}", labels=["cat", "dog"]))
            await until(lambda: engine.records.find(job.id).media)  # type: ignore[union-attr]
            await engine.discard(upload.id)
            await engine.resume()
            assert (await engine.result(job.id)).state == "done"

    run(story())


def test_models_are_loaded_pinned_and_unloaded(tmp_path: Path) -> None:
    async def story() -> None:
        async with running_engine(tmp_path) as engine:
            state = await engine.load(await classify(engine))
            assert (state.name, state.state) == ("starter", "idle")
            assert (await engine.pin("starter")).pinned
            pid = state.pid
            await engine.unload("starter")
            assert loaded(engine) == []
            assert not Path(f"/proc/{pid}").exists(), "unloaded is said when the process is gone"
            with refused(NotFoundError, "starter"):
                await engine.unload("starter")

    run(story())


@pytest.mark.parametrize("time_to_live", [0.0, 0.2])
def test_an_idle_model_leaves_by_itself(tmp_path: Path, time_to_live: float) -> None:
    async def story() -> None:
        async with running_engine(tmp_path, time_to_live=time_to_live) as engine:
            assert (await done(engine, await classify(engine))).state == "done"
            await until(lambda: loaded(engine) == [])

    run(story())


def test_what_can_never_fit_is_refused(tmp_path: Path) -> None:
    async def story() -> None:
        async with running_engine(tmp_path, memory=1_000_000) as engine:
            asked = await classify(engine)
            with refused(InsufficientMemoryError, "starter", "GB"):
                await engine.submit(asked)

    run(story())


def test_a_model_that_is_not_here_is_not_fetched_behind_the_users_back(tmp_path: Path) -> None:
    async def story() -> None:
        async with running_engine(tmp_path) as engine:
            upload = await sent(engine, CAT)
            fields = {"image": f"upload:{upload.id}", "labels": ["cat"]}
            with refused(ModelUnavailableError, "siglip2-giant-opt-patch16-384", "models pull"):
                await engine.submit(operation("classify", model="siglip2-giant-opt-patch16-384", **fields))
            with refused(InputError, tmp_path.name):
                await engine.submit(operation("classify", model=str(tmp_path), **fields))

    run(story())


@pytest.mark.parametrize("name", ["../photos", ".photos", "my photos", "größe"])
def test_what_cannot_be_the_name_of_an_index_is_refused_before_there_is_a_job(tmp_path: Path, name: str) -> None:
    async def story() -> None:
        async with running_engine(tmp_path) as engine:
            upload = await sent(engine, CAT)
            for what in ("index", "remove-from-index"):
                with refused(InputError, name):
                    await engine.submit(operation(what, files=[f"upload:{upload.id}"], index=name))
            assert await engine.jobs() == []

    run(story())


def test_a_picture_that_changed_takes_the_place_of_what_it_was(tmp_path: Path) -> None:
    async def story() -> None:
        async with running_engine(tmp_path) as engine:
            found = []
            for names in (("chelsea", "rocket"), ("coffee", "rocket")):
                uploads = [await sent(engine, real_media.photo(name)) for name in names]
                files = [f"upload:{each.id}" for each in uploads]
                indexed = await done(
                    engine, operation("index", files=files, origins=["1.png", "2.png"], index="photos")
                )
                assert (indexed.state, indexed.error) == ("done", None)
                search = await done(engine, operation("search", text="a cat", index="photos"))
                assert search.result is not None
                found.append({match["media"] for match in search.result["matches"]})
            assert found[1] == set(files)
            assert found[0].isdisjoint(files)
            assert len(engine.files.indexed()) == 2

    run(story())


def test_pictures_that_are_sent_again_are_found_once(tmp_path: Path) -> None:
    async def story() -> None:
        async with running_engine(tmp_path) as engine:
            for _ in range(2):
                uploads = [await sent(engine, path) for path in (CAT, real_media.photo("rocket"))]
                files = [f"upload:{each.id}" for each in uploads]
                indexed = await done(engine, operation("index", files=files, index="photos"))
                assert (indexed.state, indexed.error) == ("done", None)
            assert indexed.result is not None
            assert (indexed.result["files"], indexed.result["reused"]) == (2, 2)
            found = await done(engine, operation("search", text="a cat", index="photos"))
            assert found.result is not None
            assert found.result["matches"][0]["media"] == files[0]
            assert len(found.result["matches"]) == 2
            elsewhere = await done(engine, operation("search", text="a cat", index="photos"), owner="bob")
            assert elsewhere.state == "failed", "indexes are their owners'"
            removed = await done(engine, operation("remove-from-index", files=files[:1], index="photos"))
            assert removed.result == {"removed": 1, "files": 1}
            assert len(engine.files.indexed()) == 1
            again = f"upload:{(await sent(engine, CAT)).id}"
            absent = await done(engine, operation("remove-from-index", files=[again], index="photos"))
            assert absent.state == "failed", "its twin is gone already"
            assert len(engine.files.indexed()) == 1, "what is not in the index does not stay in its folder"
            rocket = f"upload:{(await sent(engine, real_media.photo('rocket'))).id}"
            removed = await done(engine, operation("remove-from-index", files=[rocket], index="photos"))
            assert removed.result == {"removed": 1, "files": 0}, "a file that is sent again stands for itself"
            assert engine.files.indexed() == set()

    run(story())
