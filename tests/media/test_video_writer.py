"""Films that are written show every picture at its time, with the whole sound."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from sensorium.errors import InputError
from sensorium.media.audio import probe_audio, read_audio
from sensorium.media.video import probe_video, sample_frames
from sensorium.media.video_writer import write_video
from tests.films import number_in, numbered
from tests.media.test_audio import heard_at, silence_with_clicks


def pictures(count: int, size: tuple[int, int] = (160, 96)) -> Iterator[Image.Image]:
    return (Image.fromarray(numbered(number, *size)) for number in range(count))


@pytest.mark.parametrize("rate", [1, 12.5, 24000 / 1001, 25, 60])
def test_every_picture_at_its_time(tmp_path: Path, rate: float) -> None:
    path = write_video(tmp_path / "film.mp4", pictures(30), rate)
    info = probe_video(path)
    assert (info.width, info.height, info.codec, info.has_audio) == (160, 96, "h264", False)
    assert info.frames_per_second == pytest.approx(rate, rel=1e-6)
    assert info.duration == pytest.approx(30 / rate, abs=0.01)
    frames = list(sample_frames(path, 30))
    assert [number_in(frame.image) for frame in frames] == list(range(30))
    assert [frame.time for frame in frames] == pytest.approx([index / rate for index in range(30)], abs=0.001)


@pytest.mark.parametrize("size", [(161, 97), (161, 96), (160, 97), (1, 1)])
def test_odd_sides_are_made_even_and_nothing_is_lost(tmp_path: Path, size: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    source = Image.fromarray(rng.integers(0, 255, (2, 2, 3), dtype=np.uint8)).resize(size, Image.Resampling.BICUBIC)
    path = write_video(tmp_path / "odd.mp4", [source] * 3, 10)
    (frame,) = sample_frames(path, 1)
    assert frame.image.size == (size[0] + size[0] % 2, size[1] + size[1] % 2)
    shown = np.asarray(frame.image.convert("L"))[: size[1], : size[0]].astype(int)
    assert np.abs(shown - np.asarray(source.convert("L"))).mean() < 12


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "CMYK", "I;16"])
def test_pictures_of_any_mode(tmp_path: Path, mode: str) -> None:
    picture = Image.new("RGB", (64, 64), (128, 128, 128)).convert("L" if mode == "I;16" else mode)
    path = write_video(tmp_path / "film.mp4", [picture.convert(mode) if mode == "I;16" else picture] * 3, 10)
    (frame,) = sample_frames(path, 1)
    assert frame.image.size == (64, 64)


@pytest.mark.parametrize("rate", [16_000, 22_050, 24_000, 44_100, 50_000])
def test_sound_is_heard_at_its_time(tmp_path: Path, rate: int) -> None:
    clicks = silence_with_clicks(4.0, [0.5, 2.0, 3.5])
    sound = np.interp(np.arange(4 * rate) / rate, np.arange(len(clicks)) / 16_000, clicks)
    path = write_video(tmp_path / "sound.mp4", pictures(100), 25, audio=sound, sample_rate=rate)
    assert probe_video(path).has_audio
    assert heard_at(read_audio(path)) == pytest.approx([0.501, 2.001, 3.501], abs=0.003)
    assert probe_audio(path).duration == pytest.approx(4.0, abs=0.01)


@pytest.mark.parametrize("seconds", [0.5, 10.0])
def test_sound_is_written_whole_however_long(tmp_path: Path, seconds: float) -> None:
    sound = np.full(round(seconds * 16_000), 0.25)
    path = write_video(tmp_path / "film.mp4", pictures(50), 25, audio=sound, sample_rate=16_000)
    assert len(read_audio(path)) / 16_000 == pytest.approx(seconds, abs=0.07)
    assert [number_in(frame.image) for frame in sample_frames(path, 50)] == list(range(50))


def test_the_table_of_contents_is_in_front_and_tags_are_kept(tmp_path: Path) -> None:
    path = write_video(tmp_path / "film.mp4", pictures(20), 25, metadata={"title": "A walk", "comment": "generated"})
    data = path.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")
    with av.open(str(path)) as container:
        assert container.metadata["title"] == "A walk"
        assert container.metadata["comment"] == "generated"
        assert container.streams.video[0].codec_context.pix_fmt == "yuv420p"


def test_colours(tmp_path: Path) -> None:
    for colour in [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255), (0, 0, 0), (200, 120, 40)]:
        for size in [(64, 64), (1280, 720)]:
            path = write_video(tmp_path / "colour.mp4", [Image.new("RGB", size, colour)] * 2, 10)
            (frame,) = sample_frames(path, 1)
            assert frame.image.getpixel((30, 30)) == pytest.approx(colour, abs=6)


def test_an_error_leaves_nothing_behind(tmp_path: Path) -> None:
    def broken() -> Iterator[Image.Image]:
        yield from pictures(5)
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        write_video(tmp_path / "film.mp4", broken(), 25)
    with pytest.raises(InputError, match=r"Frame 3 of .* has 80x96 pixels, the first one 160x96"):
        write_video(tmp_path / "film.mp4", [*pictures(3), Image.new("RGB", (80, 96))], 25)
    with pytest.raises(InputError, match="no frames"):
        write_video(tmp_path / "film.mp4", [], 25)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"frames_per_second": 0}, "make no film"),
        ({"frames_per_second": float("nan")}, "make no film"),
        ({"audio": np.zeros(100)}, "sample rate"),
        ({"audio": np.zeros((2, 100)), "sample_rate": 16_000}, "one-dimensional"),
        ({"path": "film.avi"}, r"End the name in \.mp4"),
    ],
)
def test_arguments_that_make_no_sense(tmp_path: Path, arguments: dict[str, Any], said: str) -> None:
    arguments = {"path": "film.mp4", "frames_per_second": 25, **arguments}
    path = tmp_path / arguments.pop("path")
    with pytest.raises(InputError, match=said):
        write_video(path, pictures(3), **arguments)
    assert list(tmp_path.iterdir()) == []
