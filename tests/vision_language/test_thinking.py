"""Questions, captions and chats about pictures by a model that thinks: its thoughts are no part of what it says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import PIL.Image
import pytest

from sensorium import ImageQA, LLaVA
from sensorium.errors import InputError, UnsupportedError
from sensorium.vision_language.conversation import Conversation
from tests.checkpoints.thinking import tiny_thinking_qwen
from tests.checkpoints.vision_language import tiny_llava
from tests.refusals import refused

_RED = PIL.Image.new("RGB", (64, 48), "red")
_WIDE = PIL.Image.new("RGB", (96, 32), "blue")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_thinking_qwen(tmp_path_factory.mktemp("models") / "qwen3.5")


@pytest.fixture(scope="module")
def image_qa(folder: Path) -> Iterator[ImageQA]:
    with ImageQA(folder) as image_qa:
        yield image_qa


@pytest.mark.parametrize("thinking", [False, True])
def test_several_pictures_are_answered_in_one_pass(image_qa: ImageQA, thinking: bool) -> None:
    answers = image_qa.answer_question([_RED, _WIDE], ["What is it?", "What colour is it, please?"], thinking=thinking)
    answers += image_qa.generate_caption([_RED, _WIDE], thinking=thinking)
    assert answers == ["Red."] * 4
    for answer in answers:
        assert (answer.finish_reason, answer.warnings) == ("stop", ())
        assert answer.usage is not None
        assert (answer.usage.completion_tokens, answer.usage.reasoning_tokens) == ((7, 5) if thinking else (2, 0))


def test_an_answer_that_is_cut_says_so(image_qa: ImageQA) -> None:
    cut = image_qa.answer_question(_RED, "What is it?", max_new_tokens=1, thinking=True)
    assert (cut, cut.finish_reason) == ("Red", "length")
    assert ["max_new_tokens" in sentence for sentence in cut.warnings] == [True]
    with refused(InputError, "max_new_tokens"):
        image_qa.generate_caption(_RED, max_new_tokens=0)


def test_thoughts_that_do_not_end_are_no_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sensorium.language.text_pieces.LONGEST_THOUGHTS", 30)
    with ImageQA(tiny_thinking_qwen(tmp_path / "endless", endless=True)) as image_qa:
        with refused(UnsupportedError, "30", "without"):
            image_qa.answer_question([_RED, _WIDE], "What is it?", thinking=True)
        assert image_qa.answer_question(_RED, "What is it?") == "Red."


def test_endless_thoughts_about_one_picture_take_nothing_from_the_others(
    image_qa: ImageQA, monkeypatch: pytest.MonkeyPatch
) -> None:
    questions = ["What is it?", "What is it, and which colour has it at the edge?", "What is it?"]
    read = [answer.usage for answer in image_qa.answer_question([_RED] * 3, questions, thinking=True)]
    # Its context is so small that the longest question leaves room for two tokens of thoughts, and it thinks five.
    room = max(usage.prompt_tokens for usage in read if usage) + 8 + 2
    monkeypatch.setattr(image_qa.backend._model, "context_window", room)
    answers = image_qa.answer_question([_RED] * 3, questions, thinking=True, max_new_tokens=8)
    assert answers == ["Red.", "", "Red."]
    assert [answer.finish_reason for answer in answers] == ["stop", "length", "stop"]
    assert ["2 tokens" in " ".join(answer.warnings) for answer in answers] == [False, True, False]
    with refused(UnsupportedError, "2 tokens"):
        image_qa.answer_question(_RED, questions[1], thinking=True, max_new_tokens=8)


def test_a_conversation_streams_and_remembers_answers_only(folder: Path) -> None:
    with LLaVA(folder) as llava:
        talk = Conversation(_RED, model=llava)
        stream = talk.stream("What is it?", thinking=True)
        assert "".join(stream) == stream.result == "Red."
        assert talk.ask("And now?", thinking=True, stop=["see", "."]) == "Red"
    assert [turn["content"] for turn in talk.history if turn["role"] == "assistant"] == ["Red.", "Red"]


def test_a_checkpoint_that_can_not_think_says_so(tmp_path: Path) -> None:
    folder = tiny_llava(tmp_path / "llava")
    with ImageQA(folder) as image_qa, LLaVA(folder) as llava:
        answer = image_qa.answer_question(_RED, "What is it?", thinking=True, max_new_tokens=3)
        reply = llava.chat(_RED, [{"role": "user", "content": "What is it?"}], thinking=True, max_new_tokens=3)
    assert any("think" in sentence for sentence in answer.warnings)
    assert ["think" in sentence for sentence in reply.warnings] == [True]
