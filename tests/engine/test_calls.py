"""How a worker runs calls: what it tells of them, what goes together, what it keeps, how they fail."""

from __future__ import annotations

import errno
import json
import os
import threading
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import pytest
import torch
from PIL import Image

from sensorium.engine import calls as calls_module
from sensorium.engine.calls import Calls
from sensorium.engine.outbox import Outbox
from sensorium.engine.reference_path import reference_path
from sensorium.engine.wire import Call, Done, Failed, Kept, Message, Returned, Started, Told, WorkerSetup, message_of
from sensorium.errors import CancelledError, InputError, ModelUnavailableError, StorageError
from sensorium.media.image import write_image
from sensorium.media.source import resolve
from sensorium.operations.events import event_document
from sensorium.operations.media import Media
from sensorium.operations.operation import Operation
from sensorium.operations.reporter import Reporter
from sensorium.operations.tasks import Tasks
from sensorium.progress import Finished, Note, Piece, Progress, check_cancelled
from tests.refusals import refused

Work = Callable[["_Doing", Tasks, Reporter], Any]


class _Doing(Operation):
    """Does what a test says; not registered, because it has no result."""

    work: str
    key: str | None = None
    most: int = 1
    weight: float = 0
    file: Media | None = None

    def run(self, tasks: Tasks, report: Reporter) -> Any:
        return _WORKS[self.work](self, tasks, report)

    def load(self, tasks: Tasks, report: Reporter) -> None:
        _WORKS[self.work](self, tasks, report)

    def batch_key(self) -> Hashable | None:
        return self.key

    def at_once(self, tasks: Tasks, report: Reporter) -> int:
        return self.most

    @classmethod
    def run_together(cls, operations: Sequence[Self], tasks: Tasks, reports: Sequence[Reporter]) -> list[Any]:
        _TOGETHER.append([operation.work for operation in operations])
        if any(operation.work == "poison" for operation in operations):
            reports[0](Piece("half of it"))
            raise RuntimeError("one of them kills the whole batch")
        return super().run_together(operations, tasks, reports)


_WORKS: dict[str, Work] = {}
_TOGETHER: list[list[str]] = []


def work(function: Work) -> Work:
    _WORKS[function.__name__] = function
    return function


@work
def nothing(operation: _Doing, tasks: Tasks, report: Reporter) -> Any:
    return {"did": operation.work}


@work
def poison(operation: _Doing, tasks: Tasks, report: Reporter) -> Any:
    raise KeyError("bad item")


@work
def refuses(operation: _Doing, tasks: Tasks, report: Reporter) -> Any:
    raise ModelUnavailableError("There is no such model", "Take another")


@work
def tells(operation: _Doing, tasks: Tasks, report: Reporter) -> Any:
    report(Progress("counting", 1, 3))
    report(Piece("one "))
    report(Piece("two"))
    report(Note("That was all"))
    report(Finished({"part": 1}))
    report(Progress("counting", 3, 3))


@work
def waits(operation: _Doing, tasks: Tasks, report: Reporter) -> Any:
    while True:
        check_cancelled(report)
        _TICK.wait(0.01)


@work
def exits(operation: _Doing, tasks: Tasks, report: Reporter) -> Any:
    raise SystemExit(3)


@work
def not_a_number(operation: _Doing, tasks: Tasks, report: Reporter) -> Any:
    return {"score": float("nan")}


@work
def takes_all_memory(operation: _Doing, tasks: Tasks, report: Reporter) -> Any:
    torch.empty(1 << 50)


@work
def falls_ill(operation: _Doing, tasks: Tasks, report: Reporter) -> Any:
    raise RuntimeError("CUDA error: device-side assert triggered")


@work
def reads(operation: _Doing, tasks: Tasks, report: Reporter) -> Any:
    assert operation.file is not None
    media = resolve(tasks.media(operation.file), limits=tasks.limits)
    return {"name": media.name, "size": media.size}


_TICK = threading.Event()


