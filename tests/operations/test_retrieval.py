"""Operations on search indexes, with the starter, on real photos: of one's own files, and of uploads as on a server."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from sensorium.errors import CancelledError, InputError
from sensorium.media.limits import Limits
from sensorium.media.source import ResolvedMedia, resolve
from sensorium.media.video_writer import write_video
from sensorium.operations.media import Media, Origin
from sensorium.operations.operation import Operation
from sensorium.operations.retrieval import Index, RemoveFromIndex, Search
from sensorium.operations.tasks import Tasks
from sensorium.progress import Progress
from sensorium.vision_language.clip import CLIP
from tests.operations.listening import Listening, through_json
from tests.operations.unheard import Unheard
from tests.real_media import photo
from tests.refusals import refused
from tests.retrieval.album import save_photo
from tests.test_import_graph import imported_by


@pytest.fixture(scope="module", autouse=True)
def loaded() -> Iterator[None]:
    """Keep the starter's encoder in memory, so that each test doesn't load it again."""
    with CLIP():
        yield


class Server:
    """Uploads and indexes in folders of their own, for clients that know neither."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.names: dict[str, str] = {}
        (data / "uploads").mkdir(parents=True)
        self.tasks = Tasks(
            limits=Limits(allow_files=False, allow_urls=False),
            find_media=self.media,
            find_index=lambda name: str(data / "indexes" / (name or "own")),
            find_origin=self.origin,
        )

    def receive(self, name: str, file: Path) -> str:
        upload = f"{len(self.names):08x}"
        shutil.copy(file, self.data / "uploads" / upload)
        self.names[upload] = name
        return f"upload:{upload}"

    def discard(self, reference: str) -> None:
        self.names.pop(reference.removeprefix("upload:"))
        (self.data / "uploads" / reference.removeprefix("upload:")).unlink()

    def media(self, reference: Media) -> ResolvedMedia:
        assert reference.upload is not None
        return replace(resolve(self.data / "uploads" / reference.upload), name=self.names[reference.upload])

    def origin(self, path: Path) -> Origin | None:
        name = self.names.get(path.name)
        return None if name is None else Origin(Media(f"upload:{path.name}"), name)

    def run(self, operation: Operation) -> Any:
        """Run an operation; nothing that a client gets may tell where the server keeps its files."""
        result = through_json(operation, self.tasks)
        assert str(self.data) not in json.dumps(result.to_dict())
        return result


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path / "data")
    yield server
    server.tasks.close()


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    (tmp_path / "photos").mkdir()
    for name in ("chelsea", "coffee", "rocket"):
        save_photo(name, tmp_path / "photos" / f"{name}.jpg")
    return tmp_path / "photos"


def test_a_folder_of_one_s_own_is_indexed_and_searched(photos: Path, tmp_path: Path) -> None:
    tasks = Tasks()
    place = str(tmp_path / "index")
    first = Index(files=(str(photos),), index=place).run(tasks, Unheard())
    assert (first.added, first.files, first.model) == (3, 3, "conse-starter")
    again = through_json(Index(files=(str(photos / "*.jpg"),), index=place), tasks)
    assert (again.unchanged, again.skipped) == (3, ())

    best = through_json(Search(text="a cup of coffee", index=place, limit=1), tasks).matches
    assert [match.media for match in best] == [str(photos / "coffee.jpg")]
    alike = through_json(Search(image=str(photo("chelsea")), index=place, under=str(photos)), tasks).matches
    assert alike[0].media == str(photos / "chelsea.jpg")

    (photos / "coffee.jpg").unlink()
    assert Index(files=(str(photos),), index=place).run(tasks, Unheard()).removed == 1
    removal = RemoveFromIndex(files=(str(photos / "rocket.jpg"),), index=place)
    assert through_json(removal, tasks) == {"removed": 1, "files": 1}
    tasks.close()


def test_uploads_are_found_by_reference_and_name_never_by_path(server: Server, photos: Path, tmp_path: Path) -> None:
    with Image.open(photo("flower")) as image:
        film = write_video(tmp_path / "film.mp4", [image.convert("RGB").resize((320, 240))] * 20, 10)
    sent = {server.receive(f"my {file.name}", file): file.stem for file in (*sorted(photos.iterdir()), film)}
    changes = Index(files=tuple(sent), index="holiday").run(server.tasks, Unheard())
    assert (changes.added, changes.files, changes.skipped) == (4, 4, ())

    cat = server.run(Search(text="a cat", index="holiday", limit=1)).matches[0]
    assert (sent[cat.media], cat.name, cat.kind) == ("chelsea", "my chelsea.jpg", "image")
    flower = server.run(Search(text="a flower", index="holiday", limit=1)).matches[0]
    assert (sent[flower.media], flower.kind, flower.time) == ("film", "moment", 0.0)
    alike = server.run(Search(image=cat.media, index="holiday", limit=1)).matches[0]
    assert alike.media == cat.media


