"""Conversations about real photos with the starter."""

from __future__ import annotations

import runpy
import threading
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from sensorium import LLaVA
from sensorium.answer import Answer
from sensorium.errors import CancelledError, InputError, UnsupportedError
from tests.real_media import photo
from tests.refusals import refused

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(scope="module")
def llava() -> LLaVA:
    return LLaVA()


def _talk(llava: LLaVA, picture: Path | list[Path], *turns: str) -> list[str]:
    history: list[dict[str, str]] = []
    for turn in turns:
        history.append({"role": "user", "content": turn})
        answer = llava.chat(picture, history)
        assert isinstance(answer, Answer)
        history.append({"role": "assistant", "content": answer})
    return [message["content"] for message in history[1::2]]


def test_the_history_tells_what_it_means(llava: LLaVA) -> None:
    what, colour, place, dog = _talk(
        llava, photo("chelsea"), "What is this?", "What color is it?", "Where is it?", "Is it a dog?"
    )
    assert "cat" in what
    assert "cat is mostly brown" in colour
    assert "middle" in place
    assert dog.startswith("No")


def test_a_history_of_somebody_else_tells_it_too(llava: LLaVA) -> None:
    history = [
        {"role": "user", "content": "What is this?"},
        {"role": "assistant", "content": "This is a cat."},
        {"role": "user", "content": "What color is it?"},
    ]
    assert "brown" in llava.chat(photo("chelsea"), history)


def test_a_description_in_detail_and_an_honest_refusal(llava: LLaVA) -> None:
    description, doing = _talk(llava, photo("astronaut"), "Describe this image in detail.", "What is the person doing?")
    assert "one person" in description
    assert "pixels" in description
    assert "can't tell" in doing


def test_the_example_of_the_chapter_runs_as_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.open(photo("messi")).save(tmp_path / "complex_scene.jpg")
    monkeypatch.chdir(tmp_path)
    runpy.run_path(str(EXAMPLES / "llava.py"))
    description, doing = capsys.readouterr().out.splitlines()
    assert "one person and a football" in description
    assert "can't tell" in doing


def test_several_pictures_can_be_told_apart(llava: LLaVA) -> None:
    pictures = [photo("chelsea"), photo("dog")]
    both, which, second = _talk(
        llava, pictures, "Is there a dog?", "Which picture shows a dog?", "What do you see in the second picture?"
    )
    assert "Picture 1: No" in both
    assert "Picture 2: Yes" in both
    assert which == "Picture 2."
    assert "Pekingese" in second
    assert "cat" not in second


def test_something_made_up_is_written_only_when_asked_for_and_streams(llava: LLaVA) -> None:
    history = [{"role": "user", "content": "Write one sentence of a story about it."}]
    pieces = list(llava.stream(photo("chelsea"), history, max_new_tokens=24))
    assert len(pieces) > 3
    assert "".join(pieces).strip() == llava.chat(photo("chelsea"), history, max_new_tokens=24)
    facts = list(llava.stream(photo("chelsea"), [{"role": "user", "content": "Is there a cat?"}]))
    assert facts == ["Yes, there is a cat (a tabby cat)."]


def test_cancel_stops_the_writing(llava: LLaVA) -> None:
    cancel = threading.Event()
    pieces = llava.stream(
        photo("chelsea"), [{"role": "user", "content": "Write a story."}], max_new_tokens=200, cancel=cancel
    )
    next(pieces)
    cancel.set()
    with pytest.raises(CancelledError):
        for _ in pieces:
            pass


@pytest.mark.parametrize(
    ("history", "named"),
    [
        ([], "user"),
        ([{"role": "assistant", "content": "Hello"}], "user"),
        ([{"role": "user", "content": ""}], "user"),
        ([{"role": "person", "content": "Hello"}], "user"),
        ([{"role": "assistant", "content": "Hi"}, {"role": "user", "content": "Hello?"}], "assistant"),
        ([{"role": role, "content": "Hello"} for role in ("user", "system", "user")], "system"),
        (["Hello"], "'Hello'"),
    ],
)
def test_a_history_out_of_order_is_refused(llava: LLaVA, history: list[dict[str, str]], named: str) -> None:
    with refused(InputError, named):
        llava.chat(photo("chelsea"), history)


def test_two_system_prompts_and_another_script_are_refused(llava: LLaVA) -> None:
    turns = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "What is this?"}]
    assert "cat" in llava.chat(photo("chelsea"), turns)
    with pytest.raises(InputError, match="two system prompts"):
        llava.chat(photo("chelsea"), turns, system="Be long.")
    with pytest.raises(UnsupportedError, match="Korean"):
        llava.stream(photo("chelsea"), [{"role": "user", "content": "이것은 무엇입니까?"}])


def test_a_picture_that_comes_later_is_the_one_that_is_meant(llava: LLaVA) -> None:
    history: list[dict[str, Any]] = [
        {"role": "user", "content": [{"type": "image", "image": photo("chelsea")}, "What is this?"]},
        {"role": "assistant", "content": "This is a cat."},
        {"role": "user", "content": [{"type": "image", "image": photo("dog")}, "Is there a dog?"]},
    ]
    answer = llava.chat(None, history)
    assert answer.startswith("Yes")
    assert "Picture 1" not in answer
    history += [{"role": "assistant", "content": answer}, {"role": "user", "content": "Is there a dog?"}]
    assert "Picture 2: Yes" in llava.chat(None, history)


def test_text_alone_is_answered_by_the_language_model(llava: LLaVA) -> None:
    answer = llava.chat(None, [{"role": "user", "content": "What is the capital of France?"}], max_new_tokens=24)
    assert "Paris" in answer
    assert answer.usage is not None
    assert answer.usage.completion_tokens > 3
    assert answer.evidence == ()


@pytest.mark.parametrize(
    ("question", "options", "tokens"),
    [
        ("Is there a cat?", {}, False),
        ("Is there a cat?", {"stop": "cat"}, False),
        ("Write one sentence about it.", {"max_new_tokens": 12}, True),
        ("Write one sentence about it.", {"max_new_tokens": 12, "temperature": 0.8, "seed": 4}, True),
    ],
)
def test_a_stream_ends_with_the_result_of_the_whole_call(
    llava: LLaVA, question: str, options: dict[str, Any], tokens: bool
) -> None:
    history = [{"role": "user", "content": question}]
    whole = llava.chat(photo("chelsea"), history, **options)
    stream = llava.stream(photo("chelsea"), history, **options)
    assert "".join(stream).strip() == whole == stream.result
    assert {**stream.result.to_dict(), "evidence": 0} == {**whole.to_dict(), "evidence": 0}
    assert whole.usage is not None
    assert (whole.usage.completion_tokens > 0) == tokens
    assert whole.finish_reason == ("length" if whole.usage.completion_tokens == 12 else "stop")
    assert whole.seed == options.get("seed")
    assert whole.evidence
    if "stop" in options:
        assert whole == "Yes, there is a"
