"""What all tasks share, on a task whose backend is a stand-in: no weights are needed to hold these promises."""

from __future__ import annotations

import gc
import json
import threading
import weakref
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

from sensorium.errors import CancelledError, ClosedError, InputError, ModelUnavailableError, UnsupportedError
from sensorium.media.limits import Limits
from sensorium.models.catalog import Checkpoint
from sensorium.task import Task
from sensorium.vision_language.clip import CLIP


class Backend:
    """Remembers how it was opened."""

    opened: ClassVar[list[tuple[Path, str, str, str]]] = []
    alive: ClassVar[list[weakref.ref[Any]]] = []

    def __init__(self, folder: Path, *, checkpoint: Checkpoint, device: str, dtype: str) -> None:
        self.opened.append((folder, checkpoint.name, device, dtype))
        self.alive.append(weakref.ref(self))
        self.kilograms = 7


class Weighing(Task[Backend]):
    task = "weighing"
    families: ClassVar = {"scales": f"{__name__}:Backend", "gguf": f"{__name__}:Backend"}
    uses_torch = False

    def weigh(self, began: threading.Event | None = None, go_on: threading.Event | None = None) -> int:
        with self.lease() as backend:
            if began is not None and go_on is not None:
                began.set()
                assert go_on.wait(10)
            return backend.kilograms

    def weights(self) -> Generator[int, None, None]:
        return self.leased(lambda backend: (backend.kilograms for _ in range(3)))


@pytest.fixture(autouse=True)
def opened() -> Iterator[list[tuple[Path, str, str, str]]]:
    Backend.opened.clear()
    Backend.alive.clear()
    yield Backend.opened
    gc.collect()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "scales"}))
    return tmp_path


def test_nothing_is_loaded_before_it_is_used(folder: Path, opened: list[tuple[Path, str, str, str]]) -> None:
    task = Weighing(folder, device="cpu", dtype="float32")
    assert task.model == folder.name
    assert opened == []
    assert isinstance(task.backend, Backend)
    assert task.load() is task
    assert opened == [(folder, folder.name, "cpu", "float32")]


def test_objects_share_what_is_loaded_the_same_way(folder: Path, opened: list[tuple[Path, str, str, str]]) -> None:
    one, two, other = Weighing(folder), Weighing(folder), Weighing(folder, dtype="float16")
    assert one.backend is two.backend
    assert other.backend is not one.backend
    assert len(opened) == 2


def test_two_files_of_one_folder_are_two_checkpoints(tmp_path: Path) -> None:
    for name in ("small.gguf", "large.gguf"):
        (tmp_path / name).touch()
    small, large = Weighing(tmp_path / "small.gguf"), Weighing(tmp_path / "large.gguf")
    assert small.backend is not large.backend


def test_closing_frees_and_only_loading_opens_again(folder: Path, opened: list[tuple[Path, str, str, str]]) -> None:
    with Weighing(folder) as task:
        alive = weakref.ref(task.backend)
    gc.collect()
    assert alive() is None
    task.close()
    with pytest.raises(ClosedError) as refusal:
        task.weigh()
    assert folder.name in refusal.value.message
    assert refusal.value.remedy
    assert len(opened) == 1
    assert task.load().weigh() == 7
    assert len(opened) == 2


def test_closing_takes_effect_when_the_calls_in_progress_have_ended(
    folder: Path, opened: list[tuple[Path, str, str, str]]
) -> None:
    task = Weighing(folder)
    began, go_on = threading.Event(), threading.Event()
    weighed: list[int] = []

    def call() -> None:
        weighed.append(task.weigh(began, go_on))

    caller = threading.Thread(target=call)
    caller.start()
    assert began.wait(10)
    task.close()  # the call goes on with what it holds, and nothing is loaded a second time
    alive = next(ref for ref in Backend.alive if ref() is not None)
    go_on.set()
    caller.join(10)
    assert weighed == [7]
    assert len(opened) == 1
    gc.collect()
    assert alive() is None


def test_a_straggler_does_not_load_an_evicted_model_again(
    folder: Path, opened: list[tuple[Path, str, str, str]]
) -> None:
    task = Weighing(folder)
    weights = task.weights()
    assert next(weights) == 7
    task.close()
    assert list(weights) == [7, 7]  # it holds what it began with until it is read out
    with pytest.raises(ClosedError):
        task.weights()
    assert len(opened) == 1


@pytest.mark.parametrize("end", ["read out", "closed", "thrown away"])
def test_a_stream_lets_go_when_nobody_reads_it_any_more(folder: Path, end: str) -> None:
    task = Weighing(folder)
    weights = task.weights()
    alive = weakref.ref(task.backend)
    task.close()
    gc.collect()
    assert alive() is not None
    if end == "read out":
        assert list(weights) == [7, 7, 7]
    if end == "closed":
        weights.close()
    del weights
    gc.collect()
    assert alive() is None


def test_closing_and_calling_from_many_threads_never_breaks_a_call(folder: Path) -> None:
    task = Weighing(folder)
    failures: list[BaseException] = []
    stop = threading.Event()

    def call() -> None:
        while not stop.is_set():
            try:
                assert task.weigh() == 7
            except ClosedError:
                pass
            except BaseException as error:
                failures.append(error)
                return

    callers = [threading.Thread(target=call) for _ in range(4)]
    for caller in callers:
        caller.start()
    for _ in range(300):
        task.close()
        task.load()
    stop.set()
    for caller in callers:
        caller.join(10)
    assert failures == []


