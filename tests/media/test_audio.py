"""Sound is read at its true pitch, level and time, from every kind of file."""

from __future__ import annotations

import subprocess
import sys
import threading
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.signal import resample_poly

from sensorium.errors import CancelledError, InputError
from sensorium.media.audio import probe_audio, read_audio, stream_audio, write_audio
from sensorium.media.limits import Limits
from sensorium.progress import Progress
from tests import real_media
from tests.films import film, truncated
from tests.memory import PEAK_MEMORY

RATE = 16_000
LOSSLESS = [".wav", ".flac"]
LOSSY = [".mp3", ".opus", ".ogg", ".m4a", ".aac"]


def tone(seconds: float, rate: int = RATE, pitch: float = 440.0) -> NDArray[np.float32]:
    return (0.5 * np.sin(2 * np.pi * pitch * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def sweep(seconds: float, rate: int) -> NDArray[np.float32]:
    """A pitch that climbs to 6 kHz: no two places are alike."""
    time = np.arange(round(seconds * rate)) / rate
    return (0.5 * np.sin(2 * np.pi * (100 * time + (5900 / 2 / seconds) * time**2))).astype(np.float32)


def loudness(samples: NDArray[np.float32]) -> float:
    return float(np.sqrt(np.mean(np.square(samples))))


def encode(path: Path, samples: NDArray[Any], rate: int, *, codec: str, layout: str, form: str) -> Path:
    """Write samples as PyAV lays them out: [channels, samples] for planar formats, [1, samples * channels] else."""
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream(codec, rate=rate, layout=layout)
        stream.codec_context.format = form
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples), format=form, layout=layout)
        frame.sample_rate = rate
        frame.pts = 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def silence_with_clicks(seconds: float, at: list[float]) -> NDArray[np.float32]:
    samples = np.zeros(round(seconds * RATE), np.float32)
    for time in at:
        place = round(time * RATE)
        samples[place : place + 32] = 0.9 * np.hanning(32)
    return samples


