"""Language models behind an OpenAI-compatible server, through the real client and a real server on this machine."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from sensorium import LanguageModel
from sensorium.errors import CancelledError, InputError, ModelUnavailableError, UnsupportedError
from tests.openai_server import OpenAIServer, serve_openai


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenAIServer]:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    with serve_openai() as running:
        yield running


def test_a_prompt_and_its_settings_arrive_and_the_answer_comes_back(server: OpenAIServer) -> None:
    model = LanguageModel(server.model())
    answer = model.generate(
        "What sits on the mat?",
        ["A cat sits on a mat."],
        system="Be short.",
        max_new_tokens=7,
        temperature=0.5,
        top_p=0.9,
        seed=3,
        repetition_penalty=1.2,
    )
    assert answer == "A cat on a mat."
    assert answer.model == "openai:tiny"
    body = server.requests[0].body
    assert body["messages"] == [
        {"role": "system", "content": "Be short."},
        {"role": "user", "content": "A cat sits on a mat.\n\nWhat sits on the mat?"},
    ]
    wanted = {"model": "tiny", "max_tokens": 7, "temperature": 0.5, "top_p": 0.9, "seed": 3, "repetition_penalty": 1.2}
    assert {name: body[name] for name in wanted} == wanted
    model.generate("Hello", max_new_tokens=7)
    assert "repetition_penalty" not in server.requests[1].body


def test_an_answer_streams_and_ends_before_a_stop(server: OpenAIServer) -> None:
    server.answer = lambda body: ["One", " two", " th", "ree", " four"]
    model = LanguageModel(server.model())
    messages = [{"role": "user", "content": "Count."}]
    assert list(model.stream(messages)) == ["One", " two", " th", "ree", " four"]
    assert model.chat(messages, stop="three") == "One two"


def test_cancel_and_closing_hang_up(server: OpenAIServer) -> None:
    server.answer = lambda body: ["word "] * 100_000
    model = LanguageModel(server.model())
    messages = [{"role": "user", "content": "Go on."}]
    cancel = threading.Event()
    pieces = model.stream(messages, cancel=cancel)
    next(pieces)
    cancel.set()
    with pytest.raises(CancelledError):
        list(pieces)
    assert server.hung_up.wait(5)
    server.hung_up.clear()
    other = model.stream(messages)
    next(other)
    other.close()
    assert server.hung_up.wait(5)


def test_what_goes_wrong_at_the_server_is_one_sentence(server: OpenAIServer) -> None:
    with pytest.raises(ModelUnavailableError, match="has no model 'large'"):
        LanguageModel(server.model("large")).generate("Hello")
    server.failure = (400, "maximum context length is 8 tokens")
    with pytest.raises(InputError, match="maximum context length is 8 tokens"):
        LanguageModel(server.model()).generate("Hello")
    server.failure = None
    model = LanguageModel(server.model())
    assert model.context_window is None
    with pytest.raises(UnsupportedError, match="can't be counted"):
        model.count_tokens([{"role": "user", "content": "Hello"}])
    server.cut_streams = True
    with pytest.raises(ModelUnavailableError, match="broke off in the middle"):
        model.generate("Hello")


_MARKED = ["<th", "ink>Hm.", " Well", "</think>", "\n\nA", " cat."]
_APART = [{"reasoning_content": "Hm."}, {"reasoning_content": " Well"}, "A", " cat."]
_UNOPENED = ["Hm.", " Well", "</think>", "\n\nA", " cat."]


@pytest.mark.parametrize(
    ("pieces", "asked"),
    [(_MARKED, True), (_MARKED, False), (_APART, True), (_APART, False), (_UNOPENED, True), (["A", " cat."], True)],
)
def test_thoughts_of_a_server_are_no_part_of_the_answer(
    server: OpenAIServer, pieces: list[str | dict[str, str]], asked: bool
) -> None:
    server.answer, server.reasoning_tokens = lambda body: pieces, 2
    stream = LanguageModel(server.model()).stream(
        [{"role": "user", "content": "What is it?"}], max_new_tokens=9, thinking=asked, stop=["Well"]
    )
    assert "".join(stream) == stream.result == "A cat."
    assert stream.result.usage is not None
    assert stream.result.usage.reasoning_tokens == 2
    assert stream.result.warnings == ()
    body = server.requests[0].body
    assert body["chat_template_kwargs"] == {"enable_thinking": asked}
    # Both count and stop for the server what here is for the answer alone.
    assert (body["max_tokens"] > 1000, "stop" in body) == (asked, not asked)


def test_an_answer_without_the_thoughts_that_were_asked_for_is_no_longer_than_asked(server: OpenAIServer) -> None:
    server.answer = lambda body: ["A", " cat", " on", " a", " mat."]
    answer = LanguageModel(server.model()).generate("What is it?", max_new_tokens=2, thinking=True)
    assert (str(answer), answer.finish_reason) == ("A cat", "length")
    assert ["no thoughts" in sentence for sentence in answer.warnings] == [True]
    assert LanguageModel(server.model()).generate("What is it?").warnings == ()


def test_thoughts_alone_are_no_answer(server: OpenAIServer) -> None:
    server.answer, server.ending = lambda body: ["<think>", "Hm. "], "length"
    with pytest.raises(InputError, match="before it wrote a word"):
        LanguageModel(server.model()).generate("Hello")


def test_a_server_that_knows_nothing_of_templates_is_asked_without(server: OpenAIServer) -> None:
    server.refuses = lambda body: "chat_template_kwargs" if "chat_template_kwargs" in body else ""
    model = LanguageModel(server.model())
    assert [str(model.generate("Hello")) for _ in range(2)] == ["A cat on a mat."] * 2
    assert ["chat_template_kwargs" in request.body for request in server.requests] == [True, False, False]
