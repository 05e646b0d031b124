"""Ctrl-C: a clean message, exit code 130, and nothing half-written."""

from __future__ import annotations

import signal
import subprocess
import threading
import time
import wave
from pathlib import Path

import pytest

from sensorium.cli.interrupt import cancel, interruptible
from tests import real_media
from tests.cli.conftest import documents
from tests.processes import SENSORIUM, running, telling, wait_for


def test_results_and_errors_come_through() -> None:
    assert interruptible(lambda: 6 * 7) == 42
    with pytest.raises(ValueError, match="broken"):
        interruptible(lambda: (_ for _ in ()).throw(ValueError("broken")))


def test_a_command_inside_a_command_runs_where_it_is() -> None:
    threads = interruptible(lambda: (threading.current_thread(), interruptible(threading.current_thread)))
    assert threads[0] is threads[1]


def test_a_new_call_forgets_an_old_cancellation() -> None:
    cancel.set()
    assert interruptible(cancel.is_set) is False


@pytest.fixture
def long_recording(tmp_path: Path) -> Path:
    """Ten minutes of human speech."""
    path = tmp_path / "long.wav"
    clip = real_media.speech_clips("en")[0].path
    with wave.open(str(clip)) as source, wave.open(str(path), "wb") as target:
        target.setparams(source.getparams())
        speech = source.readframes(source.getnframes())
        for _ in range(600 * source.getframerate() // source.getnframes()):
            target.writeframes(speech)
    return path


def test_ctrl_c_on_a_long_transcription_leaves_nothing(
    long_recording: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    target = long_recording.with_suffix(".srt")
    at_work = tmp_path_factory.mktemp("signs") / "at-work"
    command = [*telling("transcribing", at_work), "transcribe", long_recording, "-o", target]
    with running(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as job:
        wait_for(at_work, job)
        begun = time.monotonic()
        job.send_signal(signal.SIGINT)
        output, errors = job.communicate(timeout=60)
    assert job.returncode == 130
    assert time.monotonic() - begun < 10
    assert output == ""
    assert errors == "Cancelled.\n"
    assert [path.name for path in long_recording.parent.iterdir()] == ["long.wav"]


def test_ctrl_c_in_the_middle_of_speaking_leaves_nothing(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    at_work = tmp_path_factory.mktemp("signs") / "at-work"
    command = [*telling("speaking", at_work), "speak", "A long text. " * 5000, "-o", tmp_path / "speech.wav"]
    with running(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as job:
        wait_for(at_work, job)
        job.send_signal(signal.SIGINT)
        output, errors = job.communicate(timeout=60)
    assert (job.returncode, output, errors) == (130, "", "Cancelled.\n")
    assert list(tmp_path.iterdir()) == []


def test_what_was_printed_stays_when_a_command_is_ended(tmp_path: Path) -> None:
    picture = real_media.photo("flower").read_bytes()
    for number in range(300):
        (tmp_path / f"{number}.jpg").write_bytes(picture)
    command = [*SENSORIUM, "classify", tmp_path, "--labels", "flower,rocket", "--json"]
    with running(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as job:
        assert job.stdout is not None
        first = job.stdout.readline()
        job.send_signal(signal.SIGTERM)
        rest, errors = job.communicate(timeout=60)
    assert job.returncode == 130
    assert errors == "Cancelled.\n"
    assert 1 <= len(documents(first + rest)) < 300


@pytest.mark.parametrize("delay", [0.05, 0.2, 0.6])
def test_ctrl_c_is_clean_at_any_moment(delay: float, tmp_path: Path) -> None:
    command = [*SENSORIUM, "speak", "A long text. " * 5000, "-o", tmp_path / "speech.wav"]
    with running(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as job:
        time.sleep(delay)
        job.send_signal(signal.SIGINT)
        output, errors = job.communicate(timeout=60)
    if job.returncode == 130:
        assert "Traceback" not in errors
    else:
        # Python itself was not up yet, and went the hard way; nothing of ours had begun.
        assert "sensorium/cli/" not in errors
    assert output == ""
    assert list(tmp_path.iterdir()) == []
