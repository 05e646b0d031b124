"""An index that several processes build, here one after the other in this process, on the disk and in an S3 store."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from sensorium.errors import InputError, StorageError
from sensorium.progress import Cancellation, ProgressCallback
from sensorium.retrieval import portions
from sensorium.retrieval.fragments import KnownContents
from sensorium.retrieval.index import SearchIndex
from sensorium.retrieval.portions import Crew, Encoded, Plan, Portion, PortionEncoder, portions_of
from sensorium.retrieval.scan import FoundFile
from tests.object_storage import ObjectStorage, object_storage
from tests.refusals import refused
from tests.retrieval.album import number_of, save_photo


class Alone(Crew):
    """One process that is this one; may be told to let something happen before a portion."""

    def __init__(self) -> None:
        self.encoded: list[str] = []
        self.before_portion = {}

    def encode(
        self, plan: Plan, files: Sequence[FoundFile], progress: ProgressCallback | None, cancel: Cancellation | None
    ) -> Generator[Encoded, None, None]:
        encoder = PortionEncoder(plan)
        for number, portion in enumerate(portions_of(files, 2)):
            if number in self.before_portion:
                self.before_portion[number]()
            yield encoder.encode(portion)
            self.encoded += [file.path for file in portion.files]


class Line:
    """The way to a server, which can be cut and mended."""

    def __init__(self, endpoint: str) -> None:
        parts = urlsplit(endpoint)
        self._server = (parts.hostname, parts.port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.endpoint = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._open: list[socket.socket] = []
        self._is_cut = False
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        self._is_cut = True
        for each in self._open:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def mend(self) -> None:
        self._is_cut = False

    def close(self) -> None:
        self.cut()
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client = self._listener.accept()[0]
                if self._is_cut:
                    client.close()
                    continue
                server = socket.create_connection(self._server)
                self._open += [client, server]
                for source, target in ((client, server), (server, client)):
                    threading.Thread(target=self._carry, args=(source, target), daemon=True).start()

    @staticmethod
    def _carry(source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError), closing(source), closing(target):
            while data := source.recv(1 << 16):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)


@pytest.fixture(scope="module")
def store() -> Iterator[ObjectStorage]:
    with object_storage() as running, pytest.MonkeyPatch.context() as patch:
        patch.delenv("AWS_ALLOW_HTTP")  # no user would think of it
        yield running


@pytest.fixture
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each portion hold two files and be put in at once."""
    monkeypatch.setattr(portions, "_LEAST_FILES", 2)
    monkeypatch.setattr(portions, "_FRAGMENTS_PER_COMMIT", 1)


def found(index: SearchIndex, text: str = "a cat") -> list[tuple[str, float]]:
    return [(str(match.path), match.score) for match in index.search(text)]


def settle(folder: Path) -> None:
    """Let files look as if they had been there for a while: newer ones are looked at again."""
    for path in folder.rglob("*.jpg"):
        state = path.stat()
        if state.st_mtime > time.time() - 100:
            os.utime(path, (state.st_atime - 1000, state.st_mtime - 1000))


@pytest.mark.usefixtures("small_steps")
@pytest.mark.parametrize("place", ["disk", "store"])
def test_the_index_is_the_one_that_one_process_makes(
    place: str, store: ObjectStorage, album: Path, tmp_path: Path
) -> None:
    where = str(tmp_path / "several") if place == "disk" else f"{store.bucket}/several"
    (album / "broken.jpg").write_bytes(b"\xff\xd8\xff nothing more")
    save_photo("chelsea", album / "copy of a cat.jpg")
    one, several, crew = SearchIndex(tmp_path / "one"), SearchIndex(where), Alone()

    def both_do_the_same() -> None:
        settle(album)
        expected, report = one.add(album).to_dict(), several.add(album, crew=crew).to_dict()
        # A copy is encoded twice if it lies in another portion of the same run.
        assert {**report, "reused": 0} == {**expected, "reused": 0}
        assert found(one) == found(several)
        assert found(one, "a rocket") == found(several, "a rocket")
        assert one.files() == several.files()

    both_do_the_same()
    assert len(crew.encoded) == 10
    crew.encoded.clear()
    both_do_the_same()
    assert crew.encoded == [], "the second run has nothing to do"

    (album / f"{number_of('chelsea')}.jpg").rename(album / "moved.jpg")
    save_photo("dog", album / f"{number_of('flower')}.jpg", 300)
    (album / f"{number_of('coffee')}.jpg").unlink(missing_ok=True)
    (album / "more" / f"{number_of('coffee')}.jpg").unlink(missing_ok=True)
    save_photo("coffee", album / "new.jpg", 200)
    both_do_the_same()
    assert one.remove(album / "more") == several.remove(album / "more")
    assert found(one) == found(several)
    assert SearchIndex(where).add(album).added == one.add(album).added, "one process goes on where several ended"


@pytest.mark.usefixtures("small_steps")
def test_a_store_that_goes_away_costs_no_more_than_what_was_under_way(
    store: ObjectStorage, album: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settle(album)
    with closing(Line(store.endpoint)) as line:
        monkeypatch.setenv("AWS_ENDPOINT_URL", line.endpoint)
        where, crew = f"{store.bucket}/interrupted", Alone()
        crew.before_portion[2] = line.cut
        with refused(StorageError, where, "AWS_ENDPOINT_URL"):
            SearchIndex(where).add(album, crew=crew)
        first = list(crew.encoded)
        assert len(first) == 4
        line.mend()
        crew.encoded.clear()
        crew.before_portion.clear()
        report = SearchIndex(where).add(album, crew=crew)
        assert (report.added, report.unchanged) == (4, 4)
        assert not set(first) & set(crew.encoded), "nothing twice"
        assert len(found(SearchIndex(where))) == 8


def test_what_is_wrong_with_a_store_is_told(store: ObjectStorage, album: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with refused(InputError, "s3://nobody-made-this/index", "bucket"):
        SearchIndex("s3://nobody-made-this/index").add(album)
    with object_storage() as strict:
        strict.require_known_credentials()
        with refused(StorageError, f"{strict.bucket}/index", "AWS_ACCESS_KEY_ID"):
            SearchIndex(f"{strict.bucket}/index").add(album)


def test_portions_are_small_and_hold_every_file_once() -> None:
    files = [FoundFile(f"/{number}", None, 1) for number in range(5000)]
    parts = list(portions_of(files, 2))
    assert [file for part in parts for file in part.files] == files
    assert max(len(part.files) for part in parts) == 313, "eight for each of two processes"
    films = [FoundFile(f"/{number}.mp4", None, 400 << 20) for number in range(3)]
    assert [len(part.files) for part in portions_of(films, 1)] == [1, 1, 1]
    assert max(len(part.files) for part in portions_of(files * 10, 1)) == 1024
    assert [len(half.files) for half in Portion(tuple(films)).halves()] == [1, 2]


def test_contents_are_known_by_their_first_bits() -> None:
    import numpy as np

    digests = [f"{number:016x}{'0' * 16}" for number in (1, 7, 2**64 - 1)]
    known = KnownContents(np.array([1, 7, 2**64 - 1], np.uint64))
    assert all((digest, None) in known and known.in_table(digest) for digest in digests)
    other = f"{2:016x}{'0' * 16}"
    assert (other, None) not in known
    known.add((other, None))
    assert (other, None) in known
    assert not known.in_table(other)
    assert not known.in_table("")
