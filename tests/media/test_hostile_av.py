"""Sound and film files that want to read something else, cost too much, or make no sense."""

from __future__ import annotations

import ctypes
import ctypes.util
import http.server
import os
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from sensorium.errors import InputError, SensoriumError
from sensorium.media.audio import probe_audio, read_audio, stream_audio, write_audio
from sensorium.media.container import open_media
from sensorium.media.limits import Limits
from sensorium.media.source import MediaSource
from sensorium.media.video import probe_video, sample_frames
from tests.films import film, numbered
from tests.memory import PEAK_MEMORY

CALLS: list[Callable[[MediaSource], Any]] = [
    read_audio,
    probe_audio,
    lambda source: list(stream_audio(source)),
    probe_video,
    lambda source: list(sample_frames(source, 2)),
]


# Files that point at others


@pytest.fixture
def server() -> Iterator[tuple[str, list[str]]]:
    """A web server on this machine that remembers who asked for what."""
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(404)

        def log_message(self, *arguments: object) -> None:
            pass

    web = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=web.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{web.server_port}", asked
    web.shutdown()
    web.server_close()
    thread.join()


class OpenWatch:
    """Counts how often a file is opened, by whatever code (inotify)."""

    _IN_OPEN = 0x20

    def __init__(self, path: Path) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._fd = self._libc.inotify_init1(os.O_NONBLOCK)
        assert self._fd >= 0
        assert self._libc.inotify_add_watch(self._fd, os.fsencode(path), self._IN_OPEN) >= 0

    def count(self) -> int:
        try:
            return len(os.read(self._fd, 65_536)) // 16
        except BlockingIOError:
            return 0

    def close(self) -> None:
        os.close(self._fd)


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A recording that nobody was given."""
    folder = tmp_path / "private"
    folder.mkdir()
    return write_audio(np.sin(np.arange(48_000) / 10), folder / "secret.wav", 16_000)


def pointers(secret: Path, address: str) -> dict[str, bytes]:
    """Files in every language in which FFmpeg knows to name other files."""
    hls = (
        "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:10\n#EXT-X-MEDIA-SEQUENCE:0\n"
        "#EXTINF:10.0,\n{}\n#EXT-X-ENDLIST\n"
    )
    dash = (
        '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" '
        'mediaPresentationDuration="PT3S" profiles="urn:mpeg:dash:profile:isoff-on-demand:2011"><Period>'
        '<AdaptationSet mimeType="audio/wav"><Representation id="1" bandwidth="1000"><BaseURL>{}</BaseURL>'
        "</Representation></AdaptationSet></Period></MPD>"
    )
    texts = {
        "hls": hls,
        "hls-file": hls.replace("{}", "file:{}"),
        "hls-concat": hls.replace("{}", "concat:{}|{}"),
        "hls-subfile": hls.replace("{}", "subfile,,start,0,end,99999,,:{}"),
        "hls-crypto": hls.replace("#EXTINF", '#EXT-X-KEY:METHOD=AES-128,URI="{}"\n#EXTINF'),
        "hls-map": hls.replace("#EXTINF", '#EXT-X-MAP:URI="{}"\n#EXTINF'),
        "concat": "ffconcat version 1.0\nfile '{}'\n",
        "dash": dash,
        "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 5004 RTP/AVP 0\n",
        "smooth": '<SmoothStreamingMedia Duration="1"><StreamIndex Url="{}"/></SmoothStreamingMedia>',
        "m3u": "{}\n",
        "pls": "[playlist]\nFile1={}\nNumberOfEntries=1\n",
        "asx": '<asx version="3.0"><entry><ref href="{}"/></entry></asx>',
        "ram": "rtsp://127.0.0.1:1/x\n{}\n",
        "svg": '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink">'
        '<image xlink:href="{}" width="9" height="9"/></svg>',
    }
    return {
        f"{name}-{where}": text.replace("{}", target).encode()
        for name, text in texts.items()
        for where, target in {"path": str(secret), "address": f"{address}/{name}.wav"}.items()
    }


@pytest.mark.skipif(sys.platform != "linux", reason="inotify is Linux's")
def test_a_file_that_names_another_is_refused_and_the_other_never_opened(
    tmp_path: Path, secret: Path, server: tuple[str, list[str]]
) -> None:
    address, asked = server
    watch = OpenWatch(secret)
    read_audio(secret)
    assert watch.count() == 1, "the watch works"
    for name, data in pointers(secret, address).items():
        for suffix in (".mp3", ".mp4", ".m3u8", ".mpd", ".ffconcat", ".sdp", ".avi"):
            path = tmp_path / f"{name}{suffix}"
            path.write_bytes(data)
            for call in CALLS:
                with pytest.raises(InputError) as caught:
                    call(path)
                assert_one_plain_sentence(caught.value, path)
    assert watch.count() == 0
    assert asked == []
    watch.close()


def test_the_same_files_are_dangerous_where_nobody_takes_care(
    tmp_path: Path, secret: Path, server: tuple[str, list[str]]
) -> None:
    """That the test above can fail: FFmpeg, opened plainly, follows the pointers."""
    address, asked = server
    files = pointers(secret, address)
    (tmp_path / "x.m3u8").write_bytes(files["hls-address"])
    (tmp_path / "x.ffconcat").write_bytes(files["concat-path"])
    careless = {"allowed_extensions": "ALL", "extension_picky": "0", "protocol_whitelist": "file,http,tcp"}
    with pytest.raises(av.FFmpegError):
        av.open(str(tmp_path / "x.m3u8"), options=careless)
    assert asked
    with av.open(str(tmp_path / "x.ffconcat"), options={"safe": "0"}) as container:
        assert next(container.decode(audio=0)).samples > 0


def external_samples(film_with_sound: Path, secret: Path, path: Path) -> Path:
    """Make a MOV whose sound is said to lie in another file (a QuickTime data reference)."""
    target = os.fsencode(secret)
    record = bytes(10) + bytes([0]) + bytes(27) + bytes(12) + bytes([0]) + bytes(63) + bytes(16)
    record += struct.pack(">hh", 0, 0) + bytes(16) + struct.pack(">HH", 2, len(target)) + target
    record += bytes(len(target) % 2) + struct.pack(">HH", 0xFFFF, 0)
    content = struct.pack(">II", 0, 1) + struct.pack(">I4sI", 12 + len(record), b"alis", 0) + record
    parents = (b"moov", b"trak", b"mdia", b"minf", b"dinf")
    path.write_bytes(with_box(film_with_sound.read_bytes(), b"dref", content, parents))
    return path


@pytest.mark.skipif(sys.platform != "linux", reason="inotify is Linux's")
def test_a_film_whose_samples_lie_in_another_file(tmp_path: Path, secret: Path) -> None:
    plain = tmp_path / "plain.mov"
    with av.open(str(plain), "w") as container:
        stream: Any = container.add_stream("pcm_s16le", rate=16_000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 16_000), np.int16), format="s16", layout="mono")
        frame.sample_rate = 16_000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    path = external_samples(plain, secret, tmp_path / "external.mov")
    watch = OpenWatch(secret)
    with av.open(str(path), options={"enable_drefs": "1", "use_absolute_path": "1"}) as container:
        loudest = max(float(np.abs(frame.to_ndarray()).max()) for frame in container.decode(audio=0))
    assert watch.count() >= 1, "the file is dangerous"
    assert loudest > 1000
    try:
        assert np.abs(read_audio(path)).max() < 0.01
    except InputError as error:
        assert_one_plain_sentence(error, path)
    assert watch.count() == 0
    watch.close()


@pytest.mark.parametrize("labels", [(3, 1), (1, 3), (1, 1), (100, 200), (0x10000, 0x10001)])
def test_channels_in_unusual_places_do_not_end_the_process(tmp_path: Path, labels: tuple[int, int]) -> None:
    """PyAV 17.1 to 19.0 free the description of such channels twice."""
    plain = tmp_path / "plain.mov"
    with av.open(str(plain), "w") as container:
        stream: Any = container.add_stream("pcm_s16le", rate=16_000, layout="stereo")
        samples = np.tile(np.array([8000, 16_000], np.int16), 32_000)
        frame = av.AudioFrame.from_ndarray(samples[None], format="s16", layout="stereo")
        frame.sample_rate = 16_000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    described = struct.pack(">IIII", 0, 0, 0, 2) + b"".join(struct.pack(">IIfff", x, 0, 0, 0, 0) for x in labels)
    path = tmp_path / "placed.mov"
    path.write_bytes(
        with_box(
            plain.read_bytes(), b"chan", described, (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd", b"sowt")
        )
    )
    program = """