class _Worker:
    """Calls, and what they tell."""

    def __init__(self, folder: Path) -> None:
        reading, writing = os.pipe()
        self.folder = folder
        self._lines = os.fdopen(reading, "rb")
        limits = {"allow_files": False, "allow_urls": False, "max_bytes": 1000, "allowed_hosts": ["example.org"]}
        self.calls = Calls(WorkerSetup(1, limits), Outbox(os.fdopen(writing, "wb")))

    def call(self, id: str, media: Mapping[str, Mapping[str, str]] | None = None, **arguments: Any) -> Call:
        return Call(id, "doing", arguments, media or {}, str(self.folder))

    def run(self, *calls: Call) -> dict[str, list[Message]]:
        """Run calls in one message; return what is told of each until all have ended."""
        self.calls.run(calls)
        return self.told({call.id for call in calls})

    def told(self, ids: set[str]) -> dict[str, list[Message]]:
        found: dict[str, list[Message]] = {}
        while ids:
            message: Any = message_of(self._lines.readline())
            found.setdefault(message.id, []).append(message)
            if isinstance(message, (Done, Failed, Returned)):
                ids = ids - {message.id}
        return found


@pytest.fixture
def worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[_Worker]:
    monkeypatch.setattr(calls_module, "operation_named", {"doing": _Doing}.__getitem__)
    _TOGETHER.clear()
    worker = _Worker(tmp_path)
    yield worker
    assert worker.calls.end(60)


def failure(messages: list[Message]) -> Failed:
    assert isinstance(messages[-1], Failed)
    return messages[-1]


def test_a_call_begins_tells_and_ends(worker: _Worker) -> None:
    told = worker.run(worker.call("a", work="tells"))["a"]
    assert told[0] == Started("a")
    assert told[-1] == Done("a", None)
    documents = [message.document for message in told if isinstance(message, Told)]
    kept = [document for document in documents if document["type"] != "progress"]
    assert kept == [
        event_document(event) for event in (Piece("one "), Piece("two"), Note("That was all"), Finished({"part": 1}))
    ]
    assert documents[-1] == event_document(Progress("counting", 3, 3))


def test_loading_is_answered_without_a_result(worker: _Worker) -> None:
    worker.calls.load(worker.call("a", work="nothing"))
    assert worker.told({"a"})["a"][-1] == Done("a", None)
    worker.calls.load(worker.call("b", work="refuses"))
    assert failure(worker.told({"b"})["b"]).error["type"] == "ModelUnavailableError"


def test_calls_run_beside_each_other_and_a_cancelled_one_stops(worker: _Worker) -> None:
    worker.calls.run([worker.call("slow", work="waits")])
    assert worker.run(worker.call("quick", work="nothing"))["quick"][-1] == Done("quick", {"did": "nothing"})
    worker.calls.cancel("slow")
    error = failure(worker.told({"slow"})["slow"])
    assert (error.error["type"], error.recycle) == ("CancelledError", False)
    worker.calls.cancel("slow")  # nothing happens
    worker.calls.cancel("never heard of")


def test_what_is_no_operation_is_refused_as_everywhere(worker: _Worker) -> None:
    told = worker.run(worker.call("a", work="nothing", colour="red"), worker.call("b", work="nothing"))
    assert failure(told["a"]).error["type"] == "InputError"
    assert "colour" in failure(told["a"]).error["message"]
    assert told["b"][-1] == Done("b", {"did": "nothing"})


def test_what_has_a_key_goes_together_and_each_fails_for_itself(worker: _Worker) -> None:
    told = worker.run(
        worker.call("a", work="nothing", key="x"),
        worker.call("b", work="nothing"),
        worker.call("c", work="refuses", key="x"),
    )
    assert _TOGETHER == [["nothing", "refuses"]]
    assert told["a"] == [Started("a"), Done("a", {"did": "nothing"})]
    assert told["b"] == [Started("b"), Done("b", {"did": "nothing"})]
    assert failure(told["c"]).error["type"] == "ModelUnavailableError"


