"""Questions in other languages about real photos with the starter, and that every answer has its translation."""

from __future__ import annotations

import ast
import re
import string
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import sensorium
from sensorium import ImageQA, LLaVA
from sensorium.answer import Answer
from sensorium.errors import UnsupportedError
from sensorium.vision_language.starter.inflection import read_nouns
from sensorium.vision_language.starter.languages import asked, languages
from sensorium.vision_language.starter.vocabulary import things
from tests.real_media import photo
from tests.vision_language import (
    chinese_questions,
    french_questions,
    german_questions,
    japanese_questions,
    photo_questions,
    spanish_questions,
)
from tests.vision_language.photo_questions import PhotoQuestion

_SOURCES = ("vision_language/starter", "video/starter")
_WRITTEN = {
    "Chinese": re.compile(r"[\u4e00-\u9fff]"),
    "Japanese": re.compile(r"[\u3040-\u30ff\u4e00-\u9fff]"),
    "German": re.compile(r"(?i)\b(?:der|die|das|den|ein|eine|ja|nein|nicht|kein|keine|auf|zu|von|da|Personen)\b"),
    "Spanish": re.compile(r"(?i)\b(?:el|la|un|una|unos|unas|en|hay|no|sí|de|a|pone|personas?)\b"),
    "French": re.compile(r"(?i)\b(?:l|l[ea]|est|une?|du|des|sur|il|oui|non|je|en|à|d[eu]|personnes?)\b"),
}
_QUESTIONS = {
    "Chinese": chinese_questions,
    "Japanese": japanese_questions,
    "German": german_questions,
    "Spanish": spanish_questions,
    "French": french_questions,
}


@pytest.fixture(scope="module")
def image_qa() -> ImageQA:
    return ImageQA()


@pytest.fixture(scope="module")
def answers(image_qa: ImageQA) -> dict[PhotoQuestion, Answer]:
    """All answers: one photo after the other, so that each is looked at once."""
    items = [item for asked in _QUESTIONS.values() for item in (*asked.ANSWERABLE, *asked.UNANSWERABLE)]
    items.sort(key=lambda item: item.photo)
    return {item: image_qa.answer_question(photo(item.photo), item.question) for item in items}


def _right(answers: dict[PhotoQuestion, Answer], questions: tuple[PhotoQuestion, ...], language: str) -> int:
    right = 0
    for item in questions:
        answer = answers[item]
        good = item.is_answered_by(answer)
        right += good
        print(f"{'right' if good else 'WRONG'}  {item.photo}: {item.question} {answer}")
        # Below the first line stands what is written in the photo, as it stands there.
        own_words = str(answer).partition("\n")[0]
        for text in (own_words, *(fact.text for fact in answer.evidence if fact.kind != "writing")):
            assert _WRITTEN[language].search(text), text
            assert not re.search(r"\b(?:the|is|there|can|it|and)\b", text), text
    return right


@pytest.mark.parametrize("language", _QUESTIONS)
def test_questions_that_a_photo_answers(
    answers: dict[PhotoQuestion, Answer], language: str, measured: Callable[[str], None]
) -> None:
    questions = _QUESTIONS[language].ANSWERABLE
    right = _right(answers, questions, language)
    measured(f"socratic-image-qa in {language}: {right} of {len(questions)} right")
    assert right / len(questions) >= 0.8


@pytest.mark.parametrize("language", _QUESTIONS)
def test_what_a_photo_does_not_tell_is_not_made_up(
    answers: dict[PhotoQuestion, Answer], language: str, measured: Callable[[str], None]
) -> None:
    questions = _QUESTIONS[language].UNANSWERABLE
    right = _right(answers, questions, language)
    measured(f"socratic-image-qa in {language}: {right} of {len(questions)} refused that no photo answers")
    assert right == len(questions)


def test_what_is_not_understood_is_named_with_the_remedy(image_qa: ImageQA) -> None:
    answer = image_qa.answer_question(photo("chelsea"), "给我三个苹果的价格")
    assert "给我三个苹果的价格" in answer
    assert "model=" in answer
    assert "猫" in answer
    with pytest.raises(UnsupportedError, match=r"Korean.*English.* Chinese and Japanese"):
        image_qa.answer_question(photo("chelsea"), "고양이가 있나요?")