def test_a_gpus_memory_is_given_back_after_the_last_user(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    given_back: list[str] = []
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: given_back.append("all"))
    one, two = Weighing(folder).load(), Weighing(folder).load()
    one.close()
    assert given_back == []
    two.close()
    assert given_back == ["all"]


def test_the_profile_is_an_argument_and_the_environment_only_a_default(monkeypatch: pytest.MonkeyPatch) -> None:
    assert CLIP(profile="standard").model == "clip-vit-base-patch32"
    assert CLIP().model == "conse-starter"
    monkeypatch.setenv("SENSORIUM_PROFILE", "standard")
    assert CLIP().model == "clip-vit-base-patch32"
    assert CLIP(profile="starter").model == "conse-starter"
    with pytest.raises(InputError) as refusal:
        CLIP(profile="nonsense")
    assert "nonsense" in refusal.value.message
    assert "starter" in refusal.value.remedy


def test_parts_are_opened_with_the_profile_device_and_limits_of_the_whole(folder: Path) -> None:
    limits = Limits(allow_files=False)
    whole = Weighing(folder, profile="standard", device="cpu", limits=limits)
    part = whole.opening.part(CLIP)
    assert (part.profile, part.model, part.limits) == ("standard", "clip-vit-base-patch32", limits)


def test_parts_are_taken_from_whoever_runs_the_whole(folder: Path) -> None:
    shared = CLIP()
    asked: list[tuple[type[Task[Any]], str | None]] = []

    def provide(system: type[Task[Any]], model: str | None) -> Task[Any] | None:
        asked.append((system, model))
        return shared if system is CLIP else None

    whole = Weighing(folder, provide=provide)
    assert whole.opening.part(CLIP, "conse-starter") is shared
    other = whole.opening.part(Weighing, str(folder))
    assert other.opening.part(CLIP) is shared  # a part's parts come from there, too
    assert asked == [(CLIP, "conse-starter"), (Weighing, str(folder)), (CLIP, None)]


class SlowBackend(Backend):
    """Takes as long to open as the test says."""

    began: ClassVar[threading.Event]
    go_on: ClassVar[threading.Event]

    def __init__(self, folder: Path, **options: Any) -> None:
        super().__init__(folder, **options)
        self.began.set()
        assert self.go_on.wait(10)


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[SlowBackend]]:
    SlowBackend.began, SlowBackend.go_on = threading.Event(), threading.Event()
    monkeypatch.setattr(Weighing, "families", {"scales": f"{__name__}:SlowBackend"})
    yield SlowBackend
    SlowBackend.go_on.set()


@pytest.mark.parametrize("same_object", [True, False])
def test_whoever_waits_for_the_loading_of_another_can_be_cancelled(
    folder: Path, slow: type[SlowBackend], same_object: bool
) -> None:
    task = Weighing(folder)
    loader = threading.Thread(target=task.load)
    loader.start()
    assert slow.began.wait(10)
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(CancelledError):
        (task if same_object else Weighing(folder)).load(cancel=cancel)
    slow.go_on.set()
    loader.join(10)
    assert len(Backend.opened) == 1


def test_closing_waits_for_no_loading_and_the_call_that_loads_has_what_it_needs(
    folder: Path, slow: type[SlowBackend]
) -> None:
    task = Weighing(folder)
    weighed: list[int] = []
    caller = threading.Thread(target=lambda: weighed.append(task.weigh()))
    caller.start()
    assert slow.began.wait(10)
    task.close()
    assert weighed == []
    slow.go_on.set()
    caller.join(10)
    assert weighed == [7]
    with pytest.raises(ClosedError):
        task.weigh()
    gc.collect()
    assert [ref() for ref in Backend.alive] == [None]


def test_an_object_that_is_thrown_away_frees_too(folder: Path) -> None:
    alive = weakref.ref(Weighing(folder).backend)
    gc.collect()
    assert alive() is None


def test_threads_load_once(folder: Path, opened: list[tuple[Path, str, str, str]]) -> None:
    task = Weighing(folder)
    threads = [threading.Thread(target=task.load) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(opened) == 1


def test_a_family_that_the_task_does_not_have_is_explained(folder: Path) -> None:
    (folder / "config.json").write_text(json.dumps({"model_type": "thermometer"}))
    with pytest.raises(UnsupportedError, match=r"its family is 'thermometer', none for .*models list --task"):
        Weighing(folder).load()
    (folder / "config.json").unlink()
    with pytest.raises(ModelUnavailableError, match=r"it has no config\.json"):
        Weighing(folder).load()


def test_a_profile_without_a_default_is_explained() -> None:
    with pytest.raises(ModelUnavailableError, match="The profile 'starter' has no checkpoint for weighing"):
        Weighing()


def test_a_cancelled_load_can_be_repeated(sensorium_home: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cancel = threading.Event()
    cancel.set()
    task = Weighing("org/absent")
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(CancelledError):
        task.load(cancel=cancel)
    with pytest.raises(ModelUnavailableError):
        task.load()
