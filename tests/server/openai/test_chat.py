"""Chats: pictures, recordings and films in any turn, whole and streamed, and as each kind of client sends them."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import httpx2
import pytest
from openai import APIError, AsyncOpenAI, BadRequestError, NotFoundError, OpenAI

from sensorium.server.openai.chat import ChatFields
from sensorium.server.openai.put_into_words import film_question
from tests import real_media
from tests.checkpoints.omni import tiny_gemma_4
from tests.server.conftest import served
from tests.server.openai.conftest import Story
from tests.server.openai.conversations import (
    LONG,
    assistant,
    data_uri,
    events,
    jobs_at_work,
    picture,
    upload,
    user,
    wait_until,
    wait_until_idle,
    words,
)

CHAT = "/v1/chat/completions"


@pytest.fixture(scope="module")
def clip() -> real_media.SpeechClip:
    return min(real_media.speech_clips("en"), key=lambda clip: clip.path.stat().st_size)


def sound(clip: real_media.SpeechClip) -> dict[str, Any]:
    data = base64.b64encode(clip.path.read_bytes()).decode()
    return {"type": "input_audio", "input_audio": {"data": data, "format": "wav"}}


def ask(client: OpenAI, *messages: Any, **options: Any) -> Any:
    return client.chat.completions.create(model="gpt-4o", messages=list(messages), **options)


def text(completion: Any, choice: int = 0) -> str:
    content = completion.choices[choice].message.content
    assert isinstance(content, str)
    return content.lower()


def test_pictures_come_in_any_turn(client: OpenAI) -> None:
    first = user(picture("chelsea"), "What animal is it?")
    answer = client.chat.completions.with_raw_response.create(model="gpt-4o", messages=[first])
    assert answer.headers["x-sensorium-model"] == "socratic-chat"
    completion = answer.parse()
    assert completion.model == "socratic-chat"
    assert completion.object == "chat.completion"
    assert "cat" in text(completion)
    assert completion.choices[0].finish_reason == "stop"
    more = [first, assistant(text(completion)), user(picture("coffee"), "And what is in this picture?")]
    assert "coffee" in text(ask(client, *more))
    assert "2" in text(ask(client, user(picture("chelsea"), picture("coffee"), "Which picture shows a coffee?")))
    assert "猫" in text(ask(client, user(picture("chelsea"), "这是什么动物？")))


def test_pictures_come_as_uploads_too(client: OpenAI, raw: httpx2.Client) -> None:
    reference = upload(raw, real_media.photo("chelsea"))
    part = {"type": "image_url", "image_url": {"url": reference}}
    assert "cat" in text(ask(client, user(part, "What animal is it?")))
    for file in ("file-" + reference.removeprefix("upload:"), reference.removeprefix("upload:")):
        part = {"type": "file", "file": {"file_id": file}}
        assert "cat" in text(ask(client, user(part, "What animal is it?")))


def test_files_are_what_they_contain(client: OpenAI) -> None:
    cat = real_media.photo("chelsea")
    for data in (data_uri(cat, "application/pdf"), base64.b64encode(cat.read_bytes()).decode()):
        part = {"type": "file", "file": {"file_data": data, "filename": "invoice.pdf"}}
        assert "cat" in text(ask(client, user(part, "What animal is it?")))
    for data, said in ((b"%PDF-1.7\n%", "PDF"), (b"\x00\x01\x02", "unknown")):
        part = {"type": "file", "file": {"file_data": base64.b64encode(data).decode()}}
        with pytest.raises(BadRequestError, match=said) as caught:
            ask(client, user(part, "What is it?"))
        assert caught.value.param == "messages"


def test_a_recording_is_written_down_first_and_the_answer_says_so(client: OpenAI, clip: real_media.SpeechClip) -> None:
    completion = ask(client, user(sound(clip)), max_tokens=12)
    (read,) = completion.to_dict()["sensorium"]["put_into_words"]
    assert (read["kind"], read["model"]) == ("audio", "whisper-base")
    assert "please check the number" in read["text"].lower()
    assert completion.usage.prompt_tokens > 20, "the words were read"
    stream = list(ask(client, user("What is said here?", sound(clip)), max_tokens=12, stream=True))
    assert stream[0].to_dict()["sensorium"]["put_into_words"] == [read]


def test_a_model_that_hears_is_given_the_recording_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clip: real_media.SpeechClip
) -> None:
    kept = tmp_path / "models--someone--tiny-gemma"
    tiny_gemma_4(kept / "snapshots" / "main")
    (kept / "refs").mkdir()
    (kept / "refs" / "main").write_text("main")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    with (
        served(tmp_path / "data") as (address, _),
        OpenAI(base_url=f"{address}/v1", api_key="none", max_retries=0, timeout=300) as client,
    ):
        message = user(sound(clip), "What is said?")
        completion = client.chat.completions.create(model="someone/tiny-gemma", messages=[message], max_tokens=4)
    assert "put_into_words" not in completion.to_dict().get("sensorium", {})
    assert completion.usage is not None
    assert completion.usage.prompt_tokens > 25, "a second of sound takes 25 tokens"


def test_what_is_missing_of_a_recording_is_told_with_its_words(client: OpenAI, clip: real_media.SpeechClip) -> None:
    data = clip.path.read_bytes()
    part = {"type": "input_audio", "input_audio": {"data": base64.b64encode(data[:-9000]).decode(), "format": "wav"}}
    (read,) = ask(client, user(part), max_tokens=4).to_dict()["sensorium"]["put_into_words"]
    (sentence,) = read["warnings"]
    assert "breaks off" in sentence


def test_a_film_alone_is_answered_by_who_watches_films(client: OpenAI) -> None:
    film = {"type": "video_url", "video_url": {"url": data_uri(real_media.film("Megamind"), "video/x-msvideo")}}
    question = user(film, "What is said?")
    answer = client.chat.completions.with_raw_response.create(
        model="gpt-4o",
        messages=[question],
        temperature=0.5,
    )
    assert answer.headers["x-sensorium-model"] == "socratic-video-qa"
    assert answer.headers["x-sensorium-ignored"] == "temperature"
    said = text(answer.parse())
    assert "judge" in said
    later = ask(client, question, assistant(said), user("What is said?"), max_tokens=12)
    (read,) = later.to_dict()["sensorium"]["put_into_words"]
    assert (read["kind"], read["model"], later.model) == ("video", "socratic-video-qa", "socratic-chat")
    assert "judge" in read["text"]


def test_several_answers_have_seeds_of_their_own(client: OpenAI) -> None:
    haiku = user("Write a haiku about rain.")
    options = {"n": 2, "seed": 5, "max_completion_tokens": 12}
    completion = ask(client, haiku, **options)
    assert [choice.index for choice in completion.choices] == [0, 1]
    assert text(completion, 0) != text(completion, 1)
    alone = ask(client, haiku, seed=6, max_tokens=12, temperature=1)
    assert text(alone) == text(completion, 1)
    assert {choice.finish_reason for choice in completion.choices} == {"length"}
    assert completion.usage.completion_tokens == 24
    chunks = list(ask(client, haiku, **options, stream=True))
    for number, choice in enumerate(completion.choices):
        told = [each for chunk in chunks for each in chunk.choices if each.index == number]
        assert "".join(each.delta.content or "" for each in told).strip() == choice.message.content
        assert told[-1].finish_reason == "length"


def test_a_stream_tells_the_tokens_at_its_end_if_asked(client: OpenAI) -> None:
    hello = user("Say hello.")
    chunks = list(ask(client, hello, stream=True, stream_options={"include_usage": True}, max_tokens=8))
    assert chunks[0].choices[0].delta.role == "assistant"
    assert len([chunk for chunk in chunks if chunk.choices and chunk.choices[0].delta.content]) > 2, "piece by piece"
    assert chunks[-1].choices == []
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens <= 8
    assert len({chunk.id for chunk in chunks}) == 1
    whole = ask(client, hello, max_tokens=8)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices).strip() == (
        whole.choices[0].message.content
    )
    assert chunks[-1].usage == whole.usage


@pytest.mark.parametrize(
    ("fields", "effort", "wished"),
    [
        ({}, None, False),
        ({}, "none", False),
        ({}, "low", True),
        ({"chat_template_kwargs": {"enable_thinking": True}}, None, True),
        ({"chat_template_kwargs": {"thinking": False, "other": 1}}, "high", False),
    ],
)
def test_a_chat_thinks_if_it_is_asked_to(fields: dict[str, Any], effort: str | None, wished: bool) -> None:
    asked = ChatFields.of({"messages": [], **fields, "reasoning_effort": effort}, "A chat")
    assert asked.sampling(5, effort=asked.reasoning_effort)["thinking"] is wished
    assert asked.ignored == ["chat_template_kwargs.other"] * ("other" in str(fields))


def test_who_can_not_think_says_so(client: OpenAI) -> None:
    completion = ask(client, user("Say hello."), max_tokens=4, reasoning_effort="high")
    assert completion.usage.completion_tokens_details.reasoning_tokens == 0
    (warning,) = completion.to_dict()["sensorium"]["warnings"]
    assert "think" in warning
    for name, wrong in (("reasoning_effort", "hugely"), ("chat_template_kwargs", {"thinking": "yes"})):
        with pytest.raises(BadRequestError) as refused:
            ask(client, user("Say hello."), extra_body={name: wrong})
        assert refused.value.param == name


def test_a_film_alone_is_answered_as_long_as_it_may_be() -> None:
    film = [{"role": "user", "content": [{"type": "video", "video": "upload:film"}]}]
    for longest, given in ((7, 7), (0, None), (None, None)):
        asked = film_question(film, None, thinking=True, longest=longest)
        assert asked is not None
        assert (asked.max_new_tokens, asked.thinking) == (given, True)


def test_the_async_client_reads_and_streams(asynchronously: Callable[[Story], None]) -> None:
    async def story(async_openai: AsyncOpenAI) -> None:
        messages: Any = [user(picture("rocket"), "What is it?")]
        completion = await async_openai.chat.completions.create(model="gpt-4o", messages=messages)
        stream = await async_openai.chat.completions.create(model="gpt-4o", messages=messages, stream=True)
        pieces = [chunk.choices[0].delta.content or "" async for chunk in stream]
        assert "".join(pieces).strip() == completion.choices[0].message.content
        assert "rocket" in text(completion)

    asynchronously(story)


def test_an_answer_ends_before_a_stop_sequence(client: OpenAI) -> None:
    talking = user("Tell me something about the sea.")
    whole = ask(client, talking, max_tokens=24)
    word = whole.choices[0].message.content.split()[3]
    stopped = ask(client, talking, max_tokens=24, stop=word)
    assert word not in stopped.choices[0].message.content
    assert stopped.choices[0].finish_reason == "stop"


@pytest.mark.parametrize(
    ("promise", "said"),
    [
        ({"response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": {}}}}, "json_schema"),
        ({"tool_choice": "required", "tools": [{"type": "function", "function": {"name": "f"}}]}, "tool"),
        ({"modalities": ["text", "audio"], "audio": {"voice": "alloy", "format": "mp3"}}, "speech"),
        ({"n": 0}, "0"),
        ({"temperature": 3}, "3"),
    ],
)
def test_what_cannot_be_promised_is_refused(client: OpenAI, promise: Mapping[str, Any], said: str) -> None:
    with pytest.raises(BadRequestError, match=said) as caught:
        ask(client, user("Hello!"), **promise)
    assert caught.value.type == "invalid_request_error"
    assert caught.value.response.headers["x-should-retry"] == "false"


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ({"role": "tool", "tool_call_id": "1", "content": "42"}, "tools"),
        ({"role": "user", "content": [{"type": "image_url", "image_url": {}}]}, "image_url"),
        ({"role": "user", "content": [{"type": "hologram"}]}, "hologram"),
        ({"role": "user", "content": [{"type": "image_url", "image_url": {"url": "/etc/passwd"}}]}, "/etc/passwd"),
        ({"role": "user", "content": ""}, "empty"),
        ({"role": "king", "content": "Hello!"}, "king"),
        ({"role": ["king"], "content": "Hello!"}, "king"),
        ({"role": "user", "content": [{"type": {}}]}, "part"),
        ("Hello!", "object"),
    ],
)
def test_messages_that_say_nothing_are_refused(client: OpenAI, message: Any, said: str) -> None:
    with pytest.raises(BadRequestError, match=said):
        ask(client, message)


def test_what_is_not_there_is_not_found(client: OpenAI) -> None:
    with pytest.raises(NotFoundError, match="gpt-3") as caught:
        client.chat.completions.create(model="gpt-3", messages=[{"role": "user", "content": "Hello!"}])
    assert caught.value.param == "model"
    with pytest.raises(NotFoundError, match="upload"):
        ask(client, user({"type": "image_url", "image_url": {"url": "upload:0123"}}))


def test_what_goes_wrong_later_is_told_in_the_stream(client: OpenAI) -> None:
    broken = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgoAAAA="}}
    with pytest.raises(APIError) as caught:
        list(ask(client, user(broken, "What is it?"), stream=True))
    assert caught.value.type == "invalid_request_error"
    with pytest.raises(BadRequestError):
        ask(client, user(broken, "What is it?"))


@pytest.mark.parametrize("stream", [True, False])
def test_a_client_that_goes_away_frees_the_model(raw: httpx2.Client, stream: bool) -> None:
    body = {"messages": [user(LONG)], "max_tokens": 2000, "temperature": 1, "stream": stream}
    with closing(HTTPConnection(raw.base_url.host, raw.base_url.port)) as client:
        client.request("POST", CHAT, json.dumps(body), {"content-type": "application/json"})
        wait_until(lambda: jobs_at_work(raw))
    wait_until_idle(raw)


def test_open_webui(raw: httpx2.Client) -> None:
    """Its system prompt comes in front, its own fields come along, and its stream asks for the tokens."""
    body = {
        "model": "gpt-4o",
        "stream": True,
        "stream_options": {"include_usage": True},
        "messages": [{"role": "system", "content": "Be kind."}, user("What is it?", picture("coffee"))],
        "chat_id": "1",
        "session_id": "2",
        "features": {"web_search": False},
    }
    with raw.stream("POST", CHAT, json=body, headers={"X-OpenWebUI-User-Name": "Anna"}) as answer:
        assert answer.headers["x-sensorium-ignored"] == "chat_id, features, session_id"
        lines = [line for line in answer.iter_lines() if line.startswith("data: ")]
    assert lines[-1] == "data: [DONE]"
    assert "coffee" in "".join(lines).lower()


def test_n8n_and_langchain(raw: httpx2.Client) -> None:
    """Fields that they leave empty are null or -1; LangChain offers tools that needn't be called."""
    body = {
        "model": "gpt-4o",
        "messages": [{"role": "user", "content": "Hello!"}],
        "temperature": None,
        "top_p": None,
        "stop": None,
        "seed": None,
        "n": 1,
        "max_tokens": -1,
        "stream": None,
        "stream_options": None,
        "response_format": {"type": "text"},
        "tools": [{"type": "function", "function": {"name": "look_up", "parameters": {}}}],
        "tool_choice": "auto",
        "logprobs": False,
        "frequency_penalty": 0,
    }
    answer = raw.post(CHAT, json=body)
    assert answer.status_code == 200, answer.text
    assert answer.headers["x-sensorium-ignored"] == "frequency_penalty, logprobs, tool_choice, tools"
    assert answer.json()["choices"][0]["message"]["role"] == "assistant"