def test_a_conversation_goes_on_in_chinese() -> None:
    llava, history = LLaVA(), []
    said = []
    for turn in (
        "这张图里有什么？",
        "它是什么颜色的？",
        "它在哪里？",
        "是狗吗？",
        "Is it a cat?",
        "写一首关于它的诗",
        "谢谢",
    ):
        history.append({"role": "user", "content": turn})
        said.append(llava.chat(photo("chelsea"), history))
        history.append({"role": "assistant", "content": said[-1]})
        print(turn, said[-1])
    assert "猫" in said[0]
    assert re.match("虎斑猫.*棕色", said[1])
    assert "中间" in said[2]
    assert said[3].startswith("没有")
    assert said[4].startswith("Yes, there is a cat")
    assert "英语" in said[5]
    assert "不客气" in said[6]
    which = llava.chat([photo("chelsea"), photo("dog")], [{"role": "user", "content": "哪张图里有狗？"}])
    assert which == "第 2 张。"
    second = llava.chat([photo("chelsea"), photo("dog")], [{"role": "user", "content": "第二张图里有什么？"}])
    assert "北京犬" in second
    assert "猫" not in second


def test_a_conversation_goes_on_in_german() -> None:
    llava, history, said = LLaVA(), [], []
    for turn in ("Was ist auf dem Bild?", "Welche Farbe hat sie?", "Schreib ein Gedicht darüber", "danke!"):
        history.append({"role": "user", "content": turn})
        said.append(llava.chat(photo("chelsea"), history))
        history.append({"role": "assistant", "content": said[-1]})
        print(turn, said[-1])
    assert "eine getigerte Katze" in said[0]
    assert re.match("Die getigerte Katze ist .*braun", said[1])
    assert "nur auf Englisch" in said[2]
    assert said[3].startswith("Gern.")


@pytest.mark.parametrize(
    ("question", "code"),
    [
        ("Was ist das?", "de"),
        ("¿Qué es esto?", "es"),
        ("C'est quoi ?", "fr"),
        ("Hund?", "de"),
        ("Describe the picture.", None),
        *((f"describe{more}", None) for more in ("", ".", " it", " image", " people", " everything", " teh photo")),
        *((f"Comment on the {thing}", None) for thing in ("photo", "man", "animal", "scene")),
        ("Steigen die Aktien?", "de"),
        ("Was hat die Person?", "de"),
        ("hay perro", "es"),
        ("Que dit la photo", "fr"),
        ("Y a-t-il deux chats ?", "fr"),
        ("Describe la imagen.", "es"),
        ("Décris l'image.", "fr"),
        ("Was there a dog?", None),
        ("Die?", None),
        ("man", None),
        ("Table?", None),
        ("date", None),
        ("A rose", None),
        ("taxi or bus?", None),
        ("What does 'Wie viele sind das' mean?", None),
        ('Is "La casa es muy bonita" written there?', None),
    ],
)
def test_languages_that_share_words_are_told_apart(question: str, code: str | None) -> None:
    language = asked(question).language
    assert (language.code if language else None) == code


def test_no_english_question_of_other_tests_is_taken_for_another_language() -> None:
    texts = [item.question for item in (*photo_questions.ANSWERABLE, *photo_questions.UNANSWERABLE)]
    texts += _questions_of_every_form()
    assert len(texts) > 200
    assert [text for text in texts if asked(text).language] == []


def _questions_of_every_form() -> list[str]:
    """Return how English words its questions, about things whose names other languages have, too."""
    path = Path(sensorium.__file__).parent / "vision_language/starter/data/question_forms.toml"
    written = [
        pattern for form in tomllib.loads(path.read_text(encoding="utf-8"))["forms"] for pattern in form["patterns"]
    ]
    meanings = {
        "<is>": "is",
        "<picture>": "image",
        "<colour>": "orange",
        "<side>": "left",
        " ...": "",
        ".*": "the animal",
    }
    texts = []
    for pattern in written:
        for thing in ("animal", "piano"):
            text = pattern
            for name, meaning in {**meanings, "<subject>": thing}.items():
                text = text.replace(name, meaning)
            text = re.sub(r"\(\?[=!](?:[^()]|\([^()]*\))*\)|\\b|\{[\d,]+\}", "", text)
            texts += [_first_choices(text, last) for last in (False, True)]
    return [text for text in texts if text.strip()]


def _first_choices(pattern: str, last: bool) -> str:
    """Return a text that a simple pattern matches: of each choice the first or the last."""
    text = pattern.replace(r"\w+", "photo")
    while (shorter := re.sub(r"\((?:\?:)?([^()]*)\)\??", lambda found: found[1].split("|")[-last], text)) != text:
        text = shorter
    return re.sub(r"\w?\?", "", re.sub(r"\[(\w)\w*\]", r"\1", text))


