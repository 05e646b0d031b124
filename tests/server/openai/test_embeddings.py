"""Embeddings: texts and pictures, as numbers and as base64, and as other clients ask for them."""

from __future__ import annotations

import base64
import struct
from collections.abc import Callable
from typing import Any

import httpx2
import pytest
from openai import AsyncOpenAI, BadRequestError, OpenAI

from tests.server.openai.conftest import Story
from tests.server.openai.conversations import photo, picture

EMBEDDINGS = "/v1/embeddings"
MODEL = "text-embedding-3-small"


def likeness(one: list[float], other: list[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))


def test_texts_and_pictures_share_a_space(client: OpenAI) -> None:
    items: Any = [{"image": photo("chelsea")}, "a cat", picture("rocket"), {"type": "text", "text": "a rocket"}]
    answer = client.embeddings.create(model=MODEL, input=items)
    assert (answer.object, answer.model) == ("list", "conse-starter")
    assert [each.index for each in answer.data] == [0, 1, 2, 3]
    cat, cat_text, rocket, rocket_text = (each.embedding for each in answer.data)
    assert likeness(cat, cat_text) > 0.5 > likeness(cat, rocket_text)
    assert likeness(rocket, rocket_text) > 0.5 > likeness(rocket, cat_text)
    assert abs(likeness(cat, cat) - 1) < 1e-4


def test_base64_holds_the_same_numbers(client: OpenAI, raw: httpx2.Client) -> None:
    body = {"model": MODEL, "input": "a cat"}
    numbers = raw.post(EMBEDDINGS, json=body).json()["data"][0]["embedding"]
    packed = raw.post(EMBEDDINGS, json={**body, "encoding_format": "base64"}).json()["data"][0]["embedding"]
    data = base64.b64decode(packed)
    assert list(struct.unpack(f"<{len(data) // 4}f", data)) == numbers
    assert client.embeddings.create(**body).data[0].embedding == pytest.approx(numbers)
    assert client.embeddings.create(**body, encoding_format="float").data[0].embedding == numbers


def test_tokens_are_counted(client: OpenAI) -> None:
    one = client.embeddings.create(model=MODEL, input="a cat").usage
    both = client.embeddings.create(model=MODEL, input=["a cat", "a cat on a sofa"]).usage
    assert (one.prompt_tokens, one.total_tokens) == (4, 4), "two words between two marks"
    assert both.prompt_tokens == 4 + 7


def test_the_async_client_embeds(asynchronously: Callable[[Story], None]) -> None:
    async def story(async_openai: AsyncOpenAI) -> None:
        answer = await async_openai.embeddings.create(model=MODEL, input=["a cat", "a dog"], dimensions=400)
        assert len(answer.data) == 2

    asynchronously(story)


@pytest.mark.parametrize(
    ("fields", "said", "param"),
    [
        ({"input": [[57668, 11]]}, "check_embedding_ctx_length=False", "input"),
        ({"input": [57668, 11]}, "check_embedding_ctx_length=False", "input"),
        ({"input": "a cat", "dimensions": 256}, "400", "dimensions"),
        ({"input": []}, "nothing to embed", "input"),
        ({"input": ""}, "not a text", "input"),
        ({"input": [{"sound": "x"}]}, "picture", "input"),
        ({"input": "ᑐᑦᓯᐊᕕᕐᔪᐊᖅ"}, "understand", None),
    ],
)
def test_what_no_encoder_reads_is_refused(client: OpenAI, fields: dict[str, Any], said: str, param: str | None) -> None:
    with pytest.raises(BadRequestError, match=said) as caught:
        client.embeddings.create(model=MODEL, **fields)
    assert caught.value.param == param


def test_open_webui_and_continue(raw: httpx2.Client) -> None:
    """No form is asked for, fields of their own come along, and numbers are read."""
    answer = raw.post(EMBEDDINGS, json={"input": ["a cat", "a dog"], "model": MODEL, "prefix": "query"})
    assert answer.headers["x-sensorium-ignored"] == "prefix"
    assert answer.headers["x-sensorium-model"] == "conse-starter"
    assert [len(each["embedding"]) for each in answer.json()["data"]] == [400, 400]


def test_an_encoder_of_texts_alone(client: OpenAI) -> None:
    answer = client.embeddings.create(
        model="multilingual-e5-small", input=["猫", "cat", "train"], extra_body={"input_type": "query"}
    )
    assert answer.model == "multilingual-e5-small"
    assert answer.usage.prompt_tokens > 3 * 4
    cat, english, train = (each.embedding for each in answer.data)
    assert likeness(cat, english) > likeness(cat, train)
    with pytest.raises(BadRequestError, match="texts only"):
        client.embeddings.create(model="multilingual-e5-small", input=[{"image": photo("chelsea")}])  # type: ignore[list-item]
