"""Models: what is listed, by which names one is found, and what voice bridges read."""

from __future__ import annotations

import httpx2
import pytest
from openai import NotFoundError, OpenAI


def test_what_is_here_is_listed_with_the_names_that_stand_for_it(client: OpenAI) -> None:
    models = {model.id: model for model in client.models.list()}
    assert {"socratic-chat", "conse-starter", "whisper-base", "hibari", "painter-starter"} <= set(models)
    assert {"gpt-4o", "whisper-1", "tts-1", "dall-e-3", "gpt-image-1", "text-embedding-3-small"} <= set(models)
    assert "llava-1.5-7b" not in models, "it would have to be fetched first"
    assert all(
        model.object == "model" and model.owned_by and isinstance(model.created, int) for model in models.values()
    )
    assert models["gpt-4o"].to_dict()["root"] == "socratic-chat"


@pytest.mark.parametrize(
    ("name", "root"),
    [("whisper-base", "whisper-base"), ("Systran/faster-whisper-base", "whisper-base"), ("whisper-1", "whisper-base")],
)
def test_a_model_is_found_by_each_of_its_names(client: OpenAI, name: str, root: str) -> None:
    model = client.models.retrieve(name)
    assert (model.id, model.to_dict()["root"]) == (name, root)


@pytest.mark.parametrize("name", ["no-such-model", "nobody/nothing", "llava-1.5-7b"])
def test_a_model_that_is_not_here_is_not_found(client: OpenAI, name: str) -> None:
    with pytest.raises(NotFoundError, match=name) as caught:
        client.models.retrieve(name)
    assert caught.value.code == "model_unavailable"
    assert caught.value.response.headers["x-should-retry"] == "false"


def test_a_voice_names_its_voices_as_wyoming_openai_reads_them(raw: httpx2.Client) -> None:
    model = raw.get("/v1/models/tts-1").json()
    assert {"name": "alloy", "language": "en"} in model["voices"]
    assert "voices" not in raw.get("/v1/models/whisper-1").json()


def test_n8n_finds_models_that_see_by_a_part_of_their_names(raw: httpx2.Client) -> None:
    ids = [model["id"] for model in raw.get("/v1/models").json()["data"]]
    assert [name for name in ids if "gpt-4o" in name and "transcribe" not in name and "tts" not in name]
    assert [name for name in ids if "vision" in name]
