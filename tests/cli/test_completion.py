"""What the Tab key offers, through the way that a shell asks."""

from __future__ import annotations

import pytest

from sensorium.models import catalog
from tests.cli.conftest import Program


@pytest.mark.parametrize(
    ("line", "offered", "not_offered"),
    [
        ("sensorium tr", {"transcribe", "translate"}, {"speak"}),
        ("sensorium transcribe --model whisper-b", {"whisper-base"}, {"hibari"}),
        ("sensorium speak --model ", {"hibari"}, {"whisper-base"}),
        ("sensorium transcribe --language f", {"fr", "fi"}, {"en"}),
        ("sensorium speak --language f", {"fr", "fi"}, {"en"}),
        ("sensorium clone --model ", {"csm-1b"}, {"whisper-base"}),
        ("sensorium transcribe x.mp3 --format v", {"vtt"}, {"srt"}),
        ("sensorium prompt x --style w", {"watercolor"}, {"anime"}),
        ("sensorium caption --profile s", {"starter", "standard"}, {"best"}),
        ("sensorium imagine --dtype f", {"float32", "float16"}, {"bfloat16"}),
        ("sensorium classify --device c", {"cpu", "cuda"}, {"mps"}),
        ("sensorium models pull st", {"starter", "standard"}, {"whisper-base"}),
        ("sensorium models info hib", {"hibari"}, {"starter"}),
        ("sensorium models list --task speech", {"speech-to-text"}, {"text-to-speech"}),
    ],
)
def test_completion(program: Program, line: str, offered: set[str], not_offered: set[str]) -> None:
    words = line.split(" ")
    done = program(
        environment={
            "_SENSORIUM_COMPLETE": "complete_bash",
            "COMP_WORDS": "\n".join(words),
            "COMP_CWORD": str(len(words) - 1),
        }
    )
    suggestions = set(done.stdout.split())
    assert offered <= suggestions, done.stderr
    assert not suggestions & not_offered


def test_every_command_with_a_model_option_completes_its_own_models() -> None:
    from typer.main import get_command

    from sensorium.cli.app import app
    from sensorium.cli.completion import _TASKS

    commands = get_command(app).commands  # type: ignore[attr-defined]
    with_model = {name for name, command in commands.items() if any(item.name == "model" for item in command.params)}
    assert set(_TASKS) == with_model - {"batch"}  # whose operation may be any
    known = {entry.task for entry in catalog.entries()}
    assert all(set(tasks) <= known for tasks in _TASKS.values())
