"""Ctrl-C: a clean message, exit code 130, and nothing half-written."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
import wave
from pathlib import Path

import pytest

from sensorium.cli.interrupt import cancel, interruptible


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
    """Half an hour of human speech."""
    from tests import real_media

    path = tmp_path / "long.wav"
    clip = real_media.speech_clips("en")[0].path
    with wave.open(str(clip)) as source, wave.open(str(path), "wb") as target:
        target.setparams(source.getparams())
        speech = source.readframes(source.getnframes())
        for _ in range(1800 * source.getframerate() // source.getnframes()):
            target.writeframes(speech)
    return path


def test_ctrl_c_on_a_long_transcription_leaves_nothing(long_recording: Path) -> None:
    target = long_recording.with_suffix(".srt")
    log = long_recording.with_suffix(".log")
    with log.open("w") as stderr:
        job = subprocess.Popen(
            [sys.executable, "-m", "sensorium", "transcribe", str(long_recording), "-o", str(target)],
            stdout=subprocess.PIPE,
            stderr=stderr,
        )
        time.sleep(4)
        assert job.poll() is None, log.read_text()
        begun = time.monotonic()
        job.send_signal(signal.SIGINT)
        output, _ = job.communicate(timeout=30)
    assert job.returncode == 130
    assert time.monotonic() - begun < 10
    assert output == b""
    assert log.read_text() == "Cancelled.\n"
    assert {path.name for path in long_recording.parent.iterdir()} == {"long.wav", "long.log"}


def test_sentences_that_were_printed_stay_when_a_transcription_is_ended(long_recording: Path) -> None:
    job = subprocess.Popen(
        [sys.executable, "-m", "sensorium", "transcribe", str(long_recording)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert job.stdout is not None
    first = job.stdout.readline()
    job.send_signal(signal.SIGTERM)
    _, errors = job.communicate(timeout=30)
    assert job.returncode == 130
    assert "Dashwood" in first
    assert errors == "Cancelled.\n"


@pytest.mark.parametrize("delay", [0.05, 0.2, 0.6])
def test_ctrl_c_is_clean_at_any_moment(delay: float, tmp_path: Path) -> None:
    job = subprocess.Popen(
        [sys.executable, "-m", "sensorium", "speak", "A long text. " * 5000, "-o", str(tmp_path / "speech.wav")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    time.sleep(delay)
    job.send_signal(signal.SIGINT)
    output, errors = job.communicate(timeout=30)
    # Before Python itself is up, the signal ends it the hard way; there is nothing of ours to be clean yet.
    assert job.returncode in (130, -signal.SIGINT)
    if job.returncode == 130:
        assert "Traceback" not in errors
    assert output == ""
    assert list(tmp_path.iterdir()) == []
