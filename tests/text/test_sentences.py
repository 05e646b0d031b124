"""Sentences end where they end, not at an abbreviation."""

from __future__ import annotations

import pytest

from sensorium.text.sentences import split_sentences


@pytest.mark.parametrize(
    "text",
    [
        "He lives at No. 10 Downing Street.",
        "On Jan. 5 we met, see p. 12 and pp. 3–5.",
        "Built ca. 1900 and approx. 20 m tall.",
        "Dr. Smith and Ms. Lee met J. K. Rowling, e.g. in St. Paul.",
        "It is 150 lbs., i.e. 68 kg.",
        "Pi is 3.14 and e.g. this",
        "The temp. rose, etc. and so on.",
        "The U.S. Army and Apple Inc. Chief Tim Cook.",
        "Well... maybe.",
        "At 9 a.m. in the morning.",
    ],
)
def test_an_abbreviation_ends_none(text: str) -> None:
    assert split_sentences(text, "en") == [text]


@pytest.mark.parametrize(
    "text",
    [
        "He works at Apple Inc.|He left.",
        "It cost $5.|Then he left.",
        "We met at 5 p.m.|The sun was low.",
        "He lives in the U.S.|He is fine.",
        "He came on May 3.|Then he left.",
        "Stop etc.|Then go.",
        "Really?|Yes!|Fine.",
        "Wait...|Five minutes later.",
        "His name was Bond.|He left.",
    ],
)
def test_a_full_stop_ends_one(text: str) -> None:
    assert split_sentences(text.replace("|", " "), "en") == text.split("|")


def test_sentences_in_any_script() -> None:
    assert split_sentences("你好。我叫小明！你呢？") == ["你好。", "我叫小明！", "你呢？"]
    assert split_sentences('Dr. Smith left. "Why?" he asked.\nOne more\n\n...') == [
        "Dr. Smith left.",
        '"Why?"',
        "he asked.",
        "One more",
    ]
    assert split_sentences("यह एक है। यह दो है।") == ["यह एक है।", "यह दो है।"]
    assert split_sentences("Am 3. Mai kam er. Dann ging er.", "de") == ["Am 3. Mai kam er.", "Dann ging er."]
