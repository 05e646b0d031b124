"""Sound files appear complete or not at all, and play as what was written."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from sensorium.errors import InputError
from sensorium.media.audio import AudioWriter, probe_audio, read_audio, write_audio
from tests.memory import PEAK_MEMORY

SUFFIXES = [".wav", ".flac", ".mp3", ".opus", ".ogg", ".m4a", ".aac"]
CODECS = {".wav": "pcm_s16le", ".flac": "flac", ".mp3": "mp3", ".opus": "opus", ".ogg": "opus"}


def tone(seconds: float, rate: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    return 0.5 * np.sin(2 * np.pi * 440 * np.arange(round(seconds * rate)) / rate)


@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 24_000, 44_100, 48_000, 50_000])
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_what_is_written_is_read_back(tmp_path: Path, suffix: str, rate: int) -> None:
    sound = tone(1.5, rate)
    path = write_audio(sound, tmp_path / f"tone{suffix}", rate)
    assert path == tmp_path / f"tone{suffix}"
    assert list(tmp_path.iterdir()) == [path]
    info = probe_audio(path)
    assert (info.codec, info.channels) == (CODECS.get(suffix, "aac"), 1)
    assert info.duration == pytest.approx(1.5, abs=0.2)
    back = read_audio(path, sample_rate=rate)
    delay = round(1024 / info.sample_rate * rate) if suffix == ".aac" else 0
    heard = back[delay:][: len(sound)]
    assert len(heard) == pytest.approx(len(sound), abs=rate // 100)
    inner = slice(rate // 4, rate)
    tolerance = 2e-5 if suffix in (".wav", ".flac") else 0.06
    assert np.abs(heard[inner] - sound[inner]).max() < tolerance


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_writing_piece_by_piece_is_writing_at_once(tmp_path: Path, suffix: str) -> None:
    sound = tone(3.0, 24_000)
    whole = write_audio(sound, tmp_path / f"whole{suffix}", 24_000)
    with AudioWriter(tmp_path / f"pieces{suffix}", 24_000) as writer:
        for piece in np.array_split(sound, [1, 2, 1000, 30_000, 30_000, 61_234]):
            writer.write(piece)
    one, other = read_audio(whole), read_audio(tmp_path / f"pieces{suffix}")
    assert len(one) == len(other)
    assert np.abs(one - other).max() < 2e-3


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".mp3", ".opus", ".m4a"])
def test_tags(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"tagged{suffix}"
    write_audio(tone(0.5, 24_000), path, 24_000, metadata={"title": "Grüße 你好", "comment": "made by a machine"})
    with av.open(str(path)) as container:
        tags = {**container.metadata, **container.streams.audio[0].metadata}
    tags = {key.lower(): value for key, value in tags.items()}
    assert tags["title"] == "Grüße 你好"
    assert "made by a machine" in (tags.get("comment"), tags.get("description"))


def test_loud_sound_is_clipped_not_wrapped(tmp_path: Path) -> None:
    path = write_audio(np.array([0.0, 3.0, -3.0, 0.5] * 100), tmp_path / "loud.wav", 16_000)
    assert read_audio(path)[:4] == pytest.approx([0, 1, -1, 0.5], abs=1e-4)


def test_an_error_leaves_nothing_behind_and_keeps_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "kept.mp3"
    write_audio(tone(0.5, 16_000), path, 16_000)
    before = path.read_bytes()

    def interrupted() -> None:
        with AudioWriter(path, 16_000) as writer:
            writer.write(tone(2.0, 16_000))
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        interrupted()
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("samples", "said"),
    [
        (np.zeros((2, 100)), "one-dimensional"),
        (np.zeros(100, np.int16), "int16"),
        (np.array([0.0, np.nan]), "not numbers"),
        (np.array([0.0, np.inf]), "not numbers"),
        (np.zeros(0), "no sound"),
    ],
)
def test_what_is_not_sound_is_refused(tmp_path: Path, samples: Any, said: str) -> None:
    with pytest.raises(InputError, match=said):
        write_audio(samples, tmp_path / "x.wav", 16_000)
    assert list(tmp_path.iterdir()) == []


def test_names_and_rates_that_make_no_sense(tmp_path: Path) -> None:
    for name in ("x.mid", "x", "x.wav.exe"):
        with pytest.raises(InputError, match=r"End the name in \.wav"):
            AudioWriter(tmp_path / name, 16_000)
    for rate in (0, -1, 10**9):
        with pytest.raises(InputError, match="makes no sense"):
            AudioWriter(tmp_path / "x.wav", rate)
    with pytest.raises(InputError, match="folder"):
        write_audio(tone(0.1, 16_000), tmp_path / "absent" / "x.wav", 16_000)
    assert list(tmp_path.iterdir()) == []


def test_capital_suffixes_and_odd_names(tmp_path: Path) -> None:
    for name in ("LOUD.WAV", "a%03d.flac", "with space ü.mp3", "concat:x.ogg"):
        path = write_audio(tone(0.2, 16_000), tmp_path / name, 16_000)
        assert path.is_file()
        assert len(read_audio(path)) == pytest.approx(3200, abs=200)


@pytest.mark.skipif(sys.platform == "win32", reason="the limit on file sizes is POSIX's")
def test_a_full_disk_is_said_in_one_sentence_and_leaves_nothing(tmp_path: Path) -> None:
    program = """
import resource, signal, sys
import numpy as np
from sensorium.errors import SensoriumError
from sensorium.media.audio import write_audio
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    write_audio(np.random.default_rng(0).uniform(-1, 1, 1_000_000), sys.argv[1], 16_000)
except SensoriumError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", program, tmp_path / "large.wav"], capture_output=True, text=True, check=True
    )
    assert "large.wav can't be written" in done.stdout
    assert done.stderr == ""
    assert list(tmp_path.iterdir()) == []


def test_an_hour_is_written_in_constant_memory(tmp_path: Path) -> None:
    program = (
        PEAK_MEMORY
        + """
import sys
import numpy as np
from sensorium.media.audio import AudioWriter
minute = np.sin(np.arange(60 * 16_000) / 30)
with AudioWriter(sys.argv[1], 16_000) as writer:
    for _ in range(int(sys.argv[2])):
        writer.write(minute)
print(peak_memory())
"""
    )

    def measure(minutes: int) -> float:
        command = [sys.executable, "-c", program, str(tmp_path / f"{minutes}.flac"), str(minutes)]
        return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)

    assert measure(60) < measure(2) + 10  # the samples alone would be 230 MiB
    assert probe_audio(tmp_path / "60.flac").duration == pytest.approx(3600)
