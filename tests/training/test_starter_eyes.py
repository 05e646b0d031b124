"""The photographs that judge the starter's eyes, and the rules by which an answer is judged."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from pathlib import Path

import pytest

from training.starter_eyes.photographs import Photograph, photographs
from training.starter_eyes.verdicts import (
    REFUSED,
    RIGHT,
    WRONG,
    character_errors,
    found_words,
    said_number,
    verdict,
)

_TESTED = Path(__file__).parents[1] / "real_media.toml"
_FREE = re.compile(r"Public domain|CC0-1\.0|CC-BY(-SA)?-[1-4]\.0|(GPL|MIT|Apache)(-[\d.]+)?(-or-later)?")


@pytest.fixture(scope="module")
def judged() -> list[Photograph]:
    """All photographs of the table."""
    return photographs()


def test_at_least_sixty_photographs_judge_and_each_is_another(judged: list[Photograph]) -> None:
    assert len(judged) >= 60
    assert max(Counter(item.name for item in judged).values()) == 1
    assert max(Counter(item.source["sha256"] for item in judged).values()) == 1


def test_no_test_and_no_threshold_has_seen_a_photograph_that_judges(judged: list[Photograph]) -> None:
    tested = {entry["sha256"] for entry in tomllib.loads(_TESTED.read_text(encoding="utf-8"))["photos"]}
    assert not [item.name for item in judged if item.source["sha256"] in tested]


def test_each_photograph_is_free_and_says_whose_it_is(judged: list[Photograph]) -> None:
    for item in judged:
        assert _FREE.fullmatch(item.source["licence"]), item.name
        assert item.source["credit"], item.name
        assert item.source["shows"], item.name


def test_what_a_person_saw_is_complete(judged: list[Photograph]) -> None:
    for item in judged:
        assert item.people is None or item.people[0] <= item.people[1], item.name
        assert item.questions, item.name
        for asked in item.questions:
            re.compile(asked.right)
        counts = {len(labels) for labels in item.labels.values()}
        assert len(counts) == 1, f"{item.name} has more labels in one language than in another"
        for language, labels in item.labels.items():
            assert len(set(labels)) == len(labels) >= 4, f"{item.name} in {language}"


@pytest.mark.parametrize(
    ("answer", "right", "kind", "judged"),
    [
        ("Yes, there is a dog.", r"^yes\b", "presence", RIGHT),
        ("No, I can see no dog.", r"^yes\b", "presence", WRONG),
        ("I'm not sure: there may be a dog.", r"^yes\b", "presence", REFUSED),
        ("I can see no dog, but I know only some kinds of that by sight.", r"can see no", "absence", RIGHT),
        ("I can see no dog, but I know only some kinds of that by sight.", r"^yes\b", "presence", REFUSED),
        ("There is an animal, but I can't tell of which kind.", r"moose", "content", REFUSED),
        ("图里有一只熊猫。", r"熊猫", "content", RIGHT),
        ("我看不出这是什么动物。", r"熊猫", "content", REFUSED),
    ],
)
def test_an_answer_is_judged_by_what_it_says(answer: str, right: str, kind: str, judged: str) -> None:
    assert verdict(answer, right, kind) == judged


def test_people_are_counted_in_words_and_in_digits() -> None:
    assert said_number("At least two people.") == 2
    assert said_number("I can see 14 people.") == 14
    assert said_number("I can find nobody; people who are small or hidden can be missed.") == 0
    assert said_number("I can't tell.") is None


def test_reading_is_judged_by_words_and_by_characters() -> None:
    assert found_words("NO PARKING", "no  Parking!") == 2
    assert found_words("NO PARKING", "NOPARKING") == 0
    assert found_words("图像采集区域", "图像采集") == 4
    assert character_errors("NO PARKING", "sign: NOPARKING here") == 0
    assert character_errors("deník", "denik") == 1
