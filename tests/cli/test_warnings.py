"""What is missing or damaged in an input: every command says it on standard error and in its JSON documents."""

from __future__ import annotations

from pathlib import Path

import pytest

from sensorium.media.audio import read_audio, write_audio
from tests.cli.conftest import Run, documents
from tests.films import truncated

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
