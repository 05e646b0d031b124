"""What is written in figures and signs is said as it is meant, whichever way it is written."""

from __future__ import annotations

import pytest

from sensorium.text.line_wraps import unwrap_lines
from sensorium.text.sentences import split_sentences
from sensorium.text.spoken_form import number_in_words, reads_numbers, spoken_form


def said(text: str) -> list[str]:
    """Return the sentences of an English text as they are said."""
    return [spoken_form(sentence, "en").rstrip(".") for sentence in split_sentences(unwrap_lines(text), "en")]


AMOUNTS = [
    ("It costs 20 €, €20, 20€, EUR 20 or 20 EUR", "It costs " + "twenty euros, " * 3 + "twenty euros or twenty euros"),
    ("They lost £1.5bn", "They lost one point five billion pounds"),
    ("$2.3M, €400k, $1.2 billion", "two point three million dollars, four hundred thousand euros, one point two "
     "billion dollars"),
    ("$3.50 or 3.50 $ or 3,50 €", "three dollars and fifty cents or three dollars and fifty cents or three euros and "
     "fifty cents"),
    ("£0.99, 15p, 99¢", "ninety nine pence, fifteen pence, ninety nine cents"),
    ("¥500, C$7 and US$5", "five hundred yen, seven Canadian dollars and five U S dollars"),
    ("He owes -$5", "He owes minus five dollars"),
    ("$5–10, £20-£30/month", "five to ten dollars, twenty to thirty pounds per month"),
    ("1.000,50 € or 1'000 CHF", "one thousand euros and fifty cents or one thousand Swiss francs"),
]  # fmt: skip
NUMBERS = [
    ("−5 °C, -40°F, −3.2", "minus five degrees Celsius, minus forty degrees Fahrenheit, minus three point two"),
    ("the ranges 10–15, 5-10%, 1939–1945", "the ranges ten to fifteen, five to ten percent, nineteen thirty-nine to "
     "nineteen forty-five"),
    ("10:00–12:30", "ten o'clock to twelve thirty"),
    ("1 234 567 or 1\u2009234\u2009567 or 10\u202f000", "one million two hundred thirty four thousand five hundred "
     "sixty seven or one million two hundred thirty four thousand five hundred sixty seven or ten thousand"),
    ("1½ cups, ½ cup, 2 3/4 cups", "one and a half cups, one half cup, two and three quarters cups"),
    ("24/7 or 50/50", "twenty four seven or fifty fifty"),
    ("x < 5, y >= 3, z ≠ 4, ≤ 6", "x is less than five, y is at least three, z is not equal to four, at most six"),
    ("2 + 3 = 5, 9 - 4 = 5, 6 × 7", "two plus three equals five, nine minus four equals five, six by seven"),
    ("±2, ~20, 10^6, 5²", "plus or minus two, about twenty, ten to the power of six, five squared"),
    ("It was 3:2", "It was three to two"),
    ("I have 1984 apples", "I have one thousand nine hundred and eighty-four apples"),
    ("in 1905, 2000, 2005, 1999 and the 1990s, the '80s", "in nineteen oh five, two thousand, two thousand five, "
     "nineteen ninety nine and the nineteen nineties, the eighties"),
    ("He came 1st, she 22nd", "He came first, she twenty second"),
]  # fmt: skip
CODES = [
    ("Call 416-555-0192", "Call four one six, five five five, zero one nine two"),
    ("(416) 555-0192", "four one six, five five five, zero one nine two"),
    ("+44 20 7946 0958", "plus four four, two zero, seven nine four six, zero nine five eight"),
    ("07700 900123", "zero seven seven zero zero, nine zero zero one two three"),
    ("+33 1 42 68 53 00", "plus three three, one, four two, six eight, five three, zero zero"),
    ("Your PIN is 0042, the code 4711", "Your PIN is zero zero four two, the code four seven one one"),
    ("3.11.2 on 192.168.0.1", "three dot eleven dot two on one nine two dot one six eight dot zero dot one"),
    ("jane.doe@example.co.uk", "jane dot doe at example dot co dot uk"),
    ("https://www.example.com/docs", "w w w dot example dot com slash docs"),
    ("#winning is #1", "hashtag winning is number one"),
]  # fmt: skip
MEASURES = [
    ("6'2\" tall, 5′11″", "six foot two tall, five foot eleven"),
    ("He said \"5\" and '6'", "He said \"five\" and 'six'"),
    ("60 km/h, 5 mg/kg, 5 μs, 100 m²", "sixty kilometers per hour, five milligrams per kilogram, five microseconds, "
     "one hundred square meters"),
    ("45° 30' N", "forty five degrees thirty minutes north"),
]  # fmt: skip
WORDS = [
    ("He lives at No. 10 Downing Street", "He lives at Number ten Downing Street"),
    ("See p. 12, pp. 12–15 and Fig. 3", "See page twelve, pages twelve to fifteen and Figure three"),
    ("On Jan. 5 and 5 Jan. 2024", "On January fifth and the fifth of January twenty twenty four"),
    ("on 2024-03-15 and 3/15/2024", "on March fifteenth twenty twenty four and March fifteenth twenty twenty four"),
    ("at 3:30 pm, 9 a.m. and 14:05", "at three thirty P M, nine A M and fourteen oh five"),
    ("Henry VIII, Louis XIV, World War II, chapter IV", "Henry the eighth, Louis the fourteenth, World War two, "
     "chapter four"),
    ("the XIX century", "the nineteenth century"),
    ("I MIX it, and I know Model X", "I MIX it, and I know Model X"),
    ("Built ca. 1900 and approx. 20 m tall", "Built circa nineteen hundred and approximately twenty meters tall"),
    ("e.g. trade vs. goods, i.e. all", "for example trade versus goods, that is all"),
    ("The angle α is 30 degrees, Δt too", "The angle alpha is thirty degrees, delta t too"),
    ("Open Mon–Fri", "Open Monday to Friday"),
    ("AT&T 😀", "AT and T 😀"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "spoken"), [*AMOUNTS, *NUMBERS, *CODES, *MEASURES, *WORDS])
