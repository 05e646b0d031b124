"""Workers as their engine sees them: what they tell, how they stop, how they die, and that nothing is left of them."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import psutil
import pytest

from sensorium.engine import worker_process
from sensorium.engine.wire import (
    Call,
    Cancel,
    Done,
    Failed,
    FromWorker,
    Load,
    Ping,
    Pong,
    Run,
    Started,
    Told,
    WorkerSetup,
)
from sensorium.engine.worker_memory import WorkerMemory
from sensorium.engine.worker_process import WorkerProcess
from sensorium.errors import WorkerLostError
from tests import real_media
from tests.processes import running, wait_for

SECONDS = 120


class Worker:
    """A worker, and what was heard of it."""

    def __init__(self, folder: Path, *, preload: bool = True) -> None:
        self.folder = folder
        self.heard: list[FromWorker] = []
        self.endings: list[str] = []
        self._changed = threading.Condition()
        limits = {"allow_files": False, "allow_urls": False}
        self.process = WorkerProcess(
            WorkerSetup(1, limits),
            preload=preload,
            told=lambda message: self._note(self.heard, message),
            ended=lambda reason: self._note(self.endings, reason),
        )
        self.process.start()
        self.pid = self.process.pid

    def _note(self, notes: list[Any], note: Any) -> None:
        with self._changed:
            notes.append(note)
            self._changed.notify_all()

    def until(self, condition: Callable[[], bool]) -> None:
        with self._changed:
            assert self._changed.wait_for(condition, SECONDS), (self.heard, self.endings)

    def until_heard(self, *messages: FromWorker) -> None:
        self.until(lambda: all(message in self.heard for message in messages))

    def of(self, call: str) -> list[Any]:
        return [message for message in self.heard if getattr(message, "id", None) == call]

    def end_of(self, call: str) -> Done | Failed:
        self.until(lambda: bool(self.of(call)) and isinstance(self.of(call)[-1], (Done, Failed)))
        return self.of(call)[-1]

    def call(self, id: str, operation: str, **arguments: Any) -> Call:
        """Make a call; each path among the arguments is a file that a reference stands for."""
        media: dict[str, Mapping[str, str]] = {}
        for name, value in arguments.items():
            if isinstance(value, Path):
                arguments[name] = reference = f"upload:{value.stem}"
                media[reference] = {"path": str(value), "name": value.name}
        return Call(id, operation, arguments, media, str(self.folder))

    def run(self, *calls: Call) -> None:
        self.process.send(Run(calls))

    def is_gone(self) -> bool:
        return not psutil.pid_exists(self.pid)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Worker]]:
    workers: list[Worker] = []

    def start(**options: Any) -> Worker:
        workers.append(Worker(tmp_path, **options))
        return workers[-1]

    yield start
    for worker in workers:
        worker.process.kill()
        worker.until(lambda worker=worker: bool(worker.endings))  # type: ignore[misc]
        assert len(worker.endings) == 1


@pytest.fixture(scope="module", autouse=True)
def nothing_is_left() -> Iterator[None]:
    before = {process.pid for process in psutil.Process().children(recursive=True)}
    yield
    worker_process.clean_parent.end()
    left = [each for each in psutil.Process().children(recursive=True) if each.pid not in before]
    assert left == []


def cat() -> Path:
    return real_media.photo("chelsea")


def classify(worker: Worker, id: str) -> Call:
    return worker.call(id, "classify", image=cat(), labels=["a cat", "a car"])


def speech() -> list[Path]:
    """Return recordings, the shortest one first."""
    return sorted((clip.path for clip in real_media.speech_clips("en")), key=lambda path: path.stat().st_size)


def transcribe(worker: Worker, id: str, recording: Path | None = None) -> Call:
    """Write down the longest recording, so that there is time to do something meanwhile, or another one."""
    return worker.call(id, "transcribe", audio=recording or speech()[-1])


@pytest.mark.parametrize("preload", [True, False])
def test_a_worker_loads_runs_tells_and_stops(start: Callable[..., Worker], preload: bool) -> None:
    worker = start(preload=preload)
    worker.process.send(Load(transcribe(worker, "load")))
    assert worker.end_of("load") == Done("load", None)
    assert worker.process.memory().main > 50_000_000
    worker.run(transcribe(worker, "t", speech()[0]), classify(worker, "c"))
    result = worker.end_of("c")
    assert isinstance(result, Done)
    assert result.result["labels"][0]["label"] == "a cat"
    assert isinstance(worker.end_of("t"), Done)
    assert worker.of("t")[0] == Started("t")
    assert any(isinstance(message, Told) for message in worker.of("t"))
    assert worker.endings == []
    worker.process.stop(SECONDS)
    assert worker.is_gone()
    worker.until(lambda: worker.endings == ["ended by itself"])
    assert worker.process.memory() == WorkerMemory(0, 0)
    worker.process.send(Ping(1))
    worker.process.stop(0)


def test_calls_run_beside_each_other_and_pings_are_answered_meanwhile(start: Callable[..., Worker]) -> None:
    worker = start()
    worker.run(transcribe(worker, "a"))
    worker.until(lambda: any(isinstance(message, Told) for message in worker.of("a")))
    worker.run(classify(worker, "b"))
    worker.process.send(Ping(7))
    worker.until_heard(Pong(7))
    worker.until_heard(Started("b"))
    assert isinstance(worker.end_of("b"), Done)
    assert not any(isinstance(message, Done) for message in worker.of("a"))


def test_a_call_is_cancelled_and_the_worker_goes_on(start: Callable[..., Worker]) -> None:
    worker = start()
    worker.run(transcribe(worker, "a"))
    worker.until(lambda: any(isinstance(message, Told) for message in worker.of("a")))
    worker.process.send(Cancel("a"))
    error = worker.end_of("a")
    assert isinstance(error, Failed)
    assert (error.error["type"], error.recycle) == ("CancelledError", False)
    worker.run(classify(worker, "b"))
    assert isinstance(worker.end_of("b"), Done)


def test_one_bad_picture_does_not_fail_its_batch(start: Callable[..., Worker], tmp_path: Path) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(cat().read_bytes()[:3000])
    worker = start()
    bad = worker.call("bad", "classify", image=broken, labels=["a cat", "a car"])
    worker.run(classify(worker, "a"), bad, classify(worker, "b"))
    assert isinstance(worker.end_of("a"), Done)
    assert isinstance(worker.end_of("b"), Done)
    error = worker.end_of("bad")
    assert isinstance(error, Failed)
    assert error.error["type"] == "InputError"
    assert "broken.png" in error.error["message"]
    assert str(tmp_path) not in error.error["message"]


@pytest.mark.parametrize("preload", [True, False])
def test_a_killed_worker_is_told_once_and_reaped(start: Callable[..., Worker], preload: bool) -> None:
    worker = start(preload=preload)
    worker.run(transcribe(worker, "a"))
    worker.until(lambda: any(isinstance(message, Told) for message in worker.of("a")))
    os.kill(worker.pid, signal.SIGKILL)
    worker.until(lambda: bool(worker.endings))
    assert "signal 9" in worker.endings[0]
    assert worker.is_gone()
    worker.process.send(Ping(1))
    worker.process.kill()


@pytest.mark.parametrize("preload", [True, False])
def test_a_worker_works_though_the_servers_folder_is_gone(
    start: Callable[..., Worker], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, preload: bool
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    worker = start(preload=preload)
    worker.run(transcribe(worker, "a"))
    assert isinstance(worker.end_of("a"), Done)


def test_one_that_does_not_stop_is_ended(start: Callable[..., Worker]) -> None:
    worker = start()
    worker.process.send(Ping(1))
    worker.until_heard(Pong(1))
    os.kill(worker.pid, signal.SIGSTOP)
    worker.process.stop(0.2)
    assert worker.is_gone()
    worker.until(lambda: bool(worker.endings))
    assert "signal 9" in worker.endings[0]


def test_what_ends_a_whole_service_does_not_end_a_worker(start: Callable[..., Worker]) -> None:
    worker = start()
    worker.process.send(Ping(1))
    worker.until_heard(Pong(1))
    for number in (signal.SIGINT, signal.SIGTERM):
        os.kill(worker.pid, number)
    worker.process.send(Ping(2))
    worker.until_heard(Pong(2))


def test_a_worker_survives_its_parent_and_its_end_is_noticed(start: Callable[..., Worker]) -> None:
    worker = start()
    worker.run(classify(worker, "a"))
    parent = worker_process.clean_parent.pid
    assert parent is not None
    os.kill(parent, signal.SIGKILL)
    assert isinstance(worker.end_of("a"), Done)
    second = start()
    assert worker_process.clean_parent.pid not in (None, parent)
    second.process.send(Ping(1))
    second.until_heard(Pong(1))
    assert worker.endings == []
    worker.process.kill()
    worker.until(lambda: bool(worker.endings))


def test_a_message_that_a_listener_fails_on_stops_nobody(tmp_path: Path) -> None:
    ended = threading.Event()

    def told(message: FromWorker) -> None:
        raise RuntimeError("the loop is closed")

    worker = WorkerProcess(WorkerSetup(1, {}), preload=True, told=told, ended=lambda reason: ended.set())
    worker.start()
    worker.send(Ping(1))
    worker.stop(SECONDS)
    assert ended.wait(SECONDS)


def test_one_that_is_being_started_is_stopped_after_that_and_one_that_is_not_never_starts(tmp_path: Path) -> None:
    worker_process.clean_parent.end()  # so that starting takes its time
    ended = threading.Event()
    worker = WorkerProcess(WorkerSetup(1, {}), preload=True, told=print, ended=lambda reason: ended.set())
    starting = threading.Thread(target=worker.start)
    starting.start()
    deadline = time.monotonic() + SECONDS
    while worker_process.clean_parent.pid is None:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    worker.stop(SECONDS)
    starting.join()
    assert ended.wait(SECONDS)
    assert not psutil.pid_exists(worker.pid)
    other = WorkerProcess(WorkerSetup(1, {}), preload=True, told=print, ended=print)
    other.stop(SECONDS)
    with pytest.raises(WorkerLostError):
        other.start()
    assert other.pid == 0


_ENGINE = """
import sys
import time
from pathlib import Path

