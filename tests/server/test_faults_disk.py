"""A full disk: uploads, results and the database say so, the server stays up, and works again when there is room."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest

from tests import real_media
from tests.processes import running
from tests.server.watched_server import HEALTH, UPLOADS, WatchedServer, half_written, until, watched_server

CAT = real_media.photo("chelsea")
_MEGABYTE = 1 << 20
_SIZE = 24 * _MEGABYTE
_FILES = 400


@dataclass(frozen=True)
class Disk:
    """A small disk that only programs see which were started within its namespace.

    Attributes:
        folder: Where they see it.
        seen: Where this process sees it.
        within: The beginning of the command that starts such a program.
    """

    folder: Path
    seen: Path
    within: Sequence[str]


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Disk]:
    """A disk that needs no administrator, and is gone with the process that holds it."""
    folder = tmp_path_factory.mktemp("disk")
    mounting = f"mount -t tmpfs -o size={_SIZE},nr_inodes={_FILES} none {folder} && echo mounted && exec cat"
    command = ["unshare", "--map-root-user", "--mount", "sh", "-c", mounting]
    with running(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "mounted\n"
        entering = ("nsenter", f"--target={holder.pid}", "--user", "--mount", "--preserve-credentials")
        yield Disk(folder, Path(f"/proc/{holder.pid}/root{folder}"), entering)


@pytest.fixture(scope="module")
def server(disk: Disk, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WatchedServer]:
    folder, data = tmp_path_factory.mktemp("server"), disk.folder / "data"
    with watched_server(folder, within=disk.within, data=data, preload=False) as server:
        yield server
    assert half_written(disk.seen / "data") == []


@contextmanager
def filled(disk: Disk, *, spared: int = 0) -> Iterator[None]:
    """Fill the disk for the time of the block, but for some bytes."""
    file = disk.seen / "filling"
    try:
        with file.open("wb", buffering=0) as filling:
            until(lambda: _fallocated(filling.fileno(), disk, spared))
        yield
    finally:
        file.unlink()


def _fallocated(descriptor: int, disk: Disk, spared: int) -> bool:
    """Return whether all that is free now could be taken; a server at work may have taken some of it meanwhile."""
    space = os.statvfs(disk.seen)
    try:
        os.posix_fallocate(descriptor, 0, space.f_bavail * space.f_frsize - spared)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        return False
    return True


def test_an_upload_that_finds_no_room_says_so_and_leaves_nothing(disk: Disk, server: WatchedServer) -> None:
    before = os.statvfs(disk.seen).f_bavail
    answer = server.http.post(UPLOADS, content=bytes(_SIZE + _MEGABYTE))
    assert_says_that_the_disk_is_full(answer)
    until(lambda: os.statvfs(disk.seen).f_bavail >= before - 64)
    assert server.upload(CAT)


def assert_says_that_the_disk_is_full(answer: httpx2.Response) -> None:
    assert answer.status_code == 503, answer.text
    assert int(answer.headers["retry-after"]) >= 1
    assert any(word in answer.json()["error"]["message"] for word in ("full", "no space"))
    assert answer.json()["error"]["sensorium"]["type"] == "StorageError"


def test_nothing_is_accepted_that_cannot_be_kept_and_requests_go_on(disk: Disk, server: WatchedServer) -> None:
    upload = server.upload(CAT)
    fields = {"image": upload, "labels": ["cat", "dog"]}
    kept = server.submit("classify", **fields)
    assert server.ended(kept)["state"] == "done"
    with filled(disk):
        until(lambda: server.health()["status"] == "degraded")
        health = server.http.get(HEALTH)
        assert health.status_code == 503
        assert "full" in health.json()["disk"]
        answers = (
            server.http.post("/v1/sensorium/embed", params={"background": "true"}, json={"texts": ["x" * 900]})
            for _ in range(300)  # what fits into the pages that the database has already is kept
        )
        assert_says_that_the_disk_is_full(next(answer for answer in answers if answer.status_code != 202))
        assert "full" in server.health()["database"]
        assert server.job(kept)["state"] == "done"
    until(lambda: server.health()["status"] == "ok")
    assert server.ended(server.submit("classify", **fields))["state"] == "done"


def test_a_result_that_finds_no_room_fails_its_job_alone(disk: Disk, server: WatchedServer) -> None:
    fields = {"text": "The harvest was late this year. " * 20, "format": "wav"}
    with filled(disk, spared=200_000):
        answer = server.ask("speak", **fields)
        assert_says_that_the_disk_is_full(answer)
        assert server.ask("embed", texts=["a cat"]).status_code == 200
    answer = server.ask("speak", **fields)
    assert answer.status_code == 200
    (artifact,) = answer.json()["artifacts"]
    sound = server.http.get(f"/v1/sensorium/jobs/{answer.json()['job']}/artifacts/{artifact['name']}")
    assert len(sound.content) == artifact["size"] > 200_000


def test_a_disk_that_takes_no_further_files_fails_requests_in_a_sentence(disk: Disk, server: WatchedServer) -> None:
    fields = {"text": "The harvest was late.", "format": "wav"}
    folder = disk.seen / "files"
    folder.mkdir()
    try:
        with suppress(OSError):
            for number in range(_FILES):
                (folder / str(number)).touch()
        assert server.ask("embed", texts=["a cat"]).status_code == 200, "it needs no file"
        assert_says_that_the_disk_is_full(server.ask("speak", **fields))
    finally:
        shutil.rmtree(folder)
    assert server.ask("speak", **fields).status_code == 200


def test_a_job_accepted_before_the_disk_was_full_is_answered(disk: Disk, server: WatchedServer) -> None:
    server.http.post("/v1/sensorium/queue/pause")
    upload = server.upload(CAT)
    jobs = [server.submit("classify", image=upload, labels=["cat", f"dog {number}"]) for number in range(3)]
    with filled(disk):
        server.http.post("/v1/sensorium/queue/resume")
        ended = [server.ended(job) for job in jobs]
    until(lambda: server.health()["status"] == "ok")
    for job in ended:
        assert job["state"] == "done" or "full" in job["error"]["message"]
        assert server.job(job["id"]) == job
