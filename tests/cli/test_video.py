"""``sensorium watch`` beyond questions, and ``sensorium moderate``."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from tests.checkpoints.video import ACTIONS, tiny_videomae
from tests.cli.conftest import Run, documents

pytestmark = pytest.mark.usefixtures("loaded_clip")


def test_the_moment_of_a_thing_is_found(run: Run, desk: Path) -> None:
    shown = run("watch", "film.mp4", "--find", "a cup of coffee", "--top", "1").stdout
    start = float(shown.partition("–")[0].removeprefix("0:"))
    assert start == pytest.approx(3.6, abs=1)
    (document,) = documents(run("watch", "film.mp4", "--find", "a cat", "--json").stdout)
    assert document["moments"][0]["start"] == 0
    assert (document["input"], document["model"]) == ("film.mp4", "conse-starter")


def test_stretches_are_labelled(run: Run, desk: Path, tmp_path: Path) -> None:
    shown = run("watch", "film.mp4", "--labels", "cat,airplane", "--top", "1").stdout
    assert shown.startswith("0:00.0–0:07")
    assert shown.rstrip().split("  ")[1].startswith("cat ")
    videomae = tiny_videomae(tmp_path / "tiny-videomae")
    (document,) = documents(run("watch", "film.mp4", "--actions", "--model", videomae, "--json").stdout)
    assert document["windows"][0]["labels"][0]["label"] in ACTIONS
    assert len(document["labels"]) == 3


def test_films_pictures_and_folders_are_moderated(run: Run, desk: Path) -> None:
    (desk / "cats.toml").write_text(
        'name = "no cats"\nordinary = ["a cup", "a rocket"]\n'
        '[[labels]]\nname = "cats"\nthreshold = 0.5\nshows = ["a cat"]\n'
    )
    found = documents(run("moderate", "film.mp4", "photos", "--policy", "cats.toml", "--json").stdout)
    flagged = {Path(document["input"]).name: document["flagged"] for document in found}
    assert flagged == {"film.mp4": True, "cat.png": True, "coffee.png": False, "rocket.jpg": False}
    shown = run("moderate", "film.mp4", "--policy", "cats.toml").stdout
    assert shown.startswith("film.mp4: flagged\n  0:00.0–0:0")
    shipped = run("moderate", "cat.jpg").stdout
    assert shipped.startswith("cat.jpg: nothing flagged\n")
    assert "not judged (conse-starter + open-nsfw can't): violence, " in shipped


def test_the_shipped_policy_can_be_copied(run: Run, desk: Path) -> None:
    copy = desk / "copy.toml"
    copy.write_text(run("moderate", "--show-policy").stdout)
    (document,) = documents(run("moderate", "cat.jpg", "-p", copy, "-l", "weapons", "--json").stdout)
    assert [moment["label"] for moment in document["moments"]] == ["weapons"]
    (shown,) = documents(run("moderate", "--show-policy", "--json").stdout)
    assert shown == tomllib.loads(copy.read_text())


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("watch", "film.mp4", "What?", "--find", "a cat"), "a question and --find can't be answered in one call"),
        (("watch", "film.mp4", "--find", " "), "The text to search for is empty"),
        (("watch", "film.mp4", "--labels", ","), "There is no label to choose from"),
        (("watch", "film.mp4", "--actions"), "names no actions by itself"),
        (("watch", "film.mp4", "--frames", "1000"), "num_frames is 1000"),
        (("moderate",), "There is no file to look at"),
        (("moderate", "cat.jpg", "--policy", "nowhere.toml"), "There is no policy file 'nowhere.toml'"),
        (("moderate", "cat.jpg", "--labels", "dogs"), "has no label 'dogs'"),
        (("moderate", "nowhere.mp4"), "nowhere.mp4"),
    ],
)
def test_wrong_input_is_one_sentence(run: Run, desk: Path, arguments: tuple[str, ...], complaint: str) -> None:
    result = run(*arguments)
    assert result.exit_code == 2, result.output
    assert complaint in result.stderr
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
