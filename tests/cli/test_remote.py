"""Commands give the same with ``--server`` as without."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sensorium.media.audio import read_audio
from tests.cli.conftest import Run, documents
from tests.server.conftest import served
from tests.sound_tracks import Track, with_tracks

COMMANDS: dict[str, list[str]] = {
    "ask": ["ask", "cat.jpg", "What animal is it?"],
    "ask-film": ["ask", "film.mp4", "What is in it?"],
    "build-prompt": ["prompt", "a cat on a sofa"],
    "caption": ["caption", "photos"],
    "chat": ["chat", "cat.jpg"],
    "classify": ["classify", "photos", "--labels", "cat,dog,cup"],
    "classify-film": ["watch", "film.mp4", "--labels", "cat,dog"],
    "describe-film": ["watch", "film.mp4"],
    "detect-language": ["detect-language", "interview.mp3"],
    "edit": ["edit", "cat.jpg", "a cat", "--seed", "1", "-o", "edited.png"],
    "embed": ["embed", "photos"],
    "find-moment": ["watch", "film.mp4", "--find", "a cat"],
    "imagine": ["imagine", "a cat", "--seed", "1", "-o", "cat.png"],
    "moderate": ["moderate", "photos"],
    "speak": ["speak", "Good morning.", "--seed", "1", "-o", "morning.wav"],
    "subtitle": ["transcribe", "interview.mp3", "-o", "interview.srt"],
    "transcribe": ["transcribe", "interview.mp3"],
    "translate": ["translate", "interview.mp3"],
}
"""A command for each operation that the starter can do; those on indexes differ by design, and have a test."""


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server with the real engine."""
    with served(tmp_path_factory.mktemp("data")) as (address, _):
        yield address


def rounded(value: Any) -> Any:
    """Return a document whose numbers are rounded: threads add them up in another order."""
    if isinstance(value, float):
        return round(value, 2)
    if isinstance(value, dict):
        return {name: rounded(item) for name, item in value.items() if name not in ("seconds", "duration")}
    if isinstance(value, list):
        return [rounded(item) for item in value]
    return value


def test_what_is_missing_of_a_file_is_told_from_there_too(run: Run, desk: Path, address: str) -> None:
    (desk / "cut.wav").write_bytes((desk / "interview.mp3").read_bytes()[:-20_000])
    command = ["transcribe", "cut.wav", "--language", "en", "--quiet"]
    here, there = run(*command), run(*command, "--server", address)
    assert here.stderr == there.stderr
    assert here.stderr.startswith("Warning: cut.wav breaks off at second ")


@pytest.mark.parametrize("options", [[], ["--track", "2"], ["--track", "fr"], ["--track", "3"]])
def test_the_sound_track_is_chosen_there_as_here(run: Run, desk: Path, address: str, options: list[str]) -> None:
    speech = read_audio(desk / "interview.mp3", end=4)
    with_tracks(desk / "two.mkv", Track(0 * speech, "fre"), Track(speech, "eng"))
    command = ["transcribe", "two.mkv", "--json", "--quiet", *options]
    here, there = run(*command), run(*command, "--server", address)
    assert (rounded(documents(there.stdout)), there.stderr) == (rounded(documents(here.stdout)), here.stderr)


@pytest.mark.parametrize("operation", COMMANDS)
def test_a_command_gives_the_same_there_as_here(run: Run, desk: Path, address: str, operation: str) -> None:
    command = [*COMMANDS[operation], "--json"]
    said = "What animal is it?\n" if operation == "chat" else None
    here = run(*command, input=said)
    made = {path: path.stat().st_size for path in desk.iterdir() if str(path.name) in command}
    there = run(*command, "--server", address, input=said)
    assert (there.exit_code, here.exit_code) == (0, 0), there.stderr + here.stderr
    assert rounded(documents(there.stdout)) == rounded(documents(here.stdout))
    for path, size in made.items():
        assert abs(path.stat().st_size - size) < 100


def test_an_index_on_the_server_is_filled_and_searched_from_here(run: Run, desk: Path, address: str) -> None:
    at = ("--index", "trip", "--server", address, "--json")
    filled = documents(run("index", "photos", "film.mp4", "--to", "trip", *at[2:]).stdout)[0]
    assert (filled["added"], filled["skipped"]) == (4, [])
    found = documents(run("search", "a cat", *at).stdout)[0]["matches"]
    assert "film" in found[0]["path"] or found[0]["path"].startswith("upload:")
    told = run("caption", found[0]["path"], "--json", *at[2:])
    assert documents(told.stdout)[0]["input"] == found[0]["path"], told.stderr
    removed = run("index", found[0]["path"], "--remove", "--to", "trip", *at[2:])
    assert documents(removed.stdout)[0]["removed"] == 1
    removed = run("index", "photos", "film.mp4", "--remove", "--to", "trip", *at[2:])
    assert removed.exit_code == 2, "one of them was taken out before"
    run("index", "photos", "film.mp4", "--to", "trip", *at[2:])
    removed = run("index", "photos", "--remove", "--to", "trip", *at[2:])
    assert documents(removed.stdout)[0] == {"index": "trip", "removed": 3, "files": 1}


def test_a_broken_input_costs_the_others_nothing_there_either(run: Run, desk: Path, address: str) -> None:
    (desk / "photos" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    command = ("caption", "photos", "--json")
    here, there = run(*command), run(*command, "--server", address)
    assert (there.exit_code, here.exit_code) == (1, 1)
    assert rounded(documents(there.stdout)) == rounded(documents(here.stdout))
