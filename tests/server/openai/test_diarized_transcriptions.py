"""Who says what, as OpenAI's client asks for it, and as the command line asks a server."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
from openai.types.audio import TranscriptionDiarized
from typer.testing import CliRunner, Result

from sensorium.cli.app import app
from sensorium.media.audio import read_audio
from sensorium.models import catalog
from sensorium.speech.families.components import SPEAKER_ENCODER, TASK
from sensorium.speech.speaker_diarization import SpeakerDiarization
from tests import real_media
from tests.checkpoints.diarizers import tiny_nemotron_diarizer, tiny_voice_encoder
from tests.checkpoints.recognisers import tiny_parakeet
from tests.cli.conftest import documents
from tests.server.conftest import served

CLIPS = real_media.speech_clips("en")
DIARIZER, RECOGNISER = "nvidia/Nemotron-3-Diarization", "someone/tiny-parakeet"


def kept(cache: Path, repository: str, revision: str = "main") -> Path:
    """Return where the hub's cache keeps a repository."""
    folder = cache / f"models--{repository.replace('/', '--')}"
    (folder / "refs").mkdir(parents=True)
    (folder / "refs" / "main").write_text(revision)
    return folder / "snapshots" / revision


def snapshot(cache: Path, repository: str) -> str:
    """Return where a repository's files are."""
    return str(next(cache.glob(f"models--{repository.replace('/', '--')}/snapshots/*")))


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache of the hub with a diarizer, a speaker encoder and a recogniser."""
    cache = tmp_path_factory.mktemp("hub")
    voices = [read_audio(CLIPS[number].path) for number in (0, 6)]
    diarizer = catalog.resolve(DIARIZER, task=SpeakerDiarization.task)
    tiny_nemotron_diarizer(kept(cache, DIARIZER, diarizer.revision or "main"), lively=voices[0])
    encoder = catalog.resolve(SPEAKER_ENCODER, task=TASK)
    tiny_voice_encoder(kept(cache, encoder.repository, encoder.revision), voices)
    tiny_parakeet(kept(cache, RECOGNISER), "CTC")
    return cache


@pytest.fixture(scope="module")
def server(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_HUB_CACHE", str(cache))
        with served(tmp_path_factory.mktemp("data")) as (address, _):
            yield address


def voice(number: int) -> str:
    return "data:audio/wav;base64," + base64.b64encode(CLIPS[number].path.read_bytes()).decode()


def test_openais_client_reads_who_says_what(client: openai.OpenAI) -> None:
    asked: dict[str, Any] = {
        "model": RECOGNISER,
        "file": CLIPS[0].path,
        "response_format": "diarized_json",
        "chunking_strategy": "auto",
        "extra_body": {"diarizer": DIARIZER},
    }
    said = client.audio.transcriptions.create(**asked)
    assert isinstance(said, TranscriptionDiarized)
    assert said.task == "transcribe"
    assert len({part.speaker for part in said.segments} & set("ABCD")) > 1
    assert {part.type for part in said.segments} == {"transcript.text.segment"}
    named = client.audio.transcriptions.with_raw_response.create(
        **asked, known_speaker_names=["Anna", "Bea"], known_speaker_references=[voice(0), voice(6)]
    )
    assert named.headers["x-sensorium-ignored"] == "chunking_strategy"
    assert [part["text"] for part in json.loads(named.text)["segments"]] == [part.text for part in said.segments]
    assert "'Bea'" in str(json.loads(named.text)["warnings"])
    events = list(client.audio.transcriptions.create(**asked, stream=True))
    parts = [event for event in events if event.type == "transcript.text.segment"]
    assert [(part.id, part.speaker, part.text) for part in parts] == [
        (part.id, part.speaker, part.text) for part in said.segments
    ]
    deltas = [event for event in events if event.type == "transcript.text.delta"]
    assert [delta.segment_id for delta in deltas] == [part.id for part in parts]
    assert events[-1].type == "transcript.text.done"


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"known_speaker_names": ["Anna"]}, "known_speaker_references"),
        ({"known_speaker_names": ["Anna"], "known_speaker_references": ["anna.wav"]}, "known_speaker_references"),
        ({"known_speaker_names": ["A", "A"], "known_speaker_references": [voice(0)] * 2}, "known_speaker_names"),
        ({"extra_body": {"diarizer": "/etc"}}, None),
        ({}, None),
    ],
)
def test_what_is_wrong_is_named(client: openai.OpenAI, fields: dict[str, Any], param: str | None) -> None:
    with pytest.raises(openai.APIStatusError) as refused:
        client.audio.transcriptions.create(
            model=RECOGNISER, file=CLIPS[0].path, response_format="diarized_json", **fields
        )
    assert refused.value.status_code in (400, 404)
    assert param is None or refused.value.param == param
    assert fields or "models pull" in refused.value.message


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


def test_the_command_line_tells_the_same_here_and_there(server: str, cache: Path, tmp_path: Path) -> None:
    clip = str(CLIPS[0].path)
    diarizer, recogniser = (snapshot(cache, name) for name in (DIARIZER, RECOGNISER))
    expected = SpeakerDiarization(diarizer).diarize(clip)
    assert run("diarize", clip, "--model", diarizer).stdout == expected.rttm(CLIPS[0].path.stem)
    there = ("--server", server)
    told = run("diarize", clip, "--model", DIARIZER, *there)
    assert told.stdout, told.stderr
    assert told.stdout == expected.rttm(CLIPS[0].path.stem)
    text = run("transcribe", clip, "--model", recogniser, "--diarizer", diarizer, "--speakers").stdout
    assert all(line.partition(": ")[0] in expected.speakers for line in text.splitlines())
    asked = ("transcribe", clip, "--model", RECOGNISER, "--diarizer", DIARIZER)
    assert run(*asked, *there).stdout == text
    written = tmp_path / "talk.vtt"
    told = run(*asked, "--voice", f"Anna={clip}", *there, "-o", str(written), "--json")
    assert documents(told.stdout)[0]["speakers"]
    assert "<v " in written.read_text()


def test_the_command_line_says_what_is_wrong() -> None:
    clip = str(CLIPS[0].path)
    for wrong in ("anna.wav", "=anna.wav", "Anna="):
        refused = run("transcribe", clip, "--voice", wrong)
        assert refused.exit_code == 2
        assert wrong in refused.stderr
    assert "models pull" in run("transcribe", clip, "--speakers").stderr
    assert "models pull" in run("diarize", clip).stderr
