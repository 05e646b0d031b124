"""The folder of an engine: its files, what arrives, and what jobs and indexes are given."""

from __future__ import annotations

import asyncio
import base64
import os
import stat
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from sensorium import settings
from sensorium.engine.handed_media import hand_over
from sensorium.engine.job_files import JobFiles
from sensorium.engine.job_store import JobStore
from sensorium.engine.reception import Received, receive
from sensorium.engine.reference_path import origin_of
from sensorium.errors import CancelledError, InputError, NotFoundError, StorageError
from sensorium.media.limits import Limits
from sensorium.operations.media import Media
from tests.engine.artifact_folders import artifact_folder
from tests.processes import running, wait_for
from tests.real_media import photo
from tests.refusals import refused

LIMITS = Limits(allow_urls=False)


@pytest.fixture
def files(tmp_path: Path) -> Iterator[JobFiles]:
    """An open folder."""
    with closing(JobFiles(tmp_path / "data")) as opened:
        opened.open()
        yield opened


def everything(files: JobFiles) -> set[str]:
    """Return all files below the folder but the lock."""
    found = (path.relative_to(files.folder) for path in files.folder.rglob("*") if not path.is_dir())
    return {str(path) for path in found} - {".lock"}


def upload(files: JobFiles, data: bytes = b"cat", name: str = "cat.png", largest: int = 10_000_000) -> Received:
    async def whole() -> AsyncIterator[bytes]:
        yield data

    return asyncio.run(receive(files, whole(), name=name, largest=largest))


# The folder


def test_all_is_for_this_user_only(files: JobFiles) -> None:
    folders = [files.folder, *(path for path in files.folder.iterdir() if path.is_dir())]
    folders += [artifact_folder(files, "job"), files.media_folder("job"), files.indexed_folder("", "cats")]
    assert len(folders) == 9
    assert {stat.S_IMODE(folder.stat().st_mode) for folder in folders} == {0o700}


def test_the_database_lies_in_the_folder_whatever_its_name(tmp_path: Path) -> None:
    with closing(JobFiles(tmp_path / "a b#c%41é")) as files:
        files.open()
        with closing(JobStore(files.database)) as store:
            store.open()
        assert "jobs.sqlite" in everything(files)


