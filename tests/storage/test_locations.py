"""Files in a folder of this machine and in a bucket of an S3 server behave alike."""

from __future__ import annotations

import errno
import pickle
from collections.abc import Iterator
from pathlib import Path

import pytest

from sensorium.errors import InputError, MissingDependencyError, StorageError
from sensorium.storage import remote_location
from sensorium.storage.location import Location, is_stored_remotely
from sensorium.storage.opening import location_of, matching
from tests.object_storage import ObjectStorage, object_storage
from tests.refusals import refused


@pytest.fixture(scope="module")
def store() -> Iterator[ObjectStorage]:
    with object_storage() as running:
        yield running


@pytest.fixture(params=["folder", "bucket"])
def root(request: pytest.FixtureRequest, store: ObjectStorage, tmp_path: Path) -> Location:
    return location_of(tmp_path / "root") if request.param == "folder" else location_of(store.new_bucket() + "/root")


def test_a_file_is_written_read_listed_and_removed(root: Location, tmp_path: Path) -> None:
    file = root.join("a", "numbers.bin")
    assert (file.info(), file.exists(), root.exists()) == (None, False, False)
    file.write(b"12345")
    before = file.info()
    assert before is not None
    assert (before.size, before.location, file.name) == (5, file, "numbers.bin")
    file.write(b"54321")
    after = file.info()
    assert after is not None
    assert after.version != before.version
    with file.open() as opened:
        opened.seek(3)
        assert opened.read() == b"21"
    file.fetch(tmp_path / "fetched.bin")
    root.join("b.bin").put(tmp_path / "fetched.bin")
    assert root.join("b.bin").read() == b"54321"
    assert pickle.loads(pickle.dumps(file)) == file
    file.delete()
    file.delete()
    assert [each.location for each in root.files()] == [root.join("b.bin")]
    assert root.exists()


def test_only_the_first_writes_a_new_file(root: Location) -> None:
    file = root.join("lock")
    assert file.write_new(b"first")
    assert not file.write_new(b"second")
    assert file.read() == b"first"


def test_what_fails_in_the_middle_leaves_nothing(root: Location) -> None:
    def fail(path: Path) -> None:
        path.write_text("half")
        raise RuntimeError

    file = root.join("result.txt")
    with pytest.raises(RuntimeError), file.written() as temporary:
        fail(temporary)
    assert list(root.files()) == []
    with file.written() as temporary:
        temporary.write_text("whole")
    assert file.read() == b"whole"


def test_a_listing_is_sorted_complete_and_selected(root: Location) -> None:
    names = ["a.txt", "a/b.txt", "a/c/d.txt", "ab.txt", "b/e.jpg", "z.txt"]
    for name in reversed(names):
        root.join(name).write(name.encode())
    assert [each.location.address for each in root.files()] == [root.join(name).address for name in names]
    assert [each.location.name for each in root.files("a/")] == ["b.txt", "d.txt"]
    assert [each.location.name for each in matching(f"{root}/**/*.txt")] == [
        "a.txt",
        "b.txt",
        "d.txt",
        "ab.txt",
        "z.txt",
    ]
    assert [each.location.name for each in matching(f"{root}/a*.txt")] == ["a.txt", "ab.txt"]
    assert [each.location.name for each in matching(f"{root}/?/*")] == ["b.txt", "e.jpg"]


def test_a_listing_goes_on_where_a_page_ends(store: ObjectStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote_location, "PAGE", 2)
    root = location_of(store.new_bucket())
    for number in range(5):
        root.join(f"{number}").write(b"x")
    assert [each.location.name for each in root.files()] == ["0", "1", "2", "3", "4"]


def test_what_is_not_there_is_told(root: Location, tmp_path: Path) -> None:
    for method in (root.join("missing.bin").read, lambda: root.join("missing.bin").fetch(tmp_path / "copy.bin")):
        with refused(InputError, "missing.bin"):
            method()
    assert not (tmp_path / "copy.bin").exists()
    assert list(root.join("missing").files()) == []


def test_a_missing_bucket_is_named(store: ObjectStorage) -> None:
    nowhere = location_of("s3://no-such-bucket/file.bin")
    with refused(InputError, "no-such-bucket"):
        nowhere.write(b"x")
    with refused(InputError, "no-such-bucket"):
        list(nowhere.files())


def test_refused_credentials_are_told() -> None:
    with object_storage() as closed:
        closed.require_known_credentials()
        with refused(StorageError, "file.bin", "credentials"):
            location_of(f"{closed.bucket}/file.bin").write(b"x")
        with refused(StorageError, closed.bucket, "credentials"):
            list(location_of(closed.bucket).files())


def test_a_store_that_does_not_answer_is_told(store: ObjectStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    import s3fs

    s3fs.S3FileSystem.clear_instance_cache()
    monkeypatch.setattr(s3fs.S3FileSystem, "retries", 1)
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with refused(StorageError, "file.bin", "AWS_ENDPOINT_URL"):
        location_of(f"{store.bucket}/file.bin").read()
    s3fs.S3FileSystem.clear_instance_cache()


def test_missing_credentials_are_told(store: ObjectStorage, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import s3fs

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    s3fs.S3FileSystem.clear_instance_cache()
    with refused(StorageError, "AWS_ACCESS_KEY_ID"):
        location_of(f"{store.bucket}/file.bin").read()
    s3fs.S3FileSystem.clear_instance_cache()


def test_addresses_are_told_apart_from_paths_and_the_web() -> None:
    assert is_stored_remotely("s3://bucket/key")
    assert not is_stored_remotely("https://example.org/a.png")
    assert not is_stored_remotely("C:/pictures")
    for wrong, named in (
        ("", "name"),
        ("https://example.org/a", "example.org"),
        ("s3://", "bucket"),
        ("x9://a/b", "x9"),
    ):
        with refused(InputError, named):
            location_of(wrong)


def test_the_package_of_a_store_is_named() -> None:
    with refused(MissingDependencyError, "gcsfs"):
        location_of("gs://bucket/file.bin").read()


def test_a_full_disk_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Path, data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with refused(InputError, "no space"):
        location_of(tmp_path / "a.bin").write(b"x")
    assert list(tmp_path.iterdir()) == []
