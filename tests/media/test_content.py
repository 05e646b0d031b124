"""What files are, judged by their first bytes: on real files and on files written by real encoders."""

from __future__ import annotations

import io
from pathlib import Path

import av
import numpy
import pytest
from PIL import Image

from sensorium.errors import InputError
from sensorium.media.audio import read_audio
from sensorium.media.content import HEAD_BYTES, describe_content, image_format, sniff_kind
from tests import real_media


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(HEAD_BYTES)


def test_real_files() -> None:
    for path in real_media.photos().values():
        assert sniff_kind(_head(path)) == "image"
    for path in (real_media.music(), *(clip.path for clip in real_media.speech_clips("en"))):
        assert sniff_kind(_head(path)) == "audio"
    for name in ("vtest", "tree", "Megamind"):
        assert sniff_kind(_head(real_media.film(name))) == "video"


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"])
def test_pictures(format: str) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (20, 20)).save(buffer, format)
    assert image_format(buffer.getvalue()) == format
    assert sniff_kind(buffer.getvalue()[:32]) == "image"
    assert describe_content(buffer.getvalue()) == f"a {format} picture"


@pytest.mark.parametrize(
    ("container", "codec", "suffix"),
    [
        ("wav", "pcm_s16le", "wav"),
        ("w64", "pcm_s16le", "w64"),
        ("flac", "flac", "flac"),
        ("mp3", "libmp3lame", "mp3"),
        ("ogg", "libopus", "opus"),
        ("ipod", "aac", "m4a"),
        ("adts", "aac", "aac"),
        ("aiff", "pcm_s16be", "aiff"),
        ("au", "pcm_s16be", "au"),
        ("caf", "pcm_s16le", "caf"),
        ("asf", "wmav2", "wma"),
        ("ac3", "ac3", "ac3"),
    ],
)
def test_sound(container: str, codec: str, suffix: str, tmp_path: Path) -> None:
    path = tmp_path / "sound"
    with av.open(str(path), "w", format=container) as file:
        stream = file.add_stream(codec, rate=48000)
        stream.layout, stream.bit_rate = "mono", 64_000
        frame = av.AudioFrame.from_ndarray(numpy.zeros((1, 48000), numpy.int16), format="s16", layout="mono")
        frame.sample_rate = 48000
        stream.open()
        resampler = av.AudioResampler(stream.format.name, "mono", 48000, frame_size=stream.frame_size or None)
        for part in [*resampler.resample(frame), *resampler.resample(None)]:
            file.mux(stream.encode(part))
        file.mux(stream.encode(None))
    assert sniff_kind(_head(path)) == "audio"
    assert describe_content(_head(path)) == "a sound recording"


@pytest.mark.parametrize(
    ("container", "codec"),
    [
        ("mp4", "libx264"),
        ("mov", "libx264"),
        ("matroska", "libx264"),
        ("webm", "libvpx-vp9"),
        ("avi", "mpeg4"),
        ("mpeg", "mpeg2video"),
        ("mpegts", "mpeg2video"),
        ("flv", "flv1"),
        ("asf", "mpeg4"),
        ("ivf", "libvpx-vp9"),
        ("3gp", "mpeg4"),
    ],
)
def test_films(container: str, codec: str, tmp_path: Path) -> None:
    path = tmp_path / "film"
    with av.open(str(path), "w", format=container) as file:
        stream = file.add_stream("flv" if codec == "flv1" else codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for _ in range(5):
            file.mux(stream.encode(av.VideoFrame.from_ndarray(numpy.zeros((48, 64, 3), numpy.uint8))))
        file.mux(stream.encode(None))
    assert sniff_kind(_head(path)) == "video"
    assert describe_content(_head(path)) == "a film"


@pytest.mark.parametrize(
    ("head", "description"),
    [
        (b"\0\0\0\x1cftypavif", "an AVIF picture"),
        (b"\0\0\0\x18ftypmif1", "a HEIC picture"),
        (b"\0\0\0\x1cftypmif1\0\0\0\0mif1heic", "a HEIC picture"),
        (b"\0\0\0\x1cftypmif1\0\0\0\0miafavif", "an AVIF picture"),
        (b"\0\0\0\x0cjP  \r\n\x87\n", "a JPEG 2000 picture"),
        (b"\xff\x4f\xff\x51", "a JPEG 2000 picture"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "a JPEG XL picture"),
        (b"\xff\x0a", "a JPEG XL picture"),
    ],
)
def test_newer_pictures_are_pictures(head: bytes, description: str) -> None:
    assert sniff_kind(head) == "image"
    assert describe_content(head) == description


@pytest.mark.parametrize(
    ("head", "description"),
    [
        (b"", "empty"),
        (b"hello", "text"),
        ("日本語のテキスト".encode(), "text"),
        ("日本語".encode() * 400, "text"),
        (b"\xff\xfeh\0i\0", "text"),
        (b"  <!DOCTYPE HTML>", "a web page"),
        (b"<?xml version='1.0'?>\n<svg/>", "an SVG drawing"),
        (b"<?xml version='1.0'?><MPD/>", "an XML document"),
        (b'{"a": 1}', "a JSON document"),
        (b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd", "a playlist"),
        (b"ffconcat version 1.0\nfile /etc/passwd", "a playlist"),
        (b"PK\x03\x04rest", "a ZIP archive or an office document"),
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:",
            "a pointer left by Git LFS instead of the file itself",
        ),
        (b"\x7fELF\x02", "a program"),
        (bytes(64), "unknown data"),
        (b"\xff\xff\xff\xff", "unknown data"),
    ],
)
def test_everything_else_has_no_kind_but_a_description(head: bytes, description: str) -> None:
    assert sniff_kind(head) == ""
    assert describe_content(head) == description


@pytest.mark.parametrize("text", [b"BM is short", b"let skip go", b"more moov text", b"RIFF raff", b"IDs 3", b"GIF89"])
def test_text_that_begins_like_media(text: bytes) -> None:
    assert sniff_kind(text + b" and so on, for a while") == ""


def test_every_prefix_of_every_head_is_harmless() -> None:
    for head in [*map(_head, list(real_media.photos().values())[:4]), _head(real_media.film("Megamind"))]:
        for length in range(200):
            sniff_kind(head[:length])
            assert describe_content(head[:length])


@pytest.mark.parametrize(
    ("head", "message", "remedy"),
    [
        (b"\x89PNG\r\n\x1a\n" + bytes(40), "but a PNG picture", "Name a sound or film file"),
        (b"a letter to a friend", "but text", "Name a sound or film file"),
        (bytes(range(256)), "but unknown data", "If it holds sound or a film, convert it with FFmpeg to MP4"),
        (b"RIFF\x24\0\0\0WAVEfmt ", "is damaged", "Fetch or copy it again"),
    ],
)
def test_what_is_no_sound_or_film_gets_the_remedy_that_helps(head: bytes, message: str, remedy: str) -> None:
    with pytest.raises(InputError, match=message) as refusal:
        read_audio(head)
    assert refusal.value.remedy.startswith(remedy)
