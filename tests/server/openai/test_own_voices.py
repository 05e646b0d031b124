"""A checkpoint whose voices are files, and whose codec is a repository of its own, behind the server."""

from __future__ import annotations

from collections.abc import Iterator

import httpx2
import pytest

from tests.checkpoints.voices import PHONON_CODEC, tiny_phonon, tiny_phonon_codec
from tests.server.conftest import served

MODEL = "someone/tiny-phonon"
SPEECH = "/v1/audio/speech"


@pytest.fixture(scope="module")
def phonon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx2.Client]:
    """A client of a server that has a tiny Phonon and its codec, as the hub's cache keeps them."""
    home = tmp_path_factory.mktemp("hub")
    for name, build in ((MODEL, tiny_phonon), (PHONON_CODEC, tiny_phonon_codec)):
        kept = home / f"models--{name.replace('/', '--')}"
        build(kept / "snapshots" / "main")
        (kept / "refs").mkdir()
        (kept / "refs" / "main").write_text("main")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("HF_HUB_CACHE", str(home))
        with (
            served(home / "data") as (address, _),
            httpx2.Client(base_url=address, trust_env=False, timeout=300) as client,
        ):
            yield client


def test_voices_are_spoken_by_name(phonon: httpx2.Client) -> None:
    def spoken(voice: str) -> httpx2.Response:
        asked = {"model": MODEL, "input": "Hello you.", "voice": voice, "response_format": "wav", "seed": 1}
        return phonon.post(SPEECH, json=asked)

    freya, toby, usual = (spoken(voice) for voice in ("freya", "toby", "default"))
    assert (toby.status_code, toby.headers["x-sensorium-voice"]) == (200, "toby")
    assert len({answer.content for answer in (freya, toby, usual)}) == 3
    for unknown in ("Anna", "/etc/anna.safetensors"):
        answer = spoken(unknown)
        assert (answer.status_code, answer.json()["error"]["param"]) == (400, "voice")
        assert "freya" in answer.json()["error"]["message"]


def test_sentences_are_streamed(phonon: httpx2.Client) -> None:
    asked = {"model": MODEL, "input": "Hello you. It is late. And more.", "voice": "toby", "stream_format": "sse"}
    with phonon.stream("POST", SPEECH, json=asked) as answer:
        told = [line for line in answer.iter_lines() if line.startswith("data:")]
    assert answer.status_code == 200
    assert sum("speech.audio.delta" in line for line in told) >= 1
    assert "speech.audio.done" in told[-1]
