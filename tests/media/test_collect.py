"""Which files a folder, a pattern or a list stands for: each once, in the same order, and never for ever."""

from __future__ import annotations

import logging
import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from sensorium.errors import InputError, SensoriumError
from sensorium.media.source import collect_files

_JPEG = b"\xff\xd8\xff\xe0" + bytes(60)
_WAV = b"RIFF\x24\x00\x00\x00WAVEfmt " + bytes(60)
_MP4 = b"\0\0\0\x20ftypisom" + bytes(60)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small collection, with the working folder inside it."""
    monkeypatch.chdir(tmp_path)
    for name, content in {
        "b.jpg": _JPEG,
        "a.jpg": _JPEG,
        "notes.txt": b"words",
        "code.ts": b"let x = 1",
        "no suffix": _JPEG,
        "really a film.jpg": _MP4,
        "song.wav": _WAV,
        "film.mp4": _MP4,
        "empty.png": b"",
        "phone.heic": b"\0\0\0\x18ftypheic" + bytes(60),
        ".hidden.jpg": _JPEG,
        ".cache/c.jpg": _JPEG,
        "sub/d.jpg": _JPEG,
        "sub/deep/e.JPG": _JPEG,
        "zoo/new\nline 🐈.jpg": _JPEG,
    }.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return tmp_path


def _names(*paths: str | Path, **options: object) -> list[str]:
    return [str(path) for path in collect_files(paths, **options)]  # type: ignore[arg-type]


_PICTURES = [
    "a.jpg",
    "b.jpg",
    "empty.png",
    "no suffix",
    "phone.heic",
    "sub/d.jpg",
    "sub/deep/e.JPG",
    "zoo/new\nline 🐈.jpg",
]


def test_a_folder_gives_what_content_says_and_what_suffixes_claim(here: Path) -> None:
    assert _names(".", kinds=("image",)) == _PICTURES
    assert _names(here, kinds=("image",)) == [str(here / name) for name in _PICTURES]
    assert _names(".", kinds=("video",)) == ["film.mp4", "really a film.jpg"]
    assert _names(".", kinds=("audio",)) == ["song.wav"]
    assert sorted(_names(".")) == sorted([*_PICTURES, "film.mp4", "really a film.jpg", "song.wav"])


def test_a_file_that_is_named_is_given_whatever_it_is(here: Path) -> None:
    assert _names("notes.txt", "b.jpg", ".hidden.jpg", "a.jpg") == ["notes.txt", "b.jpg", ".hidden.jpg", "a.jpg"]
    assert list(collect_files("notes.txt")) == [Path("notes.txt")]
    assert list(collect_files(Path("sub"))) == [Path("sub/d.jpg"), Path("sub/deep/e.JPG")]


def test_patterns(here: Path) -> None:
    assert _names("*.jpg", kinds=("image",)) == ["a.jpg", "b.jpg"]
    assert _names("?.jpg") == ["a.jpg", "b.jpg"]
    assert _names("[b]*") == ["b.jpg"]
    assert _names("s*", kinds=("image",)) == ["sub/d.jpg", "sub/deep/e.JPG"]
    assert _names("*/*.jpg") == ["sub/d.jpg", "zoo/new\nline 🐈.jpg"]
    assert _names("**/*.jpg", kinds=("image",)) == ["a.jpg", "b.jpg", "sub/d.jpg", "zoo/new\nline 🐈.jpg"]
    assert _names("**/deep/*") == ["sub/deep/e.JPG"]
    assert _names("**", kinds=("image",)) == _PICTURES
    assert _names(".*.jpg") == [".hidden.jpg"]
    assert _names(f"{here}/*.wav") == [f"{here}/song.wav"]
    assert _names("*.txt", "notes.txt", on_error=lambda *_: None) == ["notes.txt"]


def test_a_name_that_exists_is_no_pattern(here: Path) -> None:
    Path("[a].jpg").write_bytes(_JPEG)
    assert _names("[a].jpg") == ["[a].jpg"]


def test_every_file_once(here: Path) -> None:
    once = _names(".", kinds=("image",))
    assert _names(".", "sub", here, "a.jpg", "*.jpg", "sub/../a.jpg", kinds=("image",)) == once
    assert _names("b.jpg", "b.jpg", ".", "sub/d.jpg", kinds=("image",)) == ["b.jpg", *[n for n in once if n != "b.jpg"]]
    assert _names("sub", ".", kinds=("image",)) == ["sub/d.jpg", "sub/deep/e.JPG", *[n for n in once if "sub" not in n]]
    assert _names(".", "notes.txt", ".hidden.jpg", kinds=("image",)) == [*once, "notes.txt", ".hidden.jpg"]


def test_links_are_followed_but_lead_nowhere_twice(here: Path) -> None:
    outside = Path("../outside")
    outside.mkdir(exist_ok=True)
    (outside / "x.jpg").write_bytes(_JPEG)
    (outside / "back").symlink_to(here)
    Path("sub/self").symlink_to(".")
    Path("sub/up").symlink_to("..")
    Path("root").symlink_to("/")
    Path("to sub").symlink_to("sub")
    Path("again.jpg").symlink_to("a.jpg")
    Path("far").symlink_to(outside.absolute())
    Path("far too").symlink_to(outside.absolute())
    Path("x.jpg").symlink_to((outside / "x.jpg").absolute())
    Path("secret.jpg").symlink_to(".hidden.jpg")
    found = _names(".", kinds=("image",))
    assert found == sorted([*_PICTURES[:5], "secret.jpg", "x.jpg"]) + _PICTURES[5:]
    assert _names("far", "far too", kinds=("audio", "image")) == [
        "far/x.jpg",
        *[
            f"far/back/{name}"
            for name in ["a.jpg", "b.jpg", "empty.png", "no suffix", "phone.heic", "secret.jpg", "song.wav"]
        ],
        *[f"far/back/{name}" for name in _PICTURES[5:]],
    ]


def test_a_web_of_links_takes_no_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twelve folders that each hold links to all others: followed naively, there are more ways than grains of sand."""
    monkeypatch.chdir(tmp_path)
    for name in "abcdefghijkl":
        Path(name).mkdir()
        Path(name, "x.jpg").write_bytes(_JPEG)
        for other in "abcdefghijkl":
            Path(name, f"to {other}").symlink_to(f"../{other}")
    assert _names(".") == [f"{name}/x.jpg" for name in "abcdefghijkl"]
    assert len(_names("**/*.jpg")) == 12
    assert sorted(Path(name).name for name in _names("a")) == ["x.jpg"] * 12


