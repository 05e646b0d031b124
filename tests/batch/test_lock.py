"""Only one batch at a time writes into an output."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from sensorium.batch import lock
from sensorium.batch.lock import only_writer
from sensorium.errors import CancelledError, InputError
from sensorium.storage.location import Location
from sensorium.storage.opening import location_of
from tests.object_storage import ObjectStorage, object_storage
from tests.processes import running
from tests.refusals import refused


@pytest.fixture(scope="module")
def store() -> Iterator[ObjectStorage]:
    with object_storage() as running:
        yield running


@pytest.fixture(params=["folder", "bucket"])
def output(
    request: pytest.FixtureRequest, store: ObjectStorage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Location:
    monkeypatch.setattr(lock, "SECONDS_BETWEEN_SIGNS", 0.2)
    return location_of(tmp_path / "out") if request.param == "folder" else location_of(store.new_bucket() + "/out")


def test_a_second_writer_is_refused_as_long_as_the_first_lives(output: Location) -> None:
    told: list[str] = []
    with only_writer(output, threading.Event(), told.append), refused(InputError, output.name):
        only_writer(output, threading.Event(), told.append).__enter__()
    with only_writer(output, threading.Event(), told.append):
        pass
    assert len(told) == (output.local is None)


def test_the_place_of_a_dead_writer_is_taken(store: ObjectStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "SECONDS_BETWEEN_SIGNS", 0.1)
    output = location_of(store.new_bucket())
    output.join(".batch", "lock").write(b'{"owner": "dead", "signs": 7}')
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(CancelledError), only_writer(output, cancel, lambda sentence: None):
        pass
    with only_writer(output, threading.Event(), lambda sentence: None):
        assert b"dead" not in output.join(".batch", "lock").read()
    assert not output.join(".batch", "lock").exists()


def test_a_writer_of_this_machine_that_was_killed_is_not_waited_for(
    store: ObjectStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = location_of(store.new_bucket())
    mark = output.join(".batch", "lock")
    told: list[str] = []
    program = "import json; from sensorium.batch.lock import _this_process as it; print(json.dumps(it()), flush=True)"
    with running(
        [sys.executable, "-c", f"{program}; input()"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as writer:
        assert writer.stdout is not None
        mark.write(json.dumps({"owner": "it", "signs": 3, "writer": json.loads(writer.stdout.readline())}).encode())
        monkeypatch.setattr(lock, "SECONDS_BETWEEN_SIGNS", 0.1)
        written = mark.read()
        cancel = threading.Event()
        with pytest.raises(CancelledError), only_writer(output, cancel, lambda sentence: cancel.set()):
            pass
        assert mark.read() == written, "one that lives is waited for"
        writer.kill()
        os.waitid(os.P_PID, writer.pid, os.WEXITED | os.WNOWAIT)
    with only_writer(output, threading.Event(), told.append):
        assert json.loads(mark.read())["owner"] != "it"
    assert told == []
