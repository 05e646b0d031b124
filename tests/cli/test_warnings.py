"""What is missing or damaged in an input: every command says it on standard error and in its JSON documents."""

from __future__ import annotations

from pathlib import Path

import pytest

from sensorium.media.audio import read_audio, write_audio
from tests.cli.conftest import Run, documents
from tests.films import film, truncated

CUT = "Warning: cut.mp3 breaks off at second "


@pytest.mark.parametrize("options", [[], ["--quiet"], ["--json"], ["-o", "words.srt"], ["-o", "words.json", "--json"]])
def test_a_cut_recording(run: Run, desk: Path, options: list[str]) -> None:
    write_audio(read_audio("interview.mp3"), "whole.mp3", 16_000)
    truncated(desk / "whole.mp3", desk / "cut.mp3", 0.6)
    result = run("transcribe", "cut.mp3", "--language", "en", *options)
    assert result.exit_code == 0
    assert result.stderr.startswith(CUT)
    if "--json" in options:
        (document,) = documents(result.stdout)
        assert f"Warning: {document['warnings'][0]}.\n" == result.stderr


def test_a_cut_film_in_an_index(run: Run, desk: Path) -> None:
    whole = film(desk / "long.mp4", 250, container_options={"movflags": "+faststart"})
    truncated(whole, desk / "cut.mp4", 0.6)
    for _ in range(2):
        result = run("index", "cut.mp4", "--to", "found", "--json", "--quiet")
        assert result.exit_code == 0
        (document,) = documents(result.stdout)
        assert all("cut.mp4" in sentence for sentence in document["warnings"])
        assert result.stderr == "".join(f"Warning: {sentence}.\n" for sentence in document["warnings"]) != ""