def test_one_bad_item_never_fails_its_batch(worker: _Worker, caplog: pytest.LogCaptureFixture) -> None:
    told = worker.run(*(worker.call(each, work=each, key="x") for each in ("nothing", "poison", "tells")))
    assert _TOGETHER == [["nothing", "poison", "tells"]]
    assert Done("nothing", {"did": "nothing"}) == told["nothing"][-1]
    assert Done("tells") == told["tells"][-1]
    assert Told("nothing", {"type": "restarted"}) in told["nothing"]  # half a piece had been told
    assert Told("tells", {"type": "restarted"}) not in told["tells"]
    error = failure(told["poison"])
    assert (error.error["type"], error.recycle) == ("InternalError", False)
    assert "bad item" not in json.dumps(error.error)
    assert "bad item" in caplog.text


def test_a_call_that_is_cancelled_before_its_batch_begins_does_not_run(worker: _Worker) -> None:
    begun = threading.Event()

    @work
    def holds(operation: _Doing, tasks: Tasks, report: Reporter) -> Any:
        begun.set()
        worker.calls.cancel("b")

    told = worker.run(
        worker.call("first", work="holds"),
        worker.call("a", work="nothing", key="x"),
        worker.call("b", work="nothing", key="x"),
    )
    assert told["a"][-1] == Done("a", {"did": "nothing"})
    assert failure(told["b"]).error["type"] == CancelledError.__name__


def test_what_finds_no_room_in_the_pass_goes_back(worker: _Worker) -> None:
    told = worker.run(*(worker.call(each, work="nothing", key="x", most=2) for each in "abcde"))
    assert _TOGETHER == [["nothing", "nothing"]]
    assert told["a"][-1] == Done("a", {"did": "nothing"})
    assert [told[each] for each in "cde"] == [[Returned(each)] for each in "cde"]
    assert worker.run(worker.call("c", work="nothing", key="x"))["c"][-1] == Done("c", {"did": "nothing"})


def test_what_is_too_heavy_goes_back_to_run_alone(worker: _Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls_module, "weight_of", lambda operation, tasks: operation.weight)
    weights = {"a": 0.5, "b": 0.5, "light": 0.1, "heavy": 1.1}
    told = worker.run(*(worker.call(each, work="nothing", key="x", weight=weight) for each, weight in weights.items()))
    assert _TOGETHER == [["nothing", "nothing"]]
    assert (told["light"], told["heavy"]) == ([Returned("light")], [Returned("heavy", alone=True)])


def test_whoever_is_cancelled_in_a_pass_does_not_wait_for_the_others(worker: _Worker) -> None:
    @work
    def outlasts(operation: _Doing, tasks: Tasks, report: Reporter) -> Any:
        worker.calls.cancel("b")
        assert failure(worker.told({"b"})["b"]).error["type"] == CancelledError.__name__
        return "went on"

    worker.calls.run([worker.call("a", work="outlasts", key="x"), worker.call("b", work="nothing", key="x")])
    assert worker.told({"a"}) == {"a": [Done("a", "went on")]}


@pytest.mark.parametrize(
    ("what", "kind", "recycle"),
    [
        ("exits", "InternalError", False),
        ("not_a_number", "InternalError", False),
        ("takes_all_memory", "InsufficientMemoryError", True),
        ("falls_ill", "InternalError", True),
    ],
)
def test_whatever_happens_is_told(worker: _Worker, what: str, kind: str, recycle: bool) -> None:
    error = failure(worker.run(worker.call("a", work=what))["a"])
    assert (error.error["type"], error.recycle) == (kind, recycle)
    assert error.error["remedy"]


