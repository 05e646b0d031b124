"""Hard-wrapped paragraphs become whole; what has lines of its own keeps them."""

from __future__ import annotations

import textwrap

import pytest

from sensorium.text.line_wraps import unwrap_lines

PROSE = (
    "It is a truth universally acknowledged, that a single man in possession of a good fortune, must be in want of a "
    "wife. However little known the feelings of such a man may be on his first entering a neighbourhood, this truth is "
    "so well fixed in the minds of the surrounding families."
)
GERMAN = (
    "Die Katze saß auf dem Dach des Hauses und sah den Vögeln zu, während der Hund des Nachbarn im Garten schlief und "
    "von Knochen träumte. Am Abend kam der Regen, und alle gingen ins Haus."
)
NAMES = (
    "We went with Anna and Peter to London, Paris, Berlin, Madrid, Rome, Vienna and Prague, where Anna met Clara and "
    "Robert and saw the river."
)
POEM = (
    "Tyger Tyger, burning bright,\nIn the forests of the night;\nWhat immortal hand or eye,\nCould frame thy symmetry?"
)


@pytest.mark.parametrize(
    ("text", "width"), [(PROSE, 30), (PROSE, 72), (PROSE, 100), (GERMAN, 30), (GERMAN, 40), (NAMES, 30), (NAMES, 40)]
)
@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r", "\u2028"])
def test_a_wrapped_paragraph_is_one(text: str, width: int, line_end: str) -> None:
    assert unwrap_lines(textwrap.fill(text, width).replace("\n", line_end)) == text


def test_a_short_letter_is_one_sentence() -> None:
    text = "Dear Ms. Lee,\nthank you for your\nletter of May 3."
    assert unwrap_lines(text) == "Dear Ms. Lee, thank you for your letter of May 3."


def test_chinese_is_joined_without_spaces() -> None:
    text = "我们从小就喜欢在河边玩耍，每到夏天\n就会和朋友们一起去游泳，那时候的天\n空总是很蓝，云也很白。"
    assert unwrap_lines(text) == text.replace("\n", "")


@pytest.mark.parametrize(
    "text",
    [
        POEM,
        "Two roads diverged in a yellow wood,\nAnd sorry I could not travel both\nAnd be one traveler, long I stood",
        "i carry your heart with me\ni carry it in my heart\ni am never without it\nanywhere i go you go",
        "Milk\nEggs\nBread\nButter",
        "milk\neggs\nbread\nbutter",
        "a litre of fresh milk\nsix brown eggs\na loaf of rye bread",
        "Jane Doe\n5 Main Street\nSpringfield",
        "- Hello, who is there?\n- It is me.\n- Come in.",
        f"# One\n\n{PROSE}\n\n{PROSE}",
        f"{PROSE}\n{PROSE}",
        "Name   Age\nAnna   12\nBob    13",
        "Hello there.\nHow are you?",
    ],
)
def test_what_has_lines_of_its_own_keeps_them(text: str) -> None:
    assert unwrap_lines(text) == text


def test_each_part_of_a_text_is_taken_for_what_it_is() -> None:
    wrapped = textwrap.fill(PROSE, 60)
    steps = "1. Open the lid and take the\n   batteries out.\n2. Close it."
    text = f"Chapter One\n{wrapped}\n\n{POEM}\n\n{steps}\n\n{wrapped}"
    assert unwrap_lines(text) == (
        f"Chapter One\n{PROSE}\n\n{POEM}\n\n1. Open the lid and take the batteries out.\n2. Close it.\n\n{PROSE}"
    )


def test_a_word_cut_in_two_is_one() -> None:
    assert unwrap_lines("This is a well-\nknown fact.") == "This is a well-known fact."
    assert unwrap_lines("the uni\u00ad\nverse") == "the universe"


def test_it_changes_nothing_when_it_is_done_again() -> None:
    once = unwrap_lines(f"{textwrap.fill(PROSE, 50)}\n\n{POEM}")
    assert unwrap_lines(once) == once
