"""Answers are text with an origin, which copies, other processes and JSON keep."""

from __future__ import annotations

import copy
import json
import pickle

import pytest

from sensorium.answer import NO_TOKENS, Answer, Evidence, Usage

ANSWERS = [
    Answer("A cat.", model="m"),
    Answer(
        "A red cat.",
        model="m",
        evidence=(Evidence("tag", "cat", 0.9), Evidence("transcript", "meow", None, 1.0, 2.5)),
        confidence=0.5,
        seed=7,
        finish_reason="length",
        usage=Usage(12, 3),
    ),
    Answer("From a server.", model="openai:m", usage=None),
]


@pytest.mark.parametrize("answer", ANSWERS)
def test_nothing_is_lost_on_the_way(answer: Answer) -> None:
    ways = (
        pickle.loads(pickle.dumps(answer)),
        copy.deepcopy(answer),
        Answer.from_dict(json.loads(json.dumps(answer.to_dict()))),
    )
    for other in ways:
        assert type(other) is Answer
        assert (other, other.origin()) == (answer, answer.origin())


def test_it_stays_text() -> None:
    answer = ANSWERS[1]
    assert answer.replace("red", "grey") == "A grey cat."
    assert answer.changed(model="other").origin() == {**answer.origin(), "model": "other"}
    assert answer.changed(model="other") == answer


def test_tokens_add_up() -> None:
    assert Usage(12, 3).total_tokens == 15
    assert Usage(12, 3) + Usage(1, 1) == Usage(13, 4)
    assert ANSWERS[0].usage == NO_TOKENS
