"""A batch in Ray actors: on two nodes of which one is killed, and on this machine alone."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from sensorium.batch.item import ItemOutcome
from sensorium.batch.journal import read_journal
from sensorium.batch.manifest import Manifest
from sensorium.storage.opening import location_of
from tests.cluster.counted import COUNTS, DEADLY, begun
from tests.cluster.mixed_media import MixedMedia
from tests.object_storage import ObjectStorage, object_storage
from tests.processes import running

PROGRAM = [sys.executable, "-m", "tests.cluster.counted"]
SECONDS = 240


@dataclass(frozen=True)
class TwoNodes:
    """A Ray cluster.

    Attributes:
        address: Of its head.
        second: The raylet of the node that may be killed.
    """

    address: str
    second: psutil.Process

    def kill_second(self) -> None:
        """Kill all processes of the second node, as a power cut does."""
        processes = [self.second, *self.second.children(recursive=True)]
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.kill()


@pytest.fixture(scope="module")
def counts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A file for what actors begin; the variables that they need are set for the module."""
    file = tmp_path_factory.mktemp("counts") / "counts.txt"
    root = Path(__file__).parents[2]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(COUNTS, str(file))
        patch.setenv("PYTHONPATH", os.pathsep.join([os.environ.get("PYTHONPATH", ""), str(root)]).strip(os.pathsep))
        patch.setenv("SENSORIUM_THREADS", "1")
        patch.setenv("SENSORIUM_OFFLINE", "1")
        patch.setenv("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")  # nodes and drivers meet on loopback
        yield file


@pytest.fixture(scope="module")
def store() -> Iterator[ObjectStorage]:
    with object_storage() as server:
        yield server


@pytest.fixture(scope="module")
def two_nodes(counts: Path, store: ObjectStorage) -> Iterator[TwoNodes]:
    """A cluster whose nodes know the object store."""
    folder = tempfile.mkdtemp(prefix="ray-", dir="/tmp")  # sockets lie in it, whose paths must be short
    command = [sys.executable, "-m", "tests.cluster.two_nodes", folder]
    try:
        with running(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as cluster:
            assert cluster.stdout is not None
            address, raylet = cluster.stdout.readline().split()
            family = psutil.Process(cluster.pid).children(recursive=True)
            yield TwoNodes(address, psutil.Process(int(raylet)))
        psutil.wait_procs(family, timeout=20)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def media(tmp_path: Path) -> MixedMedia:
    return MixedMedia(tmp_path / "media")


def batch(media: MixedMedia, output: object, *options: str) -> list[str]:
    """Return a command that looks through pictures and films; what is broken gets a sentence."""
    return [*PROGRAM, "batch", "moderate", str(media.folder), "--output", str(output), "--quiet", *options]


def run(command: Sequence[str]) -> None:
    """Run a command to its end; it exits with 1, because some files are broken."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr, done.stderr


def kept(output: Path) -> list[ItemOutcome]:
    """Return the outcomes that are kept, by now, of a batch that runs."""
    return [outcome for file in (output / ".batch" / "journal").glob("*.jsonl") for outcome in _read(file)]


def _read(file: Path) -> list[ItemOutcome]:
    return list(read_journal(location_of(file)))


def wait_until_kept(count: int, output: Path, job: subprocess.Popen[Any]) -> list[str]:
    """Wait until so many outcomes are kept; return the names of their files."""
    end = time.monotonic() + SECONDS
    while len(found := kept(output)) < count:
        assert job.poll() is None, "it ended"
        assert time.monotonic() < end
        time.sleep(0.02)
    return [Path(outcome.input).name for outcome in found]


def require_complete(media: MixedMedia, output: Path | str) -> None:
    """See that each file has one row, that those that are whole have a result, and that the others have a sentence."""
    rows = list(Manifest(location_of(output)).outcomes())
    assert sorted(Path(row.input).name for row in rows) == sorted(media.names)
    assert {Path(row.input).name for row in rows if row.error} == media.failing
    assert all(bool(row.result) != bool(row.error) for row in rows)
    assert len({row.id for row in rows}) == len(rows)


def test_one_of_two_nodes_is_killed_and_nothing_is_lost_or_done_twice(
    two_nodes: TwoNodes, counts: Path, media: MixedMedia, tmp_path: Path
) -> None:
    output = tmp_path / "out"
    media.make(60)
    command = batch(media, output, "--address", two_nodes.address, "--actors", "2")
    with running(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as job:
        wait_until_kept(12, output, job)
        two_nodes.kill_second()
        before, mark = kept(output), len(begun(counts))
        assert job.wait(SECONDS) == 1  # some have failed
    done = {Path(outcome.input).name for outcome in before}
    assert done & set(begun(counts)[mark:]) == set(), "what was kept is done again"
    require_complete(media, output)
    worked = len(begun(counts))

    run(command)
    assert len(begun(counts)) == worked, "there was nothing to do"

    known = set(media.names)
    media.make(6)
    run(command)
    assert sorted(begun(counts)[worked:]) == sorted(set(media.names) - known)
    require_complete(media, output)


def test_actors_keep_results_in_an_object_store(two_nodes: TwoNodes, store: ObjectStorage, media: MixedMedia) -> None:
    media.make(10)
    output = f"{store.bucket}/out"
    run(batch(media, output, "--address", two_nodes.address, "--actors", "2"))
    require_complete(media, output)


def test_machines_that_have_not_the_model_end_the_batch_with_a_sentence(
    two_nodes: TwoNodes, media: MixedMedia, tmp_path: Path
) -> None:
    media.make(3)
    options = ("--address", two_nodes.address, "--actors", "1", "--model", "openai/clip-vit-base-patch32")
    done = subprocess.run(batch(media, tmp_path / "out", *options), capture_output=True, text=True, check=False)
    assert done.returncode not in (0, 1)
    assert "The machine 127.0.0.1" in done.stderr
    assert "openai/clip-vit-base-patch32" in done.stderr
    assert list(Manifest(location_of(tmp_path / "out")).outcomes()) == []


def test_what_was_killed_or_stopped_here_leaves_nothing_running_and_goes_on(
    counts: Path, media: MixedMedia, tmp_path: Path
) -> None:
    output = tmp_path / "out"
    media.make(40)
    done: set[str] = set()
    families: list[psutil.Process] = []
    for ending, actors in ((signal.SIGKILL, "1"), (signal.SIGINT, "2")):
        mark = len(begun(counts))
        with running(batch(media, output, "--actors", actors), stderr=subprocess.DEVNULL) as job:
            found = wait_until_kept(2, output, job)
            families += psutil.Process(job.pid).children(recursive=True)
            job.send_signal(ending)
            job.wait(SECONDS)
        assert done & set(begun(counts)[mark:]) == set()
        done |= set(found)
    mark = len(begun(counts))
    media.failing.add(media.add_picture(f"{DEADLY}.jpg"))
    run(batch(media, output, "--actors", "1-2"))
    assert done & set(begun(counts)[mark:]) == set()
    require_complete(media, output)
    [lost] = [row for row in Manifest(location_of(output)).outcomes() if DEADLY in row.input]
    assert lost.error_type == "WorkerLostError"
    # Ray's agents look every other second whether their parent lives, and end when it doesn't the fifth time.
    assert psutil.wait_procs(families, timeout=60)[1] == []
