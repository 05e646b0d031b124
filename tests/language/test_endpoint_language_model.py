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