def test_english(text: str, spoken: str) -> None:
    assert said(text) == [spoken]


def test_a_sentence_keeps_its_end() -> None:
    assert spoken_form("He lives in the U.S.", "en").endswith("U S.")
    assert spoken_form('He said: "At 5 p.m."', "en").endswith('."')
    assert spoken_form("Open on Sat.", "en") == "Open on Sat."
    assert said("He works at Apple Inc. He left etc. Then 5 came. It is No. 6.")[0::3] == [
        "He works at Apple Incorporated",
        "It is Number six",
    ]


@pytest.mark.parametrize(
    ("language", "text", "spoken"),
    [
        ("de", "Es sind −5 °C und 3,50 €", "Es sind minus fünf Grad Celsius und drei Euro fünfzig Cent"),
        ("de", "Am 14.05.2026 um 18:20 Uhr", "Am vierzehnten Mai zweitausendsechsundzwanzig um achtzehn Uhr zwanzig"),
        ("fr", "À 18h20, 2 kg coûtent 3,50 €", "À dix-huit heures vingt, deux kilogrammes coûtent trois euros "
         "cinquante centimes"),
        ("fr", "1 234 567 personnes", "un million deux cent trente-quatre mille cinq cent soixante-sept personnes"),
        ("es", "Hace −5 °C y el 50 %", "Hace menos cinco grados Celsius y el cincuenta por ciento"),
        ("it", "Sono 2 kg e 50 %", "Sono due chilogrammi e cinquanta percento"),
        ("zh", "1,234,567", "一百二十三万四千五百六十七"),
        ("quy", "25 runa", "25 runa"),
    ],
)  # fmt: skip
def test_other_languages(language: str, text: str, spoken: str) -> None:
    assert spoken_form(text, language) == spoken


def test_pronunciations_set_by_hand_stay() -> None:
    text = "Say [Kokoro](/kˈOkəɹO/) 5 times & [x1](/ˈɛks/)."
    assert spoken_form(text, "en") == "Say [Kokoro](/kˈOkəɹO/) five times and [x1](/ˈɛks/)."


def test_plain_sentences_stay_as_they_are() -> None:
    text = "“Well-known” naïve people don't panic — they (mostly) wait; don't they?"
    assert spoken_form(text, "en") == text


def test_which_numbers_can_be_written_out() -> None:
    assert [reads_numbers(language) for language in ("en", "de", "zh", "sw", "quy", "")] == [True] * 4 + [False] * 2
    assert number_in_words(21) == "twenty-one"