def test_a_broken_upload_is_listed_by_its_name(server: Server, photos: Path) -> None:
    broken = photos / "broken.jpg"
    broken.write_bytes((photos / "coffee.jpg").read_bytes()[:2000])
    references = (server.receive("cat.jpg", photos / "chelsea.jpg"), server.receive("half a cup.jpg", broken))
    for added in (1, 0):
        changes = Index(files=references).run(server.tasks, Unheard())
        assert changes.added == added
        (skipped,) = changes.skipped
        assert (skipped.media, skipped.name) == (references[1], "half a cup.jpg")
        assert "half a cup.jpg" in skipped.reason
        assert str(server.data) not in skipped.reason


def test_what_was_discarded_is_not_found_and_leaves_the_index(server: Server, photos: Path) -> None:
    cat, cup, rocket = (
        server.receive(f"{name}.jpg", photos / f"{name}.jpg") for name in ("chelsea", "coffee", "rocket")
    )
    Index(files=(cat, cup)).run(server.tasks, Unheard())
    server.discard(cat)
    assert [match.media for match in server.run(Search(text="a cat", limit=1)).matches] == [cup]
    changes = Index(files=(rocket,)).run(server.tasks, Unheard())
    assert (changes.added, changes.removed, changes.files) == (1, 1, 2)
    assert through_json(RemoveFromIndex(files=(cup,)), server.tasks) == {"removed": 1, "files": 1}
    assert [match.media for match in server.run(Search(text="a cup of coffee")).matches] == [rocket]


def test_messages_call_a_server_s_index_by_its_name(server: Server, photos: Path) -> None:
    cup = server.receive("cup.jpg", photos / "coffee.jpg")
    for operation in (Search(text="a cat", index="holiday"), RemoveFromIndex(files=(cup,), index="holiday")):
        with refused(InputError, "'holiday'") as refusal:
            operation.run(server.tasks, Unheard())
        assert str(server.data) not in str(refusal.value)
    with refused(InputError, "/srv", "under"):
        Search(text="a cat", under="/srv").run(server.tasks, Unheard())
    Index(files=(cup,)).run(server.tasks, Unheard())
    with refused(InputError, "other.jpg"):
        RemoveFromIndex(files=(server.receive("other.jpg", photos / "rocket.jpg"),)).run(server.tasks, Unheard())


@pytest.mark.parametrize("medium", ["-", "data:image/png;base64,AAAA", "https://example.org/cat.jpg"])
def test_only_what_can_be_found_again_is_indexed(medium: str) -> None:
    for kind in (Index, RemoveFromIndex):
        with refused(InputError, medium[:4]):
            kind(files=(medium,))


@pytest.mark.parametrize(
    ("fields", "names"),
    [
        ({}, ("text", "picture")),
        ({"text": " "}, ("text",)),
        ({"text": "a cat", "limit": 0}, ("0",)),
        ({"text": "a cat", "index": ""}, ("index",)),
        ({"text": "a cat", "indexes": "holiday"}, ("indexes", "index")),
    ],
)
def test_queries_that_no_index_could_answer(fields: dict[str, object], names: tuple[str, ...]) -> None:
    with refused(InputError, *names):
        Search.of(fields)


def test_numbers_and_lists_that_an_index_cannot_use() -> None:
    for fields, name in (({"files": []}, "files"), ({"files": ["a.jpg"], "every": 0}, "0")):
        with refused(InputError, name):
            Index.of(fields)


def test_indexing_stops_and_keeps_what_is_finished(photos: Path, tmp_path: Path) -> None:
    tasks = Tasks()
    index = Index(files=(str(photos),), index=str(tmp_path / "index"))
    with pytest.raises(CancelledError):
        index.run(tasks, Listening(until=lambda event: isinstance(event, Progress)))
    assert index.run(tasks, Unheard()).files == 3
    with pytest.raises(CancelledError):
        Search(text="a cat", index=str(tmp_path / "index")).run(tasks, Stopped())
    tasks.close()


class Stopped(Unheard):
    def is_set(self) -> bool:
        return True


def test_few_indexes_are_kept_open_and_all_can_be_used(photos: Path, tmp_path: Path) -> None:
    tasks = Tasks()
    for number in range(10):
        Index(files=(str(photos / "chelsea.jpg"),), index=str(tmp_path / str(number))).run(tasks, Unheard())
    for number in (9, 0):
        (match,) = Search(text="a cat", index=str(tmp_path / str(number))).run(tasks, Unheard()).matches
        assert match.media == str(photos / "chelsea.jpg")
    tasks.close()


def test_lance_is_imported_by_running_an_operation_only() -> None:
    imported = imported_by("from sensorium.operations.registry import all_operations; all_operations()")
    assert imported & {"lance", "pyarrow"} == set()


def test_origins_belong_to_files_one_by_one() -> None:
    index = Index(files=("upload:1", "upload:2"), origins=("", "my cat"))
    assert index.origins_of_media() == {"upload:2": "my cat"}
    with refused(InputError, "1 origins"):
        Index(files=("upload:1", "upload:2"), origins=("my cat",))