def heard_at(samples: NDArray[np.float32], rate: int = RATE) -> list[float]:
    """Return when clicks are heard, in seconds."""
    loud = np.flatnonzero(np.abs(samples) > 0.4)
    groups = np.split(loud, np.flatnonzero(np.diff(loud) > rate // 100) + 1) if len(loud) else []
    return [float(np.mean(group)) / rate for group in groups]


# Level, pitch, channels


@pytest.mark.parametrize(
    ("codec", "form", "kind", "step"),
    [
        ("pcm_u8", "u8", np.uint8, 2 / 256),
        ("pcm_s16le", "s16", np.int16, 2 / 65_536),
        ("pcm_s32le", "s32", np.int32, 1e-7),
        ("pcm_s24le", "s32", np.int32, 1e-6),
        ("pcm_f32le", "flt", np.float32, 1e-7),
        ("pcm_f64le", "dbl", np.float64, 1e-7),
    ],
)
def test_every_way_of_storing_samples(tmp_path: Path, codec: str, form: str, kind: Any, step: float) -> None:
    sound = sweep(0.5, RATE).astype(np.float64)
    if kind == np.uint8:
        stored = np.round(sound * 127 + 128).astype(kind)
    else:
        stored = sound.astype(kind) if form in ("flt", "dbl") else np.round(sound * np.iinfo(kind).max).astype(kind)
    path = encode(tmp_path / "sound.wav", stored[None], RATE, codec=codec, layout="mono", form=form)
    samples = read_audio(path)
    assert samples.dtype == np.float32
    assert samples.shape == sound.shape
    assert np.abs(samples - sound).max() <= step


@pytest.mark.parametrize("form", ["s16", "flt"])
def test_stereo_becomes_the_mean_of_its_channels(tmp_path: Path, form: str) -> None:
    left, right = tone(0.5, pitch=300), 0.3 * tone(0.5, pitch=700)
    both = np.stack([left, right], axis=1).reshape(1, -1)
    stored = both if form == "flt" else np.round(both * 32_767).astype(np.int16)
    codec = "pcm_f32le" if form == "flt" else "pcm_s16le"
    path = encode(tmp_path / "stereo.wav", stored, RATE, codec=codec, layout="stereo", form=form)
    assert np.abs(read_audio(path) - (left + right) / 2).max() < 1e-4
    loud = encode(
        tmp_path / "loud.wav", np.ones((1, 2000), np.float32), RATE, codec="pcm_f32le", layout="stereo", form="flt"
    )
    assert np.allclose(read_audio(loud), 1.0)


def test_channels_without_a_place_count_the_same(tmp_path: Path) -> None:
    import wave

    path = tmp_path / "microphones.wav"
    channels = np.stack([tone(0.2, pitch=100 * (k + 1)) for k in range(4)], axis=1)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(4)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(np.round(channels * 32_767).astype("<i2").tobytes())
    assert np.abs(read_audio(path) - channels.mean(axis=1)).max() < 1e-4


def test_surround_keeps_the_voice_in_front_and_never_clips(tmp_path: Path) -> None:
    full = np.ones((1, 6 * 1000), np.float32)
    path = encode(tmp_path / "full.wav", full, RATE, codec="pcm_f32le", layout="5.1", form="flt")
    assert np.allclose(read_audio(path), 1.0)
    shares = []
    for channel in range(6):
        one = np.zeros((1000, 6), np.float32)
        one[:, channel] = 1.0
        path = encode(
            tmp_path / f"{channel}.wav", one.reshape(1, -1), RATE, codec="pcm_f32le", layout="5.1", form="flt"
        )
        shares.append(float(read_audio(path)[500]))
    left, right, centre, low, back_left, back_right = shares
    assert centre > left == right > back_left == back_right > low == 0
    assert sum(shares) == pytest.approx(1)
    assert centre / left == pytest.approx(2**0.5, abs=1e-3)


def test_values_that_are_not_numbers_and_values_too_large(tmp_path: Path) -> None:
    stored = np.array([[0.1, np.nan, np.inf, -np.inf, 7.0, -7.0] * 200], np.float32)
    path = encode(tmp_path / "broken.wav", stored, RATE, codec="pcm_f32le", layout="mono", form="flt")
    assert read_audio(path)[:6] == pytest.approx([0.1, 0, 1, -1, 1, -1])


@pytest.mark.parametrize("rate", [8_000, 11_025, 22_050, 24_000, 44_100, 48_000, 96_000])
def test_resampling_agrees_with_a_reference(tmp_path: Path, rate: int) -> None:
    pitch = sweep(2.0, rate) if rate > 12_000 else tone(2.0, rate, 1000)
    path = encode(tmp_path / "sweep.wav", pitch[None], rate, codec="pcm_f32le", layout="mono", form="flt")
    ours = read_audio(path)
    common = np.gcd(rate, RATE)
    reference = resample_poly(pitch.astype(np.float64), RATE // common, rate // common, window=("kaiser", 8.0))
    assert len(ours) == 2 * RATE
    middle = slice(400, -400)
    assert np.abs(ours[middle] - reference[: len(ours)][middle]).max() < 0.02


def test_resampling_lets_nothing_through_that_would_fold_back(tmp_path: Path) -> None:
    path = encode(
        tmp_path / "high.wav", tone(1.0, 48_000, 12_000)[None], 48_000, codec="pcm_f32le", layout="mono", form="flt"
    )
    assert loudness(read_audio(path)[1000:-1000]) < 1e-3


# Time


@pytest.mark.parametrize("suffix", LOSSLESS + LOSSY)
def test_sounds_are_heard_when_they_were_written(tmp_path: Path, suffix: str) -> None:
    times = [0.25, 1.0, 2.5]
    path = write_audio(silence_with_clicks(3.0, times), tmp_path / f"clicks{suffix}", RATE)
    delay = 1024 / RATE if suffix == ".aac" else 0.0  # raw AAC has no field for the encoder's delay
    assert heard_at(read_audio(path)) == pytest.approx([time + delay + 0.001 for time in times], abs=0.002)
    assert probe_audio(path).duration == pytest.approx(3.0, abs=0.13)


@pytest.mark.parametrize("rate", [RATE, 44_100])
@pytest.mark.parametrize("suffix", LOSSLESS)
def test_a_window_is_cut_out_of_the_whole(tmp_path: Path, suffix: str, rate: int) -> None:
    path = write_audio(sweep(30.0, rate), tmp_path / f"sweep{suffix}", rate)
    whole = read_audio(path)
    for start, end in [(0.0, 1.0), (3.99, 4.01), (7.123, 9.321), (17.0, 29.5), (29.9, None), (12.0, 12.0001)]:
        window = read_audio(path, start=start, end=end)
        expected = whole[round(start * RATE) : None if end is None else round(end * RATE)]
        assert window.shape == expected.shape
        assert np.array_equal(window, expected) if rate == RATE else np.abs(window - expected).max() < 1e-6


@pytest.mark.parametrize("suffix", LOSSY)
def test_a_window_of_a_lossy_file_lies_where_it_should(tmp_path: Path, suffix: str) -> None:
    path = write_audio(sweep(30.0, RATE), tmp_path / f"sweep{suffix}", RATE)
    whole = read_audio(path)
    for start, end in [(0.0, 1.0), (7.123, 9.321), (17.0, 29.5)]:
        window = read_audio(path, start=start, end=end)
        expected = whole[round(start * RATE) : round(end * RATE)]
        assert window.shape == expected.shape
        # Codecs hand noise from frame to frame; a shift of one sample alone would show as 0.2 and more.
        assert np.abs(window - expected).max() < 0.02


def test_windows_beyond_the_end(tmp_path: Path) -> None:
    path = write_audio(tone(3.0), tmp_path / "short.wav", RATE)
    assert len(read_audio(path, start=2.0, end=9.0)) == RATE
    assert len(read_audio(path, end=float("inf"))) == 3 * RATE
    with pytest.raises(InputError, match=r"ends at second 3\.0"):
        read_audio(path, start=3.5)
    for start, end in [(-1.0, None), (2.0, 1.0), (1.0, 1.0), (float("nan"), None)]:
        with pytest.raises(InputError, match="There is no sound from second"):
            read_audio(path, start=start, end=end)


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts", "webm"])
def test_sound_that_begins_after_the_picture(tmp_path: Path, suffix: str) -> None:
    codec = "libvpx" if suffix == "webm" else "libx264"
    path = film(
        tmp_path / f"late.{suffix}", 125, codec=codec, sound=silence_with_clicks(3.0, [0.5, 2.0]), sound_start=1.5
    )
    assert heard_at(read_audio(path)) == pytest.approx([2.0, 3.5], abs=0.03)
    assert heard_at(read_audio(path, start=3.0, end=4.0)) == pytest.approx([0.5], abs=0.03)
    assert probe_audio(path).duration == pytest.approx(4.5, abs=0.6)


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_sound_that_ends_before_the_picture_is_not_taken_for_broken(tmp_path: Path, suffix: str) -> None:
    path = film(tmp_path / f"early.{suffix}", 250, sound=tone(3.0))
    said: list[str] = []
    assert len(read_audio(path, on_warning=said.append)) == pytest.approx(3 * RATE, abs=2048)
    assert said == []


def test_a_pause_that_only_the_timestamps_tell_of(tmp_path: Path) -> None:
    # A recorder that stores nothing while nobody speaks.
    path = tmp_path / "pause.mkv"
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("pcm_s16le", rate=RATE, layout="mono")
        for start in (0.0, 7.0):
            frame = av.AudioFrame.from_ndarray(silence_with_clicks(1.0, [0.5])[None], format="flt", layout="mono")
            frame.sample_rate, frame.time_base = RATE, Fraction(1, RATE)
            frame.pts = round(start * RATE)
            for packet in stream.encode(frame):
                packet.pts = packet.dts = frame.pts
                container.mux(packet)
    samples = read_audio(path)
    assert len(samples) == pytest.approx(8 * RATE, abs=32)
    assert heard_at(samples) == pytest.approx([0.5, 7.5], abs=0.003)
    assert heard_at(read_audio(path, start=6.5)) == pytest.approx([1.0], abs=0.003)
    blocks = list(stream_audio(path, block_seconds=3))
    assert [len(block) for block in blocks[:2]] == [3 * RATE, 3 * RATE]


def test_recordings_that_were_simply_joined(tmp_path: Path) -> None:
    one = write_audio(silence_with_clicks(2.0, [0.5]), tmp_path / "one.opus", RATE).read_bytes()
    other = write_audio(silence_with_clicks(2.0, [1.5]), tmp_path / "other.opus", RATE).read_bytes()
    assert heard_at(read_audio(one + other)) == pytest.approx([0.5, 3.5], abs=0.03)


def test_a_sample_rate_that_changes_on_the_way(tmp_path: Path) -> None:
    one = write_audio(silence_with_clicks(2.0, [0.5]), tmp_path / "one.aac", RATE).read_bytes()
    upsampled = resample_poly(silence_with_clicks(2.0, [1.0]), 3, 2).astype(np.float32)
    other = write_audio(upsampled, tmp_path / "other.aac", 24_000).read_bytes()
    first = len(read_audio(one)) / RATE
    samples = read_audio(one + other)
    expected = [0.5 + 1024 / RATE, first + 1.0 + 1024 / 24_000]
    assert heard_at(samples) == pytest.approx(expected, abs=0.003)
    assert len(samples) / RATE == pytest.approx(first + len(read_audio(other)) / RATE, abs=0.01)


# Streaming


@pytest.mark.parametrize("block", [0.5, 1.0, 7.3, 100.0])
def test_blocks_join_to_the_whole(tmp_path: Path, block: float) -> None:
    path = write_audio(sweep(20.0, 22_050), tmp_path / "sweep.flac", 22_050)
    blocks = list(stream_audio(path, block_seconds=block))
    assert {len(piece) for piece in blocks[:-1]} <= {round(block * RATE)}
    assert 0 < len(blocks[-1]) <= round(block * RATE)
    assert np.array_equal(np.concatenate(blocks), read_audio(path))
    inside = list(stream_audio(path, block_seconds=block, start=5, end=6))
    assert np.array_equal(np.concatenate(inside), read_audio(path, start=5, end=6))


def test_blocks_of_nothing_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="Blocks of 0 seconds"):
        next(stream_audio(write_audio(tone(1), tmp_path / "tone.wav", RATE), block_seconds=0))


def long_recording(path: Path, hours: float) -> Path:
    """One minute of Opus, over and over, without encoding it anew."""
    minute = tone(60.0, 48_000)
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("libopus", rate=48_000, layout="mono")
        stream.codec_context.bit_rate = 16_000
        stream.codec_context.options = {"frame_duration": "60"}
        frame = av.AudioFrame.from_ndarray(minute[None], format="flt", layout="mono")
        frame.sample_rate, frame.pts = 48_000, 0
        once = [(bytes(packet), packet.duration, packet.time_base) for packet in stream.encode(frame)]
        pts = -312
        for _ in range(round(hours * 60)):
            for data, duration, time_base in once:
                packet = av.Packet(data)
                packet.stream, packet.time_base, packet.duration = stream, time_base, duration
                packet.pts = packet.dts = pts
                pts += duration or 0
                container.mux(packet)
    return path


def test_a_recording_of_two_hours_takes_no_more_memory_than_one_of_two_minutes(tmp_path: Path) -> None:
    program = (
        PEAK_MEMORY
        + """
import sys
from sensorium.media.audio import stream_audio
seconds = sum(len(block) for block in stream_audio(sys.argv[1])) / 16000
print(seconds, peak_memory())
"""
    )

    def measure(hours: float) -> tuple[float, float]:
        path = long_recording(tmp_path / f"{hours}.opus", hours)
        done = subprocess.run([sys.executable, "-c", program, path], capture_output=True, text=True, check=True)
        seconds, memory = done.stdout.split()
        return float(seconds), float(memory)

    short_seconds, short_memory = measure(1 / 30)
    long_seconds, long_memory = measure(2.0)
    assert short_seconds == pytest.approx(120, abs=0.1)
    assert long_seconds == pytest.approx(7200, abs=0.1)
    print(f"2 minutes: {short_memory:.0f} MiB, 2 hours: {long_memory:.0f} MiB")
    assert long_memory < short_memory + 10  # the samples alone would be 440 MiB


# What a recording is


def test_probe(tmp_path: Path) -> None:
    path = write_audio(tone(2.0, 22_050), tmp_path / "tone.flac", 22_050)
    info = probe_audio(path)
    assert (info.duration, info.sample_rate, info.channels, info.codec) == (2.0, 22_050, 1, "flac")
    stereo = encode(
        tmp_path / "s.wav", np.zeros((1, 8000), np.int16), 8000, codec="pcm_s16le", layout="stereo", form="s16"
    )
    info = probe_audio(stereo)
    assert (info.duration, info.channels, info["codec"]) == (0.5, 2, "pcm_s16le")


def test_the_length_of_a_bare_stream_is_counted_not_guessed(tmp_path: Path) -> None:
    # Silence, then noise: from its first bytes, FFmpeg guesses a length that is wrong by a factor.
    sound = np.concatenate([np.zeros(20 * RATE), np.random.default_rng(0).uniform(-0.5, 0.5, 5 * RATE)])
    path = write_audio(sound, tmp_path / "uneven.aac", RATE)
    assert probe_audio(path).duration == pytest.approx(25.0, abs=0.15)


def test_real_recordings() -> None:
    for language in ("en", "fr", "es", "it", "ru"):
        clip = real_media.speech_clips(language)[0]
        samples = read_audio(clip.path)
        assert len(samples) / RATE == pytest.approx(probe_audio(clip.path).duration, abs=0.1)
        assert 0.005 < loudness(samples) < 0.5
    song = real_media.music()
    assert len(read_audio(song, end=5)) == 5 * RATE
    trailer = real_media.film("Megamind")
    assert len(read_audio(trailer)) / RATE == pytest.approx(11.26, abs=0.1)


# Damage and refusals


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".mp3", ".opus", ".m4a"])
def test_what_is_left_of_a_recording_that_breaks_off(tmp_path: Path, suffix: str) -> None:
    # Noise, since codecs spend next to no bytes on silence.
    sound = silence_with_clicks(20.0, [1.0, 8.0, 18.0]) + np.random.default_rng(0).normal(0, 0.03, 20 * RATE)
    whole = write_audio(sound, tmp_path / f"whole{suffix}", RATE)
    if suffix == ".m4a":  # a table of contents in front, as in files made for the web
        with (
            av.open(str(whole)) as source,
            av.open(str(tmp_path / "web.m4a"), "w", options={"movflags": "faststart"}) as copy,
        ):
            stream = copy.add_stream_from_template(source.streams.audio[0])
            for packet in source.demux(audio=0):
                if packet.size:
                    packet.stream = stream
                    copy.mux(packet)
        whole = tmp_path / "web.m4a"
    said: list[str] = []
    samples = read_audio(truncated(whole, tmp_path / f"cut{suffix}", 0.6), on_warning=said.append)
    assert heard_at(samples) == pytest.approx([1.0, 8.0], abs=0.03)
    assert len(samples) < 19 * RATE
    if suffix not in (".opus", ".wav"):  # Ogg tells its length on its last page; of WAV, FFmpeg takes what is there
        assert any("breaks off at second" in sentence for sentence in said)


