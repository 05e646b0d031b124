"""Moderations: all categories are there, and none is said to be judged that isn't."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx2
from openai import AsyncOpenAI, OpenAI

from sensorium.server.openai.moderations import CATEGORIES
from tests.server.openai.conftest import Story
from tests.server.openai.conversations import picture, words

MODERATIONS = "/v1/moderations"


def test_texts_are_not_judged_and_the_answer_says_so(raw: httpx2.Client) -> None:
    for given, count in (("I hate you", 1), (["I hate you", "I like you"], 2), ([words("I hate you")], 1)):
        answer = raw.post(MODERATIONS, json={"input": given, "model": "omni-moderation-latest"})
        assert answer.headers["x-sensorium-not-judged"].split(", ") == list(CATEGORIES)
        document = answer.json()
        assert len(document["results"]) == count
        for result in document["results"]:
            assert result["category_applied_input_types"] == {name: [] for name in CATEGORIES}
            assert set(result["category_scores"]) == set(result["categories"]) == set(CATEGORIES)
            assert not result["flagged"]


def test_pictures_are_judged_as_far_as_the_model_can(client: OpenAI) -> None:
    parts: Any = [picture("rocket"), words("Look at this!"), picture("chelsea")]
    answer = client.moderations.create(model="omni-moderation-latest", input=parts)
    assert answer.model == "conse-starter + open-nsfw"
    (result,) = answer.results
    assert result.categories.violence_graphic is False
    found = result.to_dict()["sensorium"]["pictures"]
    assert len(found) == 2
    assert {moment["label"] for moment in found[0]["moments"]} | set(found[0]["not_judged"]) >= {"weapons", "nudity"}
    judged = {name for name, by in result.to_dict()["category_applied_input_types"].items() if by}
    assert "harassment" not in judged
    assert "sexual" in judged
    assert "sexual/minors" not in judged
    assert 0 < result.category_scores.sexual < 0.5
    assert not result.categories.sexual
    assert ("violence" in judged) == ("violence" not in found[0]["not_judged"])


def test_the_async_client_moderates(asynchronously: Callable[[Story], None]) -> None:
    async def story(async_openai: AsyncOpenAI) -> None:
        answer = await async_openai.moderations.create(input="Hello!")
        assert len(answer.results) == 1

    asynchronously(story)


def test_what_is_neither_text_nor_picture_is_refused(raw: httpx2.Client) -> None:
    for given in ([], [{"type": "input_audio"}], [1], None):
        answer = raw.post(MODERATIONS, json={"input": given})
        assert answer.status_code == 400
        assert answer.json()["error"]["type"] == "invalid_request_error"