import sys
import numpy as np
from sensorium.media.audio import probe_audio, read_audio, stream_audio
from sensorium.media.video import probe_video
from sensorium.errors import InputError
for _ in range(20):
    assert probe_audio(sys.argv[1]).channels == 2
    assert np.allclose(read_audio(sys.argv[1]), 12_000 / 32_768, atol=1e-3)
    assert sum(map(len, stream_audio(sys.argv[1], sample_rate=8000))) == 16_000
    next(stream_audio(sys.argv[1], block_seconds=0.1))
    try:
        probe_video(sys.argv[1])
    except InputError:
        pass
print("done")
"""
    done = subprocess.run([sys.executable, "-c", program, path], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")


def with_box(data: bytes, name: bytes, content: bytes, parents: tuple[bytes, ...]) -> bytes:
    """Replace the content of a box of an MP4 or MOV, and correct the sizes of the boxes that it is in."""
    changed = bytearray(data)
    place = changed.index(name) - 4
    old = struct.unpack_from(">I", changed, place)[0]
    changed[place : place + old] = struct.pack(">I4s", 8 + len(content), name) + content
    for parent in parents:
        at = changed.index(parent) - 4
        struct.pack_into(">I", changed, at, struct.unpack_from(">I", changed, at)[0] + 8 + len(content) - old)
    return bytes(changed)


# Files that cost too much


def test_a_recording_that_unpacks_to_a_day(tmp_path: Path) -> None:
    path = tmp_path / "silence.opus"
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("libopus", rate=48_000, layout="mono")
        stream.codec_context.options = {"frame_duration": "60"}
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 48_000), np.float32), format="flt", layout="mono")
        frame.sample_rate, frame.pts = 48_000, 0
        data = bytes(stream.encode(frame)[0])
        for number in range(20_000):
            packet = av.Packet(data)
            packet.stream, packet.time_base = stream, Fraction(1, 48_000)
            packet.pts = packet.dts = 2880 * number
            packet.duration = 2880
            container.mux(packet)
    seconds = 20_000 * 0.06
    assert path.stat().st_size < seconds * 200
    for call in (read_audio, lambda source, limits: list(stream_audio(source, limits=limits))):
        with pytest.raises(InputError, match="longer than 300 seconds"):
            call(path, limits=Limits(max_duration=300))


def memory_of_probing(path: Path) -> float:
    """Return the most memory that a process takes that looks at a file and must refuse it, in MiB."""
    program = (
        PEAK_MEMORY
        + """
