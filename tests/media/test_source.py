"""The door itself: what is let in, what is turned away, and with which words."""

from __future__ import annotations

import base64
import gc
import io
import os
import socket
import tempfile
import threading
from pathlib import Path
from urllib.parse import quote

import pytest

from sensorium.errors import CancelledError, InputError
from sensorium.media.limits import Limits
from sensorium.media.source import ResolvedMedia, display_name, resolve
from sensorium.progress import Progress
from tests import real_media


@pytest.fixture
def photo() -> Path:
    return real_media.photo("coffee")


def _refusal(source: object, limits: Limits | None = None) -> str:
    with pytest.raises(InputError) as caught:
        resolve(source, limits=limits or Limits())  # type: ignore[arg-type]
    assert caught.value.remedy
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    assert str(caught.value).isprintable()
    return str(caught.value)


# What is let in


def test_a_path_is_not_read_but_for_its_head(photo: Path) -> None:
    for source in (photo, str(photo)):
        media = resolve(source)
        assert (media.path, media.data, media.size, media.kind) == (photo, None, photo.stat().st_size, "image")
        assert media.description == "a PNG picture"
        assert media.read() == photo.read_bytes()
        with media.open() as file:
            assert file.read() == photo.read_bytes()


def test_a_relative_path_that_looks_like_a_protocol_becomes_absolute(
    photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("concat:a.png").write_bytes(photo.read_bytes())
    media = resolve("concat:a.png")
    assert media.path == tmp_path / "concat:a.png"
    assert str(media.path).startswith("/")


def test_bytes_and_their_relatives(photo: Path) -> None:
    data = photo.read_bytes()
    for source in (data, bytearray(data), memoryview(data)):
        media = resolve(source)  # type: ignore[arg-type]
        assert (media.data, media.path, media.kind) == (data, None, "image")
        assert media.open().read() == data


def test_open_files_are_put_back_where_they_stood(photo: Path) -> None:
    data = photo.read_bytes()
    stream = io.BytesIO(b"before" + data)
    stream.seek(6)
    assert resolve(stream).data == data
    assert stream.tell() == 6
    with photo.open("rb") as file:
        media = resolve(file)
        assert (media.path, media.size, file.tell()) == (photo, len(data), 0)
        file.seek(100)
        assert resolve(file).data == data[100:]


def test_an_open_file_whose_name_is_gone_or_taken(photo: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(photo.read_bytes())
    with path.open("rb") as file:
        path.unlink()
        assert resolve(file).data == photo.read_bytes()
        path.write_bytes(b"something else")
        assert resolve(file).data == photo.read_bytes()


def test_a_stream_that_can_only_be_read_once(photo: Path) -> None:
    ours, theirs = socket.socketpair()
    threading.Thread(target=lambda: (theirs.sendall(photo.read_bytes()), theirs.close())).start()
    with ours, ours.makefile("rb") as stream:
        assert resolve(stream).data == photo.read_bytes()


def test_a_large_stream_goes_to_a_file_that_is_deleted_with_its_owner() -> None:
    data = bytes(range(256)) * (40 << 12)
    said: list[Progress] = []
    media = resolve(io.BytesIO(data), progress=said.append)
    assert media.data is None
    assert media.path is not None
    assert media.read() == data
    assert said[-1].done == len(data)
    path = media.path
    del media
    gc.collect()
    assert not path.exists()


def test_data_uris(photo: Path) -> None:
    data = photo.read_bytes()
    encoded = base64.b64encode(data).decode()
    for uri in (f"data:image/png;base64,{encoded}", f"DATA:;BASE64,{encoded}", f"data:;base64,{quote(encoded)}"):
        assert resolve(uri).data == data
    assert resolve("data:,a%20b").data == b"a b"


# What is turned away


def test_paths_that_lead_to_no_file(tmp_path: Path) -> None:
    (tmp_path / "empty.png").touch()
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "loop.png").symlink_to(tmp_path / "loop.png")
    (tmp_path / "gone.png").symlink_to(tmp_path / "nowhere")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "socket.png"))
        assert "socket" in _refusal(tmp_path / "socket.png")
    assert "is empty" in _refusal(tmp_path / "empty.png")
    assert "pipe" in _refusal(tmp_path / "pipe.png")
    assert "leads back to itself" in _refusal(tmp_path / "loop.png")
    assert "There is no file" in _refusal(tmp_path / "gone.png")
    assert "is a folder" in _refusal(tmp_path)
    assert "There is no file" in _refusal(tmp_path / "missing.png")
    assert "not a folder" in _refusal(tmp_path / "empty.png" / "x")
    assert "device" in _refusal("/dev/zero")
    assert "too long" in _refusal("x" * 5000)
    assert "can't be the name" in _refusal("a\0b.png")
    assert "empty" in _refusal(b"")
    assert "empty" in _refusal("")
    assert "empty" in _refusal(io.BytesIO())
    assert "empty" in _refusal("data:image/png;base64,")


@pytest.mark.parametrize(
    "text",
    [
        "file:///etc/passwd",
        "concat:/etc/passwd|/etc/hosts",
        "pipe:0",
        "subfile,,start,0,end,9,,:/etc/passwd",
        "ftp://example.org/a.png",
        "gopher://127.0.0.1:6379/_",
        "javascript:alert(1)",
        "s3://bucket/a.png",
        "lavfi:testsrc",
        "/etc/passwd\0.png",
        "~root/.ssh/id_rsa",
        "$(touch /tmp/x)",
    ],
)
def test_other_protocols_are_names_of_files_that_do_not_exist(text: str) -> None:
    assert "no file" in _refusal(text) or "can't be the name" in _refusal(text)


