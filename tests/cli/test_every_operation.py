"""Each operation is reachable from the command line; that HTTP reaches each too, ``tests/server`` holds."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from sensorium.cli.call import Call
from sensorium.errors import CancelledError
from sensorium.image_generation.text_to_image import TextToImage
from sensorium.operations.operation import Operation
from sensorium.operations.registry import all_operations
from tests import real_media
from tests.cli.conftest import Run

COMMANDS: dict[str, tuple[str, ...]] = {
    "ask": ("ask", "cat.png", "What is it?"),
    "ask-film": ("ask", "film.mp4", "What is it?"),
    "build-prompt": ("prompt", "a cat on a sofa"),
    "caption": ("caption", "cat.png"),
    "chat": ("chat", "cat.png"),
    "classify": ("classify", "cat.png", "--labels", "cat,dog"),
    "classify-film": ("watch", "film.mp4", "--labels", "a cat,a dog"),
    "clone": ("clone", "Good morning.", "--reference", "speech.wav", "--consent", "I am the speaker"),
    "control": ("control", "cat.png", "a dog", "-c", "canny"),
    "control-map": ("control", "cat.png", "--map-only", "-c", "canny"),
    "count-tokens": ("prompt", "a cat on a sofa", "--tokens"),
    "describe-film": ("watch", "film.mp4"),
    "detect-language": ("detect-language", "speech.wav"),
    "diarize": ("diarize", "speech.wav", "--model", "nvidia/Nemotron-3-Diarization"),
    "edit": ("edit", "cat.png", "a dog"),
    "embed": ("embed", "cat.png"),
    "find-moment": ("watch", "film.mp4", "--find", "a cat"),
    "imagine": ("imagine", "a cat"),
    "index": ("index", "cat.png", "--to", "index"),
    "moderate": ("moderate", "cat.png"),
    "paint-again": ("imagine", "--again", "painted.png"),
    "read": ("read", "cat.png"),
    "read-film": ("watch", "film.mp4", "--read"),
    "remove-from-index": ("index", "cat.png", "--remove", "--to", "index"),
    "search": ("search", "a cat", "--index", "index"),
    "speak": ("speak", "Good morning."),
    "subtitle": ("transcribe", "speech.wav", "-o", "out.srt"),
    "transcribe": ("transcribe", "speech.wav"),
    "translate": ("translate", "speech.wav"),
    "vary": ("imagine", "--like", "cat.png", "--model", "kandinsky-2-2"),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("media")
    shutil.copy(real_media.photo("chelsea"), folder / "cat.png")
    shutil.copy(real_media.film("tree"), folder / "film.mp4")
    shutil.copy(real_media.speech_clips("en")[0].path, folder / "speech.wav")
    with TextToImage() as text_to_image:
        text_to_image.generate("a cat", steps=1)[0].save(folder / "painted.png")
    return folder


@pytest.fixture
def built(name: str, monkeypatch: pytest.MonkeyPatch) -> list[Operation]:
    """The operations that a command builds, up to the one of this name, which isn't run."""
    operations: list[Operation] = []
    run_really = Call.run

    def run(call: Call, operation: Any, **options: Any) -> Any:
        several = operation if isinstance(operation, Sequence) else [operation]
        operations.extend(several)
        if several[-1].name == name:
            raise CancelledError("It is enough to see it")
        return run_really(call, operation, **options)

    monkeypatch.setattr(Call, "load", lambda call, operation: None)
    monkeypatch.setattr(Call, "run", run)
    monkeypatch.setattr(Call, "run_together", run)
    return operations


def test_every_operation_has_a_command() -> None:
    assert set(COMMANDS) == set(all_operations())


@pytest.mark.parametrize("name", COMMANDS)
def test_the_command_builds_the_operation(
    name: str, folder: Path, built: list[Operation], run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    result = run(*COMMANDS[name], input="What is it?\n")
    assert built, result.output
    assert built[-1].name == name
    assert type(built[-1]).of(built[-1].model_dump(mode="json")) == built[-1]
