"""Transcriptions and translations, as OpenAI's client and other programs ask for them."""

from __future__ import annotations

import asyncio
import base64
import json
from pathlib import Path
from typing import Any

import httpx2
import jiwer
import openai
import pytest

from tests import real_media
from tests.speech.conftest import words_of
from tests.subtitle_reader import read_cues

CLIP = real_media.speech_clips("en")[0]
FRENCH = real_media.speech_clips("fr")[0]
PATH = "/v1/audio/transcriptions"
SEGMENT = {
    "id": int,
    "seek": int,
    "start": float,
    "end": float,
    "text": str,
    "tokens": list,
    "temperature": float,
    "avg_logprob": float,
    "compression_ratio": float,
    "no_speech_prob": float,
    "language": str,
}


def sent(path: Path = CLIP.path, name: str = "audio.webm") -> dict[str, Any]:
    return {"file": (name, path.read_bytes(), "application/octet-stream")}


def error_rate(text: str, clip: real_media.SpeechClip = CLIP) -> float:
    return float(jiwer.wer(words_of(clip.text.replace("mister", "Mr.")), words_of(text)))


def test_json_is_the_default(client: openai.OpenAI) -> None:
    answer = client.audio.transcriptions.with_raw_response.create(model="whisper-1", file=CLIP.path.read_bytes())
    assert answer.headers["x-sensorium-model"] == "whisper-base"
    assert answer.headers["content-type"] == "application/json"
    said: Any = answer.parse()
    assert error_rate(said.text) < 0.1
    assert said.languages[0].code == "en"
    assert said.usage.type == "duration"
    assert said.usage.seconds > 1