def test_no_permission(photo: Path) -> None:
    """As an ordinary user, since nothing is closed to root."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        path = Path(folder) / "secret.png"
        path.write_bytes(photo.read_bytes())
        path.chmod(0)
        user = os.geteuid()
        if user == 0:
            os.seteuid(65534)
        try:
            assert "permission denied" in _refusal(path)
        finally:
            os.seteuid(user)


def test_limits_come_before_reading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "huge.png"
    with path.open("wb") as file:
        file.truncate(1 << 40)
    assert "larger than the 68.7 GB allowed" in _refusal(path)
    small = Limits(max_bytes=1000, max_download_bytes=1000)
    assert "larger" in _refusal(b"x" * 1001, small)
    assert "larger" in _refusal(io.BytesIO(b"x" * 1001), small)
    assert resolve(b"x" * 1000, limits=small).size == 1000
    assert resolve(io.BytesIO(b"x" * 1000), limits=small).size == 1000

    def decoded(*_: object, **__: object) -> bytes:
        raise AssertionError("decoded before the size was checked")

    monkeypatch.setattr(base64, "b64decode", decoded)
    assert "larger" in _refusal("data:image/png;base64," + "A" * 1400, small)


def test_a_stream_without_an_end() -> None:
    class Endless(io.RawIOBase):
        given = 0

        def readable(self) -> bool:
            return True

        def read(self, size: int = -1) -> bytes:
            assert size > 0
            self.given += size
            return bytes(size)

    endless = Endless()
    assert "larger than the 5 MB allowed" in _refusal(endless, Limits(max_download_bytes=5_000_000))
    assert endless.given < 8_000_000


def test_a_stream_can_be_cancelled() -> None:
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(CancelledError):
        resolve(io.BytesIO(b"x"), cancel=cancel)


def test_damaged_data_uris() -> None:
    assert "complete" in _refusal("data:image/png;base64")
    assert "damaged" in _refusal("data:image/png;base64,AAA")
    assert "damaged" in _refusal("data:image/png;base64,AA\nAA$$")
    assert "damaged" in _refusal("data:image/png;base64,ÄÄÄÄ")


def test_things_that_are_no_source(photo: Path) -> None:
    with photo.open(encoding="latin-1") as text:
        assert "no bytes" in _refusal(text)
    assert "no bytes" in _refusal(io.StringIO("text"))
    with photo.open("rb") as closed:
        pass
    assert "can't be read" in _refusal(closed)
    for nothing in (None, 5, ["a.png"], {"path": "a.png"}, object()):
        assert "nothing that can be read" in _refusal(nothing)


def test_a_server_can_close_the_door_to_its_own_files(photo: Path) -> None:
    closed = Limits(allow_files=False, allow_urls=False)
    assert "can't be named here" in _refusal(str(photo), closed)
    assert "can't be named here" in _refusal(photo, closed)
    assert "not allowed here" in _refusal("https://example.org/a.png", closed)
    data = photo.read_bytes()
    assert resolve(data, limits=closed).data == data
    with photo.open("rb") as file:
        assert resolve(file, limits=closed).read() == data


def test_a_file_that_goes_away_or_turns_into_something_else(photo: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(photo.read_bytes())
    media = resolve(path)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(InputError, match="pipe"):
        media.open()
    path.unlink()
    with pytest.raises(InputError, match="no file"):
        media.open()


def test_a_resolved_media_says_what_it_is() -> None:
    assert ResolvedMedia("x", b"%PDF-1.7", 8, data=b"%PDF-1.7").description == "a PDF document"


# Names in messages


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("cat.jpg", "cat.jpg"),
        ("my cat 🐈.jpg", "my cat 🐈.jpg"),
        ("家族👨‍👩‍👧.jpg", "家族👨‍👩‍👧.jpg"),
        ("a\nb\r\tc.jpg", "a\\nb\\r\\tc.jpg"),
        ("a\x1b[31mb", "a\\x1b[31mb"),
        ("a\u202egpj.exe", "a\\u202egpj.exe"),
        ("a\u2028b", "a\\u2028b"),
        (os.fsdecode(b"\xff.jpg"), "\\udcff.jpg"),
        ("", "<empty name>"),
        ("x" * 300, "x" * 50 + "…" + "x" * 50),
        (Path("a\nb"), "a\\nb"),
        (b"12345", "<5 bytes of data>"),
        (io.BytesIO(), "<open file>"),
        (None, "<NoneType>"),
        ("data:image/png;base64,AAAA", "data:image/png;base64,… (26 bytes)"),
        ("https://me:secret@example.org/a.png?key=secret#x", "https://example.org/a.png?…"),
        ("https://example.org/a\nb.png", "https://example.org/ab.png"),
        ("http://[::1", "http://[::1"),
    ],
)
def test_display_name(source: object, name: str) -> None:
    assert display_name(source) == name
    name.encode("utf-8")


def test_display_name_of_pictures_and_arrays() -> None:
    import numpy
    from PIL import Image

    assert display_name(Image.new("RGB", (4, 3))) == "<image of 4×3 pixels>"
    assert display_name(numpy.zeros((3, 4))) == "<array of shape 3×4>"
