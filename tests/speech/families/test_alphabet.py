"""Text becomes letters that a voice was taught."""

from __future__ import annotations

import string

import pytest

from sensorium.errors import UnsupportedError
from sensorium.speech.families.alphabet import fit_to_alphabet, words_outside
from sensorium.text.languages import code_of_three_letters, language_code

ENGLISH = frozenset(string.ascii_lowercase + "'- ")


@pytest.mark.parametrize(
    ("text", "fitted"),
    [
        ("Café — “naïve”", "Cafe - naive "),
        ("It’s 2 😀", "It's two "),
        ("ﬁne Straße", "fine Strasse"),
        ("what?!", "what?!"),
    ],
)
def test_accents_and_signs(text: str, fitted: str) -> None:
    assert fit_to_alphabet(text, ENGLISH, language="en", voice="x") == fitted


def test_marks_that_are_letters_of_their_own_are_kept() -> None:
    yoruba = frozenset("abdefghijklmnoprstuwyẹọṣ\u0301\u0300 ")
    assert fit_to_alphabet("Ọ̀rẹ́", yoruba, language="yo", voice="x").lower() == "ọ̀rẹ́"


def test_letters_that_are_written_in_two_ways_are_one() -> None:
    romanian = frozenset(string.ascii_lowercase + "ăâîşţ ")
    assert fit_to_alphabet("Țară și", romanian, language="ro", voice="x") == "ţară şi"


@pytest.mark.parametrize(("text", "words"), [("你好 there αβγ", ("你好", "αβγ")), ("Café α 5 €", ())])
def test_words_that_it_has_no_sound_for_are_named(text: str, words: tuple[str, ...]) -> None:
    found = words_outside(text, ENGLISH, language="en", voice="x")
    assert (found.words if found else ()) == words


GERMAN = ENGLISH | set("äöüß")


def test_numbers_of_other_languages_are_written_out() -> None:
    assert words_outside("Um 8 Uhr kosten 2 kg 3,50 €.", GERMAN, language="de", voice="x") is None
    assert fit_to_alphabet("2 kg, 50 %", GERMAN, language="de", voice="x").strip() == "zwei Kilogramm, fünfzig Prozent"


@pytest.mark.parametrize(
    ("text", "language", "named"), [("١٢", "", "digits"), ("5 runa", "quy", "'5'"), ("20 € po 50 %", "pl", "'€%'")]
)
def test_what_nobody_can_write_out_is_refused(text: str, language: str, named: str) -> None:
    with pytest.raises(UnsupportedError, match=named):
        words_outside(text, ENGLISH, language=language, voice="x")


def test_languages_go_by_three_letters_too() -> None:
    assert (language_code("eng"), language_code("cmn"), language_code("fra")) == ("en", "zh", "fr")
    assert code_of_three_letters("uzb-script_cyrillic") == "uz"
    assert code_of_three_letters("quy") == "quy"
