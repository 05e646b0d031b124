"""Speech as OpenAI's client and other programs ask for it, heard again by transcription."""

from __future__ import annotations

import base64
import json
import os
import signal
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import jiwer
import numpy as np
import openai
import pytest

from sensorium.media.audio import probe_audio, read_audio, write_audio
from tests.server.conftest import served
from tests.speech.conftest import words_of

PATH = "/v1/audio/speech"
TEXT = "The weather is very nice today. We are going to the park this afternoon."
LONG = " ".join([TEXT] * 500)
OPENAI_VOICES = [
    "alloy",
    "ash",
    "ballad",
    "cedar",
    "coral",
    "echo",
    "fable",
    "marin",
    "nova",
    "onyx",
    "sage",
    "shimmer",
    "verse",
]
CODECS = {"mp3": "mp3", "opus": "opus", "aac": "aac", "flac": "flac", "wav": "pcm_s16le"}


def heard(client: openai.OpenAI, sound: bytes) -> float:
    """Return how much of the text is not heard in a sound."""
    said = client.audio.transcriptions.create(model="whisper-1", file=sound, language="en").text
    return float(jiwer.wer(words_of(TEXT), words_of(said)))


@pytest.mark.parametrize("form", [*CODECS, "pcm"])
def test_every_format_is_heard_again(client: openai.OpenAI, form: Any, tmp_path: Path) -> None:
    answer = client.audio.speech.with_raw_response.create(
        model="gpt-4o-mini-tts", voice="alloy", input=TEXT, response_format=form, instructions="Whisper."
    )
    assert answer.headers["x-sensorium-model"] == "hibari"
    assert answer.headers["x-sensorium-voice"] == "hibari"
    assert answer.headers["x-sensorium-ignored"] == "instructions"
    sound = answer.content
    if form == "pcm":
        assert answer.headers["content-type"] == "audio/pcm"
        samples = np.frombuffer(sound, "<i2").astype(np.float32) / 2**15
        sound = write_audio(samples, tmp_path / "speech.wav", 24_000).read_bytes()
    else:
        assert probe_audio(sound).codec.startswith(CODECS[form])
    assert heard(client, sound) <= 0.15


def test_mp3_is_the_default_and_no_voice_is_needed(raw: httpx2.Client) -> None:
    answer = raw.post(PATH, json={"input": TEXT, "model": "tts-1", "backend": "xtts"})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "audio/mpeg"
    assert answer.headers["x-sensorium-ignored"] == "backend"
    assert probe_audio(answer.content).codec.startswith("mp3")
    assert b"Generated speech" in answer.content


def test_a_wav_that_is_not_streamed_says_how_long_it_is(raw: httpx2.Client) -> None:
    asked = {"input": TEXT, "response_format": "wav", "voice": "nova"}
    whole = raw.post(PATH, json=asked)
    assert int(whole.headers["content-length"]) == len(whole.content)
    assert struct.unpack("<I", whole.content[4:8])[0] == len(whole.content) - 8
    with raw.stream("POST", PATH, json={**asked, "stream_format": "audio"}) as answer:
        pieces = list(answer.iter_raw())
    streamed = b"".join(pieces)
    assert struct.unpack("<I", streamed[4:8])[0] == 0xFFFFFFFF
    assert np.array_equal(read_audio(streamed), read_audio(whole.content))


def test_sound_comes_while_it_is_spoken(client: openai.OpenAI) -> None:
    with client.audio.speech.with_streaming_response.create(
        model="tts-1", voice="alloy", input=" ".join([TEXT] * 6), response_format="pcm"
    ) as answer:
        sizes = [len(piece) for piece in answer.iter_bytes()]
    assert len(sizes) > 6
    assert sum(sizes) / 48_000 > 20


def test_events_carry_the_same_sound(raw: httpx2.Client) -> None:
    asked = {"input": TEXT, "voice": "alloy", "seed": 3}
    with raw.stream("POST", PATH, json={**asked, "stream_format": "sse"}) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        events = [json.loads(event.data) for event in httpx2.EventSource(answer)]
    assert [event["type"] for event in events] == ["speech.audio.delta"] * (len(events) - 1) + ["speech.audio.done"]
    assert events[-1]["usage"]["seconds"] > 3
    sound = b"".join(base64.b64decode(event["audio"]) for event in events[:-1])
    assert sound == raw.post(PATH, json=asked).content