from sensorium.engine.wire import Call, Run, Told, WorkerSetup
from sensorium.engine.worker_process import WorkerProcess, clean_parent

folder, audio = Path(sys.argv[1]), sys.argv[2]
workers = []

def told(message):
    if isinstance(message, Told):
        pids = [worker.pid for worker in workers] + [clean_parent.pid]
        (folder / "unfinished").write_text(" ".join(map(str, pids)))
        (folder / "unfinished").rename(folder / "pids")

for preload in (False, True):
    worker = WorkerProcess(WorkerSetup(1, {}), preload=preload, told=told, ended=print)
    worker.start()
    workers.append(worker)
call = Call("a", "transcribe", {"audio": "upload:1"}, {"upload:1": {"path": audio, "name": "a"}}, str(folder))
for worker in workers:
    worker.send(Run((call,)))
time.sleep(600)
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_nothing_outlives_a_killed_engine(tmp_path: Path, number: int) -> None:
    command = [sys.executable, "-c", _ENGINE, str(tmp_path), str(speech()[-1])]
    with running(command) as engine:
        wait_for(tmp_path / "pids", engine)
        pids = [int(pid) for pid in (tmp_path / "pids").read_text().split()]
        assert len(set(pids)) == 3
        assert all(psutil.pid_exists(pid) for pid in pids)
        os.kill(engine.pid, number)
        begun = time.monotonic()
        while not all(_has_ended(pid) for pid in pids):
            assert time.monotonic() - begun < SECONDS
            time.sleep(0.01)


def _has_ended(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)  # whose orphans nobody here reaps
    except psutil.NoSuchProcess:
        return True
