"""What a worker takes: what is its own of main memory, and what the driver says of GPUs."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from sensorium.engine import worker_memory
from sensorium.engine.worker import gpu_memory
from sensorium.engine.worker_memory import WorkerMemory, memory_of
from tests.processes import running

_HOLDING = """
import subprocess, sys

own = bytearray(b"x" * (100 << 20))
child = "own = bytearray(b'x' * (50 << 20)); print(flush=True); import time; time.sleep(600)"
subprocess.run([sys.executable, "-c", child])
"""


@pytest.fixture
def tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A place for the driver's tool, found before any other."""
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    worker_memory._driver.cache_clear()
    yield tmp_path / "nvidia-smi"
    worker_memory._driver.cache_clear()


def answers(tool: Path, *lines: str) -> None:
    tool.write_text("\n".join(["#!/bin/sh", *(f"echo '{line}'" for line in lines)]))
    tool.chmod(0o755)
    worker_memory._driver.cache_clear()


def test_a_process_and_its_children_count_with_what_is_theirs_alone() -> None:
    with running([sys.executable, "-c", _HOLDING], stdout=subprocess.PIPE) as holding:
        assert holding.stdout is not None
        holding.stdout.readline()
        assert 150 << 20 < memory_of(holding.pid).main < 220 << 20


def test_a_process_that_is_gone_takes_nothing(tool: Path) -> None:
    with running([sys.executable, "-c", ""]) as ended:
        ended.wait()
    answers(tool, f"{ended.pid}, 5")
    assert memory_of(ended.pid) == WorkerMemory(0, 0)


def test_gpus_count_by_the_drivers_own_figure(tool: Path) -> None:
    own = os.getpid()
    answers(tool, f"{own}, 100", "99999999, 7000", f"{own}, 20", f"{own}, [N/A]", "", "no such field")
    assert memory_of(own).gpu == 120 << 20


def test_a_driver_that_fails_says_nothing(tool: Path) -> None:
    answers(tool)
    tool.write_text(f"#!/bin/sh\necho '{os.getpid()}, 100'\nexit 9\n")
    assert memory_of(os.getpid()).gpu == 0


def test_torch_in_the_middle_of_its_import_takes_no_gpu_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    half = ModuleType("torch")
    monkeypatch.setitem(sys.modules, "torch", half)
    assert gpu_memory() == 0
    monkeypatch.setattr(half, "cuda", ModuleType("torch.cuda"), raising=False)
    assert gpu_memory() == 0
