"""``--server`` and ``sensorium jobs``: what happens on the way there and back, on a server that does as it is told."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sensorium.cli.call import Call
from sensorium.client import Client
from sensorium.operations.media import Media
from sensorium.operations.video import FindMoment
from sensorium.progress import Event, Finished, Piece
from tests.cli.conftest import Run, documents
from tests.processes import SENSORIUM, running
from tests.server.conftest import scripted_server


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a scripted server."""
    with scripted_server(tmp_path_factory.mktemp("server")) as (address, _):
        yield address


@pytest.fixture
def film(tmp_path: Path) -> Path:
    """A file that nobody here looks into."""
    path = tmp_path / "film.mp4"
    path.write_bytes(b"a film")
    return path


def newest(address: str) -> str:
    """Return the id of the newest job."""
    with Client(address) as client:
        return client.jobs(limit=1)[0].id


def test_a_command_runs_there_and_what_it_sent_is_deleted(run: Run, address: str, film: Path) -> None:
    done = run("watch", film, "--find", "hello", "--server", address, "--json")
    assert (done.exit_code, json.loads(done.stdout)["model"]) == (0, "scripted")
    with Client(address) as client:
        sent = Media(client.job(newest(address)).arguments["film"]).upload
        assert sent is not None
        with pytest.raises(Exception, match=sent):
            client.ask("GET", f"/uploads/{sent}")


def test_the_environment_names_a_server_too(
    run: Run, monkeypatch: pytest.MonkeyPatch, address: str, film: Path
) -> None:
    monkeypatch.setenv("SENSORIUM_SERVER", address)
    assert json.loads(run("watch", film, "--find", "x", "--json").stdout)["model"] == "scripted"
    assert newest(address) in run("jobs", "list").stdout


def test_standard_input_goes_there(run: Run, address: str) -> None:
    done = run("watch", "-", "--find", "hello", "--server", address, "--json", input=b"a film")
    assert (done.exit_code, json.loads(done.stdout)["input"]) == (0, "-")


def test_inputs_are_refused_with_the_same_sentence(run: Run, address: str, tmp_path: Path) -> None:
    (tmp_path / "empty.mp4").touch()
    for name in ("nothing.mp4", "empty.mp4", ""):
        command = ("watch", tmp_path / name, "--find", "hello")
        here, there = run(*command), run(*command, "--server", address)
        assert (there.exit_code, there.stderr) == (here.exit_code, here.stderr)
        assert here.exit_code == 2


def test_errors_of_the_server_are_errors_of_the_command(run: Run, address: str, film: Path) -> None:
    done = run("watch", film, "--find", "WorkerLostError", "--server", address, "--json")
    assert done.exit_code == 2
    assert json.loads(done.stdout)["error"]["type"] == "WorkerLostError"


def test_nobody_there_is_told(run: Run, film: Path) -> None:
    done = run("watch", film, "--find", "hello", "--server", "http://127.0.0.1:9")
    assert done.exit_code == 2
    assert "http://127.0.0.1:9" in done.stderr


def test_what_was_told_before_a_job_began_again_is_not_told_twice(
    address: str, film: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told: list[Event] = []
    with Call(server=address) as call:
        call.run(FindMoment(film=Media(str(film)), text="again"), told=told.append)
    assert "".join(event.text for event in told if isinstance(event, Piece)) == "Good morning"
    assert [event.result for event in told if isinstance(event, Finished)] == ["one", "two"]
    assert "It takes a while" in capsys.readouterr().err


def test_files_come_back_to_where_they_are_wanted(address: str, film: Path, tmp_path: Path) -> None:
    with Call(server=address) as call:
        call.run(FindMoment(film=Media(str(film)), text="steps"), files=[tmp_path / "mine.png"])
    assert (tmp_path / "mine.png").read_bytes() == bytes(range(256))


def test_several_operations_keep_their_order_and_their_errors(address: str, film: Path) -> None:
    scripts = ["one", "InputError", *map(str, range(10))]
    with Call(server=address) as call:
        found = list(call.run_together([FindMoment(film=Media(str(film)), text=script) for script in scripts]))
    assert [getattr(each, "text", str(each)) for each in found] == ["one", "It went wrong. Do better.", *scripts[2:]]


def test_ctrl_c_cancels_the_job_there(address: str, film: Path) -> None:
    command = [*SENSORIUM, "watch", str(film), "--find", "wait", "--server", address]
    with Client(address) as client, running(command, stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 60
        while not client.jobs(["running"], limit=1):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
        assert client.job(newest(address)).state == "cancelled"


def test_jobs_are_shown_ordered_and_their_files_fetched(run: Run, address: str, tmp_path: Path) -> None:
    with Client(address) as client:
        job = client.submit("find-moment", {"film": "upload:1", "text": "steps"}).id
        waiting = client.submit("find-moment", {"film": "upload:1", "text": "wait"}).id
    at = ("--server", address)
    assert "find-moment" in run("jobs", "list", "--state", "done", *at).stdout
    assert waiting not in run("jobs", "list", "--state", "done", *at).stdout
    assert run("jobs", "list", "--state", "odd", *at).exit_code == 2
    shown = run("jobs", "show", job, *at).stdout
    assert "picture-1.png" in shown
    assert "scripted" in shown
    events = documents(run("jobs", "events", job, "--after", "4", "--json", *at).stdout)
    assert [(event["id"], event["type"]) for event in events] == [(5, "artifact"), (6, "ended")]
    assert run("jobs", "result", job, "-o", tmp_path / "a.png", *at).stdout.strip() == str(tmp_path / "a.png")
    assert run("jobs", "result", job, "-o", tmp_path, *at).stdout.strip() == str(tmp_path / "picture-1.png")
    printed = run("jobs", "result", job, "-o", "-", *at)
    assert (printed.exit_code, printed.stdout_bytes) == (0, bytes(range(256)))
    assert (tmp_path / "picture-1.png").read_bytes() == (tmp_path / "a.png").read_bytes() == bytes(range(256))
    assert run("jobs", "move", waiting, "0", *at).exit_code == 2
    assert "cancelled" in run("jobs", "cancel", waiting, *at).stdout
    assert run("jobs", "result", waiting, *at).exit_code == 2
    assert run("jobs", "show", "nothing", *at).exit_code == 2
    assert json.loads(run("jobs", "pause", "--json", *at).stdout) == {"paused": True}
    assert run("jobs", "resume", *at).exit_code == 0


def test_models_of_a_server_are_listed_fetched_and_freed(run: Run, address: str) -> None:
    at = ("--server", address)
    assert documents(run("models", "loaded", "--json", *at).stdout) == [{"models": []}]
    assert run("models", "loaded", *at).stdout.startswith("NAME")
    for command in (["unload", "nothing"], ["pin", "nothing"], ["load", "nothing"]):
        done = run("models", *command, *at)
        assert done.exit_code == 2
        assert "nothing" in done.stderr
    with Client(address) as client:
        present = next(each["name"] for each in client.ask("GET", "/models")["catalog"] if each["present"])
    assert documents(run("models", "pull", present, "--json", "--convert-pickle", *at).stdout)[0] == {
        "name": present,
        "server": address,
    }
