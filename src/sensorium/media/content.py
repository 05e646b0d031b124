"""What a file contains, judged by its first bytes and never by its name."""

from __future__ import annotations

import re
import struct
from typing import Literal, TypeAlias

Kind: TypeAlias = Literal["image", "audio", "video", "text", ""]
"""Text has no signature: `sniff_kind` never finds it, only the suffix of a file's name tells it."""

UNKNOWN = "unknown data"
"""What `describe_content` returns for a content that it doesn't know."""

HEAD_BYTES = 4096
"""How many of a file's first bytes `sniff_kind` and `describe_content` need."""

_IMAGES = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"II+\0", "TIFF"),
    (b"MM\0+", "TIFF"),
    (b"\x00\x00\x00\x0cjP  \x0d\x0a\x87\x0a", "JPEG 2000"),
    (b"\xff\x4f\xff\x51", "JPEG 2000"),
    (b"\x00\x00\x00\x0cJXL \x0d\x0a\x87\x0a", "JPEG XL"),
    (b"\xff\x0a", "JPEG XL"),
)
_AUDIO = (
    b"fLaC",
    b"ID3",
    b"#!AMR",
    b".snd",
    b"caff",
    b"wvpk",
    b"MAC ",
    b"TTA1",
    b"DSD ",
    b"MPCK",
    b"MP+",
    b"\x0bw",
    b"riff\x2e\x91\xcf\x11",
)
_VIDEO = (
    b"FLV\x01",
    b"\x00\x00\x01\xba",
    b"\x00\x00\x01\xb3",
    b"DKIF",
    b"YUV4MPEG2 ",
    b"\x06\x0e\x2b\x34\x02\x05\x01\x01\x0d\x01\x02",
    b".RMF",
)
_MP4_BOXES = frozenset({b"moov", b"wide", b"free", b"skip", b"pnot"})
_PICTURE_BRANDS = {
    b"avif": "AVIF",
    b"avis": "AVIF",
    b"heic": "HEIC",
    b"heix": "HEIC",
    b"hevc": "HEIC",
    b"hevx": "HEIC",
    b"heim": "HEIC",
    b"heis": "HEIC",
}
_ANY_PICTURE_BRANDS = frozenset({b"mif1", b"msf1", b"mif2"})
"""Brands of files with pictures of any codec; the brands that follow tell which."""

_AUDIO_BRANDS = frozenset({b"M4A ", b"M4B ", b"M4P ", b"F4A ", b"F4B "})
_ASF = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
_ASF_VIDEO = bytes.fromhex("c0ef19bc4d5bcf11a8fd00805f5c442b")


def image_format(head: bytes) -> str:
    """Return the name of a picture's format, or "".

    The names are "JPEG", "PNG", "GIF", "TIFF", "WEBP", "BMP", "JPEG 2000", "JPEG XL", "AVIF" and "HEIC".
    """
    for magic, name in _IMAGES:
        if head.startswith(magic):
            return name
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WEBP"
    if (
        head[:2] == b"BM"
        and len(head) >= 18
        and struct.unpack_from("<I", head, 14)[0] in {12, 16, 40, 52, 56, 64, 108, 124}
    ):
        return "BMP"
    if head[4:8] == b"ftyp":
        return _format_of_brand(head)
    return ""


def _format_of_brand(head: bytes) -> str:
    brand = head[8:12]
    if brand in _ANY_PICTURE_BRANDS:
        end = min(int.from_bytes(head[:4], "big"), len(head))
        others = {head[place : place + 4] for place in range(16, end - 3, 4)}
        return "AVIF" if others & {b"avif", b"avis"} else "HEIC"
    return _PICTURE_BRANDS.get(brand, "")


def sniff_kind(head: bytes) -> Kind:
    """Return what kind of file this is, judged by its first bytes.

    Args:
        head: The first bytes of the file. `HEAD_BYTES` bytes are enough; fewer are allowed.

    Returns:
        "image" for the picture formats that Sensorium reads, "audio" or "video" for files that FFmpeg reads (a
        container that can hold both counts as video), "" for anything else.
    """
    if image_format(head):
        return "image"
    if _is_audio(head):
        return "audio"
    if _is_video(head):
        return "video"
    return ""


def _is_audio(head: bytes) -> bool:
    if head.startswith(_AUDIO):
        return True
    if head[:4] in (b"RIFF", b"RF64", b"BW64"):
        return head[8:12] == b"WAVE"
    if head[:4] == b"FORM":
        return head[8:12] in (b"AIFF", b"AIFC")
    if head[:4] == b"OggS":
        return b"\x80theora" not in head[:512]
    if head[:16] == _ASF:
        return _ASF_VIDEO not in head
    if head[4:8] == b"ftyp":
        return head[8:12] in _AUDIO_BRANDS
    return _is_mpeg_audio(head)


