"""Chat: conversations as data, with the starter and behind a server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from sensorium.errors import CancelledError, InputError, SensoriumError
from sensorium.language.sampling import choose_sampling
from sensorium.operations.chat import Chat
from sensorium.operations.media import Media, with_media
from sensorium.operations.tasks import Tasks
from sensorium.vision_language.llava import LLaVA
from tests.openai_server import OpenAIServer, images_in, serve_openai
from tests.operations.reporting import Listener
from tests.operations.unheard import Unheard
from tests.real_media import photo
from tests.refusals import refused

CAT, COFFEE = str(photo("chelsea")), str(photo("coffee"))
HELLO = {"role": "user", "content": "Hello!"}


def asking(*pictures: str, text: str = "What animal is it?") -> dict[str, Any]:
    return {"role": "user", "content": [*({"type": "image", "image": each} for each in pictures), words(text)]}


def words(text: str) -> dict[str, str]:
    return {"type": "text", "text": text}


@pytest.fixture(scope="module")
def tasks() -> Iterator[Tasks]:
    opened = Tasks()
    yield opened
    opened.close()


@pytest.fixture
def server() -> Iterator[OpenAIServer]:
    with serve_openai() as running:
        yield running


def test_the_answer_comes_in_pieces_and_whole(tasks: Tasks) -> None:
    listener = Listener()
    answer = Chat.of({"messages": [asking(CAT)]}).run(tasks, listener)
    assert "cat" in answer.lower()
    assert listener.text.strip() == answer
    assert any("cat" in fact.text for fact in answer.evidence)
    with LLaVA() as llava:
        assert llava.chat(None, [asking(CAT)]).to_dict() == answer.to_dict()


def test_chat_and_answer_go_through_json(tasks: Tasks) -> None:
    chat = Chat.of({"messages": [asking(CAT)], "system": "Be brief.", "stop": ["\n"], "seed": 3, "temperature": 0.5})
    assert Chat.of(json.loads(chat.model_dump_json())) == chat
    answer = Chat.of({"messages": [asking(CAT)]}).run(tasks, Unheard())
    again = chat.result_type().from_dict(json.loads(json.dumps(answer.to_dict())))
    assert again.to_dict() == answer.to_dict()


def test_media_inside_messages_are_found() -> None:
    sound = {"role": "user", "content": [{"type": "audio", "audio": "a.wav"}, {"type": "video", "video": "v.mp4"}]}
    answer = {"role": "assistant", "content": "A cat."}
    chat = Chat.of({"messages": [asking(CAT, COFFEE), answer, sound]})
    assert list(chat.media()) == [CAT, COFFEE, "a.wav", "v.mp4"]
    assert all(isinstance(each, Media) for each in chat.media())
    sent = Chat.of(with_media(chat, {CAT: "upload:1"}))
    assert next(iter(sent.media())).upload == "1"


def test_everything_reaches_the_model(server: OpenAIServer) -> None:
    found: list[str] = []

    def find(reference: Media) -> str:
        found.append(reference)
        return CAT

    listener = Listener()
    answer = Chat.of(
        {
            "messages": [{"role": "system", "content": "Be brief."}, asking("upload:7", text="What is it?")],
            "model": server.model(),
            **{"temperature": 0.5, "top_p": 0.9, "seed": 4, "max_new_tokens": 9, "stop": ["mat", "dog"]},
        }
    ).run(Tasks(find_media=find), listener)
    assert (answer, listener.text, answer.seed, found) == ("A cat on a", "A cat on a ", 4, ["upload:7"])
    body = server.requests[-1].body
    assert body["messages"][0] == {"role": "system", "content": "Be brief."}
    assert (body["temperature"], body["top_p"], body["seed"], body["stop"]) == (0.5, 0.9, 4, ["mat", "dog"])
    assert len(images_in(body)) == 1


def test_a_chat_stops_when_it_is_cancelled(server: OpenAIServer) -> None:
    server.answer = lambda body: ["word "] * 1000
    tasks = Tasks()
    chat = Chat.of({"messages": [HELLO], "model": server.model()})
    chat.load(tasks, Unheard())
    listener = Listener(patience=20)
    with pytest.raises(CancelledError):
        chat.run(tasks, listener)
    assert len(listener.events) < 1000


def sentence(work: Any) -> str:
    with pytest.raises(SensoriumError) as refusal:
        work()
    return str(refusal.value)


@pytest.mark.parametrize(
    "messages",
    [
        [],
        [{"role": "assistant", "content": "Hello!"}, HELLO],
        [HELLO, {"role": "assistant", "content": "Hello!"}],
        [HELLO, {"role": "system", "content": "Be brief."}, HELLO],
        [{"role": "robot", "content": "Hello!"}],
        [{"role": "user", "content": " "}],
        [{"role": "user", "content": [{"type": "smell"}]}],
        [{"role": "user", "content": "\ud800"}],
        [{**asking(CAT), "role": "system"}, HELLO],
    ],
    ids=ascii,
)
def test_messages_are_refused_in_the_words_of_the_library(messages: list[dict[str, Any]]) -> None:
    expected = sentence(lambda: LLaVA().chat(None, messages))
    assert sentence(lambda: Chat.of({"messages": messages})) == expected


@pytest.mark.parametrize(
    "options",
    [{"temperature": 3.0}, {"top_p": 0.0}, {"seed": -1}, {"max_new_tokens": 0}, {"repetition_penalty": 11.0}],
    ids=str,
)
def test_numbers_are_refused_in_the_words_of_the_library(options: dict[str, Any]) -> None:
    assert sentence(lambda: Chat.of({"messages": [HELLO], **options})) == sentence(
        lambda: choose_sampling(1, **options)
    )


def test_fields_that_there_are_not_are_named_with_their_place() -> None:
    with refused(InputError, "messages.0.name"):
        Chat.of({"messages": [{**HELLO, "name": "Ada"}]})
    with refused(InputError, "detail"):
        Chat.of({"messages": [{"role": "user", "content": [{"type": "image", "image": CAT, "detail": "high"}]}]})
    with refused(InputError, "image_url", "'image'"):
        picture = {"type": "image_url", "image_url": {"url": "https://example.org/cat.jpg"}}
        Chat.of({"messages": [{"role": "user", "content": [picture]}]})