import sys
from sensorium.errors import SensoriumError
from sensorium.media.video import probe_video
try:
    probe_video(sys.argv[1])
except SensoriumError as error:
    print(peak_memory())
"""
    )
    done = subprocess.run([sys.executable, "-c", program, path], capture_output=True, text=True, check=True)
    return float(done.stdout)


def test_a_film_of_one_huge_picture(tmp_path: Path) -> None:
    picture = tmp_path / "bomb.gif"
    Image.new("P", (64, 64)).save(picture, save_all=True, append_images=[Image.new("P", (64, 64), 1)])
    data = bytearray(picture.read_bytes())
    data[6:10] = b"\xff\xff\xff\xff"
    webm = bytearray(film(tmp_path / "lie.webm", 5, codec="libvpx").read_bytes())
    frame = webm.find(b"\x9d\x01\x2a")
    webm[frame + 3 : frame + 7] = struct.pack("<HH", 16_383, 16_383)
    for name, content in {"bomb.gif": data, "lie.webm": webm}.items():
        (tmp_path / name).write_bytes(content)
        assert memory_of_probing(tmp_path / name) < 400


def test_a_film_with_more_tracks_than_anybody_needs(tmp_path: Path) -> None:
    path = tmp_path / "tracks.mkv"
    with av.open(str(path), "w") as container:
        tracks: list[Any] = [container.add_stream("pcm_s16le", rate=8000, layout="mono") for _ in range(100)]
        for track in tracks:
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
            frame.sample_rate = 8000
            container.mux(track.encode(frame))
    try:
        with open_media(path, limits=Limits()) as media:
            assert len(media.container.streams) <= 64
    except InputError as error:
        assert_one_plain_sentence(error, path)


def test_a_recording_with_a_made_up_sample_rate(tmp_path: Path) -> None:
    path = write_audio(np.zeros(16_000, np.float32), tmp_path / "fast.wav", 16_000)
    data = bytearray(path.read_bytes())
    struct.pack_into("<I", data, data.index(b"fmt ") + 12, 1_073_757_824)
    path.write_bytes(data)
    for read in (probe_audio, read_audio):
        with pytest.raises(InputError, match=r"fast\.wav has 1073757824 samples a second"):
            read(path)


@pytest.mark.parametrize("form", [b"WAVE", b"AVI "])
@pytest.mark.parametrize("outside", [b"RIFF", b"RF64"])
def test_a_title_of_two_gigabytes(tmp_path: Path, form: bytes, outside: bytes) -> None:
    described = b"fmt " + struct.pack("<IHHIIHH", 16, 1, 1, 16_000, 32_000, 2, 16) if form == b"WAVE" else b""
    skipped = b"ds64" + struct.pack("<IQQQI", 28, 0, 3, 0, 0) + b"data\xff\xff\xff\xffabc\0"
    notes = b"LIST" + struct.pack("<I", 0x7FFFFFF0) + b"INFOINAM" + struct.pack("<I", 0x7FFFFF00) + b"Anna"
    path = tmp_path / "title.riff"
    path.write_bytes(outside + bytes([255] * 4) + form + (skipped if outside == b"RF64" else b"") + described + notes)
    assert memory_of_probing(path) < 400


def test_ffmpeg_takes_no_more_memory_at_once_than_a_frame_needs(tmp_path: Path) -> None:
    program = """
