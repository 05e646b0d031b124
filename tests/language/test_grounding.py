"""The check that keeps a small model from inventing."""

from __future__ import annotations

import pytest

from sensorium.language.grounding import content_words, first_sentence, is_grounded

_FACTS = ("There is a football, a kind of ball", "One person was found")


@pytest.mark.parametrize(
    ("question", "answer", "grounded"),
    [
        ("What sport is being played?", "The sport being played is football.", True),
        ("What sport is being played?", "The sport being played is soccer.", False),
        ("How old is the person?", "The person is 22 years old.", False),
        ("What is the score?", "The score is the score.", False),
        ("What is the weather like?", "The weather is quite dark and gloomy.", False),
        ("What can be kicked?", "The ball can be kicked.", True),
    ],
)
def test_an_answer_may_only_say_what_the_facts_say(question: str, answer: str, grounded: bool) -> None:
    assert is_grounded(answer, _FACTS, question) is grounded


def test_words_are_compared_by_their_stems() -> None:
    assert content_words("The dogs were playing") == content_words("a dog played")
    assert is_grounded("It drinks milk.", ["The cat likes to drink milk."], "What does it do?")


def test_only_the_first_sentence_is_kept() -> None:
    assert first_sentence("It is red. It is also fast! Really?") == "It is red."
    assert first_sentence("at 3.5 metres") == "at 3.5 metres"