def test_what_is_missing_of_a_recording_is_told_in_every_format(raw: httpx2.Client) -> None:
    data = CLIP.path.read_bytes()
    cut = {"file": ("cut.wav", data[: len(data) * 3 // 5], "audio/wav")}
    for form in ("json", "verbose_json", "text", "srt"):
        answer = raw.post(PATH, files=cut, data={"response_format": form, "language": "en"})
        (sentence,) = json.loads(answer.headers["x-sensorium-warnings"])
        assert "cut.wav breaks off at second" in sentence
        if "json" in form:
            assert answer.json()["warnings"] == [sentence]
    assert "x-sensorium-warnings" not in raw.post(PATH, files=sent(), data={"response_format": "text"}).headers


def test_all_formats_of_text(client: openai.OpenAI) -> None:
    for form in ("text", "srt", "vtt"):
        answer = client.audio.transcriptions.with_raw_response.create(
            model="gpt-4o-transcribe", file=CLIP.path, response_format=form, language="en-GB"
        )
        assert answer.headers["content-type"].startswith("text/plain")
        assert answer.headers["x-sensorium-model"] == "whisper-base"
        said = answer.text if isinstance(answer.text, str) else answer.text()
        if form == "text":
            assert error_rate(said) < 0.1
            assert said.endswith("\n")
        else:
            assert error_rate(" ".join(cue.text for cue in read_cues(said, form))) < 0.1


def test_verbose_json_has_all_that_strict_clients_need(raw: httpx2.Client) -> None:
    form = {"model": "whisper-1", "response_format": "verbose_json", "temperature": "0"}
    said = raw.post(PATH, data=form, files=sent()).json()
    assert (said["task"], said["language"]) == ("transcribe", "english")
    assert said["duration"] == said["usage"]["seconds"]
    assert "words" not in said
    for segment in said["segments"]:
        assert {name: type(value) for name, value in segment.items()} == SEGMENT
        assert segment["language"] == "english"
    assert " ".join(segment["text"] for segment in said["segments"]) == said["text"]


def test_words_have_times(client: openai.OpenAI) -> None:
    said: Any = client.audio.transcriptions.create(
        model="whisper-1", file=CLIP.path, response_format="verbose_json", timestamp_granularities=["word", "segment"]
    )
    assert [word.word for word in said.words] == said.text.split()
    assert all(0 <= word.start <= word.end <= said.duration for word in said.words)


def test_a_stream_tells_sentences_and_then_the_whole(client: openai.OpenAI) -> None:
    events = list(
        client.audio.transcriptions.create(model="gpt-4o-mini-transcribe", file=CLIP.path, stream=True, language="")
    )
    assert [event.type for event in events[:-1]] == ["transcript.text.delta"] * (len(events) - 1)
    last: Any = events[-1]
    assert last.type == "transcript.text.done"
    assert "".join(event.delta for event in events[:-1]) == last.text  # type: ignore[union-attr]
    assert error_rate(last.text) < 0.1


def test_the_client_that_waits_for_others_gets_the_same(server: str) -> None:
    async def ask() -> list[str]:
        async with openai.AsyncOpenAI(base_url=f"{server}/v1", api_key="none", max_retries=0) as client:
            several = [client.audio.transcriptions.create(model="whisper-1", file=CLIP.path) for _ in range(3)]
            return [each.text for each in await asyncio.gather(*several)]

    first, *others = asyncio.run(ask())
    assert error_rate(first) < 0.1
    assert others == [first, first]


def test_log_probabilities_and_words_to_expect(client: openai.OpenAI) -> None:
    said = client.audio.transcriptions.create(
        model="gpt-transcribe", file=CLIP.path, include=["logprobs"], extra_body={"keywords": ["Dashwood"]}
    )
    assert said.logprobs
    assert "".join(each.token or "" for each in said.logprobs).strip() == said.text
    assert all(each.logprob is not None and each.logprob <= 0 for each in said.logprobs)


def test_the_language_is_one_of_the_candidates(raw: httpx2.Client) -> None:
    form = {"response_format": "verbose_json", "languages[]": ["French", "it-IT"]}
    assert raw.post(PATH, data=form, files=sent(FRENCH.path)).json()["language"] == "french"
    form["languages[]"] = ["es", "it"]
    assert raw.post(PATH, data=form, files=sent(FRENCH.path)).json()["language"] in ("spanish", "italian")


def test_a_translation_is_english(client: openai.OpenAI) -> None:
    said: Any = client.audio.translations.create(model="whisper-1", file=FRENCH.path, response_format="verbose_json")
    assert (said.task, said.language) == ("translate", "english")
    assert said.segments
    assert client.audio.translations.create(model="whisper-1", file=FRENCH.path).text == said.text


def test_open_webui_sends_json_too(raw: httpx2.Client) -> None:
    audio = {"data": base64.b64encode(CLIP.path.read_bytes()).decode(), "format": "wav"}
    said = raw.post(PATH, json={"model": "whisper-1", "language": "en", "input_audio": audio})
    assert said.status_code == 200
    assert error_rate(said.json()["text"]) < 0.1
    assert raw.post(PATH, data={"model": ""}, files=sent()).json() == said.json()


def test_obsidian_leaves_the_language_empty_and_unknown_fields_are_listed(raw: httpx2.Client) -> None:
    form = {"model": "whisper-1", "language": "", "chunking_strategy": "auto", "colour": "red", "temperature": "0.4"}
    answer = raw.post(PATH, data=form, files=sent())
    assert answer.status_code == 200
    assert answer.headers["x-sensorium-ignored"] == "chunking_strategy, colour, temperature"


@pytest.mark.parametrize(
    ("form", "status", "param"),
    [
        ({"language": "Klingon"}, 400, "language"),
        ({"languages[]": ["en", "Klingon"]}, 400, "languages"),
        ({"model": "no-such-model"}, 404, "model"),
        ({"model": "/etc"}, 400, "model"),
        ({"response_format": "diarized_json"}, 404, "model"),
        ({"response_format": "docx"}, 400, "response_format"),
        ({"temperature": "3"}, 400, "temperature"),
        ({"timestamp_granularities[]": "hour"}, 400, "timestamp_granularities"),
        ({"stream": "perhaps"}, 400, "stream"),
    ],
)
def test_what_is_wrong_is_named(raw: httpx2.Client, form: dict[str, Any], status: int, param: str | None) -> None:
    answer = raw.post(PATH, data=form, files=sent())
    assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    assert error["param"] == param
    assert error["message"]


def test_a_recording_that_is_none(client: openai.OpenAI, raw: httpx2.Client) -> None:
    with pytest.raises(openai.BadRequestError) as refusal:
        client.audio.transcriptions.create(model="whisper-1", file=b"this is no sound")
    assert refusal.value.param == "file"
    assert refusal.value.request_id
    with pytest.raises(openai.BadRequestError):
        client.audio.transcriptions.create(model="whisper-1", file=b"this is no sound", stream=True)
    for answer in (
        raw.post(PATH, data={"model": "whisper-1"}, files={"sound": b"x"}),
        raw.post(PATH, data={"model": "whisper-1"}, files={"file": ("a.wav", b"")}),
        raw.post(PATH, json={"model": "whisper-1"}),
        raw.post(PATH, json={"input_audio": {"data": "%%%"}}),
        raw.post(PATH, content=b"{"),
    ):
        assert answer.status_code == 400
        assert answer.json()["error"]["message"]


def test_what_was_sent_is_deleted_with_the_answer(raw: httpx2.Client, data: Path) -> None:
    before = set((data / "uploads").iterdir())  # other tests of this server leave some of their own
    with raw.stream("POST", PATH, data={"stream": "true"}, files=sent()) as answer:
        events = [json.loads(event.data) for event in httpx2.EventSource(answer)]
    assert events[-1]["type"] == "transcript.text.done"
    assert raw.post(PATH, files=sent()).status_code == 200
    assert not set((data / "uploads").iterdir()) - before
