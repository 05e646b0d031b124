"""Frames are the ones that a player shows at their times, in every kind of film."""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from sensorium.errors import CancelledError, InputError
from sensorium.media.frame_reader import FrameReader
from sensorium.media.limits import Limits
from sensorium.media.video import VideoFrame, probe_video, sample_frames
from sensorium.progress import Progress
from tests import real_media
from tests.films import HEIGHT, WIDTH, film, number_in, numbered, repeated, truncated

KINDS = [
    ("mp4", "libx264"),
    ("mp4", "libx265"),
    ("mp4", "mpeg4"),
    ("mov", "libx264"),
    ("mkv", "libx264"),
    ("mkv", "libx265"),
    ("webm", "libvpx"),
    ("webm", "libvpx-vp9"),
    ("avi", "libx264"),
    ("avi", "mpeg4"),
    ("ts", "libx264"),
    ("ts", "mpeg2video"),
    ("mpg", "mpeg2video"),
    ("flv", "libx264"),
    ("wmv", "wmv2"),
]
TURNS = [(turned, mirrored) for turned in (0, 90, 180, 270) for mirrored in (False, True)]


def numbers(frames: Iterator[VideoFrame]) -> list[int]:
    return [number_in(frame.image) for frame in frames]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("films")


@pytest.fixture(scope="module")
def steady(folder: Path) -> Path:
    """200 frames, 8 seconds, a key frame every 2 seconds."""
    return film(folder / "steady.mp4", 200)


@pytest.fixture(scope="module")
def uneven_times() -> list[float]:
    steps = np.random.default_rng(1).choice([0.02, 0.04, 0.1, 0.5, 2.0], size=120)
    return [0.0, *np.cumsum(steps).tolist()]


# Exactness


@pytest.mark.parametrize(("suffix", "codec"), KINDS)
def test_frames_are_exact_in_every_container(folder: Path, suffix: str, codec: str) -> None:
    path = film(folder / f"{codec}.{suffix}", 200, codec=codec)
    choices: list[tuple[dict[str, Any], list[int]]] = [
        ({"count": 16}, [int(index) for index in np.linspace(0, 199, 16)]),
        ({"count": 200}, list(range(200))),
        ({"every": 0.5}, [int(12.5 * index) for index in range(16)]),
        ({"frames_per_second": 5}, list(range(0, 200, 5))),
        ({"times": [0.0, 0.039, 0.04, 3.5, 3.52, 7.9, 7.99]}, [0, 0, 1, 87, 88, 197, 199]),
        ({"times": [0.5, 6.0, 6.1]}, [12, 150, 152]),
        ({"count": 5, "start": 2, "end": 4}, [50, 62, 75, 87, 100]),
    ]
    for choice, expected in choices:
        frames = list(sample_frames(path, **choice))
        assert [number_in(frame.image) for frame in frames] == expected, choice
        assert [round(frame.time * 25) for frame in frames] == expected, choice


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts"])
def test_frames_stored_after_the_key_frame_that_follows_them(folder: Path, suffix: str) -> None:
    options = {"x264-params": "open-gop=1:bframes=3:b-pyramid=2:keyint=50:min-keyint=50"}
    path = film(folder / f"open.{suffix}", 200, options=options)
    for number in (0, 47, 48, 49, 50, 51, 97, 98, 99, 100, 148, 149, 150, 199):
        assert numbers(sample_frames(path, times=[number / 25])) == [number]
    assert numbers(sample_frames(path, 200)) == list(range(200))


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_uneven_frame_durations(folder: Path, uneven_times: list[float], suffix: str) -> None:
    path = film(folder / f"uneven.{suffix}", times=uneven_times)
    wanted = sorted(np.random.default_rng(2).uniform(0, uneven_times[-1], 60).tolist())
    expected = [int(np.searchsorted(uneven_times, time + 0.0005, "right")) - 1 for time in wanted]
    frames = list(sample_frames(path, times=wanted))
    assert [number_in(frame.image) for frame in frames] == expected
    assert [frame.time for frame in frames] == pytest.approx([uneven_times[number] for number in expected], abs=0.001)


def test_every_frame_of_a_long_group_is_the_same_wherever_one_comes_from(folder: Path) -> None:
    path = film(folder / "long-group.mp4", 300, group=300, options={"preset": "medium", "bf": "5"})
    inorder = [np.asarray(frame.image) for frame in sample_frames(path, 300)]
    for number in np.random.default_rng(3).permutation(300)[:20]:
        (frame,) = sample_frames(path, times=[number / 25])
        assert number_in(frame.image) == number
        assert np.array_equal(np.asarray(frame.image), inorder[number])


