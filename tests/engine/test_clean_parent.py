"""The process that workers are forked from has one thread and computes nothing; its children can compute."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from sensorium.engine.endings import in_words
from sensorium.engine.forking import CleanParent

_FORKING = """
import os
import sys
import warnings

warnings.simplefilter("error")
from sensorium.engine.clean_parent import import_heavy

import_heavy()
print(*sorted(sys.modules.keys() & {"torch", "transformers", "diffusers", "onnxruntime", "ctranslate2", "av", "lance"}))
print(len(os.listdir("/proc/self/task")))
sys.stdout.flush()
warnings.simplefilter("error")
if os.fork() == 0:
    import numpy
    import torch

    torch.set_num_threads(2)
    product = torch.ones(600, 600) @ torch.ones(600, 600)
    convolved = torch.nn.functional.conv2d(torch.ones(1, 8, 64, 64), torch.ones(8, 8, 3, 3))
    other = numpy.ones((600, 600)) @ numpy.ones((600, 600))
    print(product[0, 0].item(), convolved[0, 0, 0, 0].item(), other[0, 0], torch.get_num_threads())
    sys.stdout.flush()
    os._exit(0)
print(os.wait()[1])
"""


def test_it_has_one_thread_and_its_children_can_compute() -> None:
    ran = subprocess.run([sys.executable, "-c", _FORKING], capture_output=True, text=True, check=True, timeout=300)
    assert ran.stdout.splitlines() == [
        "av ctranslate2 diffusers onnxruntime torch transformers",
        "1",
        "600.0 72.0 600.0 2",
        "0",
    ]
    assert ran.stderr == ""


@pytest.fixture(scope="module")
def parent() -> Iterator[CleanParent]:
    parent = CleanParent()
    yield parent
    parent.end()
    assert parent.pid is None


def until(condition: Callable[[], bool]) -> None:
    begun = time.monotonic()
    while not condition():
        assert time.monotonic() - begun < 60
        time.sleep(0.01)


def gone(pid: int) -> bool:
    """Return whether a process has ended; where nobody reaps orphans, its number may stay."""
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


def forked(parent: CleanParent) -> tuple[socket.socket, int, Callable[[float], bool]]:
    ours, theirs = socket.socketpair()
    with theirs:
        child = parent.fork(theirs)
    return ours, child.pid, child.wait


def test_a_child_inherits_its_own_connection_and_nothing_else(parent: CleanParent) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        server.set_inheritable(True)
        ours, pid, wait = forked(parent)
        with ours:
            until(lambda: Path(f"/proc/{pid}/fd").is_dir())
            until(lambda: sum(_is_socket(link) for link in Path(f"/proc/{pid}/fd").iterdir()) == 1)
            open_files = {str(link.readlink()) for link in Path(f"/proc/{pid}/fd").iterdir()}
            inode = os.fstat(server.fileno()).st_ino
            assert f"socket:[{inode}]" not in open_files
            assert "/dev/null" in open_files
            assert parent.pid is not None
            assert len(os.listdir(f"/proc/{parent.pid}/task")) == 1  # noqa: PTH208
            assert os.getpgid(pid) == pid != os.getpgid(0)
        assert wait(60)  # its connection has closed
    until(lambda: not psutil.pid_exists(pid))


def _is_socket(link: Path) -> bool:
    try:
        return str(link.readlink()).startswith("socket:")
    except FileNotFoundError:
        return False


def test_how_a_child_ended_is_known(parent: CleanParent) -> None:
    ours, theirs = socket.socketpair()
    with ours:
        with theirs:
            child = parent.fork(theirs)
        os.kill(child.pid, 11)
        assert child.wait(60)
        assert in_words(child.code).startswith("was killed by signal 11")
        assert not psutil.pid_exists(child.pid)
        child.kill()  # nothing happens


def test_children_outlive_it_and_the_next_one_comes_from_a_new_one(parent: CleanParent) -> None:
    first, pid, wait = forked(parent)
    with first:
        killed = parent.pid
        assert killed is not None
        os.kill(killed, 9)
        second, other, _ = forked(parent)
        with second:
            assert parent.pid not in (None, killed)
            assert not psutil.pid_exists(killed)
            assert not gone(pid)
            assert not gone(other)
            assert not wait(0.1)
    assert wait(60)
    assert gone(pid)
    until(lambda: not psutil.pid_exists(other))


def test_it_is_not_ended_by_what_ends_a_whole_service(parent: CleanParent) -> None:
    ours, _, _ = forked(parent)
    with ours:
        pid = parent.pid
        assert pid is not None
        for number in (2, 15):
            os.kill(pid, number)
        again, _, _ = forked(parent)
        again.close()
        assert parent.pid == pid


def test_it_ends_with_its_last_user_and_starts_again(parent: CleanParent) -> None:
    parent.start()
    parent.start()
    pid = parent.pid
    assert pid is not None
    parent.end()
    assert parent.pid == pid
    parent.end()
    parent.end()
    assert not psutil.pid_exists(pid)
    ours, _, _ = forked(parent)
    ours.close()
    assert parent.pid not in (None, pid)


_ADOPTING = """
import ctypes
import os
import socket

import psutil

from sensorium.engine.forking import CleanParent

PR_SET_CHILD_SUBREAPER = 36
assert ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0
parent = CleanParent()
ours, theirs = socket.socketpair()
child = parent.fork(theirs)
theirs.close()
os.kill(parent.pid, 9)
assert not child.wait(1)
child.kill()
assert child.wait(60)
print(child.code, psutil.Process().children())
"""


def test_orphans_that_fall_to_the_engine_are_reaped() -> None:
    """As they do where the engine is the first process of a container."""
    ran = subprocess.run([sys.executable, "-c", _ADOPTING], capture_output=True, text=True, check=True, timeout=300)
    assert ran.stdout == "-9 []\n"


@pytest.mark.parametrize(
    ("code", "words"), [(0, "by itself"), (3, "code 3"), (-9, "signal 9"), (-63, "signal 63"), (None, "nobody knows")]
)
def test_endings_in_words(code: int | None, words: str) -> None:
    assert words in in_words(code)
