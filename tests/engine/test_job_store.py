"""The database of jobs, on SQLite and on a real PostgreSQL server."""

from __future__ import annotations

import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa

from sensorium.engine import tables
from sensorium.engine.job import Job, JobEvent, Upload
from sensorium.engine.job_store import JobStore
from sensorium.errors import InputError, NotFoundError, StorageError
from sensorium.operations.artifact import Artifact
from tests.postgresql import PostgreSQL
from tests.refusals import refused

NewAddress = Callable[[], str]


@pytest.fixture(params=["sqlite", "postgresql"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'data' / 'jobs.sqlite'}"
    return request.getfixturevalue("postgresql").new_database()


@pytest.fixture
def store(address: str) -> Iterator[JobStore]:
    """An open store without jobs."""
    with closing(JobStore(address)) as opened:
        opened.open()
        yield opened


def job(name: str, created: float = 1.0, **fields: Any) -> Job:
    given = {"owner": "ann", "operation": "caption", "arguments": {"image": "upload:1"}, "state": "queued", **fields}
    return Job(id=name, created=created, **given)


FULL = job(
    "full-1",
    owner="",
    state="done",
    model="clip",
    attempts=2,
    started=2.5,
    ended=3.25,
    arguments={"texts": ["Größe\0 \ud800", "日本"], "every": float("inf")},
    progress={"stage": "reading", "done": 1, "total": None, "unit": "files"},
    result={"text": "a cat", "usage": {"tokens": 3}},
    error={"type": "InputError", "message": "No", "remedy": ""},
    artifacts=(Artifact("picture-1.png", "image/png", 12_345_678_901),),
)


def test_what_is_put_comes_back_also_from_another_process_to_be(store: JobStore, address: str) -> None:
    store.put([FULL, job("plain")])
    store.close()
    with closing(JobStore(address)) as again:
        again.open()
        assert again.job("full-1") == FULL
        assert again.job("plain") == job("plain")
        assert again.job("plain", owner="ann") == job("plain")
        assert again.job("plain", owner="bob") is None


@pytest.mark.parametrize("name", ["gone", "", "a\0b", "\ud800", "../x", "x" * 10_000, "' OR 1=1 --"])
def test_there_is_nothing_under_a_name_that_is_none(store: JobStore, name: str) -> None:
    assert store.job(name) is None
    assert store.upload(name) is None
    assert store.events(name) == []
    with refused(NotFoundError):
        store.jobs(before=name)


def test_a_job_changes_but_for_what_was_asked(store: JobStore) -> None:
    store.put([job("one")], {"one": 5.0})
    running = replace(job("one"), state="running", attempts=1, started=4.0, model="clip")
    store.put([running])
    assert store.job("one") == running
    assert store.unfinished() == [(running, 5.0)]
    store.put([replace(running, state="done", result={"text": "x"}, arguments={}, owner="bob")])
    assert store.job("one") == replace(running, state="done", result={"text": "x"})


def test_jobs_are_listed_page_by_page_the_newest_first(store: JobStore) -> None:
    store.put([job(f"job-{number}", created=number // 2, result={"n": 1}) for number in range(7)])
    store.put([job("others", created=9, owner="bob", state="done")])
    names, before = [], None
    while page := store.jobs(owner="ann", limit=3, before=before):
        names += [each.id for each in page]
        before = names[-1]
    assert names == [f"job-{number}" for number in (6, 5, 4, 3, 2, 1, 0)]
    assert [each.id for each in store.jobs(states={"done", "failed"})] == ["others"]
    assert [each.id for each in store.jobs(limit=1)] == ["others"]
    (listed,) = store.jobs(limit=1, owner="ann")
    assert (listed.arguments, listed.result) == ({}, None)
    with refused(NotFoundError, "others"):
        store.jobs(owner="ann", before="others")


def test_states_and_fields_of_a_newer_version_can_be_listed(store: JobStore, address: str) -> None:
    store.put([FULL, job("plain")])
    with closing(sa.create_engine(address).raw_connection()) as raw:
        raw.cursor().execute("UPDATE sensorium_jobs SET state = 'dreaming' WHERE id = 'full-1'")
        newer = '[{"name": "a", "media_type": "b", "size": 1, "colour": 3}]'
        raw.cursor().execute(f"UPDATE sensorium_jobs SET artifacts = '{newer}'")
        raw.commit()
    assert {each.state for each in store.jobs()} == {"dreaming", "queued"}
    assert store.job("full-1").artifacts == (Artifact("a", "b", 1),)
    assert [each.id for each, _ in store.unfinished()] == ["plain"]
    assert store.ended() == []


def test_the_queue_keeps_its_order_and_can_be_reordered(store: JobStore) -> None:
    store.put([job("a"), job("b"), job("c", state="running"), job("d", state="done")], {"a": 3, "b": 2, "c": 1})
    assert [(each.id, rank) for each, rank in store.unfinished()] == [("c", 1), ("b", 2), ("a", 3)]
    store.put([job("a")], {"a": 1.5})
    assert [each.id for each, _ in store.unfinished()] == ["c", "a", "b"]
    store.put([job("late", created=2.5)])
    assert [(each.id, rank) for each, rank in store.unfinished()][-1] == ("late", 2.5)


def test_events_come_in_order_and_none_twice(store: JobStore) -> None:
    store.put([job("a"), job("b")], told={"a": [JobEvent(1, {"type": "state"})]})
    told = [JobEvent(number, {"type": "piece", "text": f"ü{number}\0"}) for number in range(1, 15)]
    store.add_events("a", told[5:])
    store.add_events("a", told)
    store.add_events("a", [])
    found = store.events("a")
    assert [event.id for event in found] == list(range(1, 15))
    assert found[0].document == {"type": "state"}
    assert store.events("a", after=12) == told[12:]
    assert store.events("b") == []


def test_events_of_a_job_that_is_not_there_are_a_mistake_and_undo_what_was_put_with_them(store: JobStore) -> None:
    with pytest.raises(sa.exc.IntegrityError):
        store.put([job("a")], told={"gone": [JobEvent(1, {})]})
    assert store.job("a") is None


def test_deleted_jobs_take_their_events_along(store: JobStore, address: str) -> None:
    ended = [job(f"job-{number}", state="failed", ended=10.0 - number) for number in range(3)]
    store.put([*ended, job("waits")], told={"job-0": [JobEvent(1, {})], "waits": [JobEvent(1, {})]})
    assert store.ended() == [("job-2", 8.0), ("job-1", 9.0), ("job-0", 10.0)]
    assert store.ended(limit=1) == [("job-2", 8.0)]
    assert store.ended(before=9.5) == [("job-2", 8.0), ("job-1", 9.0)]
    assert store.ended(after=9.5) == [("job-0", 10.0)]
    assert store.known(["job-0", "gone", "a\0", "waits"]) == {"job-0", "waits"}
    store.delete_jobs([*(f"job-{number}" for number in range(1200)), "gone"])
    assert [each.id for each in store.jobs()] == ["waits"]
    assert len(store.events("waits")) == 1
    assert count(address, "sensorium_events") == 1


def test_uploads(store: JobStore) -> None:
    uploads = [Upload(f"up-{number}", "ann", "cät.png", 5_000_000_000, float(number)) for number in range(3)]
    for upload in uploads:
        store.put_upload(upload)
    store.put_upload(replace(uploads[0], id="bobs", owner="bob", created=9.0))
    assert store.upload("up-1") == uploads[1]
    assert store.upload("up-1", owner="bob") is None
    assert store.uploads(owner="ann") == uploads
    store.use_uploads(["up-0", "gone"], 8.0)
    assert store.unused_uploads(before=8.5, after=9e9) == [("up-1", 1.0), ("up-2", 2.0), ("up-0", 8.0)]
    assert store.unused_uploads(before=2.0, after=7.9) == [("up-1", 1.0), ("up-0", 8.0), ("bobs", 9.0)]
    assert store.known_uploads(["up-1", "gone"]) == {"up-1"}
    store.delete_uploads(["up-1", "gone"])
    assert [each.id for each in store.uploads()] == ["up-0", "up-2", "bobs"]


def test_uploads_that_were_sent_for_a_purpose_are_listed_page_by_page(store: JobStore) -> None:
    for number in range(6):
        expires = 50.0 if number == 2 else None
        store.put_upload(
            Upload(f"up-{number}", "ann", "a", 1, number // 2, "batch" if number % 3 else "vision", expires)
        )
    store.put_upload(Upload("passing", "ann", "a", 1, 9.0))
    whole = [each.id for each in store.uploads(owner="ann", purposes=("batch", "vision"), newest_first=True)]
    assert whole == ["up-5", "up-4", "up-3", "up-2", "up-1", "up-0"]
    pages, after = [], None
    while page := store.uploads(purposes=("batch", "vision"), limit=4, after=after, newest_first=True):
        pages.append([each.id for each in page])
        after = page[-1].id
    assert pages == [whole[:4], whole[4:]]
    assert [each.id for each in store.uploads(purposes=("batch",), after="up-1")] == ["up-2", "up-4", "up-5"]
    found = store.upload("up-2")
    assert found is not None
    assert (found.purpose, found.expires) == ("batch", 50.0)
    assert store.expired_uploads(49.0) == []
    assert store.expired_uploads(51.0) == ["up-2"]
    with refused(NotFoundError, "gone"):
        store.uploads(after="gone")
    with refused(NotFoundError, "up-1"):
        store.uploads(owner="bob", after="up-1")


def test_flags_and_strikes(store: JobStore) -> None:
    assert store.flag("paused", False) is False
    store.set_flag("paused", True)
    store.set_flag("paused", True)
    assert store.flag("paused") is True
    store.set_flag("paused", None)
    assert store.flag("paused", 1) is None
    assert store.struck().get("deed", 0) == 0
    assert [store.add_strike("deed"), store.add_strike("deed"), store.add_strike("other")] == [1, 2, 1]
    assert store.struck().get("deed", 0) == 2
    store.forget_strikes(before=1.0)
    assert store.struck().get("deed", 0) == 2
    store.forget_strikes(before=1e12)
    assert store.struck().get("deed", 0) == 0


def test_many_threads_write_and_read_at_once(store: JobStore) -> None:
    def work(thread: int) -> None:
        for number in range(20):
            name = f"job-{thread}-{number}"
            store.put([job(name)], told={name: [JobEvent(1, {})]})
            store.add_strike("all")
            assert store.job(name) is not None
            assert store.jobs(limit=5)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    assert store.struck().get("all", 0) == 160
    assert len(store.unfinished()) == 160


def test_two_may_create_the_tables_at_once(address: str) -> None:
    def make(_: int) -> None:
        with closing(JobStore(address)) as one:
            one.open()
            one.put([job("same")])

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(make, range(4)))


def test_a_database_of_a_newer_version_is_refused_and_left_alone(store: JobStore, address: str) -> None:
    store.put([FULL])
    with closing(sa.create_engine(address).raw_connection()) as raw:
        raw.cursor().execute("UPDATE sensorium_schema SET version = 99")
        raw.commit()
    with closing(JobStore(address)) as old, refused(StorageError, "99", str(1 + len(tables.MIGRATIONS))):
        old.open()
    assert store.job(FULL.id) == FULL


def test_a_database_of_an_older_version_is_migrated(
    store: JobStore, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.put([FULL])

    def add_colour(connection: sa.Connection) -> None:
        connection.execute(sa.text("ALTER TABLE sensorium_jobs ADD COLUMN colour TEXT"))

    def fail(connection: sa.Connection) -> None:
        add_colour(connection)
        raise RuntimeError

    shipped = tables.MIGRATIONS
    monkeypatch.setattr(tables, "MIGRATIONS", (*shipped, fail))
    with pytest.raises(RuntimeError):
        store.open()
    monkeypatch.setattr(tables, "MIGRATIONS", (*shipped, add_colour))
    store.open()
    store.open()
    assert store.job(FULL.id) == FULL
    assert count(address, f"sensorium_schema WHERE version = {2 + len(shipped)}") == 1
    assert count(address, "sensorium_jobs WHERE colour IS NULL") == 1


def test_a_database_of_version_1_keeps_its_uploads(store: JobStore, address: str) -> None:
    kept = Upload("up-1", "ann", "cat.png", 5, 1.0)
    store.put_upload(kept)
    store.close()
    with closing(sa.create_engine(address).raw_connection()) as raw:
        for change in (
            "ALTER TABLE sensorium_uploads DROP COLUMN purpose",
            "ALTER TABLE sensorium_uploads DROP COLUMN expires",
            "DROP TABLE sensorium_voices",
            "DROP TABLE sensorium_voice_consents",
            "UPDATE sensorium_schema SET version = 1",
        ):
            raw.cursor().execute(change)
        raw.commit()
    store.open()
    assert store.upload("up-1") == kept
    store.put_upload(replace(kept, purpose="batch", expires=9.0))
    assert store.expired_uploads(10.0) == ["up-1"]
    assert store.recordings() == set()


def count(address: str, what: str) -> int:
    with closing(sa.create_engine(address).raw_connection()) as raw:
        cursor = raw.cursor()
        cursor.execute(f"SELECT count(*) FROM {what}")
        return int(cursor.fetchone()[0])


@pytest.mark.parametrize("wrong", ["", "jobs.sqlite", "sqlite://", "sqlite:///:memory:", "mysql://h/d", "x://[", "a b"])
def test_what_is_no_address_of_a_database(wrong: str) -> None:
    with refused(InputError, "sqlite:////", "postgresql://"):
        JobStore(wrong)


def test_a_refused_address_is_named_without_its_password() -> None:
    with refused(InputError, "mysql://ann") as refusal:
        JobStore("mysql://ann:secret@host/jobs")
    assert "secret" not in str(refusal.value)


# Away and back


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "data" / "jobs.sqlite"


@pytest.fixture
def sqlite(file: Path) -> Iterator[JobStore]:
    """An open store on a file, with one job."""
    with closing(JobStore(f"sqlite:///{file}")) as opened:
        opened.open()
        opened.put([FULL])
        yield opened


def test_what_people_asked_is_for_this_user_only(sqlite: JobStore, file: Path) -> None:
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in file.parent.iterdir()}
    assert modes == {"jobs.sqlite": 0o600, "jobs.sqlite-wal": 0o600, "jobs.sqlite-shm": 0o600}
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


def test_a_file_that_was_moved_away_and_put_back(sqlite: JobStore, file: Path, tmp_path: Path) -> None:
    sqlite.check()
    file.parent.rename(tmp_path / "elsewhere")
    for call in (sqlite.check, sqlite.unfinished, lambda: sqlite.put([job("x")]), sqlite.check):
        with refused(StorageError, "file"):
            call()
    (tmp_path / "elsewhere").rename(file.parent)
    sqlite.put([job("x")])
    assert [each.id for each in sqlite.jobs()] == ["x", "full-1"]


def test_a_file_that_was_replaced_is_not_written_in_secret(sqlite: JobStore, file: Path) -> None:
    file.unlink()
    with refused(StorageError):
        sqlite.put([job("x")])
    file.touch()
    with refused(StorageError, "tables"):
        sqlite.put([job("x")])
    sqlite.open()
    sqlite.put([job("x")])
    assert [each.id for each in sqlite.jobs()] == ["x"]


def test_a_file_that_another_program_has_locked(sqlite: JobStore, file: Path) -> None:
    with closing(JobStore(f"sqlite:///{file}?timeout=0.05")) as store:
        store.open()
        with closing(sqlite3.connect(file, isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
            assert store.job(FULL.id) == FULL
            with refused(StorageError, "locked"):
                store.put([job("x")])
            other.execute("ROLLBACK")
        store.put([job("x")])


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "jobs.sqlite").write_text("Dear diary, " * 1000)
    with closing(JobStore(f"sqlite:///{tmp_path / 'jobs.sqlite'}")) as store, refused(StorageError, "damaged"):
        store.open()
    assert (tmp_path / "jobs.sqlite").read_text().startswith("Dear diary")


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "data").touch()
    store = JobStore(f"sqlite:///{tmp_path / 'data' / 'jobs.sqlite'}")
    with closing(store), refused(StorageError, "jobs.sqlite"):
        store.open()


_FULL_DISK = """
import resource, sys
from sensorium.engine.job import Job
from sensorium.engine.job_store import JobStore
from sensorium.errors import StorageError

def put(name, size):
    store.put([Job(name, "", "caption", {"text": "x" * size}, "queued")])

store = JobStore(sys.argv[1])
store.open()
put("before", 10)
resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, resource.RLIM_INFINITY))
try:
    put("large", 1_000_000)
except StorageError as error:
    print(error)
print([job.id for job in store.jobs()])
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
put("after", 1_000_000)
print(sorted(job.id for job in store.jobs()))
"""


def test_a_file_that_cannot_grow_and_then_can(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _FULL_DISK, f"sqlite:///{tmp_path / 'jobs.sqlite'}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    refusal, during, after = done.stdout.splitlines()
    assert "database of jobs" in refusal
    assert (during, after) == ("['before']", "['after', 'before']")


def test_a_server_that_goes_away_and_comes_back(postgresql: PostgreSQL) -> None:
    with closing(JobStore(postgresql.new_database())) as store:
        store.open()
        store.put([FULL, job("waits")])
        postgresql.stop()
        try:
            for call in (store.check, store.unfinished, lambda: store.put([job("x")]), lambda: store.events("waits")):
                with refused(StorageError, "reached"):
                    call()
        finally:
            postgresql.start()
        store.put([job("x")])
        assert store.job(FULL.id) == FULL
        assert {each.id for each, _ in store.unfinished()} == {"waits", "x"}


def test_a_server_that_cuts_a_connection_in_a_transaction(postgresql: PostgreSQL) -> None:
    with closing(JobStore(postgresql.new_database())) as store:
        store.open()
        with refused(StorageError), store._database.writing() as connection, postgresql.connection() as administrator:
            connection.execute(sa.insert(tables.flags).values(name="half", value=1))
            pid = connection.scalar(sa.text("SELECT pg_backend_pid()"))
            administrator.execute("SELECT pg_terminate_backend(%s, 10000)", (pid,))
            connection.execute(sa.insert(tables.flags).values(name="rest", value=1))
        assert store.flag("half") is None


def test_a_server_that_is_read_only(postgresql: PostgreSQL) -> None:
    address = postgresql.new_database()
    with closing(JobStore(address)) as store:
        store.open()
    with closing(JobStore(f"{address}&options=-c default_transaction_read_only=on")) as store:
        assert store.jobs() == []
        with refused(StorageError, "written"):
            store.check()


@pytest.mark.parametrize(("right", "wrong"), [("/jobs_", "/nothing_"), ("sensorium@", "nobody@")])
def test_a_server_without_that_database_or_user(postgresql: PostgreSQL, right: str, wrong: str) -> None:
    address = postgresql.new_database().replace(right, wrong)
    with closing(JobStore(address)) as store, refused(StorageError, "address", "user", "database"):
        store.open()


def test_a_user_without_rights(postgresql: PostgreSQL) -> None:
    address = postgresql.new_database()
    with closing(JobStore(address)) as store:
        store.open()
    with postgresql.connection() as administrator:
        administrator.execute("CREATE USER guest")
    with closing(JobStore(address.replace("sensorium@", "guest@"))) as store, refused(StorageError, "user"):
        store.jobs()


def test_tables_of_others_stay_as_they_are(postgresql: PostgreSQL) -> None:
    address = postgresql.new_database()
    with closing(sa.create_engine(address).raw_connection()) as raw:
        raw.cursor().execute("CREATE TABLE jobs (colour TEXT)")
        raw.commit()
    with closing(JobStore(address)) as store:
        store.open()
        store.put([FULL])
    with psycopg.connect(address.replace("+psycopg", "")) as plain:
        assert plain.execute("SELECT count(*) FROM jobs").fetchone() == (0,)


def test_a_server_that_hangs(postgresql: PostgreSQL, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sensorium.engine.postgresql._SECONDS", 0.5)
    with closing(JobStore(postgresql.new_database())) as store:
        store.open()
        with postgresql.frozen(), refused(StorageError, "reached"):
            store.check()
        store.check()
