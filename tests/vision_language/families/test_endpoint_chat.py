"""LLaVA and ImageQA on a model behind a real local server that speaks OpenAI's protocol."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest

from sensorium import ImageQA, LLaVA
from sensorium.errors import CancelledError, InputError, ModelUnavailableError, SensoriumError
from sensorium.progress import Progress
from tests.openai_server import OpenAIServer, images_in, serve_openai

Picture = PIL.Image.Image
TALK = [
    {"role": "user", "content": "What is this?"},
    {"role": "assistant", "content": "A cat."},
    {"role": "user", "content": "图片里它是什么颜色？"},
]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenAIServer]:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with serve_openai() as running:
        yield running


def test_a_conversation_goes_out_and_an_answer_comes_back(server: OpenAIServer, pictures: list[Picture]) -> None:
    told: list[Progress] = []
    llava = LLaVA(server.model())
    answer = llava.chat(
        pictures[:2],
        TALK,
        system="Be brief.",
        max_new_tokens=50,
        temperature=0.5,
        top_p=0.9,
        seed=3,
        progress=told.append,
    )
    assert (answer, answer.model, answer.seed) == ("A cat on a mat.", "openai:tiny", 3)
    assert [report.done for report in told] == [1, 2, 3]
    (request,) = server.requests
    body = request.body
    assert request.path == "/v1/chat/completions"
    assert {name: body[name] for name in ("model", "stream", "max_tokens", "temperature", "top_p", "seed")} == {
        "model": "tiny",
        "stream": True,
        "max_tokens": 50,
        "temperature": 0.5,
        "top_p": 0.9,
        "seed": 3,
    }
    assert [message["role"] for message in body["messages"]] == ["system", "user", "assistant", "user"]
    assert [part["type"] for part in body["messages"][1]["content"]] == ["image_url", "image_url", "text"]
    assert [body["messages"][index]["content"] for index in (0, 2, 3)] == ["Be brief.", "A cat.", TALK[2]["content"]]
    sent = images_in(body)
    assert [picture.size for picture in sent] == [picture.size for picture in pictures[:2]]
    assert np.abs(np.asarray(sent[0], int) - np.asarray(pictures[0], int)).mean() < 3


def test_a_large_photo_is_sent_no_larger_than_a_model_sees(server: OpenAIServer) -> None:
    LLaVA(server.model()).chat(PIL.Image.new("RGB", (6000, 3000), "green"), TALK[:1])
    assert images_in(server.requests[0].body)[0].size == (2048, 1024)
    assert server.requests[0].body["max_tokens"] == 512


def test_an_answer_streams_piece_by_piece(server: OpenAIServer, pictures: list[Picture]) -> None:
    go_on = threading.Semaphore(1)
    server.between_pieces = go_on.acquire  # type: ignore[assignment]
    pieces = LLaVA(server.model()).stream(pictures[0], TALK)
    seen = []
    for piece in pieces:
        # The server waits for us, so that each piece was here before the next one was sent.
        seen.append(piece)
        go_on.release()
    assert seen == ["A cat ", "on a ", "mat."]


def test_closing_a_stream_hangs_up(server: OpenAIServer, pictures: list[Picture]) -> None:
    server.answer = lambda body: ["word "] * 200_000
    pieces = LLaVA(server.model()).stream(pictures[0], TALK)
    next(pieces)
    pieces.close()
    assert server.hung_up.wait(10)


def test_cancel_ends_a_stream(server: OpenAIServer, pictures: list[Picture]) -> None:
    cancel = threading.Event()
    server.answer = lambda body: ["word "] * 200_000
    pieces = LLaVA(server.model()).stream(pictures[0], TALK, cancel=cancel)
    next(pieces)
    cancel.set()
    with pytest.raises(CancelledError):
        list(pieces)
    assert server.hung_up.wait(10)
    asked = len(server.requests)
    with pytest.raises(CancelledError):
        LLaVA(server.model()).chat(pictures[0], TALK, cancel=cancel)
    assert len(server.requests) == asked


def test_questions_and_captions(server: OpenAIServer, pictures: list[Picture]) -> None:
    server.answer = lambda body: [f" {images_in(body)[0].size}: ", body["messages"][0]["content"][-1]["text"], " "]
    image_qa = ImageQA(server.model())
    questions = ["What is it?", "Who is it?", "Is it warm?"]
    answers = image_qa.answer_question(pictures, questions)
    assert answers == [f"{picture.size}: {text}" for picture, text in zip(pictures, questions, strict=True)]
    assert {request.body["temperature"] for request in server.requests} == {0.0}
    assert [answer.model for answer in answers] == ["openai:tiny"] * 3
    assert image_qa.generate_caption(pictures[0]) == f"{pictures[0].size}: Describe this picture in one sentence."
    assert image_qa.generate_caption(pictures * 2)[3:] == image_qa.generate_caption(pictures)


def _with_status(status: int, message: str = "no") -> Callable[[OpenAIServer], Any]:
    return lambda server: setattr(server, "failure", (status, message))


@pytest.mark.parametrize(
    ("spoil", "kind", "complaint"),
    [
        (_with_status(401), ModelUnavailableError, r"refuses the key.*OPENAI_API_KEY"),
        (_with_status(429), ModelUnavailableError, "takes no more requests"),
        (_with_status(400, "context is 4096 tokens"), InputError, "refuses the request: context is 4096 tokens"),
        (_with_status(500), ModelUnavailableError, "failed with status 500"),
        (lambda server: setattr(server, "models", ("other",)), ModelUnavailableError, "has no model 'tiny'"),
        (lambda server: setattr(server, "cut_streams", True), ModelUnavailableError, "broke off in the middle"),
    ],
)
@pytest.mark.parametrize("task", [LLaVA, ImageQA])
def test_what_goes_wrong_is_said_plainly(
    server: OpenAIServer,
    pictures: list[Picture],
    monkeypatch: pytest.MonkeyPatch,
    task: type[LLaVA] | type[ImageQA],
    spoil: Callable[[OpenAIServer], Any],
    kind: type[SensoriumError],
    complaint: str,
) -> None:
    monkeypatch.setattr("openai._base_client.BaseClient._calculate_retry_timeout", lambda *given: 0.0)
    spoil(server)
    opened = task(server.model())
    call: Any = opened.chat if isinstance(opened, LLaVA) else opened.answer_question
    with pytest.raises(kind, match=complaint):
        call(pictures[0], TALK if task is LLaVA else "What is it?")


def test_no_server_and_no_key(pictures: list[Picture], monkeypatch: pytest.MonkeyPatch, server: OpenAIServer) -> None:
    with pytest.raises(ModelUnavailableError, match=r"can't be reached.*Check the address"):
        LLaVA("openai:tiny@http://127.0.0.1:9/v1").chat(pictures[0], TALK)
    with pytest.raises(ModelUnavailableError, match="needs a key"):
        LLaVA("openai:gpt-4o@https://example.org/v1").chat(pictures[0], TALK)
    monkeypatch.setenv("OPENAI_API_KEY", "secret-1")
    LLaVA(server.model()).chat(pictures[0], TALK)
    assert server.requests[-1].headers["authorization"] == "Bearer secret-1"


def test_bad_input_makes_no_request(server: OpenAIServer, pictures: list[Picture], tmp_path: Path) -> None:
    (tmp_path / "letter.jpg").write_text("This is no picture.\n" * 20)
    with pytest.raises(InputError, match="not a picture"):
        LLaVA(server.model()).chat(tmp_path / "letter.jpg", TALK)
    with pytest.raises(InputError, match="empty"):
        ImageQA(server.model()).answer_question(pictures[0], " ")
    with pytest.raises(InputError, match="temperature"):
        LLaVA(server.model()).chat(pictures[0], TALK, temperature=7)
    assert server.requests == []
