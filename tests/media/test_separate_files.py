"""What is written is neither something that is read, nor written twice, however it is spelled."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sensorium.errors import InputError
from sensorium.media import separate_files
from sensorium.media.separate_files import ignores_case, require_separate
from tests.refusals import refused


@pytest.fixture(autouse=True)
def photo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """``photo.png`` in the current folder."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "photo.png"
    path.write_bytes(b"a picture")
    return path


def spelled(photo: Path, way: str) -> str:
    """Return another name for a file, or for one that isn't there yet."""
    Path("folder").mkdir(exist_ok=True)
    if way == "hard link":
        os.link(photo, "hard.png")
        return "hard.png"
    if way == "link":
        Path("soft.png").symlink_to(photo)
        return "soft.png"
    if way == "link to a link":
        Path("soft.png").symlink_to(photo)
        Path("softer.png").symlink_to("soft.png")
        return "softer.png"
    if way == "linked folder":
        Path("elsewhere").symlink_to(photo.parent)
        return "elsewhere/photo.png"
    return {
        "the same": "photo.png",
        "absolute": str(photo),
        "here": "./photo.png",
        "around": "folder/../photo.png",
        "slashes": ".//photo.png",
    }[way]


WAYS = ["the same", "absolute", "here", "around", "slashes", "link", "link to a link", "linked folder"]


@pytest.mark.parametrize("way", [*WAYS, "hard link"])
def test_an_output_that_is_an_input(photo: Path, way: str) -> None:
    name = spelled(photo, way)
    with refused(InputError, name):
        require_separate(["other.png", name], ["nothere.png", "https://example.org/photo.png", "photo.png"])
    with refused(InputError, name):
        require_separate(["other.png", name], [photo])


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("there", [True, False])
def test_an_output_that_is_another_output(photo: Path, way: str, there: bool) -> None:
    name = spelled(photo, way)
    if not there:
        photo.unlink()
    with refused(InputError, name):
        require_separate(["other.png", "photo.png", name])


def test_an_open_file_is_the_file(photo: Path) -> None:
    with photo.open("rb") as file:
        with refused(InputError, "photo.png"):
            require_separate(["photo.png"], [file.fileno()])
        with refused(InputError, "/dev/fd/"):
            require_separate([f"/dev/fd/{file.fileno()}"], ["photo.png"])


def test_devices_are_no_files_and_pipes_take_one(photo: Path) -> None:
    require_separate([os.devnull, os.devnull], [os.devnull])
    os.mkfifo("pipe.png")
    require_separate(["pipe.png"], ["photo.png"])
    with refused(InputError, "pipe.png"):
        require_separate(["pipe.png", "./pipe.png"])


def test_folders_that_will_be_made_count_too() -> None:
    require_separate(["new/a.srt", "new/b.srt", "newer/a.srt"])
    with refused(InputError, "new/a.srt"):
        require_separate(["new/a.srt", "new/../new/a.srt"])


@pytest.mark.parametrize(("one", "other"), [("Talk.srt", "talk.SRT"), ("new/é.srt", "NEW/e\u0301.srt")])
def test_case_counts_where_the_file_system_says_so(one: str, other: str, monkeypatch: pytest.MonkeyPatch) -> None:
    require_separate([one, other])  # this file system makes a difference
    monkeypatch.setattr(separate_files, "ignores_case", lambda folder: True)
    with refused(InputError, one, other):
        require_separate([one, other])


def test_a_folder_is_asked_whether_it_makes_a_difference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = set(tmp_path.iterdir())
    assert ignores_case(tmp_path) is False
    exists = Path.exists
    folded = {"to": tmp_path}

    def in_any_case(path: Path) -> bool:
        return exists(path) or path.name.lower() in {each.name.lower() for each in folded["to"].iterdir()}

    monkeypatch.setattr(Path, "exists", in_any_case)
    assert ignores_case(tmp_path) is True
    assert set(tmp_path.iterdir()) == before
    assert ignores_case(tmp_path / "absent") is False