def test_litellm_and_llm(raw: httpx2.Client, clip: real_media.SpeechClip) -> None:
    """Developer messages in the middle, empty answers of earlier models, several messages of one role."""
    messages = [
        {"role": "user", "content": "Hello!"},
        {"role": "assistant", "content": None},
        {"role": "developer", "content": [words("Be brief.")]},
        {"role": "user", "content": "Are you there?", "name": "anna"},
    ]
    body = {"model": "gpt-4o", "messages": messages, "max_tokens": 8, "stream": True, "user": "anna"}
    with raw.stream("POST", CHAT, json=body) as answer:
        told = events(answer)
    assert told[-1]["choices"][0]["finish_reason"] in ("stop", "length")


def test_a_body_that_is_no_chat_is_refused_in_openais_words(raw: httpx2.Client) -> None:
    for body, said in ((b"{", "JSON"), (b"[]", "JSON object"), (b'{"model": "gpt-4o"}', "messages")):
        answer = raw.post(CHAT, content=body, headers={"content-type": "application/json"})
        assert answer.status_code == 400
        assert said in answer.json()["error"]["message"]


@pytest.mark.parametrize("name", ["ends with a space ", "two\nlines", "h\u00e9", "", "x" * 5000])
def test_fields_with_strange_names_are_ignored(raw: httpx2.Client, name: str) -> None:
    body = {"messages": [user(picture("coffee"), "What is it?")], name: 1, "user": "anna"}
    answer = raw.post(CHAT, content=json.dumps(body), headers={"content-type": "application/json"})
    assert answer.status_code == 200
    assert answer.headers["x-sensorium-ignored"] == "user"


def test_the_endpoint_is_described(raw: httpx2.Client) -> None:
    path = raw.get("/openapi.json").json()["paths"][CHAT]["post"]
    assert "ChatFields" in str(path["requestBody"])
    assert {"200", "400", "404", "429", "503"} <= set(path["responses"])


def test_media_of_a_path_are_never_opened(client: OpenAI, tmp_path: Path) -> None:
    secret = tmp_path / "cat.png"
    secret.write_bytes(real_media.photo("chelsea").read_bytes())
    for reference in (str(secret), f"file://{secret}"):
        for part in (
            {"type": "image_url", "image_url": {"url": reference}},
            {"type": "video_url", "video_url": reference},
        ):
            with pytest.raises(BadRequestError):
                ask(client, user(part, "What is it?"))
