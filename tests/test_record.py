"""Results read like dataclasses and like dicts."""

from __future__ import annotations

import copy
import dataclasses
import json
import pickle
from dataclasses import dataclass
from pathlib import Path

import numpy
import pytest
import torch

from sensorium.answer import Answer, Evidence
from sensorium.record import Record


@dataclass(frozen=True, eq=False, repr=False)
class Word(Record):
    text: str
    start: float


@dataclass(frozen=True, eq=False, repr=False)
class Result(Record):
    text: str
    words: tuple[Word, ...]
    _hidden: int = 0


RESULT = Result("a b", (Word("a", 0.0), Word("b", 0.5)), 7)


def test_reads_like_a_dict() -> None:
    assert RESULT["text"] == RESULT.text == "a b"
    assert list(RESULT) == ["text", "words"]
    assert "words" in RESULT
    assert "_hidden" not in RESULT
    assert RESULT.get("absent") is None
    assert dict(**RESULT["words"][1]) == {"text": "b", "start": 0.5}
    for name in ("absent", "_hidden", "to_dict"):
        with pytest.raises(KeyError):
            RESULT[name]


def test_prints_and_compares_like_the_dict_that_it_stands_for() -> None:
    expected = {"text": "a b", "words": ({"text": "a", "start": 0.0}, {"text": "b", "start": 0.5})}
    assert expected == RESULT
    assert repr(RESULT) == repr(expected)
    assert Word("a", 0.0) == Word("a", 0.0) != Word("a", 0.1)


def test_can_not_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        RESULT.text = "other"  # type: ignore[misc]


def test_becomes_json() -> None:
    @dataclass(frozen=True, eq=False, repr=False)
    class Mixed(Record):
        words: tuple[Word, ...]
        array: numpy.ndarray
        tensor: torch.Tensor
        number: numpy.float32
        path: Path
        table: dict[str, list[Word]]
        answer: Answer
        nothing: None = None

    mixed = Mixed(
        (Word("a", 0.0),),
        numpy.array([[1.5, 2.0]]),
        torch.tensor([1, 2]),
        numpy.float32(0.5),
        Path("x.wav"),
        {"k": [Word("b", 1.0)]},
        Answer("yes", model="m", evidence=(Evidence("tag", "cat", 0.9),)),
    )
    assert json.loads(json.dumps(mixed.to_dict())) == {
        "words": [{"text": "a", "start": 0.0}],
        "array": [[1.5, 2.0]],
        "tensor": [1, 2],
        "number": 0.5,
        "path": "x.wav",
        "table": {"k": [{"text": "b", "start": 1.0}]},
        "answer": json.loads(json.dumps(mixed.answer.to_dict())),
        "nothing": None,
    }


def test_survives_pickling_and_copying() -> None:
    for twin in (pickle.loads(pickle.dumps(RESULT)), copy.deepcopy(RESULT)):
        assert twin == RESULT
        assert twin._hidden == 7


def test_an_answer_is_text_with_its_origin() -> None:
    answer = Answer("A cat.", model="m", evidence=(Evidence("frame", "a cat", None, 1.0, 2.0),), confidence=0.5)
    assert answer == "A cat."
    for twin in (answer, copy.copy(answer), copy.deepcopy(answer), pickle.loads(pickle.dumps(answer))):
        assert (str(twin), twin.model, twin.confidence, twin.evidence[0].end) == ("A cat.", "m", 0.5, 2.0)