import sys, av
from sensorium.media.audio import probe_audio
probe_audio(sys.argv[1])
av.VideoFrame(8192, 4608, "rgba64le")
try:
    av.VideoFrame(20_000, 10_000, "rgb24")
except MemoryError:
    print("bounded")
"""
    path = write_audio(np.zeros(1600, np.float32), tmp_path / "sound.wav", 16_000)
    done = subprocess.run([sys.executable, "-c", program, path], capture_output=True, text=True, check=True)
    assert done.stdout == "bounded\n"


def test_timestamps_from_the_far_future(tmp_path: Path) -> None:
    path = tmp_path / "future.mkv"
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("pcm_s16le", rate=16_000, layout="mono")
        for start in (0, 10**13):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 16_000), np.int16), format="s16", layout="mono")
            frame.sample_rate, frame.pts = 16_000, start
            for packet in stream.encode(frame):
                packet.pts = packet.dts = start
                container.mux(packet)
    with pytest.raises(InputError, match="longer than"):
        list(stream_audio(path, limits=Limits(max_duration=3600)))


# Files that aren't what they seem


def test_files_that_hold_no_sound_and_no_film(tmp_path: Path) -> None:
    picture = tmp_path / "picture.mp4"
    Image.fromarray(numbered(1)).save(picture, format="PNG")
    contents = {
        "zero.mp3": (b"", "is empty"),
        "letter.mp3": (b"Dear Sir or Madam,\n" * 200, "but text"),
        "page.mp4": (b"<!doctype html><html><body>404</body></html>", "but a web page"),
        "picture.mp4": (picture.read_bytes(), "but a PNG picture"),
        "paper.wav": (b"%PDF-1.7\n" + bytes(2000), "but a PDF document"),
        "archive.mkv": (b"PK\x03\x04" + bytes(2000), "but a ZIP archive"),
        "zeros.mp4": (bytes(100_000), "but unknown data"),
        "ones.mp3": (b"\xff" * 100_000, ""),
        "noise.wav": (np.random.default_rng(0).bytes(100_000), ""),
        "header.wav": (b"RIFF\x24\x00\x00\x00WAVEfmt ", ""),
        "header.mp4": (b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom", ""),
        "header.mkv": (b"\x1a\x45\xdf\xa3\x9f\x42\x86\x81\x01matroska", ""),
        "header.ogg": (b"OggS\x00\x02" + bytes(22), ""),
        "header.flac": (b"fLaC\x00\x00\x00\x22" + bytes(34), ""),
        "subtitles.mp4": (b"1\n00:00:01,000 --> 00:00:02,000\nHello\n\n" * 50, "but text"),
    }
    for name, (data, said) in contents.items():
        path = tmp_path / name
        path.write_bytes(data)
        for call in CALLS:
            with pytest.raises(InputError) as caught:
                call(path)
            assert_one_plain_sentence(caught.value, path)
            assert said in caught.value.message


def test_an_mp4_without_its_table_of_contents(tmp_path: Path) -> None:
    whole = film(tmp_path / "whole.mp4", 50)
    data = whole.read_bytes()
    path = tmp_path / "half.mp4"
    path.write_bytes(data[: data.index(b"moov")])
    for call in CALLS:
        with pytest.raises(InputError, match="table of contents is missing") as caught:
            call(path)
        assert_one_plain_sentence(caught.value, path)


def test_what_cannot_be_opened_at_all(tmp_path: Path) -> None:
    for source in (tmp_path / "absent.mp4", tmp_path):
        for call in CALLS:
            with pytest.raises(InputError) as caught:
                call(source)
            assert_one_plain_sentence(caught.value, source)


def test_names_do_not_decide_anything(tmp_path: Path) -> None:
    sound = write_audio(np.sin(np.arange(16_000) / 10), tmp_path / "sound.wav", 16_000)
    for name in ("x.txt", "x.m3u8", "x%03d.png", "http:", "concat:a|b", "x\ny.mp3", "-", "[1].wav", "pipe:0"):
        path = tmp_path / name
        path.write_bytes(sound.read_bytes())
        assert len(read_audio(path)) == 16_000


SEEDS = 40


@pytest.mark.parametrize("kind", ["mp4", "mkv", "webm", "avi", "ts", "flv", "mp3", "ogg", "flac", "wav", "m4a"])
def test_flipped_bytes_and_cuts_give_a_result_or_one_sentence(tmp_path: Path, kind: str) -> None:
    """In a process of its own, since a decoder's crash would take this one along."""
    path = tmp_path / f"good.{kind}"
    sound = np.sin(np.arange(16_000) / 10)
    if kind in ("mp3", "ogg", "flac", "wav", "m4a"):
        write_audio(sound, path, 16_000)
    else:
        film(path, 25, codec="libvpx" if kind == "webm" else "libx264", group=10, sound=sound)
    program = f"""
import logging, sys
import numpy as np
from sensorium.errors import SensoriumError
from sensorium.media.audio import probe_audio, read_audio
from sensorium.media.limits import Limits
from sensorium.media.video import probe_video, sample_frames
logging.disable()
good = open(sys.argv[1], "rb").read()
limits = Limits(max_duration=600, max_pixels=4_000_000)
worked = refused = 0
for seed in range({SEEDS}):
    rng = np.random.default_rng(seed)
    data = bytearray(good)
    for place in rng.integers(0, len(data), rng.integers(1, 30)):
        data[place] = rng.integers(0, 256)
    if seed % 3 == 0:
        del data[rng.integers(1, len(data)):]
    if seed % 5 == 0:
        at = rng.integers(0, len(data))
        data[at:at] = rng.bytes(200)
    for call in (
        lambda: read_audio(bytes(data), limits=limits),
        lambda: read_audio(bytes(data), start=0.5, limits=limits),
        lambda: probe_audio(bytes(data), limits=limits),
        lambda: list(sample_frames(bytes(data), 3, limits=limits)),
        lambda: list(sample_frames(bytes(data), every=0.3, scenes=False, limits=limits)),
        lambda: probe_video(bytes(data), limits=limits),
    ):
        try:
            call()
            worked += 1
        except SensoriumError as error:
            assert "\\n" not in str(error) and "Errno" not in str(error) and "avcodec" not in str(error)
            refused += 1
print(worked, refused)
"""
    done = subprocess.run([sys.executable, "-c", program, path], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stderr == "", "what FFmpeg mutters stays inside"
    worked, refused = map(int, done.stdout.split())
    assert worked + refused == SEEDS * 6
    assert worked > 0


def assert_one_plain_sentence(error: SensoriumError, path: Path) -> None:
    """The file and the reason, and nothing of the decoder's own words."""
    assert path.name[-20:] in error.message
    assert "\n" not in str(error)
    assert error.__cause__ is None
    assert error.__suppress_context__ or error.__context__ is None
    for word in ("Errno", "Invalid", "avformat", "avcodec", "av.error", "whitelist", "Traceback", "0x"):
        assert word not in str(error)