def test_what_is_missing_raises_or_is_told(here: Path) -> None:
    with pytest.raises(InputError, match=r"no file gone\.jpg"):
        _names("a.jpg", "gone.jpg", "b.jpg")
    with pytest.raises(InputError, match=r"No image file fits gone/\*"):
        _names("gone/*", kinds=("image",))
    with pytest.raises(InputError, match="No audio or image or video file fits"):
        _names("*.txt")
    told: list[tuple[Path, SensoriumError]] = []
    assert _names("a.jpg", "gone.jpg", "?", "b.jpg", "a\0b", on_error=lambda *what: told.append(what)) == [
        "a.jpg",
        "b.jpg",
    ]
    assert [path for path, _ in told] == [Path("gone.jpg"), Path("?"), Path("a\0b")]
    assert all(isinstance(error, InputError) for _, error in told)


@pytest.fixture
def closed() -> Iterator[Path]:
    """A folder with a part that an ordinary user can't look into; the test runs as one."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        for part in ("a", "closed", "z"):
            (folder / part).mkdir()
            (folder / part / "x.jpg").write_bytes(_JPEG)
        (folder / "a" / "shut.jpg").write_bytes(_JPEG)
        (folder / "a" / "shut.jpg").chmod(0)
        (folder / "closed").chmod(0)
        user = os.geteuid()
        if user == 0:
            os.seteuid(65534)
        try:
            yield folder
        finally:
            os.seteuid(user)
            (folder / "closed").chmod(0o755)


def test_an_unreadable_folder_is_told_and_the_rest_goes_on(closed: Path, caplog: pytest.LogCaptureFixture) -> None:
    told: list[tuple[Path, SensoriumError]] = []
    expected = [str(closed / "a" / "shut.jpg"), str(closed / "a" / "x.jpg"), str(closed / "z" / "x.jpg")]
    assert _names(closed, on_error=lambda *what: told.append(what)) == expected
    [(path, error)] = told
    assert path == closed / "closed"
    assert "permission denied" in error.message
    with caplog.at_level(logging.WARNING, "sensorium"):
        assert _names(closed) == expected
    assert "permission denied" in caplog.text


def test_broken_links_and_things_that_are_no_files(tmp_path: Path) -> None:
    (tmp_path / "gone.jpg").symlink_to("nowhere")
    (tmp_path / "gone.txt").symlink_to("nowhere")
    os.mkfifo(tmp_path / "pipe.jpg")
    told: list[Path] = []
    assert _names(tmp_path, on_error=lambda path, _: told.append(path)) == []
    assert told == [tmp_path / "gone.jpg"]


def test_a_name_that_is_no_text(tmp_path: Path) -> None:
    path = os.fsencode(tmp_path) + b"/\xff\xfe.jpg"
    with open(path, "wb") as file:  # noqa: PTH123 -- pathlib knows no bytes
        file.write(_JPEG)
    [found] = collect_files(tmp_path)
    assert os.fsencode(found) == path


def test_a_very_deep_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    """Deeper than Python recurses, and deeper than a path may be long."""
    top = tempfile.mkdtemp()
    try:
        with monkeypatch.context() as moved:
            moved.chdir(top)
            Path("x.jpg").write_bytes(_JPEG)
            for _ in range(1100):
                Path("deep").mkdir()
                os.chdir("deep")
        told: list[SensoriumError] = []
        assert _names(top, on_error=lambda _, error: told.append(error)) == [f"{top}/x.jpg"]
        assert len(told) == 1
        assert "too long" in told[0].message
    finally:
        subprocess.run(["rm", "-rf", top], check=True)  # Python's own removal would recurse too deep


def test_folders_are_opened_only_as_their_files_are_asked_for(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a million files need no more memory than the largest folder."""
    opened: list[str] = []
    scan = os.scandir
    monkeypatch.setattr(os, "scandir", lambda folder: opened.append(str(folder)) or scan(folder))
    files = collect_files([".", "gone.jpg"], kinds=("image",))
    assert opened == []
    assert [str(next(files)) for _ in range(5)] == _PICTURES[:5]
    assert opened == ["."]
    assert str(next(files)) == "sub/d.jpg"
    assert opened == [".", "sub"]
