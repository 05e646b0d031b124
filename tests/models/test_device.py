"""Where things run: nothing is chosen silently."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from sensorium import settings, threads
from sensorium.errors import InputError
from sensorium.models import device


@pytest.fixture(autouse=True)
def counted_anew() -> Iterator[None]:
    threads.thread_count.cache_clear()
    yield
    threads.thread_count.cache_clear()


def test_the_best_device_is_chosen() -> None:
    best = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    assert device.resolve_device("auto") == best
    assert device.resolve_device("cpu") == "cpu"


@pytest.mark.parametrize(
    ("user", "found"),
    [({}, settings._SPINS), ({"GOMP_SPINCOUNT": "7"}, "7"), ({"OMP_WAIT_POLICY": "ACTIVE"}, None)],
)
def test_threads_soon_sleep_unless_the_user_says_otherwise(
    user: dict[str, str], found: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT"):
        monkeypatch.setenv(name, "")  # what is set in the test is undone after it
        monkeypatch.delenv(name)
    for name, value in user.items():
        monkeypatch.setenv(name, value)
    device.prepare_torch.__wrapped__()  # it is done once in a process
    assert os.environ.get("GOMP_SPINCOUNT") == found


@pytest.mark.parametrize("asked", ["cuda:99", "gpu", "cpu:1", "", "tpu:0", "cuda:x"])
def test_a_device_that_is_not_there_is_refused(asked: str) -> None:
    with pytest.raises(InputError, match="is not on this machine"):
        device.resolve_device(asked)


def test_without_a_gpu_torch_is_not_imported_to_find_out() -> None:
    program = (
        "import sys; from sensorium.models import device; device._GPU_DEVICE_FILES = ();"
        "assert device.resolve_device('auto') == 'cpu'; assert 'torch' not in sys.modules"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == (
        0 if sys.platform == "linux" else 1
    )


@pytest.mark.parametrize(
    ("dtype", "where", "expected"),
    [
        ("auto", "cpu", torch.float32),
        ("auto", "cuda", torch.float16),
        ("bfloat16", "cpu", torch.bfloat16),
        ("float16", "cuda:1", torch.float16),
    ],
)
def test_precision(dtype: str, where: str, expected: torch.dtype) -> None:
    assert device.resolve_dtype(dtype, where) is expected


@pytest.mark.parametrize("dtype", ["float64", "int8", "", "torch.float32"])
def test_unknown_precision_is_refused(dtype: str) -> None:
    with pytest.raises(InputError, match=r"There is no dtype.*Use auto, float32"):
        device.resolve_dtype(dtype, "cpu")


def test_threads_are_set_by_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SENSORIUM_THREADS", "3")
    assert threads.thread_count() == 3


@pytest.mark.parametrize("setting", ["0", "-1", "two", "1.5"])
def test_a_setting_that_is_no_number_of_threads_is_refused(setting: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SENSORIUM_THREADS", setting)
    with pytest.raises(InputError, match="is not a number of threads"):
        threads.thread_count()


@pytest.mark.parametrize(("quota", "most"), [("100000 100000", 1), ("150000 100000", 2), ("5000 100000", 1)])
def test_a_containers_share_is_not_exceeded(
    quota: str, most: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SENSORIUM_THREADS", raising=False)
    (tmp_path / "cpu.max").write_text(quota + "\n")
    monkeypatch.setattr(threads, "_CPU_QUOTA", tmp_path / "cpu.max")
    assert 1 <= threads.thread_count() <= most


@pytest.mark.parametrize("quota", ["max 100000\n", "", None])
def test_without_a_limit_the_cores_count(quota: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SENSORIUM_THREADS", raising=False)
    monkeypatch.setattr(threads, "_CPU_QUOTA", tmp_path / "absent")
    cores = threads.thread_count()
    threads.thread_count.cache_clear()
    if quota is not None:
        (tmp_path / "cpu.max").write_text(quota)
        monkeypatch.setattr(threads, "_CPU_QUOTA", tmp_path / "cpu.max")
    assert threads.thread_count() == cores >= 1


_FIRST_CALLS = """
import os, sys
import numpy as np
import sensorium


def watch(event, arguments):
    if event == "import" and arguments[0] == "torch":
        assert "GOMP_SPINCOUNT" in os.environ, "torch is imported before its threads are set"


sys.addaudithook(watch)
picture = np.arange(64 * 64 * 3, dtype=np.uint8).reshape(64, 64, 3)
{call}
assert "torch" in sys.modules
"""


@pytest.mark.parametrize(
    "call",
    [
        "sensorium.CLIP().encode_image(picture)",
        "sensorium.ControlNetGenerator('painter-starter').generate(picture, 'a cat', control='canny', steps=1)",
    ],
)
def test_threads_are_set_before_torch_is_imported(call: str) -> None:
    environment = {
        name: value for name, value in os.environ.items() if name not in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")
    }
    run = subprocess.run(
        [sys.executable, "-c", _FIRST_CALLS.replace("{call}", call)], env=environment, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
    assert "torchvision" not in run.stderr