def test_a_cut_that_only_the_edit_list_knows(folder: Path) -> None:
    # What phones and "ffmpeg -ss 2 -c copy" write: the first two seconds are stored, but not shown.
    path = film(folder / "edited.mp4", 200, start=-2.0, container_options={"avoid_negative_ts": "disabled"})
    assert probe_video(path).duration == pytest.approx(6.0, abs=0.05)
    frames = list(sample_frames(path, times=[0, 0.04, 1, 5.99]))
    assert [number_in(frame.image) for frame in frames] == [50, 51, 75, 199]
    assert [frame.time for frame in frames] == pytest.approx([0, 0.04, 1, 5.96])
    assert numbers(sample_frames(path, 3)) == [50, 124, 199]


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts"])
def test_time_counts_from_the_first_frame(folder: Path, suffix: str) -> None:
    path = film(folder / f"late.{suffix}", 100, start=3.0)
    frames = list(sample_frames(path, times=[0, 1, 3.96]))
    assert [number_in(frame.image) for frame in frames] == [0, 25, 99]
    assert [frame.time for frame in frames] == pytest.approx([0, 1, 3.96], abs=0.001)


def test_a_stream_that_does_not_say_how_long_it_is(folder: Path) -> None:
    path = film(folder / "live.webm", 100, codec="libvpx", container_options={"live": "1"})
    with av.open(str(path)) as container:
        assert container.duration is None
    assert probe_video(path).duration == pytest.approx(4.0, abs=0.05)
    assert numbers(sample_frames(path, 4)) == [0, 33, 66, 99]
    assert numbers(sample_frames(path, times=[3.5])) == [87]


def test_a_moving_gif(folder: Path) -> None:
    pictures = [Image.fromarray(numbered(number)) for number in range(40)]
    path = folder / "moving.gif"
    pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=100)
    assert numbers(sample_frames(path, times=[0, 0.1, 2.05, 3.99])) == [0, 1, 20, 39]


def test_bytes_and_open_files(steady: Path) -> None:
    assert numbers(sample_frames(steady.read_bytes(), 3)) == [0, 99, 199]
    with steady.open("rb") as file:
        assert numbers(sample_frames(file, 3)) == [0, 99, 199]


def test_the_chapters_loop_loses_frames_where_this_does_not(folder: Path, uneven_times: list[float]) -> None:
    """The chapter seeks by frame number with OpenCV; its count is a guess from duration and rate."""
    real = real_media.film("tree")  # dropped frames are stored as nothing: 444 by the header, 68 in the file
    assert len(_chapter_frames(real)) < 16
    assert len(list(sample_frames(real, 16))) == 16

    uneven = film(folder / "chapter.mkv", times=uneven_times)
    assert len(_chapter_frames(uneven)) < 16
    assert len(list(sample_frames(uneven, 16))) == 16

    broadcast = film(folder / "chapter.ts", 200)
    expected = [int(index) for index in np.linspace(0, 199, 16)]
    assert [number_in(picture) for picture in _chapter_frames(broadcast)] != expected
    assert numbers(sample_frames(broadcast, 16)) == expected


def test_the_chapters_loop_and_this_agree_on_an_easy_film(steady: Path) -> None:
    theirs = [np.asarray(picture).astype(int) for picture in _chapter_frames(steady)]
    ours = [np.asarray(frame.image).astype(int) for frame in sample_frames(steady, 16)]
    assert max(np.abs(a - b).max() for a, b in zip(ours, theirs, strict=True)) <= 2


def _chapter_frames(path: Path, num_frames: int = 16) -> list[Image.Image]:
    cv2 = pytest.importorskip("cv2")
    cap = cv2.VideoCapture(str(path))
    frame_count = int(cap.get(cv2.CAP_PROP_FRAME_COUNT))
    frames = []
    for idx in np.linspace(0, frame_count - 1, num_frames, dtype=int):
        cap.set(cv2.CAP_PROP_POS_FRAMES, idx)
        ret, frame = cap.read()
        if ret:
            frames.append(Image.fromarray(np.ascontiguousarray(frame[:, :, ::-1])))
    cap.release()
    return frames


# As shown