def test_damage_in_the_middle_costs_only_itself(tmp_path: Path) -> None:
    data = bytearray(write_audio(silence_with_clicks(20.0, [1.0, 19.0]), tmp_path / "whole.mp3", RATE).read_bytes())
    middle = len(data) // 2
    data[middle : middle + 3000] = np.random.default_rng(0).bytes(3000)
    said: list[str] = []
    samples = read_audio(bytes(data), on_warning=said.append)
    assert heard_at(samples[: 5 * RATE]) == pytest.approx([1.0], abs=0.01)
    assert heard_at(samples[18 * RATE :]) == pytest.approx([1.0], abs=0.4)  # the frames of an MP3 carry no time


def test_a_film_without_sound(tmp_path: Path) -> None:
    path = film(tmp_path / "mute.mp4", 10)
    for call in (read_audio, probe_audio, lambda source: next(stream_audio(source))):
        with pytest.raises(InputError, match="has no sound track"):
            call(path)


def test_a_recording_of_nothing(tmp_path: Path) -> None:
    path = encode(tmp_path / "one.wav", np.zeros((1, 1), np.int16), RATE, codec="pcm_s16le", layout="mono", form="s16")
    empty = tmp_path / "empty.wav"
    empty.write_bytes(path.read_bytes()[:-2])
    with pytest.raises(InputError, match="No sound can be decoded"):
        read_audio(empty)


def test_limits(tmp_path: Path) -> None:
    path = write_audio(tone(10.0), tmp_path / "ten.flac", RATE)
    with pytest.raises(InputError, match="longer than 5 seconds"):
        read_audio(path, limits=Limits(max_duration=5))
    assert len(read_audio(path, start=4, end=8, limits=Limits(max_duration=5))) == 4 * RATE
    for rate in (0, -16_000, 10_000_000):
        with pytest.raises(InputError, match="makes no sense"):
            read_audio(path, sample_rate=rate)


def test_progress_and_stopping(tmp_path: Path) -> None:
    path = write_audio(tone(20.0), tmp_path / "tone.flac", RATE)
    told: list[Progress] = []
    read_audio(path, start=5, end=15, progress=told.append)
    assert [step.done for step in told] == sorted(step.done for step in told)
    assert told[-1].done >= told[-1].total == 10
    stop = threading.Event()
    blocks = stream_audio(path, block_seconds=1, cancel=stop)
    next(blocks)
    stop.set()
    with pytest.raises(CancelledError):
        list(blocks)
    with pytest.raises(CancelledError):
        read_audio(path, cancel=stop)
