"""Files in an object store, as machines of a cluster share them: a folder that was deleted stands for another one."""

from __future__ import annotations

import asyncio
import os
import shutil
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from sensorium.engine.call_files import CallFiles
from sensorium.engine.handed_media import hand_over
from sensorium.engine.reception import receive
from sensorium.engine.stored_job_files import StoredJobFiles
from sensorium.engine.wire import StorageSetup
from sensorium.errors import NotFoundError
from sensorium.media.limits import Limits
from sensorium.operations.media import Media
from tests.object_storage import object_storage
from tests.refusals import refused

PLENTY = 10**9


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    with object_storage() as storage:
        yield storage.bucket


@pytest.fixture
def setup(bucket: str, tmp_path: Path) -> StorageSetup:
    return StorageSetup(str(tmp_path / "data"), f"{bucket}/{tmp_path.name}", PLENTY, scattered=True)


def machine(setup: StorageSetup, cache_bytes: int = PLENTY) -> StoredJobFiles:
    """Return the files of a machine that has none of them yet."""
    shutil.rmtree(setup.folder, ignore_errors=True)
    files = StoredJobFiles(setup.folder, setup.address, cache_bytes=cache_bytes, scattered=True)
    files.join()
    return files


def upload(files: StoredJobFiles, content: bytes) -> str:
    async def whole() -> AsyncIterator[bytes]:
        yield content

    return asyncio.run(receive(files, whole(), name="cat.png", largest=PLENTY)).id


def test_a_worker_elsewhere_reads_what_a_call_names_and_what_it_makes_is_read_everywhere(setup: StorageSetup) -> None:
    ingress = machine(setup)
    sent = Media(f"upload:{upload(ingress, b'cat')}")
    keeper = machine(setup)
    folder = keeper.media_folder("job", durable=False)
    handed = [
        hand_over(keeper, each, folder, limits=Limits(), later=True) for each in (sent, Media("data:text/plain,words"))
    ]
    assert not Path(handed[0]["path"]).exists(), "its bytes go to the worker alone"
    machine(setup)
    worker = CallFiles(setup)
    found = [worker.medium("call", each, file) for each, file in zip((sent, Media("data:")), handed, strict=True)]
    assert [path.read_bytes() for path in found] == [b"cat", b"words"]
    made = keeper.artifact_folder("job", durable=False)
    made.mkdir(parents=True)
    (made / ".unfinished").write_bytes(b"picture")
    worker.publish(made / ".unfinished", made / "picture.png", threading.Event())
    worker.let_go("call")
    assert not any(path.exists() for path in found)
    ingress = machine(setup)
    assert ingress.artifact("job", "picture.png").read_bytes() == b"picture"
    ingress.delete_job("job")
    with refused(NotFoundError, "picture.png"):
        machine(setup).artifact("job", "picture.png")


def test_what_was_not_used_for_longest_leaves_the_folder_and_comes_back(setup: StorageSetup) -> None:
    files = machine(setup, cache_bytes=2000)
    first, second, third = (upload(files, bytes(900)) for _ in range(3))
    for age, name in ((300, second), (200, third), (100, first)):
        long_ago = (files.uploads / name).stat().st_mtime - age
        os.utime(files.uploads / name, (long_ago, long_ago))
    files.trim()
    assert {path.name for path in files.uploads.iterdir()} == {first, third}
    assert files.upload_sizes() == dict.fromkeys((first, second, third), 900), "the store has them all"
    assert files.upload(second).stat().st_size == 900


def test_what_a_front_end_keeps_goes_on_elsewhere(setup: StorageSetup) -> None:
    files = machine(setup)
    folder = files.front_end_folder("batches")
    (folder / "batch_1").mkdir()
    for name in ("batch.json", "requests.jsonl"):
        (folder / "batch_1" / name).write_text("{}")
    files.save_front_ends()
    (folder / "batch_1" / "requests.jsonl").unlink()
    (folder / "batch_1" / "batch.json").write_text('{"status": "completed"}')
    files.save_front_ends()
    folder = machine(setup).front_end_folder("batches")
    assert {path.name: path.read_text() for path in folder.rglob("*.json*")} == {
        "batch.json": '{"status": "completed"}'
    }