@pytest.mark.parametrize(("turned", "mirrored"), TURNS)
def test_phone_films_are_upright(folder: Path, turned: int, mirrored: bool) -> None:
    stored = np.zeros((96, 160, 3), np.uint8)
    stored[:48, :80], stored[:48, 80:], stored[48:, :80] = (255, 0, 0), (0, 255, 0), (0, 0, 255)
    path = film(folder / f"turned-{turned}-{mirrored}.mp4", turned=turned, mirrored=mirrored, pictures=[stored] * 5)
    expected = np.rot90(stored, -turned // 90)
    expected = expected[:, ::-1] if mirrored else expected
    (frame,) = sample_frames(path, 1)
    shown = np.asarray(frame.image)
    assert shown.shape == expected.shape
    assert np.abs(shown.astype(int) - expected)[::8, ::8].mean() < 16
    info = probe_video(path)
    assert (info.width, info.height, info.rotation) == (shown.shape[1], shown.shape[0], turned)
    (small,) = sample_frames(path, 1, minimum_side=48)
    assert small.image.size == (shown.shape[1] // 2, shown.shape[0] // 2)


def test_pixels_that_are_not_square(folder: Path) -> None:
    path = film(folder / "anamorphic.mp4", 10, pixel_shape=Fraction(4, 3))
    info = probe_video(path)
    assert (info.width, info.height) == (213, HEIGHT)
    assert next(sample_frames(path, 1)).image.size == (213, HEIGHT)


@pytest.mark.parametrize(("side", "size"), [(48, (80, 48)), (31, (52, 31)), (500, (160, 96))])
def test_shrinking_keeps_the_shape_and_never_enlarges(steady: Path, side: int, size: tuple[int, int]) -> None:
    frames = list(sample_frames(steady, 4, minimum_side=side))
    assert [frame.image.size for frame in frames] == [size] * 4
    assert [frame.image.mode for frame in frames] == ["RGB"] * 4


def test_shrunk_frames_look_like_frames_that_were_shrunk(steady: Path) -> None:
    large = [frame.image.resize((80, 48), Image.Resampling.BOX) for frame in sample_frames(steady, 4)]
    small = [frame.image for frame in sample_frames(steady, 4, minimum_side=48)]
    for one, other in zip(large, small, strict=True):
        assert np.abs(np.asarray(one).astype(int) - np.asarray(other)).mean() < 4


@pytest.mark.parametrize(("height", "label", "standard"), [(96, None, "601"), (720, None, "709"), (96, 1, "709")])
def test_colours_follow_the_label_or_else_the_size(folder: Path, height: int, label: int | None, standard: str) -> None:
    path = folder / f"colour-{height}-{label}.mp4"
    options = {"preset": "ultrafast", "qp": "1"} | ({"colorspace": "bt709"} if label else {})
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("libx264", rate=25, options=options)
        stream.width, stream.height, stream.pix_fmt = height * 16 // 9 // 2 * 2, height, "yuv420p"
        frame = av.VideoFrame(stream.width, height, "yuv420p")
        for plane, value in zip(frame.planes, (120, 90, 200), strict=True):
            plane.update(bytes([value]) * plane.buffer_size)
        if label:
            frame.colorspace = label
        frame.pts = 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    red_share, blue_share = {"601": (0.299, 0.114), "709": (0.2126, 0.0722)}[standard]
    light, blue, red = (120 - 16) / 219, (90 - 128) / 224, (200 - 128) / 224
    r, b = light + 2 * (1 - red_share) * red, light + 2 * (1 - blue_share) * blue
    g = (light - red_share * r - blue_share * b) / (1 - red_share - blue_share)
    (shown,) = sample_frames(path, 1)
    middle = np.asarray(shown.image)[height // 2, height // 2] / 255
    assert middle == pytest.approx(np.clip([r, g, b], 0, 1), abs=0.02)


@pytest.mark.parametrize(
    ("name", "codec", "form"),
    [
        ("full-range.avi", "mjpeg", "yuvj420p"),
        ("ten-bit.mp4", "libx265", "yuv420p10le"),
        ("fine.mkv", "libx264", "yuv444p"),
        ("lossless.mkv", "ffv1", "bgr0"),
        ("clear.webm", "libvpx-vp9", "yuva420p"),
    ],
)
def test_every_kind_of_pixel(folder: Path, name: str, codec: str, form: str) -> None:
    colour = (200, 120, 40)
    picture = np.full((96, 160, 3), colour, np.uint8)
    options = {"x265-params": "log-level=none"} if codec == "libx265" else {}
    with av.open(str(folder / name), "w") as container:
        stream: Any = container.add_stream(codec, rate=25, options=options)
        stream.width, stream.height, stream.pix_fmt = 160, 96, form
        if form == "yuvj420p":
            stream.codec_context.color_range = 2
        for index in range(3):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format=form)
            frame.pts = index
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    (shown,) = sample_frames(folder / name, 1)
    assert shown.image.mode == "RGB"
    assert shown.image.getpixel((80, 48)) == pytest.approx(colour, abs=4)


# What a film is


def test_probe(folder: Path) -> None:
    path = film(folder / "sound.mp4", 100, 30, sound=np.zeros(16_000 * 3, np.float32))
    info = probe_video(path)
    assert info.duration == pytest.approx(100 / 30, abs=0.01)
    assert (info.width, info.height, info.rotation) == (WIDTH, HEIGHT, 0)
    assert info.frames_per_second == pytest.approx(30)
    assert (info.has_audio, info.codec) == (True, "h264")
    assert not probe_video(film(folder / "mute.mp4", 5)).has_audio


def test_real_films() -> None:
    street = probe_video(real_media.film("vtest"))
    assert (street.width, street.height, street.frames_per_second, street.has_audio) == (768, 576, 10, False)
    assert street.duration == pytest.approx(79.5)
    trailer = probe_video(real_media.film("Megamind"))
    assert (trailer.width, trailer.height, trailer.has_audio, trailer.codec) == (720, 528, True, "mpeg4")
    times = [frame.time for frame in sample_frames(real_media.film("vtest"), every=10, minimum_side=64)]
    assert times == pytest.approx([0, 10, 20, 30, 40, 50, 60, 70])


# Choosing


def test_sixteen_frames_where_nothing_is_chosen(steady: Path) -> None:
    assert len(list(sample_frames(steady))) == 16


def test_a_short_film_repeats_its_frames(folder: Path) -> None:
    path = film(folder / "short.mp4", 3)
    assert numbers(sample_frames(path, 6)) == [0, 0, 0, 1, 1, 2]
    assert numbers(sample_frames(film(folder / "single.mp4", 1), 4)) == [0, 0, 0, 0]


def test_windows(steady: Path) -> None:
    assert numbers(sample_frames(steady, every=1, start=2.5)) == [62, 87, 112, 137, 162, 187]
    assert numbers(sample_frames(steady, every=1, end=2.5)) == [0, 25, 50]
    assert numbers(sample_frames(steady, 1, start=3)) == [75]
    assert numbers(sample_frames(steady, times=[1, 3, 5, 7], start=2, end=5)) == [75, 125]


def test_times_come_in_their_order(steady: Path) -> None:
    assert numbers(sample_frames(steady, times=[6, 2, 2, 4])) == [50, 50, 100, 150]
    assert numbers(sample_frames(steady, times=[])) == []


@pytest.mark.parametrize(
    ("choice", "said"),
    [
        ({"count": 0}, "count=0"),
        ({"count": -3}, "count=-3"),
        ({"every": 0}, "every=0"),
        ({"every": math.nan}, "every=nan"),
        ({"frames_per_second": -1}, "frames_per_second=-1"),
        ({"count": 4, "every": 2}, "count, every"),
        ({"scenes": True, "times": [1]}, "times, scenes"),
        ({"times": [-1.0]}, "seconds"),
        ({"start": -1}, "no film"),
        ({"start": 5, "end": 4}, "no film"),
        ({"minimum_side": 0}, "minimum_side=0"),
    ],
)
def test_choices_that_make_no_sense_are_refused_at_once(steady: Path, choice: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        sample_frames(steady, **choice)


@pytest.mark.parametrize("choice", [{"times": [1, 9]}, {"start": 9}])
def test_times_beyond_the_end_are_refused(steady: Path, choice: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=r"ends at second 8\.0, before second 9"):
        list(sample_frames(steady, **choice))


# Scenes


def test_scenes_begin_at_the_cuts(folder: Path) -> None:
    shots = ["chelsea", "astronaut", "coffee", "rocket", "china"]
    cuts = [0, 40, 75, 130, 170]
    pictures = list(_shots(shots, [*cuts, 220]))
    path = film(folder / "shots.mp4", pictures=pictures, group=250)
    frames = list(sample_frames(path, scenes=True))
    assert [round(frame.time * 25) for frame in frames] == cuts
    assert frames == sorted(frames, key=lambda frame: frame.time)
    again = [frame.time for frame in sample_frames(path, scenes=True)]
    assert again == [frame.time for frame in frames]
    strongest = list(sample_frames(path, 3, scenes=True))
    assert len(strongest) == 3
    assert {frame.time for frame in strongest} <= set(again)
    assert strongest[0].time == 0
    window = [round(frame.time * 25) for frame in sample_frames(path, scenes=True, start=2, end=4)]
    assert window == [50, 75]


def _shots(names: list[str], cuts: list[int]) -> Iterator[np.ndarray[Any, Any]]:
    """Slow camera moves over photographs."""
    for name, begin, end in zip(names, cuts, cuts[1:], strict=False):
        with Image.open(real_media.photo(name)) as photo:
            picture = photo.convert("RGB").resize((400, 240))
        for step in range(end - begin):
            yield np.asarray(picture.crop((step, step // 2, step + 320, step // 2 + 180)))


def test_a_dissolve_is_a_new_scene_but_a_moving_camera_is_not(folder: Path) -> None:
    one, other = list(_shots(["chelsea", "rocket"], [0, 75, 150]))[:75], list(_shots(["rocket"], [0, 75]))
    blend = [
        (a * (1 - k / 50) + b * (k / 50)).astype(np.uint8)
        for k, (a, b) in enumerate(zip(one[25:], other[:50], strict=True))
    ]
    path = film(folder / "dissolve.mp4", pictures=[*one[:25], *blend, *other[50:], *other[50:]])
    times = [frame.time for frame in sample_frames(path, scenes=True)]
    assert len(times) == 2
    assert 1.0 < times[1] < 4.0


def test_scenes_of_real_films() -> None:
    assert [round(frame.time, 2) for frame in sample_frames(real_media.film("vtest"), scenes=True, end=30)] == [0.0]
    trailer = [round(frame.time * 23.976) for frame in sample_frames(real_media.film("Megamind"), scenes=True)]
    assert trailer == [1, 98, 154, 200]  # found by looking: one black frame, then four shots


def test_a_flash_is_no_scene_and_a_quick_slide_show_is_not_swallowed(folder: Path) -> None:
    shot = list(_shots(["chelsea"], [0, 75]))
    flash = [*shot[:30], np.full_like(shot[0], 255), *shot[30:]]
    times = [frame.time for frame in sample_frames(film(folder / "flash.mp4", pictures=flash), scenes=True)]
    assert times == [0]
    slides = [next(_shots([name], [0, 1])) for name in ("chelsea", "astronaut", "coffee", "rocket", "china")] * 2
    show = film(folder / "slides.mp4", rate=4, pictures=slides, group=1)
    assert len(list(sample_frames(show, scenes=True))) >= 5


# Economy


def test_decoding_goes_on_inside_a_group_and_jumps_over_the_others(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fed: list[int] = []
    feed = FrameReader._feed

    def count(reader: FrameReader, packet: Any, ticks: int, *, skip: bool) -> None:
        fed.append(packet.dts)
        feed(reader, packet, ticks, skip=skip)

    monkeypatch.setattr(FrameReader, "_feed", count)
    for suffix in ("mp4", "mkv", "avi"):
        path = film(folder / f"economy.{suffix}", 500, group=100)
        fed.clear()
        list(sample_frames(path, 50, end=3.9))
        assert len(fed) < 130, "one group, decoded once"
        fed.clear()
        list(sample_frames(path, times=[0.2, 4.2, 12.2, 16.2]))
        assert len(fed) < 4 * 30, "the beginnings of four groups"


def test_frames_come_one_at_a_time(steady: Path) -> None:
    frames = sample_frames(steady, 200)
    assert number_in(next(frames).image) == 0
    frames.close()  # type: ignore[attr-defined]


# Damage


@pytest.mark.parametrize("suffix", ["mkv", "ts", "avi", "mp4"])
def test_what_is_left_of_a_film_that_breaks_off(folder: Path, suffix: str) -> None:
    # An MP4 whose table of contents is in front, as ours is, can be used up to the cut.
    options = {"movflags": "+faststart"} if suffix == "mp4" else {}
    whole = film(folder / f"whole.{suffix}", 300, container_options=options)
    path = truncated(whole, folder / f"cut.{suffix}", 0.5)
    said: list[str] = []
    frames = list(sample_frames(path, 5, on_warning=said.append))
    numbers_left = [number_in(frame.image) for frame in frames]
    assert numbers_left[:-1] == [round(frame.time * 25) for frame in frames[:-1]]
    assert abs(numbers_left[-1] - frames[-1].time * 25) <= 1.01  # of the very last frame, only a part may be there
    assert 100 < numbers_left[-1] < 200
    assert 4 < probe_video(path).duration < 8
    assert any("breaks off at second" in sentence for sentence in said)


@pytest.mark.parametrize("suffix", ["mkv", "ts", "webm"])
def test_frames_that_are_missing_without_an_error(folder: Path, suffix: str) -> None:
    codec = "libvpx-vp9" if suffix == "webm" else "libx264"
    data = bytearray(film(folder / f"gap.{suffix}", 300, codec=codec).read_bytes())
    start, end = int(len(data) * 0.4), int(len(data) * 0.6)
    data[start:end] = bytes(end - start)
    said: list[str] = []
    list(sample_frames(bytes(data), 16, on_warning=said.append))
    assert len(said) == 1
    assert "damaged" in said[0]


def test_a_recording_that_begins_in_the_middle(folder: Path) -> None:
    whole = film(folder / "broadcast.ts", 300)
    path = folder / "joined-late.ts"
    path.write_bytes(whole.read_bytes()[188 * 40 :])
    frames = list(sample_frames(path, 6))
    found = [number_in(frame.image) for frame in frames]
    assert found[-1] == 299
    assert found == sorted(found)


def test_damage_in_the_middle_is_passed_over(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    whole = film(folder / "hole.mkv", 300)
    data = bytearray(whole.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 4000] = np.random.default_rng(0).bytes(4000)
    with caplog.at_level(logging.WARNING):
        frames = list(sample_frames(bytes(data), 10))
    assert len(frames) == 10
    assert [number_in(frame.image) for frame in frames[:3]] == [0, 33, 66]
    assert number_in(frames[-1].image) == 299


# Refusals


def test_sound_without_pictures(folder: Path) -> None:
    from sensorium.media.audio import write_audio

    path = write_audio(np.zeros(16_000), folder / "sound.mp3", 16_000)
    for call in (probe_video, lambda source: list(sample_frames(source, 2))):
        with pytest.raises(InputError, match="has no moving picture"):
            call(path)


def test_a_cover_is_not_a_film(folder: Path) -> None:
    path = folder / "covered.mp3"
    cover = folder / "cover.png"
    Image.fromarray(numbered(1)).save(cover)
    with av.open(str(path), "w") as container, av.open(str(cover)) as source:
        track: Any = container.add_stream("libmp3lame", rate=16_000, layout="mono")
        picture: Any = container.add_stream_from_template(source.streams.video[0])
        picture.disposition = 1024  # attached picture
        for packet in source.demux(video=0):
            if packet.size:
                packet.stream = picture
                container.mux(packet)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 16_000), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 16_000
        container.mux(track.encode(frame))
        container.mux(track.encode(None))
    with pytest.raises(InputError, match="has no moving picture"):
        probe_video(path)


def test_limits(steady: Path, folder: Path) -> None:
    with pytest.raises(InputError, match="160x96 pixels"):
        probe_video(steady, limits=Limits(max_pixels=10_000))
    with pytest.raises(InputError, match="160x96 pixels"):
        probe_video(steady, limits=Limits(max_side=159))
    with pytest.raises(InputError, match="longer than 5 seconds"):
        probe_video(steady, limits=Limits(max_duration=5))
    with pytest.raises(InputError, match="at most 10"):
        list(sample_frames(steady, 11, limits=Limits(max_frames=10)))
    with pytest.raises(InputError, match="at most 10"):
        list(sample_frames(steady, every=1e-9, limits=Limits(max_frames=10)))
    long = repeated(steady, folder / "long.mp4", 10)
    assert probe_video(long).duration == pytest.approx(80)
    assert numbers(sample_frames(long, times=[79.96])) == [199]


def test_progress_and_stopping(steady: Path) -> None:
    told: list[Progress] = []
    list(sample_frames(steady, scenes=True, progress=told.append))
    assert [step.done for step in told] == [0, 1, 2, 3, 4, 5, 6, 7]
    assert {step.total for step in told} == {8.0}
    stop = threading.Event()
    frames = sample_frames(steady, 100, cancel=stop)
    next(frames)
    stop.set()
    with pytest.raises(CancelledError):
        list(frames)
