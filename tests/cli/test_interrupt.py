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
from tests import real_media
from tests.cli.conftest import documents


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


def test_what_was_printed_stays_when_a_command_is_ended(tmp_path: Path) -> None:
    picture = real_media.photo("flower").read_bytes()
    for number in range(300):
        (tmp_path / f"{number}.jpg").write_bytes(picture)
    job = subprocess.Popen(
        [sys.executable, "-m", "sensorium", "classify", str(tmp_path), "--labels", "flower,rocket", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert job.stdout is not None
    first = job.stdout.readline()
    job.send_signal(signal.SIGTERM)
    rest, errors = job.communicate(timeout=30)
    assert job.returncode == 130
    assert errors == "Cancelled.\n"
    assert 1 <= len(documents(first + rest)) < 300


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
    if job.returncode == 130:
        assert "Traceback" not in errors
    else:
        # Python itself was not up yet, and went the hard way; nothing of ours had begun.
        assert "sensorium/cli/" not in errors
    assert output == ""
    assert list(tmp_path.iterdir()) == []
