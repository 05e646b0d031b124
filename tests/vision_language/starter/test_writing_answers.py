"""What the starter tells of writing: in answers and in captions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import PIL.Image
import PIL.ImageDraw
import PIL.ImageFont
import pytest

from sensorium import ImageQA, LLaVA, TextReader
from sensorium.vision_language.starter.prominent_writing import prominent_writing
from sensorium.vision_language.starter.writing_answers import answer_from_writing
from sensorium.vision_language.writing import Writing, WrittenLine
from tests.real_media import photo, writing

RECEIPT = (
    ("CORNER SHOP", 40),
    ("Tel 020 7946 0958", 20),
    ("27.11.2026 14:05", 20),
    ("Milk 1.20", 20),
    ("Bread 2.35", 20),
    ("Subtotal 3.55", 20),
    ("TOTAL 3.90", 20),
    ("www.corner-shop.com", 20),
)


def written(*rows: tuple[str, int]) -> Writing:
    lines = []
    for index, (text, height) in enumerate(rows):
        top, bottom = 50.0 * index, 50.0 * index + height
        lines.append(WrittenLine(text, ((0.0, top), (200.0, top), (200.0, bottom), (0.0, bottom)), 0.9))
    return Writing("\n".join(text for text, _ in rows), tuple(lines), "by hand", 300, 50 * len(rows))


@pytest.mark.parametrize(
    ("question", "answer", "row"),
    [
        ("What is the total?", "3.90", "TOTAL 3.90"),
        ("What is the phone number?", "020 7946 0958", "Tel 020 7946 0958"),
        ("What is the date?", "27.11.2026", "27.11.2026 14:05"),
        ("How much is the bread?", "2.35", "Bread 2.35"),
        ("What is the price of the milk?", "1.20", "Milk 1.20"),
        ("What is the website?", "www.corner-shop.com", "www.corner-shop.com"),
        ("What is the title?", "CORNER SHOP", "CORNER SHOP"),
        ("Does it say bread?", "Yes", "Bread 2.35"),
    ],
)
def test_what_is_asked_for_is_found_and_proven(question: str, answer: str, row: str) -> None:
    reply = answer_from_writing(written(*RECEIPT), question)
    assert answer in reply.text
    assert [fact.text for fact in reply.evidence] == [row]
    assert {fact.kind for fact in reply.evidence} == {"writing"}
    assert reply.confidence == 0.9


@pytest.mark.parametrize(
    ("rows", "total"),
    [
        (["TOTAL: 1 234,50 zł"], "1 234,50 zł"),
        (["Total 1,234.56"], "1,234.56"),
        (["Summe", "Total 1.234,56 €."], "1.234,56 €"),
        (["TOTAL 15.00", "Total savings 2.00"], "15.00"),
        (["Total: $12.50."], "$12.50"),
        (["合計 1200円"], "1200円"),
        (["Total CHF 2 x 100.00"], "100.00"),
        (["Zwischensumme 7,00", "SUMME EUR 7,98", "MwSt-Betrag 1,27"], "EUR 7,98"),
        (["GESAMTBETRAG 7,98 €", "Nettobetrag 6,71 €"], "7,98 €"),
        (["Zu zahlen 7,98"], "7,98"),
        (["Betrag EUR 7,98"], "EUR 7,98"),
        (["SOUS-TOTAL 9,00", "NET À PAYER 8,10", "TOTAL TVA 0,90"], "8,10"),
        (["MONTANT 8,10 €"], "8,10 €"),
        (["SUBTOTAL 6,00", "TOTAL A PAGAR 7,26 €"], "7,26 €"),
        (["IMPORTE 7,26"], "7,26"),
        (["Subtotale 6,00", "TOTALE EURO 7,26"], "7,26"),
        (["Subtotaal 6,00", "TOTAAL 7,26"], "7,26"),
    ],
)
def test_totals_are_told_whole(rows: list[str], total: str) -> None:
    reply = answer_from_writing(written(*((row, 20) for row in rows)), "What is the total?")
    assert reply.text == f"The total is {total}."


@pytest.mark.parametrize(
    ("question", "says"),
    [
        ("How much is the milk?", ("no price beside", "milk", "Brot 3,50")),
        ("What does the milk cost?", ("no price beside", "milk", "Brot 3,50")),
        ("What is the price of bread (Brot)?", ("The price is 3,50 €",)),
        ("How much is it?", ("The price is 3,50 €",)),
        ("What is the room number?", ("Zimmer 12",)),
        ("What is the phone number?", ("0221 5551234",)),
    ],
)
def test_prices_and_numbers_of_other_things_are_told_as_such(question: str, says: tuple[str, ...]) -> None:
    rows = (("Brot 3,50 €", 40), ("Zimmer 12", 40), ("Ruf 0221 5551234", 40))
    reply = answer_from_writing(written(*rows), question)
    assert all(part in reply.text for part in says), reply.text


@pytest.mark.parametrize(
    ("question", "says"),
    [("Does it say stop?", "No."), ('Does it say "stopping"?', "Yes."), ("Does it say LIMIT 5?", "No.")],
)
def test_words_stand_there_whole(question: str, says: str) -> None:
    rows = (("STOPPING PROHIBITED", 40), ("SPEED LIMIT 55", 40))
    assert answer_from_writing(written(*rows), question).text.startswith(says)


def test_what_is_not_written_is_not_made_up() -> None:
    for question, name in (("What is the total?", "total"), ("What is the e-mail address?", "e-mail")):
        reply = answer_from_writing(written(("STOP", 40)), question)
        assert "can find no" in reply.text
        assert name in reply.text
    assert answer_from_writing(written(("STOP", 40)), "Does the sign say go?").text.startswith("No.")
    nothing = answer_from_writing(Writing("", (), "by hand", 10, 10), "What does it say?")
    assert "no writing" in nothing.text
    assert nothing.confidence is None


@pytest.mark.parametrize(
    ("text", "confidence", "legible"),
    [("wln", 0.85, False), ("HAMA", 0.88, False), ("4", 0.99, False), ("55", 0.99, True), ("P1 OPEN", 0.7, True)],
)
def test_scraps_are_no_answer(text: str, confidence: float, legible: bool) -> None:
    read = written((text, 40))
    read = replace(read, lines=(replace(read.lines[0], confidence=confidence),))
    for question in ("What is written?", "Is there any writing?", "What is the shop called?"):
        reply = answer_from_writing(read, question)
        assert ("nothing legible" not in reply.text, text in reply.text) == (legible, legible)
        assert [(fact.text, fact.confidence) for fact in reply.evidence] == [(text, confidence)]


def test_addresses_are_found_in_a_row_of_ten_thousand_characters() -> None:
    row = f"{'a-' * 5000} info@corner-shop.com {'1- ' * 3000}"
    assert "info@corner-shop.com" in answer_from_writing(written((row, 20)), "What is the e-mail address?").text
    for question in ("What is the website?", "What is the phone number?", "How much is it?"):
        assert answer_from_writing(written((row, 20)), question).text


@pytest.fixture(scope="module")
def sign() -> PIL.Image.Image:
    image = PIL.Image.new("RGB", (300, 200), "darkgreen")
    PIL.ImageDraw.Draw(image).text((60, 60), "EXIT 42", fill="white", font=PIL.ImageFont.load_default(50))
    return image


@pytest.fixture(scope="module")
def image_qa() -> Iterator[ImageQA]:
    with ImageQA() as loaded:
        yield loaded


def test_questions_about_writing_are_answered_from_it(image_qa: ImageQA, sign: PIL.Image.Image) -> None:
    for question in ("What does the sign say?", "What is written here?", "Read the text", "上面写着什么？"):
        answer = image_qa.answer_question(sign, question)
        assert "EXIT 42" in answer
        assert [(fact.kind, fact.text) for fact in answer.evidence] == [("writing", "EXIT 42")]
        assert "pp-ocrv6-small" in answer.model
    page, _ = writing("page")
    assert "Region-based segmentation" in image_qa.answer_question(page, "What is the title?")
    assert "no writing" in image_qa.answer_question(photo("chelsea"), "What does the sign say?")


def test_captions_tell_prominent_writing(image_qa: ImageQA, sign: PIL.Image.Image) -> None:
    caption = image_qa.generate_caption(sign)
    assert 'It says "EXIT 42".' in caption
    assert ("writing", "EXIT 42") in [(fact.kind, fact.text) for fact in caption.evidence]
    assert "EXIT 42" in image_qa.answer_question(sign, "Describe the picture in detail.")
    assert "EXIT 42" in image_qa.answer_question(sign, "图里有什么？")
    page, _ = writing("level")
    assert "a page of writing" in image_qa.generate_caption(page)
    with_scraps = image_qa.generate_caption(photo("board"))
    image_qa.answer_question(photo("board"), "What is written there?")
    assert image_qa.generate_caption(photo("board")) == with_scraps, "a caption doesn't depend on what was asked before"


@pytest.mark.parametrize(
    ("rows", "quote"),
    [
        ([("wln", 40)], None),
        ([("7", 40), ("A", 40)], None),
        ([("OPEN", 40)], "OPEN"),
        ([("NO", 40), ("PARKING", 40), ("at any time", 10)], "NO PARKING"),
        ([("small print", 1)], None),
        ([("one two three four five six", 40), ("seven eight nine ten", 30)], "one two three four five six …"),
        ([("one two three four five six seven eight nine", 40)], "one two three four five six seven eight …"),
        ([(f"a row of running text {number}", 4) for number in range(6)], "a row of running text 0"),
    ],
)
def test_what_of_writing_is_prominent(rows: list[tuple[str, int]], quote: str | None) -> None:
    found = prominent_writing(written(*rows))
    assert (found and found.quote) == quote
    assert (found is not None and found.page) == (len(rows) == 6)


def test_unsure_writing_is_not_prominent() -> None:
    sure = written(("OPEN", 40))
    assert prominent_writing(replace(sure, lines=(replace(sure.lines[0], confidence=0.8),))) is None


def test_other_questions_read_nothing(image_qa: ImageQA, monkeypatch: pytest.MonkeyPatch) -> None:
    def read(self: TextReader, *arguments: object, **options: object) -> None:
        raise AssertionError("reading takes longer than all the rest")

    monkeypatch.setattr(TextReader, "read", read)
    assert "Yes" in image_qa.answer_question(photo("chelsea"), "Is there a cat?")


def test_a_conversation_reads_too(sign: PIL.Image.Image) -> None:
    with LLaVA() as llava:
        assert "EXIT 42" in llava.chat(sign, [{"role": "user", "content": "What does the sign say?"}])