def test_references_are_the_calls_own_files_and_nothing_else(worker: _Worker) -> None:
    file = worker.folder / "1234"
    file.write_bytes(b"some text")
    media = {"upload:1": {"path": str(file), "name": "letter.txt"}}
    assert worker.run(worker.call("a", media, work="reads", file="upload:1"))["a"][-1] == Done(
        "a", {"name": "letter.txt", "size": 9}
    )
    for reference in ("upload:1", str(file), "https://example.org/a.png", "-"):
        error = failure(worker.run(worker.call("b", work="reads", file=reference))["b"]).error
        assert error["type"] == "InputError"
        assert reference in error["message"]
    file.write_bytes(bytes(1001))
    error = failure(worker.run(worker.call("a", media, work="reads", file="upload:1"))["a"]).error
    assert "letter.txt" in error["message"]
    assert str(file) not in error["message"]


def test_indexes_lie_in_their_owners_folder_and_files_in_them_have_names(worker: _Worker) -> None:
    indexed = reference_path(worker.folder, Media("upload:1"), "letter.txt")
    indexed.parent.mkdir()
    indexed.write_bytes(b"some text")

    @work
    def finds(operation: _Doing, tasks: Tasks, report: Reporter) -> Any:
        with refused(InputError, "../secret"):
            tasks.index("../secret")
        found = [tasks.origin(path) for path in (indexed, worker.folder / "other")]
        return [tasks.index("mine"), tasks.index(None), *(each and [each.reference, each.name] for each in found)]

    indexes = worker.folder / "indexes"
    call = Call("a", "doing", {"work": "finds"}, {}, str(worker.folder), str(indexes))
    assert worker.run(call)["a"][-1] == Done(
        "a", [str(indexes / "mine"), str(indexes / "default"), ["upload:1", "letter.txt"], None]
    )


def keeping(worker: _Worker, name: str, write: Callable[[Path], object]) -> list[Message]:
    @work
    def keeps(operation: _Doing, tasks: Tasks, report: Reporter) -> Any:
        return report.keep(name, "image/png", write)

    return worker.run(worker.call("a", work="keeps"))["a"]


def test_a_file_is_told_when_it_is_complete(worker: _Worker) -> None:
    def write(path: Path) -> None:
        write_image(Image.new("RGB", (2, 2)), path)
        assert not (worker.folder / "picture-1.png").exists()

    told = keeping(worker, "picture-1.png", write)
    (kept,) = (message for message in told if isinstance(message, Kept))
    file = worker.folder / "picture-1.png"
    assert [path for path in worker.folder.iterdir() if path.is_file() or path.name.startswith(".")] == [file]
    assert dict(kept.artifact) == {
        "name": "picture-1.png",
        "media_type": "image/png",
        "size": file.stat().st_size,
    }
    assert told[-1] == Done("a", dict(kept.artifact))


@pytest.mark.parametrize("name", ["../a.png", "/tmp/a.png", ".a.png", "", "a\0.png", "a\n.png", "a.png ", "x" * 300])
def test_a_name_leads_out_of_no_folder(worker: _Worker, name: str) -> None:
    error = failure(keeping(worker, name, lambda path: path.write_bytes(b"x"))).error
    assert error["type"] == "InputError"
    assert list(worker.folder.iterdir()) == []


def _no_room(path: Path) -> None:
    path.write_bytes(b"half of")
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))


def _no_room_as_writers_say_it(path: Path) -> None:
    class Full(Image.Image):
        def save(self, *arguments: Any, **options: Any) -> None:
            _no_room(Path(arguments[0]))

    image = Full()
    image._mode, image._size, image.im = "RGB", (1, 1), Image.core.new("RGB", (1, 1))
    write_image(image, path)


@pytest.mark.parametrize("write", [_no_room, _no_room_as_writers_say_it])
def test_a_full_disk_is_said(worker: _Worker, write: Callable[[Path], None]) -> None:
    error = failure(keeping(worker, "picture-1.png", write)).error
    assert error["type"] == StorageError.__name__
    assert "picture-1.png" in error["message"]
    assert "no space left" in error["message"]
    assert str(worker.folder) not in json.dumps(error)
    assert list(worker.folder.iterdir()) == []
