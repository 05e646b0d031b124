"""Attention weights: the examples of AUTOMATIC1111's documentation, and what it does with odd brackets."""

from __future__ import annotations

import pytest

from sensorium.image_generation.prompts.weights import parse_weights, without_weights


def weights(prompt: str) -> list[tuple[str, float]]:
    return [(run.text, round(run.weight, 4)) for run in parse_weights(prompt)]


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("normal text", [("normal text", 1.0)]),
        ("an (important) word", [("an ", 1.0), ("important", 1.1), (" word", 1.0)]),
        ("a ((very important)) word", [("a ", 1.0), ("very important", 1.21), (" word", 1.0)]),
        ("a [[faint]] word", [("a ", 1.0), ("faint", 0.8264), (" word", 1.0)]),
        ("(red:1.3) car", [("red", 1.3), (" car", 1.0)]),
        ("( red : 1.3 ) car", [(" red ", 1.3), (" car", 1.0)]),
        ("(a (red:2) car:0.5)", [("a ", 0.5), ("red", 1.0), (" car", 0.5)]),
        ("(a [b] c:1.5)", [("a ", 1.5), ("b", 1.3636), (" c", 1.5)]),
        ("(x:-1) y", [("x", -1.0), (" y", 1.0)]),
        ("(x:.5)(y:2.)", [("x", 0.5), ("y", 2.0)]),
        (
            "a (((house:1.3)) [on] a (hill:0.5), sun, (((sky))).",
            [
                ("a ", 1.0),
                ("house", 1.573),
                (" ", 1.1),
                ("on", 1.0),
                (" a ", 1.1),
                ("hill", 0.55),
                (", sun, ", 1.1),
                ("sky", 1.4641),
                (".", 1.1),
            ],
        ),
    ],
)
def test_weights(prompt: str, expected: list[tuple[str, float]]) -> None:
    assert weights(prompt) == expected


@pytest.mark.parametrize(
    ("prompt", "text"),
    [
        (r"an \(important\) word", "an (important) word"),
        (r"\[a\] \\ b", r"[a] \ b"),
        ("a \\n b", "a \\n b"),
        ("ratio 16:9, time 12:30", "ratio 16:9, time 12:30"),
        ("a ) b ] c", "a ) b ] c"),
        ("[square:1.2]", "square:1.2"),
        ("(word:big)", "word:big"),
        ("(word:1.2.3)", "word:1.2.3"),
        ("", ""),
        ("()", ""),
    ],
)
def test_what_is_left_without_the_syntax(prompt: str, text: str) -> None:
    assert without_weights(prompt) == text


def test_escaped_brackets_weigh_nothing() -> None:
    assert weights(r"an \(important\) word") == [("an (important) word", 1.0)]
    assert weights(r"(a \(b\) c:1.2)") == [("a (b) c", 1.2)]


def test_brackets_that_do_not_match_are_no_error() -> None:
    assert weights("a (b c") == [("a ", 1.0), ("b c", 1.1)]
    assert weights("a [b (c") == [("a ", 1.0), ("b ", 0.9091), ("c", 1.0)]
    assert weights("a b) c:1.2) d") == [("a b) c:1.2) d", 1.0)]
    assert weights("((((") == weights("") == [("", 1.0)]


def test_break_starts_a_new_chunk() -> None:
    assert [(run.text, run.after_break) for run in parse_weights("a cat BREAK a dog")] == [
        ("a cat", False),
        ("a dog", True),
    ]
    assert without_weights("a cat BREAK a dog") == "a cat a dog"
    assert not any(run.after_break for run in parse_weights("a BREAKFAST table, a break"))


def test_a_hundred_thousand_brackets_take_no_time() -> None:
    assert weights("(" * 10_000 + "a" + ")" * 10_000)[0][0] == "a"
    assert without_weights("[(" * 10_000) == ""