@pytest.mark.parametrize(
    ("text", "nouns"),
    [
        ("m Apfel|Äpfel", [("Apfel", "Apfel", "Äpfel")]),
        ("m Hund|-e, Welpe", [("Hund", "Hund", "Hunde"), ("Welpe", "Welpe", "")]),
        ("m Weiße(r) Hai|Weiße Haie", [("Weißer Hai", "Weiße Hai", "Weiße Haie")]),
        ("n Obst|", [("Obst", "Obst", "")]),
    ],
)
def test_nouns_are_read(text: str, nouns: list[tuple[str, str, str]]) -> None:
    assert [(noun.one, noun.named, noun.many) for noun in read_nouns(text, lambda noun: "")] == nouns


def test_plurals_follow_the_rules_of_a_language() -> None:
    spanish, french = (language.inflected for language in languages() if language.code in {"es", "fr"})
    assert [spanish[name].many for name in ("fish", "lion", "cat", "beer bottle")] == [
        "peces",
        "leones",
        "gatos",
        "botellas de cerveza",
    ]
    assert [french[name].many for name in ("boat", "horse", "cat", "washing machine", "bear")] == [
        "barques",
        "chevaux",
        "chats",
        "machines à laver",
        "ours",
    ]


def test_names_from_other_languages_keep_their_plurals_and_articles() -> None:
    forms = {
        language.code: {
            name: noun.forms(language.answers["forms"], language.answers["contractions"])
            for name, noun in language.inflected.items()
        }
        for language in languages()
        if language.spaced
    }
    assert forms["es"]["Golden Retriever"]["plural"] == "golden retrievers"
    assert (forms["es"]["weapon"]["the"], forms["es"]["weapon"]["a"]) == ("el arma", "un arma")
    assert forms["fr"]["yurt"]["the"] == "la yourte"
    assert forms["fr"]["Yorkshire Terrier"]["the"] == "le yorkshire terrier"
    assert forms["de"]["electronic device"]["the"] == "das elektronische Gerät"
    assert not [noun["plural"] for noun in forms["es"].values() if "rieres" in noun["plural"]]


@pytest.mark.parametrize(
    ("question", "english"),
    [
        ("Sind dort Katzen oder Hunde?", "Is there cat or dog?"),
        ("Ist der Hund links oder rechts?", "Where is dog?"),
        ("Ist der große Hund auf der linken Seite?", "Is dog on the left?"),
        ("Was kostet das?", "What is the price?"),
        ("Was ist denn da zu sehen?", "What is in the picture?"),
        ("Ist die Blume gelb oder rot?", "What colour is flower?"),
        ("Ist das ein Foto von einer Katze?", "Is there cat?"),
        ("¿El coche es rojo o azul?", "What colour is car?"),
        ("La voiture est-elle rouge ou bleue ?", "What colour is car?"),
        ("Wie hoch ist der Gesamtbetrag?", "What is the total?"),
        ("Wie lautet die Telefonnummer?", "What is the phone number?"),
        ("Welche Hausnummer ist das?", "What is the number?"),
        ("¿Cuál es el número de la habitación?", "What is the number?"),
        ("Quel est le numéro de la maison ?", "What is the number?"),
        ("房间号码是多少？", "What is the number?"),
        ("部屋番号は何ですか？", "What is the number?"),
        ("Was kostet die Milch?", "What is the price of Milch?"),
        ("¿Cuánto cuesta el pan?", "What is the price of bread (pan)?"),
        ("Combien coûte le lait ?", "What is the price of lait?"),
        ("Was ist das Wetter?", ""),
        ("Was ist da noch?", "What is in the picture?"),
        ("Was steht auf dem Tisch?", "What is on the table?"),
        ("Was steht auf dem Schild?", "What is written?"),
        ("Was steht da?", "What is written?"),
        ("Steht die Tasse links oder rechts?", "Where is cup?"),
        ("Kannst du mir sagen, was auf dem Bild ist?", "What is in the picture?"),
        ("¿Cuánto cuesta?", "What is the price?"),
        ("cual es el numero de telefono", "What is the phone number?"),
        ("¿Qué está haciendo el hombre?", "What is the person doing?"),
        ("¿El perro está a la izquierda o a la derecha?", "Where is dog?"),
        ("Hola, ¿hay coches rojos en la foto?", "Is there car?"),
        ("Combien ça coûte ?", "What is the price?"),
        ("Quelle est la date ?", "What is the date?"),
        ("Y a-t-il une voiture rouge ?", "Is there car?"),
        ("ou est l'elephant", "Where is elephant?"),
        ("Peux-tu me dire ce qu'il y a sur la photo ?", "What is in the picture?"),
        ("数一下有几辆红色的汽车", "How many car are there?"),
        ("图里有猫和狗吗？", "Is there cat and dog?"),
        ("圖片裡有沒有車？", "Is there car?"),
        ("你看到几只小猫", "How many cat are there?"),
        ("猫咪在左边还是右边？", "Where is cat?"),
        ("图片中间是什么颜色", "What colour is middle?"),
        ("图里有没有 lighthouse？", "Is there lighthouse?"),
        ("What does 你好 mean?", "What does 你好 mean?"),
        ("これは猫ですか、それとも犬ですか？", "Is there cat or dog?"),
        ("犬は左にいますか", "Is dog on the left?"),
        ("狗在图片的左边吗？", "Is dog on the left?"),
        ("小さい犬はどこにいますか", "Where is dog?"),
        ("桌子上有什么？", "What is on the table?"),
        ("招牌上写着什么字？", "What is written?"),
        ("现在是白天还是晚上？", "Is it dark or bright?"),
        ("那个人正在干什么", "What is the person doing?"),
        ("总共多少钱？", "What is the total?"),
        ("电话号码是多少？", "What is the phone number?"),
        ("价格是多少？", "What is the price?"),
        ("为什么多少钱都不够？", "Why is it so?"),
        ("合計はいくらですか？", "What is the total?"),
        ("電話番号は？", "What is the phone number?"),
        ("タイトルは何ですか？", "What is the title?"),
        ("你能告诉我照片的尺寸是多少吗？", "How big is the picture?"),
    ],
)
def test_questions_mean_in_english_what_they_mean(question: str, english: str) -> None:
    assert asked(question).english == english