@pytest.mark.parametrize(
    "voice",
    [*OPENAI_VOICES, "Alloy", "", "hibari", {"id": "alloy"}, None],
)
def test_these_voices_always_work(raw: httpx2.Client, voice: Any) -> None:
    answer = raw.post(PATH, json={"model": "tts-1-hd", "input": "Hi.", "voice": voice, "response_format": "mp3"})
    assert answer.status_code == 200
    assert answer.headers["x-sensorium-voice"] == "hibari"


def test_speed_is_followed(raw: httpx2.Client) -> None:
    slow, fast = (
        read_audio(raw.post(PATH, json={"input": TEXT, "speed": speed, "response_format": "wav"}).content)
        for speed in (0.5, 2)
    )
    assert len(slow) > 3 * len(fast)


@pytest.mark.parametrize(
    ("fields", "status", "param"),
    [
        ({"input": ""}, 400, "input"),
        ({"input": " \n"}, 400, "input"),
        ({"input": None}, 400, "input"),
        ({"voice": "Darth"}, 400, "voice"),
        ({"voice": "/etc/passwd"}, 400, "voice"),
        ({"voice": {"name": "alloy"}}, 400, "voice"),
        ({"voice": "voice_unknown"}, 404, "voice"),
        ({"model": "no-such-model"}, 404, "model"),
        ({"model": "whisper-base"}, 404, "model"),
        ({"model": "/etc"}, 400, "model"),
        ({"response_format": "midi"}, 400, "response_format"),
        ({"speed": 4}, 400, "speed"),
        ({"seed": -1}, 400, "seed"),
        ({"stream_format": "smoke"}, 400, "stream_format"),
        ({"input": "今天天气很好。"}, 400, None),
    ],
)
def test_what_is_wrong_is_named(raw: httpx2.Client, fields: dict[str, Any], status: int, param: str | None) -> None:
    for more in ({}, {"response_format": "wav"}, {"stream_format": "sse"}):
        answer = raw.post(PATH, json={"input": "Hello.", **more, **fields})
        assert answer.status_code == status, answer.text
        assert answer.headers["content-type"] == "application/json"
        error = answer.json()["error"]
        assert error["param"] == param
        assert error["message"]


@pytest.fixture
def own(tmp_path: Path) -> Iterator[httpx2.Client]:
    """A client of a server that only one test uses."""
    with served(tmp_path) as (address, _), httpx2.Client(base_url=address, trust_env=False, timeout=120) as http:
        yield http


def test_who_goes_stops_the_voice(own: httpx2.Client) -> None:
    with own.stream("POST", PATH, json={"input": LONG}) as answer:
        next(answer.iter_raw())
    deadline = time.monotonic() + 60
    while own.get("/v1/sensorium/health").json()["running"]:
        assert time.monotonic() < deadline
    assert own.post(PATH, json={"input": "Hello."}).status_code == 200


def kill_worker(http: httpx2.Client) -> None:
    for model in http.get("/v1/sensorium/models").json()["loaded"]:
        os.kill(model["pid"], signal.SIGKILL)


def test_a_failure_in_the_middle_is_told(own: httpx2.Client) -> None:
    with own.stream("POST", PATH, json={"input": LONG, "stream_format": "sse"}) as answer:
        events = httpx2.EventSource(answer).__iter__()
        assert json.loads(next(events).data)["type"] == "speech.audio.delta"
        kill_worker(own)
        *_, last = events
    error = json.loads(last.data)["error"]
    assert error["code"] == "worker_lost"
    with own.stream("POST", PATH, json={"input": LONG}) as answer:
        pieces = answer.iter_raw()
        next(pieces)
        kill_worker(own)
        with pytest.raises(httpx2.RemoteProtocolError):
            list(pieces)
    assert own.post(PATH, json={"input": "Hello."}).status_code == 200


def test_the_lists_that_clients_read(raw: httpx2.Client) -> None:
    voices = raw.get("/v1/audio/voices").json()
    assert voices["voices"] == voices["data"]
    assert voices["voices"][0]["id"] == "hibari"
    assert voices["voices"][0]["language"] == "en"
    assert raw.get("/v1/audio/speech/voices", params={"model_id": "tts-1"}).json()[0]["name"] == "hibari"
    assert raw.get("/v1/audio/speech/voices", params={"model_id": "nobody"}).json()["error"]["param"] == "model"
    assert raw.get("/v1/audio/speech/voices", params={"model_id": "/etc"}).status_code == 400
    assert {"hibari", "tts-1"} <= {model["id"] for model in raw.get("/v1/audio/models").json()["models"]}
