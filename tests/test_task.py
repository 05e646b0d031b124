"""What all tasks share, on a task whose backend is a stand-in: no weights are needed to hold these promises."""

from __future__ import annotations

import gc
import json
import threading
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest

from sensorium.errors import CancelledError, ModelUnavailableError, UnsupportedError
from sensorium.models.catalog import Checkpoint
from sensorium.task import Task


class Backend:
    """Remembers how it was opened."""

    opened: ClassVar[list[tuple[Path, str, str, str]]] = []

    def __init__(self, folder: Path, *, checkpoint: Checkpoint, device: str, dtype: str) -> None:
        self.opened.append((folder, checkpoint.name, device, dtype))


class Weighing(Task[Backend]):
    task = "weighing"
    families: ClassVar = {"scales": f"{__name__}:Backend", "gguf": f"{__name__}:Backend"}
    uses_torch = False


@pytest.fixture(autouse=True)
def opened() -> Iterator[list[tuple[Path, str, str, str]]]:
    Backend.opened.clear()
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


def test_closing_frees_and_using_loads_again(folder: Path, opened: list[tuple[Path, str, str, str]]) -> None:
    with Weighing(folder) as task:
        alive = weakref.ref(task.backend)
    gc.collect()
    assert alive() is None
    task.close()
    assert isinstance(task.backend, Backend)
    assert len(opened) == 2


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
