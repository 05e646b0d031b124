"""Questions about real photos with the starter: how many are answered right, and that nothing is made up."""

from __future__ import annotations

import runpy
import threading
from collections.abc import Callable
from pathlib import Path

import PIL.Image
import pytest
from PIL import Image

from sensorium import ImageQA
from sensorium.answer import Answer
from sensorium.errors import CancelledError, InputError, UnsupportedError
from sensorium.progress import Progress
from tests.real_media import photo
from tests.vision_language.photo_questions import ANSWERABLE, UNANSWERABLE, PhotoQuestion

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(scope="module")
def image_qa() -> ImageQA:
    return ImageQA()


def _ask(image_qa: ImageQA, asked: tuple[PhotoQuestion, ...], measured: Callable[[str], None]) -> float:
    right = 0
    for item in asked:
        answer = image_qa.answer_question(photo(item.photo), item.question)
        good = item.is_answered_by(answer)
        right += good
        print(f"{'right' if good else 'WRONG'}  {item.photo}: {item.question} {answer}")
    measured(f"socratic-image-qa: {right} of {len(asked)} right")
    return right / len(asked)


def test_most_questions_that_a_photo_answers_are_answered_right(
    image_qa: ImageQA, measured: Callable[[str], None]
) -> None:
    assert _ask(image_qa, ANSWERABLE, measured) >= 0.8


def test_what_a_photo_does_not_tell_is_not_made_up(image_qa: ImageQA, measured: Callable[[str], None]) -> None:
    assert _ask(image_qa, UNANSWERABLE, measured) == 1.0


def test_an_answer_carries_its_facts_and_its_makers(image_qa: ImageQA) -> None:
    answer = image_qa.answer_question(photo("astronaut"), "How many people are there?")
    assert isinstance(answer, Answer)
    assert answer.evidence[0].kind == "people"
    assert answer.confidence is not None
    assert answer.confidence > 0.5
    for name in ("socratic-image-qa", "conse-starter", "blazepose", "smollm2-135m"):
        assert name in answer.model
    assert answer.to_dict()["evidence"][0]["text"] == "One person was found"


def test_a_caption_names_what_is_seen_and_no_language_model(image_qa: ImageQA) -> None:
    caption = image_qa.generate_caption(photo("chelsea"))
    assert "cat" in caption
    assert "smollm2" not in caption.model
    assert image_qa.generate_caption(Image.new("RGB", (64, 64), "white")) == "A plain white picture."


def test_what_is_known_in_part_only_is_never_denied(image_qa: ImageQA) -> None:
    assert image_qa.answer_question(photo("street"), "Is there a bicycle?").startswith("No, I can see no bicycle")
    assert "I know only some kinds" in image_qa.answer_question(photo("street"), "Is there a flower?")
    assert "not among the things that I know" in image_qa.answer_question(photo("street"), "Is there a unicorn?")


def test_people_are_where_their_boxes_are(image_qa: ImageQA) -> None:
    both = PIL.Image.new("RGB", (1400, 600), "white")
    for name, left in (("astronaut", 40), ("cameraman", 850)):
        both.paste(PIL.Image.open(photo(name)).convert("RGB"), (left, 80))
    one, nobody = photo("messi"), photo("coffee")
    for picture, question, answer in (
        (both, "Where are the people?", "I can see two people: at the left and at the right."),
        (both, "How many people are there?", "At least two people."),
        (one, "Where is the player?", "One person is in the middle."),
        (photo("astronaut"), "Where is her face?", "One face is at the top."),
        (photo("astronaut"), "Is the face at the bottom?", "No: one face is at the top."),
        (
            photo("astronaut"),
            "Is the helmet on the right side of the picture?",
            "Yes: the helmet is at the bottom right.",
        ),
        (nobody, "How many faces are there?", "I can find no face; faces that are small or turned away can be missed."),
    ):
        assert image_qa.answer_question(picture, question) == answer


def test_a_guess_is_not_confirmed(image_qa: ImageQA) -> None:
    assert "perhaps a modem" in image_qa.answer_question(photo("board"), "What is this?")
    assert image_qa.answer_question(photo("board"), "Is there a modem?").startswith("I'm not sure")


def test_the_example_of_the_chapter_runs_as_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.open(photo("car")).save(tmp_path / "scene.jpg")
    monkeypatch.chdir(tmp_path)
    runpy.run_path(str(EXAMPLES / "image_qa.py"))
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("Caption: A blurred picture of a car")
    assert lines[4:6] == ["Q: What color is the car?", "A: The car is mostly grey and light blue."]


def test_lists_of_pictures_and_of_questions_batch(image_qa: ImageQA) -> None:
    pictures = [photo("chelsea"), photo("dog")]
    animals = image_qa.answer_question(pictures, "Is it a cat or a dog?")
    assert [str(answer) for answer in animals] == ["A cat.", "A dog."]
    both = image_qa.answer_question(photo("chelsea"), ["Is there a cat?", "Is there a dog?"])
    assert [answer.partition(",")[0] for answer in both] == ["Yes", "No"]
    pairs = image_qa.answer_question(pictures, ["Is there a dog?", "Is there a dog?"])
    assert [answer.partition(",")[0] for answer in pairs] == ["No", "Yes"]
    assert len(image_qa.generate_caption(pictures)) == 2
    with pytest.raises(InputError, match="2 pictures and 3 questions"):
        image_qa.answer_question(pictures, ["a?", "b?", "c?"])


@pytest.mark.parametrize("question", ["", "   ", "\n"])
def test_an_empty_question_is_refused(image_qa: ImageQA, question: str) -> None:
    with pytest.raises(InputError, match="question is empty"):
        image_qa.answer_question(photo("chelsea"), question)


@pytest.mark.parametrize(
    ("question", "script"),
    [("사진에 무엇이 있나요?", "Korean"), ("Что на картинке?", "Cyrillic"), ("هل هناك قطة؟", "Arabic")],
)
def test_a_question_in_another_script_is_refused_with_a_remedy(image_qa: ImageQA, question: str, script: str) -> None:
    with pytest.raises(UnsupportedError, match=f"{script}.*knows only English.*model="):
        image_qa.answer_question(photo("chelsea"), question)


def test_a_text_file_called_jpg_is_one_sentence(image_qa: ImageQA, tmp_path: Path) -> None:
    path = tmp_path / "letter.jpg"
    path.write_text("Dear reader, this is no picture.\n" * 20)
    with pytest.raises(InputError, match=r"letter\.jpg"):
        image_qa.answer_question(path, "What is this?")


def test_progress_is_told_and_cancel_stops(image_qa: ImageQA) -> None:
    told: list[Progress] = []
    image_qa.answer_question(photo("chelsea"), ["Is there a cat?", "Is it dark?"], progress=told.append)
    assert [report.done for report in told if report.unit == "questions"] == [0, 1, 2]
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(CancelledError):
        image_qa.answer_question(photo("chelsea"), "Is there a cat?", cancel=cancel)
