"""Conversations that remember, and go on after they were saved."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import PIL.Image
import pytest

import sensorium
from sensorium import Conversation, LLaVA
from sensorium.answer import Usage
from sensorium.errors import CancelledError, InputError
from sensorium.media.limits import Limits
from tests.openai_server import OpenAIServer, images_in, serve_openai
from tests.real_media import photo
from tests.vision_language.conftest import TinyCheckpoint

Picture = PIL.Image.Image


@pytest.fixture
def server() -> Iterator[OpenAIServer]:
    with serve_openai() as running:
        yield running


def test_it_is_public() -> None:
    assert "Conversation" in sensorium.__all__


def test_it_says_what_a_chat_with_the_same_history_says(tiny: TinyCheckpoint, pictures: list[Picture]) -> None:
    with LLaVA(tiny("llava")) as llava:
        conversation = Conversation(pictures[0], model=llava, system="Be brief.")
        first = conversation.ask("What is this?", max_new_tokens=8)
        second = "".join(conversation.stream("What colour is it?", max_new_tokens=8)).strip()
        history = [{"role": "user", "content": "What is this?"}]
        assert first == llava.chat(pictures[0], history, system="Be brief.", max_new_tokens=8)
        history += [{"role": "assistant", "content": first}, {"role": "user", "content": "What colour is it?"}]
        assert second == llava.chat(pictures[0], history, system="Be brief.", max_new_tokens=8)
        assert conversation.history == [*history, {"role": "assistant", "content": second}]


def test_the_history_is_a_copy(server: OpenAIServer, pictures: list[Picture]) -> None:
    conversation = Conversation(pictures[0], model=server.model())
    conversation.ask("What is this?")
    conversation.history.clear()
    conversation.history[0]["content"] = "something else"  # type: ignore[index]
    assert conversation.history[0]["content"] == "What is this?"


def test_saved_and_resumed(server: OpenAIServer, pictures: list[Picture], tmp_path: Path) -> None:
    conversation = Conversation([photo("dog"), pictures[0]], model=server.model(), system="Be brief.")
    conversation.ask("What is this?")
    assert conversation.save(tmp_path / "talk.json") == tmp_path / "talk.json"
    document = json.loads((tmp_path / "talk.json").read_text())
    assert (document["version"], document["model"], document["system"]) == (1, server.model(), "Be brief.")
    assert document["images"][0] == str(photo("dog"))
    assert document["images"][1].startswith("data:image/png;base64,")
    resumed = Conversation.load(tmp_path / "talk.json")
    assert resumed.history == conversation.history
    server.answer = lambda body: ["Brown."]
    assert resumed.ask("What colour is it?") == "Brown."
    body = server.requests[-1].body
    assert [message["content"] for message in body["messages"][2:]] == ["A cat on a mat.", "What colour is it?"]
    assert body["messages"][0] == {"role": "system", "content": "Be brief."}
    assert [picture.size for picture in images_in(body)] == [PIL.Image.open(photo("dog")).size, pictures[0].size]
    resumed.save(tmp_path / "talk.json")
    assert len(Conversation.load(tmp_path / "talk.json").history) == 4
    assert [path.name for path in tmp_path.iterdir()] == ["talk.json"]


def test_pictures_in_any_turn_are_remembered_and_saved(
    server: OpenAIServer, pictures: list[Picture], tmp_path: Path
) -> None:
    conversation = Conversation(model=server.model())
    assert conversation.ask("I have two pictures.") == "A cat on a mat."
    conversation.ask([{"type": "image", "image": pictures[0]}, "This one."])
    conversation.ask(
        [{"type": "image_url", "image_url": {"url": str(photo("dog"))}}, {"type": "text", "text": "Or this?"}]
    )
    assert conversation.images == ()
    conversation.save(tmp_path / "talk.json")
    resumed = Conversation.load(tmp_path / "talk.json")
    assert resumed.history == conversation.history
    assert resumed.history[4]["content"][0] == {"type": "image", "image": str(photo("dog"))}
    resumed.ask("Which is which?")
    body = server.requests[-1].body
    kinds = [
        [part["type"] for part in message["content"]] if isinstance(message["content"], list) else "text"
        for message in body["messages"]
    ]
    assert kinds == ["text", "text", ["image_url", "text"], "text", ["image_url", "text"], "text", "text"]
    assert [picture.size for picture in images_in(body)] == [pictures[0].size, PIL.Image.open(photo("dog")).size]


def test_a_stream_ends_with_the_answer(server: OpenAIServer, pictures: list[Picture]) -> None:
    server.usage = (30, 4)
    conversation = Conversation(pictures[0], model=server.model())
    with conversation.stream("What is this?", temperature=0.5, seed=2, stop="mat") as stream:
        assert "".join(stream) == "A cat on a "
    assert stream.result == "A cat on a"
    assert (stream.result.seed, stream.result.finish_reason) == (2, "stop")
    assert conversation.history[1]["content"] == "A cat on a"
    answer = conversation.ask("And now?")
    assert answer.usage == Usage(30, 4)


def test_another_model_can_go_on(server: OpenAIServer, tiny: TinyCheckpoint, tmp_path: Path) -> None:
    conversation = Conversation(photo("dog"), model=server.model())
    conversation.ask("What is this?")
    conversation.save(tmp_path / "talk.json")
    resumed = Conversation.load(tmp_path / "talk.json", model=tiny("llava"))
    assert resumed.ask("And now?", max_new_tokens=4).model == "llava"
    resumed.save(tmp_path / "talk.json")
    assert Conversation.load(tmp_path / "talk.json").llava.model == "llava"


def test_a_relative_path_is_found_from_elsewhere(
    server: OpenAIServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "album").mkdir()
    PIL.Image.new("RGB", (64, 48), "blue").save(tmp_path / "album" / "blue.png")
    monkeypatch.chdir(tmp_path / "album")
    Conversation("blue.png", model=server.model()).save("talk.json")
    monkeypatch.chdir(tmp_path)
    Conversation.load("album/talk.json").ask("What colour is it?")
    assert images_in(server.requests[0].body)[0].size == (64, 48)


def test_limits_of_the_model_hold_for_pictures_in_memory(server: OpenAIServer, pictures: list[Picture]) -> None:
    file = io.BytesIO()
    pictures[0].save(file, "PNG")
    llava = LLaVA(server.model(), limits=Limits(max_pixels=100))
    with pytest.raises(InputError, match="pixels"):
        Conversation(file.getvalue(), model=llava)


def test_a_name_that_is_no_text_is_saved_too(server: OpenAIServer, tmp_path: Path) -> None:
    path = tmp_path / "caf\udce9.png"  # as Python reads a Latin-1 name
    PIL.Image.new("RGB", (64, 48), "blue").save(path)
    conversation = Conversation(str(path), model=server.model())
    conversation.ask("What colour is it?")
    conversation.save(tmp_path / "talk.json")
    assert Conversation.load(tmp_path / "talk.json").images == (str(path),)


def test_what_fails_or_is_stopped_is_not_remembered(server: OpenAIServer, pictures: list[Picture]) -> None:
    conversation = Conversation(pictures[0], model=server.model())
    conversation.ask("What is this?")
    before = conversation.history
    pieces = conversation.stream("And then?")
    next(pieces)
    pieces.close()
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(CancelledError):
        conversation.ask("And then?", cancel=cancel)
    with pytest.raises(InputError, match="empty"):
        conversation.ask("  ")
    server.answer = lambda body: ["  "]
    assert conversation.ask("And then?") == ""
    assert conversation.history == before


def _changed(**values: Any) -> str:
    document = {
        "format": "sensorium-conversation",
        "version": 1,
        "model": "socratic-chat",
        "system": None,
        "images": ["cat.jpg"],
        "turns": [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Hello!"}],
    }
    return json.dumps({**document, **values})


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "not a saved conversation"),
        ("{", "not a saved conversation"),
        ("[1, 2]", "not a saved conversation"),
        ('{"version": 1}', "not a saved conversation"),
        (_changed(version=2), r"version 2 of the format, and this version of Sensorium reads 1.*newer"),
        ("[" * 100_000, "not a saved conversation"),
        (_changed(images="cat.jpg"), "not a saved conversation"),
        (_changed(images=[7]), "not a saved conversation"),
        (_changed(system=7), "not a saved conversation"),
        (_changed(model=None), "not a saved conversation"),
        (
            _changed(turns=[{"role": role, "content": "Hello"} for role in ("system", "user", "assistant")]),
            "not a saved conversation",
        ),
        (_changed(turns=None), "not a saved conversation"),
        (_changed(turns=[{"role": "user"}]), "not a saved conversation"),
        (_changed(turns=[{"role": "user", "content": "Hello"}]), "not a saved conversation"),
        (_changed(turns=[{"role": "assistant", "content": "Hello"}]), "not a saved conversation"),
        (_changed(turns=[{"role": "user", "content": [{"type": "smell"}]}]), "not a saved conversation"),
        (_changed(turns=["Hello"]), "not a saved conversation"),
    ],
)
def test_a_file_that_is_no_conversation(text: str, complaint: str, tmp_path: Path) -> None:
    (tmp_path / "talk.json").write_text(text)
    with pytest.raises(InputError, match=complaint):
        Conversation.load(tmp_path / "talk.json")


def test_a_file_that_is_not_there_and_a_folder_that_is_not_there(server: OpenAIServer, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gone\.json can't be read: no such file"):
        Conversation.load(tmp_path / "gone.json")
    with pytest.raises(InputError, match=r"folder of .* doesn't exist"):
        Conversation(photo("dog"), model=server.model()).save(tmp_path / "nowhere" / "talk.json")


def test_somebody_else_can_answer(server: OpenAIServer, pictures: list[Picture], tmp_path: Path) -> None:
    conversation = Conversation([photo("dog"), pictures[0]], model=server.model(), system="Be brief.")
    for question, answer in (("What is this?", "A dog and a cat."), ("Sure?", " "), ("Which is brown?", "Both.")):
        messages = conversation.messages_asking(question)
        assert json.loads(json.dumps(messages)) == messages
        conversation.llava.chat(None, messages)
        theirs = server.requests[-1].body["messages"]
        itself = Conversation([photo("dog"), pictures[0]], model=server.model(), system="Be brief.")
        itself._turns = conversation.history
        itself.ask(question)
        assert server.requests[-1].body["messages"] == theirs
        conversation.remember(question, answer)
    assert [turn["content"] for turn in conversation.history] == [
        *("What is this?", "A dog and a cat."),
        *("Which is brown?", "Both."),
    ]
    assert conversation.model == server.model()