def test_the_default_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("SENSORIUM_DATA", raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert settings.data_home() == tmp_path / "sensorium"
    monkeypatch.delenv("XDG_DATA_HOME")
    assert settings.data_home() == Path.home() / ".local" / "share" / "sensorium"
    monkeypatch.setenv("SENSORIUM_DATA", "~/elsewhere")
    assert settings.data_home() == Path.home() / "elsewhere"


def test_one_engine_at_a_time(files: JobFiles) -> None:
    with (
        closing(JobFiles(files.folder)) as second,
        refused(StorageError, files.folder.name, "in use by another engine"),
    ):
        second.open()
    (files.uploads / ".partial").touch()
    files.close()
    with closing(JobFiles(files.folder)) as second:
        second.open()
    assert everything(files) == set()


_HOLD = """
import sys, time
from pathlib import Path
from sensorium.engine.job_files import JobFiles
files = JobFiles(sys.argv[1])
files.open()
Path(sys.argv[2]).touch()
time.sleep(600)
"""


def test_an_engine_in_another_process_and_its_violent_end(tmp_path: Path) -> None:
    folder, ready = tmp_path / "data", tmp_path / "ready"
    files = JobFiles(folder)
    with running([sys.executable, "-c", _HOLD, folder, ready]) as other:
        wait_for(ready, other)
        with refused(StorageError, "data"):
            files.open()
        other.kill()
        other.wait()
        with closing(files):
            files.open()


def test_it_may_be_opened_in_one_thread_and_closed_in_another(tmp_path: Path) -> None:
    files = JobFiles(tmp_path / "data")
    thread = threading.Thread(target=files.open)
    thread.start()
    thread.join()
    files.close()
    with closing(JobFiles(tmp_path / "data")) as again:
        again.open()


def test_what_a_crash_left_is_deleted_and_nothing_else(files: JobFiles) -> None:
    kept = upload(files).id
    (artifact_folder(files, "done") / "picture.png").touch()
    (artifact_folder(files, "done") / ".half.png").touch()
    (files.media_folder("done") / ".half").touch()
    (artifact_folder(files, "short", durable=False) / "picture.png").touch()
    (files.indexed_folder("", "cats") / "1-cat.png").touch()
    (files.indexed_folder("", "cats") / ".half").touch()
    (files.uploads / ".half").touch()
    files.close()
    files.open()
    assert everything(files) == {f"uploads/{kept}", "jobs/done/artifacts/picture.png", "indexed/common/cats/1-cat.png"}
    assert not (files.folder / "passing" / "short").exists()


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with closing(JobFiles(tmp_path / "file" / "data")) as files, refused(StorageError, "data"):
        files.open()


# A full disk


_ON_A_SMALL_DISK = """
import asyncio, resource, sys
from sensorium.engine.handed_media import hand_over
from sensorium.engine.job_files import JobFiles
from sensorium.engine.reference_path import origin_of
from sensorium.engine.reception import receive
from sensorium.errors import StorageError
from sensorium.media.limits import Limits
from sensorium.operations.media import Media

async def pieces(count):
    for _ in range(count):
        yield bytes(300_000)

def receive_some(count):
    return asyncio.run(receive(files, pieces(count), name="film.mp4", largest=10**9))

def allow(size):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

files = JobFiles(sys.argv[1])
files.open()
print(files.probe() or "good")
allow(2000)
print(files.probe())
allow(1_500_000)
for size in (1, 4, 8):
    try:
        print(receive_some(size).size)
    except StorageError as error:
        print(error)
data = "data:," + "x" * 2_000_000
folder = files.media_folder("job")
try:
    hand_over(files, Media(data), folder, limits=Limits())
except StorageError as error:
    print(error)
allow(resource.RLIM_INFINITY)
print(files.probe() or "good")
print(receive_some(8).size)
print(len(list(files.uploads.iterdir())), len(list(folder.iterdir())))
"""


def test_files_that_cannot_grow_and_then_can(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _ON_A_SMALL_DISK, tmp_path / "data"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    good, probed, one, four, eight, media, good_again, at_last, counts = done.stdout.splitlines()
    assert (good, good_again) == ("good", "good")
    assert (one, four, at_last, counts) == ("300000", "1200000", "2400000", "3 0")
    for sentence in (probed, eight, media):
        assert "data" in sentence
        assert "can't be written" in sentence


@contextmanager
def small_disk(folder: Path, size: int) -> Iterator[None]:
    """Mount a small disk in memory; only root can."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "sensorium-test", folder], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", folder], check=True)


def can_mount(folder: Path) -> bool:
    try:
        with small_disk(folder / "trial", 1 << 20):
            return True
    except (subprocess.CalledProcessError, FileNotFoundError):
        return False


def test_a_full_disk(tmp_path: Path) -> None:
    if not can_mount(tmp_path):
        return  # the tests with files that cannot grow hold the same without root
    with small_disk(tmp_path / "disk", 4 << 20), closing(JobFiles(tmp_path / "disk")) as files:
        files.open()
        with closing(JobStore(files.database)) as store:
            store.open()
            ballast = files.folder / "ballast"
            with pytest.raises(OSError, match="space"):
                ballast.write_bytes(bytes(8 << 20))
            assert "full" in files.probe()
            with refused(StorageError, "full"):
                upload(files, bytes(100_000))
            with refused(StorageError, "full"):
                for number in range(10_000):
                    store.set_flag(f"flag-{number}", "x" * 1000)
            ballast.unlink()
            assert files.probe() == ""
            upload(files, bytes(100_000))
            store.set_flag("paused", True)
            assert store.flag("paused") is True


# What arrives


def test_a_file_arrives_in_pieces(files: JobFiles) -> None:
    data = os.urandom(3_500_000)

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(data), 70_001):
            yield data[start : start + 70_001]
            yield b""

    received = asyncio.run(receive(files, pieces(), name="ü\n\u202e.png", largest=len(data)))
    assert files.upload(received.id).read_bytes() == data
    assert received.size == len(data)
    assert received.name.isprintable()
    assert files.upload_sizes() == {received.id: len(data)}
    files.delete_upload(received.id)
    files.delete_upload(received.id)
    assert everything(files) == set()


def test_what_is_empty_or_too_large_is_refused_and_removed(files: JobFiles) -> None:
    with refused(InputError, "cat.png", "empty"):
        upload(files, b"")
    with refused(InputError, "cat.png", "2 bytes"):
        upload(files, largest=2)
    with refused(InputError, "file"):
        upload(files, b"", name="")
    assert everything(files) == set()


def test_a_sender_that_vanishes_leaves_nothing(files: JobFiles) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield bytes(2_000_000)
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        asyncio.run(receive(files, broken(), name="film.mp4", largest=10_000_000))
    assert everything(files) == set()


def test_receiving_that_is_cancelled_leaves_nothing(files: JobFiles) -> None:
    async def endless(wrote: asyncio.Event) -> AsyncIterator[bytes]:
        while True:
            yield bytes(600_000)
            wrote.set()

    async def main() -> None:
        for _ in range(20):
            wrote = asyncio.Event()
            work = asyncio.create_task(receive(files, endless(wrote), name="film.mp4", largest=10**12))
            await wrote.wait()
            await asyncio.sleep(0)
            work.cancel()
            with pytest.raises(asyncio.CancelledError):
                await work

    asyncio.run(main())
    assert everything(files) == set()


def test_writing_does_not_hold_up_the_loop(files: JobFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()
    path_open = Path.open

    def slowly(self: Path, *arguments: object) -> object:
        release.wait(60)
        return path_open(self, *arguments)

    async def main() -> None:
        monkeypatch.setattr(Path, "open", slowly)

        async def whole() -> AsyncIterator[bytes]:
            yield b"cat"

        work = asyncio.create_task(receive(files, whole(), name="cat.png", largest=10))
        await asyncio.sleep(0.01)
        assert not work.done()
        release.set()
        assert (await work).size == 3

    asyncio.run(main())


# Artifacts


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        ".half.png",
        "gone.png",
        "../../uploads/x",
        "a/b",
        "a\\b",
        "a\0",
        "x" * 300,
        "\ud800",
        "link",
        "sub",
    ],
)
def test_names_that_are_no_artifact(files: JobFiles, name: str) -> None:
    folder = artifact_folder(files, "job")
    (folder / ".half.png").touch()
    (folder / "dir").mkdir()
    (folder / "link").symlink_to("/etc/passwd")
    with refused(NotFoundError, "job"):
        files.artifact("job", name)
    with refused(NotFoundError):
        files.artifact(name, "picture.png")
    with refused(NotFoundError):
        files.upload(name)


def test_artifacts_are_found_and_deleted_with_their_job(files: JobFiles) -> None:
    for job, durable in (("kept", True), ("short", False)):
        (artifact_folder(files, job, durable=durable) / "Bild 1.png").write_bytes(b"12345")
        (files.media_folder(job, durable=durable) / "m").write_bytes(b"123")
        assert files.artifact(job, "Bild 1.png").read_bytes() == b"12345"
    assert files.job_sizes() == {"kept": 5}
    files.delete_media("kept")
    assert files.artifact("kept", "Bild 1.png").is_file()
    files.delete_artifacts("kept")
    with refused(NotFoundError, "Bild 1.png"):
        files.artifact("kept", "Bild 1.png")
    for job in ("kept", "short", "gone", ".."):
        files.delete_job(job)
    assert everything(files) == set()
    assert files.uploads.is_dir()


@pytest.mark.parametrize("wrong", ["", ".", "..", ".cats", "a/b", "a b", "kätzchen", "x" * 101, "a\0", "a\n"])
def test_what_cannot_name_an_index(files: JobFiles, wrong: str) -> None:
    for call in (files.indexed_folder, files.delete_index, lambda *names: files.delete_indexed(*names, [])):
        with refused(InputError, "index"):
            call("ann", wrong)


def test_owners_have_indexes_of_their_own(files: JobFiles) -> None:
    owners = ("", "ann", "common", "../ann", "a\0\ud800")
    assert len({files.index_folder(owner) for owner in owners}) == 5
    assert len({files.indexed_folder(owner, "cats-2.old") for owner in owners}) == 5
    assert {path.parent for path in map(files.index_folder, owners)} == {files.folder / "indexes"}


# Media for workers


def test_an_upload_is_linked_and_outlives_its_deletion(files: JobFiles) -> None:
    data = photo("chelsea").read_bytes()
    sent = upload(files, data, "meine Katze.png")
    reference = Media(f"upload:{sent.id}")
    folder = files.media_folder("job")
    handed = hand_over(files, reference, folder, name=sent.name, limits=LIMITS)
    assert handed["name"] == "meine Katze.png"
    assert Path(handed["path"]).is_relative_to(folder)
    assert Path(handed["path"]).samefile(files.upload(sent.id))
    files.delete_upload(sent.id)
    assert hand_over(files, reference, folder, name=sent.name, limits=LIMITS) == handed
    assert Path(handed["path"]).read_bytes() == data
    with refused(NotFoundError, sent.id):
        hand_over(files, reference, folder, limits=LIMITS, again=True)
    with refused(NotFoundError, sent.id):
        hand_over(files, reference, files.media_folder("other"), limits=LIMITS)


def test_an_index_tells_from_the_path_what_a_file_is(files: JobFiles) -> None:
    sent, other = upload(files, b"cat", "/Meine Kätzchen.png"), upload(files, b"dog", "长" * 300 + ".mp4")
    (artifact_folder(files, "job") / "Bild 1.png").write_bytes(b"picture")
    references = [Media(f"upload:{sent.id}"), Media(f"upload:{other.id}"), Media("artifact:job/Bild 1.png")]
    folder = files.indexed_folder("ann", "cats")
    names = (sent.name, other.name, "")
    paths = [
        Path(hand_over(files, reference, folder, name=name, limits=LIMITS)["path"])
        for reference, name in zip(references, names, strict=True)
    ]
    origins = [origin_of(path) for path in paths]
    assert [origin.reference for origin in origins] == references
    assert [origin.name for origin in origins][::2] == ["-Meine Kätzchen.png", "Bild 1.png"]
    assert origins[1].name.endswith("长.mp4")
    assert files.indexed() == set(references)
    files.delete_upload(sent.id)
    files.delete_indexed("ann", "cats", references[1:2])
    assert [origin_of(path) is None for path in paths] == [True, True, False]
    assert files.upload(other.id).is_file()
    assert origin_of(files.upload(other.id)) is None
    files.index_folder("ann").joinpath("cats").mkdir(parents=True)
    files.delete_index("ann", "cats")
    assert files.indexed() == set()
    assert everything(files) == {f"uploads/{other.id}", "jobs/job/artifacts/Bild 1.png"}


def test_an_artifact_of_another_job(files: JobFiles) -> None:
    (artifact_folder(files, "first") / "picture-1.png").write_bytes(b"picture")
    reference = Media("artifact:first/picture-1.png")
    handed = hand_over(files, reference, files.media_folder("second"), limits=LIMITS)
    files.delete_job("first")
    assert (handed["name"], Path(handed["path"]).read_bytes()) == ("picture-1.png", b"picture")
    with refused(NotFoundError, "first", "picture-1.png"):
        hand_over(files, reference, files.media_folder("third"), limits=LIMITS)


def test_a_disk_without_links_gets_copies(files: JobFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_links(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_links)
    sent = upload(files, b"cat")
    handed = hand_over(files, Media(f"upload:{sent.id}"), files.media_folder("job"), limits=LIMITS)
    assert Path(handed["path"]).read_bytes() == b"cat"
    assert not Path(handed["path"]).samefile(files.upload(sent.id))


def test_data_in_the_reference(files: JobFiles) -> None:
    data = photo("chelsea").read_bytes()
    reference = Media("data:image/png;base64," + base64.b64encode(data).decode())
    handed = hand_over(files, reference, files.media_folder("job"), limits=LIMITS)
    assert Path(handed["path"]).read_bytes() == data
    assert len(handed["name"]) < 120
    with refused(InputError, "base64"):
        hand_over(files, Media("data:image/png;base64,%%"), files.media_folder("job"), limits=LIMITS)
    with refused(InputError, "allowed"):
        hand_over(files, reference, files.media_folder("b"), limits=replace(LIMITS, max_bytes=1000))


@pytest.mark.parametrize("reference", ["-", "/etc/passwd", "cat.png", "file:///etc/passwd", "uploads:1", "artifact:x"])
def test_files_of_this_machine_cannot_be_named(files: JobFiles, reference: str) -> None:
    with refused(InputError, "files on this machine can't be named here", "data"):
        hand_over(files, Media(reference), files.media_folder("job"), limits=Limits())


@pytest.mark.parametrize(
    "reference",
    [
        "upload:",
        "upload:../x",
        "upload:.lock",
        "artifact:../x",
        "artifact:a/../b",
        "upload:" + "x" * 5000,
        "upload:\ud800\0",
    ],
)
def test_references_do_not_lead_out_of_the_folder(files: JobFiles, reference: str) -> None:
    with refused(NotFoundError):
        hand_over(files, Media(reference), files.media_folder("job"), limits=Limits())


class _Hosts(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        for _ in range(10 if "short" in self.path else 10_000):
            self.wfile.write(bytes(10_000))

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def host() -> Iterator[str]:
    """A server on this machine; returns its address."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Hosts) as server:
        threading.Thread(target=server.serve_forever).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def fetching_from(host: str) -> Limits:
    port = int(host.rpartition(":")[2])
    return Limits(allow_private=True, allowed_ports=frozenset({port}), allowed_hosts=frozenset({"127.0.0.1"}))


def test_an_address_is_fetched_where_that_is_allowed(files: JobFiles, host: str) -> None:
    folder = files.media_folder("job")
    reference = Media(f"{host}/short.png?key=secret")
    with refused(InputError, "addresses are not allowed"):
        hand_over(files, reference, folder, limits=LIMITS)
    handed = hand_over(files, reference, folder, limits=fetching_from(host))
    assert Path(handed["path"]).read_bytes() == bytes(100_000)
    assert "secret" not in handed["name"] + handed["path"]
    with refused(InputError):
        hand_over(files, Media("http://169.254.169.254/"), folder, limits=fetching_from(host))


def test_a_fetch_that_is_cancelled_leaves_nothing(files: JobFiles, host: str) -> None:
    cancel = threading.Event()
    with pytest.raises(CancelledError):
        hand_over(
            files,
            Media(f"{host}/long.mp4"),
            files.media_folder("job"),
            limits=fetching_from(host),
            progress=lambda progress: cancel.set() if progress.done > 100_000 else None,
            cancel=cancel,
        )
    assert everything(files) == set()
