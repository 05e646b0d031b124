"""Text becomes letters that a voice was taught."""

from __future__ import annotations

import string

import pytest

from sensorium.errors import UnsupportedError
from sensorium.speech.families.alphabet import fit_to_alphabet
from sensorium.speech.speakable_text import split_sentences
from sensorium.text.english_numbers import spell_english_numbers
from sensorium.text.languages import code_of_three_letters, language_code

ENGLISH = frozenset(string.ascii_lowercase + "'- ")


@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        ("0 or 1,000,000", "zero or one million"),
        ("It was -5.25 at 99.9%.", "It was minus five point two five at ninety nine point nine percent."),
        ("$3.50, €1 & £20", "three dollars fifty, one euro and twenty pounds"),
        ("1905, 1984, 1900", "nineteen oh five, nineteen eighty four, nineteen hundred"),
        ("2005 or 2024", "two thousand five or twenty twenty four"),
        ("1st, 2nd, 12th, 20th, 121st", "first, second, twelfth, twentieth, one hundred and twenty first"),
        ("agent 007", "agent zero zero seven"),
        ("at 5pm", "at five pm"),
        ("a-3 and x2", "a- three and x two"),
        ("no numbers", "no numbers"),
        ("123456000", "one hundred and twenty three million four hundred and fifty six thousand"),
    ],
)  # fmt: skip
def test_english_numbers(text: str, spoken: str) -> None:
    assert spell_english_numbers(text) == spoken


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


@pytest.mark.parametrize(("text", "named"), [("你好 there", "letters '你好'"), ("١٢", "digits")])
def test_what_it_has_no_sound_for_is_refused(text: str, named: str) -> None:
    with pytest.raises(UnsupportedError, match=named):
        fit_to_alphabet(text, ENGLISH, language="", voice="x")


def test_sentences_in_any_script() -> None:
    assert split_sentences("你好。我叫小明！你呢？") == ["你好。", "我叫小明！", "你呢？"]
    assert split_sentences('Dr. Smith left. "Why?" he asked.\nOne more\n\n...') == [
        "Dr. Smith left.",
        '"Why?"',
        "he asked.",
        "One more",
    ]
    assert split_sentences("यह एक है। यह दो है।") == ["यह एक है।", "यह दो है।"]
    assert split_sentences("Pi is 3.14 and e.g. this") == ["Pi is 3.14 and e.g. this"]


def test_languages_go_by_three_letters_too() -> None:
    assert (language_code("eng"), language_code("cmn"), language_code("fra")) == ("en", "zh", "fr")
    assert code_of_three_letters("uzb-script_cyrillic") == "uz"
    assert code_of_three_letters("quy") == "quy"
