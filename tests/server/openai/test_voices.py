"""Voices that users make of recordings, with the consent of those whose voices they are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import httpx2
import openai
import pytest

from sensorium.media.audio import read_audio, write_audio
from tests import real_media
from tests.checkpoints.speech import tiny_csm
from tests.server.conftest import served

CLIPS = real_media.speech_clips("en")
SPEECH = "/v1/audio/speech"
CONSENTS = "/v1/audio/voice_consents"
VOICES = "/v1/audio/voices"


@pytest.fixture
def consent(client: openai.OpenAI) -> Iterator[Any]:
    made = client.audio.voice_consents.create(name="Jane", language="en-US", recording=CLIPS[1].path)
    yield made
    for each in client.audio.voice_consents.list():
        client.audio.voice_consents.delete(each.id)


def test_a_statement_of_consent_is_kept(client: openai.OpenAI, consent: Any) -> None:
    assert consent.id.startswith("cons_")
    assert (consent.object, consent.name, consent.language) == ("audio.voice_consent", "Jane", "en-US")
    assert len(consent.statement.split()) > 5
    consents = client.audio.voice_consents
    assert consents.retrieve(consent.id) == consent
    assert consents.update(consent.id, name="Mrs Dashwood").name == "Mrs Dashwood"
    others = [consents.create(name=f"{n}", language="en", recording=CLIPS[1].path).id for n in range(2)]
    assert [each.id for each in consents.list(limit=1)] == [*reversed(others), consent.id]
    deleted = consents.delete(others[0])
    assert (deleted.id, deleted.object, deleted.deleted) == (others[0], "audio.voice_consent", True)
    with pytest.raises(openai.NotFoundError):
        consents.delete(others[0])


def uploads(data: Path) -> set[str]:
    """The files that the server keeps; other tests leave some of their own."""
    return {path.name for path in (data / "uploads").iterdir()}


def test_a_voice_is_made_listed_and_deleted(
    client: openai.OpenAI, consent: Any, raw: httpx2.Client, data: Path
) -> None:
    before = uploads(data)
    voice = client.audio.voices.create(name="Elinor", consent=consent.id, audio_sample=CLIPS[0].path)
    assert voice.id.startswith("voice_")
    assert (voice.object, voice.name, voice.type) == ("audio.voice", "Elinor", "audio_sample")
    assert voice.id in {each["id"] for each in raw.get(VOICES).json()["voices"]}
    assert raw.get(f"{VOICES}/{voice.id}").json()["consent"] == consent.id
    (sample,) = uploads(data) - before
    assert client.audio.voices.delete(voice.id).object == "audio.voice.deleted"
    with pytest.raises(openai.NotFoundError):
        client.audio.voices.delete(voice.id)
    assert sample not in uploads(data)


def test_a_voice_is_gone_with_its_consent(client: openai.OpenAI, consent: Any, raw: httpx2.Client, data: Path) -> None:
    before = uploads(data)
    voice = client.audio.voices.create(name="Elinor", consent=consent.id, audio_sample=CLIPS[0].path)
    (sample,) = uploads(data) - before
    client.audio.voice_consents.delete(consent.id)
    answer = raw.post(SPEECH, json={"input": "Hello.", "voice": {"id": voice.id}})
    assert (answer.status_code, answer.json()["error"]["param"]) == (404, "voice")
    left = uploads(data)
    assert sample not in left
    assert len(before - left) >= 1, "the recording of the consent stays"


def test_the_starter_says_which_model_would_clone(client: openai.OpenAI, consent: Any) -> None:
    voice = client.audio.voices.create(name="Elinor", consent=consent.id, audio_sample=CLIPS[0].path)
    with pytest.raises(openai.NotFoundError, match="sensorium models pull csm-1b"):
        client.audio.speech.create(model="tts-1", voice={"id": voice.id}, input="Hello.")
    with pytest.raises(openai.BadRequestError, match="csm-1b"):
        client.audio.speech.create(model="hibari", voice={"id": voice.id}, input="Hello.")


def test_what_is_wrong_is_named(raw: httpx2.Client, consent: Any, data: Path) -> None:
    before = uploads(data)
    clip = CLIPS[0].path.read_bytes()
    named = {"name": "Jane", "language": "en"}
    voice = {"name": "Elinor", "consent": consent.id}
    for path, form, files, param in (
        (CONSENTS, {"language": "en"}, {"recording": clip}, "name"),
        (CONSENTS, {**named, "language": "Klingon"}, {"recording": clip}, "language"),
        (CONSENTS, named, {"sound": clip}, "recording"),
        (CONSENTS, named, {"recording": b"no sound"}, "recording"),
        (CONSENTS, named, {"recording": bytes(11 * 1024 * 1024)}, "recording"),
        (VOICES, {"name": "Elinor"}, {"audio_sample": clip}, "consent"),
        (VOICES, {**voice, "consent": "cons_none"}, {"audio_sample": clip}, "consent"),
        (VOICES, voice, {"sound": clip}, "audio_sample"),
        (VOICES, {**voice, "type": "prompt", "prompt": "An old sailor"}, {"audio_sample": clip}, "type"),
    ):
        answer = raw.post(path, data=form, files=files)
        assert answer.status_code == (404 if "cons_none" in form.values() else 400), answer.text
        assert answer.json()["error"]["param"] == param
    music = {"recording": real_media.music().read_bytes()}
    assert raw.post(CONSENTS, data=named, files=music).json()["error"]["param"] == "recording"
    short = write_audio(read_audio(CLIPS[0].path, sample_rate=16_000)[:32_000], data.parent / "short.wav", 16_000)
    answer = raw.post(VOICES, data=voice, files={"audio_sample": short.read_bytes()})
    assert answer.json()["error"]["param"] == "audio_sample"
    assert raw.post(VOICES, json={"name": "x", "type": "prompt", "prompt": "An old sailor"}).status_code == 400
    assert raw.post(CONSENTS, json=named).status_code == 400
    assert raw.get(CONSENTS, params={"after": "cons_none"}).json()["error"]["param"] == "after"
    assert not uploads(data) - before


@pytest.fixture
def cloning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[openai.OpenAI]:
    """A client of a server that has a tiny CSM."""
    kept = tmp_path / "models--someone--tiny-csm"
    tiny_csm(kept / "snapshots" / "main")
    (kept / "refs").mkdir()
    (kept / "refs" / "main").write_text("main")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    with (
        served(tmp_path / "data") as (address, _),
        openai.OpenAI(base_url=f"{address}/v1", api_key="none", max_retries=0, timeout=300) as client,
    ):
        yield client


def test_a_voice_speaks_and_its_sound_names_the_consent(cloning: openai.OpenAI, tmp_path: Path) -> None:
    consent = cloning.audio.voice_consents.create(name="Jane", language="en", recording=CLIPS[1].path)
    voice = cloning.audio.voices.create(name="Elinor", consent=consent.id, audio_sample=CLIPS[0].path)
    answer = cloning.audio.speech.with_raw_response.create(
        model="someone/tiny-csm", voice={"id": voice.id}, input="Hello you.", response_format="wav"
    )
    assert answer.headers["x-sensorium-model"] == "someone/tiny-csm"
    assert answer.headers["x-sensorium-voice"] == voice.id
    (tmp_path / "said.wav").write_bytes(answer.content)
    with av.open(str(tmp_path / "said.wav")) as sound:
        told = sound.metadata["comment"]
    assert "Generated speech" in told
    assert consent.id in told
    assert "Jane" in told
