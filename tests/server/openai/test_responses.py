"""Responses: text and pictures in, events out, kept as jobs that can be retrieved, gone on from and cancelled."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import httpx2
import pytest
from openai import AsyncOpenAI, BadRequestError, NotFoundError, OpenAI

from tests import real_media
from tests.server.openai.conftest import Story
from tests.server.openai.conversations import LONG, events, jobs_at_work, photo, upload, wait_until, wait_until_idle

RESPONSES = "/v1/responses"


def seen(name: str, text: str) -> list[Any]:
    parts = [{"type": "input_image", "image_url": photo(name), "detail": "auto"}, {"type": "input_text", "text": text}]
    return [{"role": "user", "content": parts}]


def ended(client: OpenAI, response: str) -> Any:
    begun = time.monotonic()
    while (now := client.responses.retrieve(response)).status in ("queued", "in_progress"):
        assert time.monotonic() - begun < 120
        time.sleep(0.05)
    return now


def test_a_response_is_kept_and_the_conversation_goes_on_from_it(client: OpenAI) -> None:
    first = client.responses.create(
        model="gpt-4o", input=seen("chelsea", "What animal is it?"), instructions="Be brief."
    )
    assert (first.status, first.model, first.instructions) == ("completed", "socratic-chat", "Be brief.")
    assert "cat" in first.output_text.lower()
    assert client.responses.retrieve(first.id).to_dict() == first.to_dict()
    second = client.responses.create(model="gpt-4o", input="What colour is it?", previous_response_id=first.id)
    assert "brown" in second.output_text
    assert second.instructions is None
    third = client.responses.create(
        model="gpt-4o",
        input=[{"role": "developer", "content": "Answer in English."}, *seen("coffee", "And what is in this picture?")],
        previous_response_id=second.id,
        instructions="Be kind.",
    )
    assert "coffee" in third.output_text.lower()
    assert client.responses.retrieve(third.id).instructions == "Be kind."
    fourth = client.responses.create(model="gpt-4o", input="Thanks!", previous_response_id=third.id, instructions="Hm.")
    assert fourth.instructions == "Hm."


def test_pictures_come_as_files_too(client: OpenAI, raw: httpx2.Client) -> None:
    file = "file-" + upload(raw, real_media.photo("chelsea")).removeprefix("upload:")
    for part in ({"type": "input_image", "file_id": file, "detail": "low"}, {"type": "input_file", "file_id": file}):
        asked: Any = [{"role": "user", "content": [part, {"type": "input_text", "text": "What animal is it?"}]}]
        assert "cat" in client.responses.create(model="gpt-4o", input=asked).output_text.lower()


def test_events_have_numbers_and_can_be_read_again_after_any_of_them(client: OpenAI) -> None:
    told = list(client.responses.create(model="gpt-4o", input="Write a haiku.", max_output_tokens=10, stream=True))
    kinds = [event.type.removeprefix("response.") for event in told]
    deltas = kinds.count("output_text.delta")
    assert deltas > 3
    assert kinds == [
        *("created", "in_progress", "output_item.added", "content_part.added"),
        *["output_text.delta"] * deltas,
        *("output_text.done", "content_part.done", "output_item.done", "incomplete"),
    ]
    assert [event.sequence_number for event in told] == list(range(len(told)))
    last: Any = told[-1]
    assert last.response.incomplete_details.reason == "max_output_tokens"
    written = "".join(event.delta for event in told if event.type == "response.output_text.delta")
    assert written.strip() == last.response.output_text
    again = list(client.responses.retrieve(last.response.id, stream=True, starting_after=4))
    assert [event.to_dict() for event in again] == [event.to_dict() for event in told[5:]]


def test_the_client_puts_a_stream_together(client: OpenAI) -> None:
    with client.responses.stream(model="gpt-4o", input=seen("chelsea", "What animal is it?")) as stream:
        assert "cat" in stream.get_final_response().output_text.lower()


def test_the_async_client_streams(asynchronously: Callable[[Story], None]) -> None:
    async def story(async_openai: AsyncOpenAI) -> None:
        stream = await async_openai.responses.create(model="gpt-4o", input=seen("rocket", "What is it?"), stream=True)
        last: Any = [event async for event in stream][-1]
        assert last.type == "response.completed"
        assert "rocket" in last.response.output_text.lower()

    asynchronously(story)


def test_work_in_the_background_goes_on_alone(client: OpenAI, raw: httpx2.Client) -> None:
    response = client.responses.create(model="gpt-4o", input="Say hello.", background=True, max_output_tokens=6)
    assert response.status in ("queued", "in_progress")
    assert ended(client, response.id).usage.output_tokens <= 6
    body = {"input": LONG, "max_output_tokens": 40, "background": True, "stream": True}
    with raw.stream("POST", RESPONSES, json=body) as answer:
        lines = answer.iter_lines()
        first = next(line for line in lines if line.startswith("data: "))
        lines.close()
    name = first.split('"id": "')[1].split('"')[0]
    assert ended(client, name).status == "incomplete"


def test_work_in_the_background_is_cancelled_and_deleted(client: OpenAI, raw: httpx2.Client) -> None:
    options: Any = {"model": "gpt-4o", "input": LONG, "max_output_tokens": 2000, "background": True}
    response = client.responses.create(**options)
    assert client.responses.cancel(response.id).status == "cancelled"
    assert client.responses.retrieve(response.id).status == "cancelled"
    kinds = [event.type for event in client.responses.retrieve(response.id, stream=True)]
    assert kinds[-1] == "response.failed"
    with pytest.raises(BadRequestError, match="cancelled"):
        client.responses.create(model="gpt-4o", input="And then?", previous_response_id=response.id)
    running = client.responses.create(**options)
    client.responses.delete(running.id)
    wait_until_idle(raw)
    for gone in (running.id, "resp_nothing", "nothing"):
        with pytest.raises(NotFoundError, match=gone):
            client.responses.retrieve(gone)


@pytest.mark.parametrize("stream", [True, False])
def test_a_client_that_goes_away_frees_the_model(raw: httpx2.Client, stream: bool) -> None:
    body = {"input": LONG, "max_output_tokens": 2000, "stream": stream}
    if stream:
        with raw.stream("POST", RESPONSES, json=body) as answer:
            lines = answer.iter_lines()
            next(lines)
            wait_until(lambda: jobs_at_work(raw))
            lines.close()
    else:
        with pytest.raises(httpx2.ReadTimeout):
            raw.post(RESPONSES, json=body, timeout=3)
    wait_until_idle(raw)
    assert raw.get("/v1/sensorium/jobs").json()["jobs"][0]["state"] == "cancelled"


def test_what_fails_is_told_where_it_was_asked(client: OpenAI) -> None:
    part = {"type": "input_image", "image_url": "data:image/png;base64,iVBORw0KGgoAAAA=", "detail": "auto"}
    broken: Any = [{"role": "user", "content": [part]}]
    with pytest.raises(BadRequestError):
        client.responses.create(model="gpt-4o", input=broken)
    response = ended(client, client.responses.create(model="gpt-4o", input=broken, background=True).id)
    assert (response.status, response.error.code) == ("failed", "invalid_prompt")
    last: Any = list(client.responses.create(model="gpt-4o", input=broken, stream=True))[-1]
    assert last.type == "response.failed"
    assert last.response.error.message == response.error.message


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"text": {"format": {"type": "json_schema", "name": "a", "schema": {}}}}, "json_schema"),
        ({"tool_choice": {"type": "image_generation"}}, "tool"),
        ({"background": True, "store": False}, "kept"),
        ({"input": [{"type": "function_call_output", "call_id": "1", "output": "2"}]}, "function_call_output"),
        ({"input": [{"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "AA=="}}]}]}, "chat"),
        ({"input": []}, "conversation"),
    ],
)
def test_what_cannot_be_done_is_refused(raw: httpx2.Client, fields: dict[str, Any], said: str) -> None:
    answer = raw.post(RESPONSES, json={"input": "Hello!", **fields})
    assert answer.status_code == 400
    assert said in answer.json()["error"]["message"]


def test_what_is_not_stored_is_gone(client: OpenAI) -> None:
    response = client.responses.create(model="gpt-4o", input="Say hello.", max_output_tokens=4, store=False)
    with pytest.raises(NotFoundError):
        client.responses.retrieve(response.id)


def test_agents_send_back_what_they_were_given(raw: httpx2.Client) -> None:
    """n8n's newer node and OpenAI's agents send the items of earlier answers, and tools that needn't be called."""
    first = raw.post(RESPONSES, json={"input": seen("chelsea", "What animal is it?")}).json()
    more = [*seen("chelsea", "What animal is it?"), *first["output"], {"role": "user", "content": "What colour is it?"}]
    body = {"model": "gpt-4o", "input": more, "tools": [{"type": "web_search"}], "tool_choice": "auto", "metadata": {}}
    answer = raw.post(RESPONSES, json=body)
    assert answer.headers["x-sensorium-ignored"] == "metadata, tool_choice, tools"
    assert "brown" in answer.json()["output"][0]["content"][0]["text"]
    with raw.stream("POST", RESPONSES, json={**body, "stream": True}) as stream:
        assert events(stream)[-1]["type"] == "response.completed"
