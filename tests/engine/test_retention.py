"""What is deleted by age and for room, and what never is."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from sensorium.engine.handed_media import hand_over
from sensorium.engine.job import Job, JobEvent, State, Upload
from sensorium.engine.job_files import JobFiles
from sensorium.engine.job_store import JobStore
from sensorium.engine.retention import Swept, sweep
from sensorium.errors import StorageError
from sensorium.media.limits import Limits
from sensorium.operations.media import Media
from tests.engine.artifact_folders import artifact_folder
from tests.refusals import refused

NOW = 1_000_000_000.0
DAY = 24 * 3600.0
PLENTY = 10**12


@pytest.fixture
def files(tmp_path: Path) -> Iterator[JobFiles]:
    with closing(JobFiles(tmp_path / "data")) as opened:
        opened.open()
        yield opened


@pytest.fixture
def store(files: JobFiles) -> Iterator[JobStore]:
    with closing(JobStore(files.database)) as opened:
        opened.open()
        yield opened


@pytest.fixture
def add_job(store: JobStore, files: JobFiles) -> Callable[..., None]:
    """Put a job that ended a number of seconds ago, with a file of some bytes in its result."""

    def add(name: str, ago: float, size: int = 0, state: State = "done") -> None:
        ended = NOW - ago if state == "done" else None
        job = Job(name, "", "caption", {}, state, created=NOW - ago - 10, ended=ended)
        store.put([job], told={name: [JobEvent(1, {"type": "ended"})]})
        if size:
            (artifact_folder(files, name) / "picture.png").write_bytes(bytes(size))

    return add


@pytest.fixture
def add_upload(store: JobStore, files: JobFiles) -> Callable[..., None]:
    """Put an upload of some bytes that was complete a number of seconds ago."""

    def add(name: str, ago: float, size: int) -> None:
        (files.uploads / name).write_bytes(bytes(size))
        store.put_upload(Upload(name, "", "cat.png", size, NOW - ago))

    return add


def left(store: JobStore, files: JobFiles) -> set[str]:
    """Return what is left, and see that the files are those that the database knows."""
    jobs, uploads = {job.id for job in store.jobs(limit=1000)}, {upload.id for upload in store.uploads()}
    assert set(files.job_sizes()) <= jobs
    assert set(files.upload_sizes()) == uploads
    return jobs | uploads


def test_by_age(
    store: JobStore, files: JobFiles, add_job: Callable[..., None], add_upload: Callable[..., None]
) -> None:
    add_job("old", 8 * DAY, 100)
    add_job("old-bare", 8 * DAY)
    add_job("young", 6 * DAY, 100)
    add_job("waits", 9 * DAY, state="queued")
    add_job("runs", 9 * DAY, 100, state="running")
    add_upload("old-upload", 8 * DAY, 50)
    add_upload("old-but-used", 8 * DAY, 50)
    add_upload("young-upload", 6 * DAY, 50)
    store.use_uploads(["old-but-used"], NOW - DAY)
    assert sweep(store, files, NOW, 7 * DAY, PLENTY) == Swept(jobs=2, uploads=1, freed=150)
    assert left(store, files) == {"young", "waits", "runs", "old-but-used", "young-upload"}
    assert store.events("old") == []
    assert len(store.events("young")) == 1
    assert sweep(store, files, NOW, 7 * DAY, PLENTY) == Swept(jobs=0, uploads=0, freed=0)


def test_an_upload_that_was_sent_for_a_purpose_goes_for_room_only(
    store: JobStore, files: JobFiles, add_upload: Callable[..., None]
) -> None:
    add_upload("old", 90 * DAY, 100)
    store.put_upload(Upload("old", "", "lines.jsonl", 100, NOW - 90 * DAY, "batch"))
    assert sweep(store, files, NOW, 7 * DAY, PLENTY) == Swept(0, 0, 0)
    assert sweep(store, files, NOW, 7 * DAY, 99) == Swept(0, 1, 100)


def test_an_upload_goes_at_the_moment_until_which_it_was_to_live(
    store: JobStore, files: JobFiles, add_upload: Callable[..., None]
) -> None:
    for name, expires in (("over", NOW - 1), ("lives", NOW + 1)):
        add_upload(name, 50, 100)
        store.put_upload(Upload(name, "", "lines.jsonl", 100, NOW - 50, "batch", expires))
    assert sweep(store, files, NOW, DAY, PLENTY) == Swept(jobs=0, uploads=1, freed=100)
    assert left(store, files) == {"lives"}


def test_for_room_the_oldest_first(
    store: JobStore, files: JobFiles, add_job: Callable[..., None], add_upload: Callable[..., None]
) -> None:
    add_job("first", 5000, 100)
    add_upload("second", 4000, 100)
    add_job("bare", 3500)
    add_job("third", 3000, 100)
    add_upload("fourth", 2000, 100)
    add_job("runs", 9000, 1000, state="running")
    assert sweep(store, files, NOW, DAY, 1400) == Swept(0, 0, 0)
    assert sweep(store, files, NOW, DAY, 1399) == Swept(1, 0, 100)
    assert left(store, files) == {"second", "bare", "third", "fourth", "runs"}
    assert sweep(store, files, NOW, DAY, 1150) == Swept(1, 1, 200)
    assert left(store, files) == {"bare", "fourth", "runs"}
    sweep(store, files, NOW, DAY, 1)
    assert left(store, files) == {"bare", "runs"}


def test_what_has_just_ended_or_arrived_is_not_deleted_for_room(
    store: JobStore, files: JobFiles, add_job: Callable[..., None], add_upload: Callable[..., None]
) -> None:
    add_job("done", 5, 100)
    add_upload("sent", 5, 100)
    assert sweep(store, files, NOW, DAY, 1) == Swept(0, 0, 0)
    assert sweep(store, files, NOW, 1.0, PLENTY) == Swept(1, 1, 200)


def test_what_a_job_was_given_stays(
    store: JobStore, files: JobFiles, add_job: Callable[..., None], add_upload: Callable[..., None]
) -> None:
    add_upload("sent", 8 * DAY, 100)
    add_job("waits", 8 * DAY, state="queued")
    handed = hand_over(files, Media("upload:sent"), files.media_folder("waits"), limits=Limits())
    assert sweep(store, files, NOW, 7 * DAY, PLENTY) == Swept(0, 1, 100)
    assert left(store, files) == {"waits"}
    assert Path(handed["path"]).stat().st_size == 100


def test_what_an_index_holds_can_be_found_and_used(
    store: JobStore, files: JobFiles, add_job: Callable[..., None], add_upload: Callable[..., None]
) -> None:
    add_upload("sent", 8 * DAY, 100)
    add_upload("other", 8 * DAY, 100)
    add_job("painted", 8 * DAY, 100)
    references = [Media("upload:sent"), Media("artifact:painted/picture.png")]
    for reference in references:
        hand_over(files, reference, files.indexed_folder("ann", "cats"), limits=Limits())
    assert sweep(store, files, NOW, 7 * DAY, 1) == Swept(0, 1, 100)
    assert left(store, files) == {"sent", "painted"}
    files.delete_indexed("ann", "cats", references)
    assert sweep(store, files, NOW, 7 * DAY, 1) == Swept(1, 1, 200)


def test_files_that_nobody_owns_go_once_they_are_old(store: JobStore, files: JobFiles) -> None:
    for age in (0.5 * DAY, 2 * DAY):
        folder, upload = artifact_folder(files, f"job-{age:.0f}").parent, files.uploads / f"upload-{age:.0f}"
        upload.touch()
        for path in (folder, upload):
            os.utime(path, (NOW - age, NOW - age))
    sweep(store, files, NOW, 60.0, PLENTY)
    assert (list(files.job_sizes()), list(files.upload_sizes())) == (["job-43200"], ["upload-43200"])


def test_strikes_are_forgotten(store: JobStore, files: JobFiles) -> None:
    store.add_strike("deed")
    sweep(store, files, NOW, DAY, PLENTY)
    assert store.struck().get("deed", 0) == 1
    sweep(store, files, 1e11, DAY, PLENTY)
    assert store.struck().get("deed", 0) == 0


def test_nothing_is_deleted_while_the_database_is_away(
    store: JobStore, files: JobFiles, add_job: Callable[..., None], tmp_path: Path
) -> None:
    add_job("old", 8 * DAY, 100)
    database = files.folder / "jobs.sqlite"
    database.rename(tmp_path / "away")
    with refused(StorageError):
        sweep(store, files, NOW, 7 * DAY, 1)
    assert files.job_sizes() == {"old": 100}
    (tmp_path / "away").rename(database)
    assert sweep(store, files, NOW, 7 * DAY, 1) == Swept(1, 0, 100)


def test_what_a_wrong_clock_dated_in_the_future_goes_for_room_and_not_by_age(
    store: JobStore, files: JobFiles, add_job: Callable[..., None], add_upload: Callable[..., None]
) -> None:
    add_job("from-2100", -70 * 365 * DAY, 100)
    add_upload("from-2100-too", -70 * 365 * DAY - 1, 50)
    add_job("today", 2 * DAY, 100)
    assert sweep(store, files, NOW, 7 * DAY, PLENTY) == Swept(0, 0, 0)
    assert sweep(store, files, NOW, 7 * DAY, 200) == Swept(jobs=1, uploads=0, freed=100)
    assert left(store, files) == {"from-2100", "from-2100-too"}
    assert sweep(store, files, NOW, 7 * DAY, 60) == Swept(jobs=1, uploads=0, freed=100)
    assert sweep(store, files, NOW, 7 * DAY, 1) == Swept(jobs=0, uploads=1, freed=50)