def _is_mpeg_audio(head: bytes) -> bool:
    """Return whether the file starts with a valid frame header: MP3 and raw AAC have no other signature."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return False
    if head[1] & 0xF6 == 0xF0:
        return (head[2] >> 2) & 0xF < 13
    version, layer = (head[1] >> 3) & 3, (head[1] >> 1) & 3
    bitrate, rate = head[2] >> 4, (head[2] >> 2) & 3
    # UTF-16 text starts with FF FE too. As a frame header, FF FE would mean MPEG-1 layer I, which nobody uses any more.
    return head[1] != 0xFE and version != 1 and layer != 0 and 0 < bitrate < 15 and rate != 3


def _is_video(head: bytes) -> bool:
    if head.startswith(_VIDEO):
        return True
    if head[:4] == b"RIFF":
        return head[8:12] == b"AVI "
    if head[:4] == b"\x1a\x45\xdf\xa3":
        return b"webm" in head[:64] or b"matroska" in head[:64]
    if head[4:8] == b"ftyp":
        return head[8:12] not in _AUDIO_BRANDS
    if head[4:8] == b"mdat" or (head[4:8] in _MP4_BOXES and head[0] == 0) or head[:16] == _ASF:
        return True
    if head[:4] == b"OggS":
        return b"\x80theora" in head[:512]
    return _is_transport_stream(head, 188, 0) or _is_transport_stream(head, 192, 4)


def _is_transport_stream(head: bytes, packet: int, offset: int) -> bool:
    marks = head[offset::packet]
    return len(marks) >= 3 and set(marks) == {0x47}


_OTHERS: tuple[tuple[bytes, str], ...] = (
    (b"%PDF-", "a PDF document"),
    (b"PK\x03\x04", "a ZIP archive or an office document"),
    (b"PK\x05\x06", "an empty ZIP archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (b"Rar!\x1a\x07", "a RAR archive"),
    (b"\xfd7zXZ\0", "an xz archive"),
    (b"BZh", "a bzip2 archive"),
    (b"\x7fELF", "a program"),
    (b"MZ", "a Windows program"),
    (b"8BPS", "a Photoshop document"),
    (b"%!PS", "a PostScript document"),
    (b"\x00\x00\x01\x00", "a Windows icon"),
    (b"qoif", "a QOI picture"),
    (b"v/1\x01", "an OpenEXR picture"),
    (b"MThd", "a MIDI score, which holds notes and no sound"),
    (b"SQLite format 3\0", "a database"),
    (b"GGUF", "a model file"),
    (b"\x93NUMPY", "a NumPy array"),
    (b"#EXTM3U", "a playlist"),
    (b"[playlist]", "a playlist"),
    (b"ffconcat", "a playlist"),
    (b"version https://git-lfs", "a pointer left by Git LFS instead of the file itself"),
)
_NAMES = {"image": "{} picture", "audio": "a sound recording", "video": "a film"}


def describe_content(head: bytes) -> str:
    """Return a few words for a file's content ("a PDF document", "text", `UNKNOWN`), judged by its first bytes."""
    if not head:
        return "empty"
    for magic, description in _OTHERS:
        if head.startswith(magic):
            return description
    kind = sniff_kind(head)
    if kind == "image":
        name = image_format(head)
        return f"{'an' if name == 'AVIF' else 'a'} {name} picture"
    if kind:
        return _NAMES[kind]
    return _describe_text(head)


def _describe_text(head: bytes) -> str:
    if head[:2] in (b"\xff\xfe", b"\xfe\xff") and b"\0" in head[2:4]:
        return "text"
    # The head may end in the middle of a letter of several bytes.
    text = head[:1024].decode("utf-8", errors="ignore")
    if b"\0" in head[:1024] or len(text.encode()) < len(head[:1024]) - 3:
        return UNKNOWN
    opening = text.lstrip("\ufeff \t\r\n")[:400].lower()
    if opening.startswith(("<!doctype html", "<html", "<head", "<body")):
        return "a web page"
    if opening.startswith("<svg") or (opening.startswith("<?xml") and "<svg" in opening):
        return "an SVG drawing"
    if opening.startswith("<?xml"):
        return "an XML document"
    if re.match(r"\{\s*[\"}]|\[\s*[\[{\"\d]", opening):
        return "a JSON document"
    return "text"
