"""Which inputs a command line stands for."""

from __future__ import annotations

from pathlib import Path

import pytest

from sensorium.cli.inputs import Input, gather
from sensorium.errors import InputError
from tests.cli.conftest import Run
from tests.refusals import refused


def test_files_folders_globs_and_addresses_in_order_each_once(desk: Path) -> None:
    names = [
        item.name for item in gather(["cat.jpg", "photos", "photos/*.png", "-", "https://example.org/a"], ["image"])
    ]
    photos = [str(Path("photos", name)) for name in ("cat.png", "coffee.png", "rocket.jpg")]
    assert names == ["cat.jpg", *photos, "-", "https://example.org/a"]


def test_a_folder_gives_only_what_the_command_is_for(desk: Path) -> None:
    assert [item.name for item in gather(["."], ["audio", "video"])] == ["film.mp4", "interview.mp3"]


def test_what_cannot_be_used_is_an_input_that_says_why(desk: Path) -> None:
    (desk / "empty").mkdir()
    missing, empty = gather(["nothere.png", "empty"], ["image"])
    with pytest.raises(InputError, match=r"nothere\.png"):
        _ = missing.source
    with pytest.raises(InputError, match="'empty' holds no image file"):
        _ = empty.source


def test_a_sentence_in_the_place_of_a_file_is_an_input_that_says_why(desk: Path) -> None:
    (item,) = gather(["Describe the picture, please. " * 20], ["image"])
    with refused(InputError, "Describe the picture", "too long"):
        _ = item.source


@pytest.mark.parametrize(
    "arguments", [["caption"], ["chat"], ["chat", "--history"], ["transcribe", "cat.jpg", "-o"], ["embed"]]
)
def test_a_sentence_in_the_place_of_a_file_is_refused(run: Run, desk: Path, arguments: list[str]) -> None:
    result = run(*arguments, "Describe the picture, please. " * 20, input="Hello\n")
    assert result.exit_code == 2
    assert "too long" in result.stderr
    assert "Describe the picture, please. Describe" in result.stderr
    assert len(result.stderr) < 400


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("a/b/talk.mp3", "talk"),
        ("-", "standard-input"),
        ("https://example.org/a.b.wav?x=1", "a.b"),
        ("upload:0a1b", "0a1b"),
        ("artifact:0a1b/talk.mp3", "talk"),
    ],
)
def test_outputs_are_named_by_their_inputs(name: str, stem: str) -> None:
    assert Input(name).stem == stem


def test_what_cannot_be_looked_at_in_a_folder_is_an_input_that_fails(desk: Path) -> None:
    (desk / "photos" / "gone.jpg").symlink_to("nowhere")
    *whole, gone = gather(["photos"], ["image"])
    assert len(whole) == 3
    assert all(item.error is None for item in whole)
    assert gone.name == "photos/gone.jpg"
    with refused(InputError, "photos/gone.jpg"):
        _ = gone.media
