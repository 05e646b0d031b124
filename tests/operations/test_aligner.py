"""The aligner of a recogniser as a field of an operation, an option of a command and a field of the OpenAI API."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sensorium.errors import ModelUnavailableError
from sensorium.models import catalog
from sensorium.operations.speech_to_text import DetectLanguage, Subtitle, Transcribe
from sensorium.operations.tasks import Tasks
from sensorium.server.openai.transcriptions import TranscriptionFields, _common
from sensorium.server.options import ServerOptions
from sensorium.speech.speech_to_text import SpeechToText
from tests import real_media
from tests.checkpoints import recognisers
from tests.cli.conftest import Run
from tests.cli.conftest import run as run
from tests.operations.listening import through_json
from tests.operations.unheard import Unheard
from tests.refusals import refused
from tests.subtitle_reader import read_cues

CLIP = str(real_media.speech_clips("en")[0].path)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A recogniser that writes text alone, one that times its words, and an aligner."""
    home = tmp_path_factory.mktemp("recognisers")
    return {
        "text": str(recognisers.tiny_cohere(home / "text")),
        "timed": str(recognisers.tiny_parakeet(home / "timed", "CTC")),
        "aligner": str(recognisers.tiny_forced_aligner(home / "aligner")),
    }


@pytest.fixture(scope="module")
def tasks() -> Iterator[Tasks]:
    tasks = Tasks()
    yield tasks
    tasks.close()


def test_the_aligner_of_an_operation_times_the_words(folders: dict[str, str], tasks: Tasks) -> None:
    operation = Transcribe(
        audio=CLIP, model=folders["text"], aligner=folders["aligner"], language="en", word_timestamps=True
    )
    said = through_json(operation, tasks)
    with SpeechToText(folders["text"], aligner=folders["aligner"]) as recogniser:
        assert said == recogniser.transcribe(CLIP, "en", word_timestamps=True)
    assert said.segments
    assert all(part.words for part in said.segments)
    opened: Any = tasks.open(
        (SpeechToText, operation.opening_key, operation.diarizer), lambda: None, Unheard(), load=False
    )
    assert folders["aligner"] in opened._beside._opened, "it stays loaded for the next recording"
    usual = Transcribe(audio=CLIP, model=folders["text"])
    assert usual.batch_key() != operation.batch_key()


def test_the_memory_of_both_is_counted(folders: dict[str, str]) -> None:
    def counted(operation: Transcribe | Subtitle | DetectLanguage) -> list[str]:
        return [checkpoint.name for checkpoint in operation.checkpoints()]

    assert counted(Transcribe(audio=CLIP, model=folders["text"], aligner=folders["aligner"])) == ["text", "aligner"]
    assert counted(Subtitle(audio=CLIP, model=folders["text"])) == ["text", "whisper-base"]
    assert counted(DetectLanguage(audio=CLIP, model=folders["timed"], aligner=folders["aligner"])) == ["timed"]
    assert counted(Transcribe(audio=CLIP, model="large", aligner="small")) == [
        catalog.resolve("large", task="speech-to-text").name
    ]


def test_an_aligner_that_is_not_needed_is_told_and_a_wrong_one_refused(folders: dict[str, str], tasks: Tasks) -> None:
    operation = Transcribe(audio=CLIP, model=folders["timed"], aligner=folders["aligner"], language="en")
    assert ["the aligner" in sentence for sentence in through_json(operation, tasks).warnings] == [True]
    alone = Transcribe(audio=CLIP, model=folders["timed"], language="en")
    assert through_json(alone, tasks).warnings == ()
    wrong = Transcribe(audio=CLIP, model=folders["timed"], aligner="whisper-bsae")
    with refused(ModelUnavailableError, "whisper-bsae"):
        wrong.checkpoints()
    with refused(ModelUnavailableError, "whisper-bsae"):
        SpeechToText(folders["timed"], aligner="whisper-bsae")


def test_the_option_of_the_command_and_the_field_of_the_api(folders: dict[str, str], run: Run, tmp_path: Path) -> None:
    written = tmp_path / "said.srt"
    result = run(
        "transcribe", CLIP, "-m", folders["text"], "--aligner", folders["aligner"], "-l", "en", "-o", str(written)
    )
    assert (result.exit_code, result.stderr) == (0, "")
    assert read_cues(written.read_text(encoding="utf-8"), "srt")
    refused = run("transcribe", CLIP, "-m", folders["text"], "--aligner", folders["timed"])
    assert refused.exit_code != 0
    assert "timed" in refused.stderr
    request: Any = SimpleNamespace(
        app=SimpleNamespace(state=SimpleNamespace(options=ServerOptions.model_construct(aliases={})))
    )
    fields = TranscriptionFields(model=folders["text"], aligner="small")
    assert _common(request, fields, CLIP)["aligner"] == "small"  # type: ignore[arg-type]