@pytest.mark.parametrize(
    ("question", "says", "not_in_it"),
    [
        ("Wo ist der Mond?", "„Mond“", "wo Mond"),
        ("¿Dónde está la cola?", "«cola»", "cola cola"),
        ("Où est la queue ?", "« queue »", "queue queue"),
        ("Ist das ein Foto?", "nicht sagen", "„“"),
        ("Ist das ein Mann oder eine Frau?", "Mann oder Frau", " or "),
        ("Wie viele Katzen und Hunde sind da?", "Katze und Hund", " and "),
    ],
)
def test_what_is_in_no_list_of_nouns_is_said_without_its_gender(
    image_qa: ImageQA, question: str, says: str, not_in_it: str
) -> None:
    answer = image_qa.answer_question(photo("chelsea"), question)
    assert says in answer
    assert not_in_it not in answer
    assert "nicht zu sehen" not in answer


@pytest.mark.parametrize(
    ("question", "english"),
    [
        ("Ist da jemand?", "Is there anybody?"),
        ("Was wird am Ende gesagt?", "What is said at the end?"),
        ("Was sagt das Schild?", "What is written?"),
        ("¿Hay alguien?", "Is there anybody?"),
        ("¿Habla alguien?", "What is said?"),
        ("¿Qué dice el cartel?", "What is written?"),
        ("Y a-t-il quelqu'un ?", "Is there anybody?"),
        ("De quoi parlent-ils ?", "What is said?"),
        ("Que se passe-t-il à 0:12 ?", "What happens at 0:12?"),
    ],
)
def test_questions_about_films_mean_what_they_mean(question: str, english: str) -> None:
    assert asked(question, film=True).english == english


def test_a_long_text_is_no_question() -> None:
    assert asked("图里有几只猫" + "呢" * 100_000).english == ""


def test_every_thing_has_a_name_of_its_own_in_every_language() -> None:
    for language in languages():
        names = {thing.name for thing in things()}
        assert len({language.nouns[name] for name in names}) > 0.99 * len(names)


def test_every_phrase_has_its_translation_with_the_same_slots() -> None:
    templates = set(_templates())
    assert len(templates) > 80
    for language in languages():
        phrases = language.answers["phrases"]
        missing = {template for template in templates if template not in phrases} - {"{noun}"}
        assert not missing
        for template, said in phrases.items():
            assert _slots(said) <= _slots(template), template


def _templates() -> Iterator[str]:
    """Yield the templates that the source writes out; those put together from parts are met on photos."""
    root = Path(sensorium.__file__).parent
    for path in (path for folder in _SOURCES for path in (root / folder).glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Name)
                and node.func.id in {"Phrase", "sentence"}
            ):
                written = node.args[0] if node.args else None
                for part in [written.body, written.orelse] if isinstance(written, ast.IfExp) else [written]:
                    if isinstance(part, ast.Constant):
                        yield part.value[:1].lower() + part.value[1:]


def _slots(template: str) -> set[str]:
    return {name.partition(".")[0] for _, name, _, _ in string.Formatter().parse(template) if name}
