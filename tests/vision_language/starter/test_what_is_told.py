"""What is told of a picture: no more than is known, of what it is known, and whatever is known."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import PIL.Image
import pytest

from sensorium.media.image import read_image
from sensorium.vision_language.clip import CLIP
from sensorium.vision_language.people import PeopleDetector
from sensorium.vision_language.starter.animal_faces import is_of_an_animal
from sensorium.vision_language.starter.answering import answer_directly
from sensorium.vision_language.starter.captions import caption
from sensorium.vision_language.starter.languages import asked
from sensorium.vision_language.starter.questions import parse_question
from sensorium.vision_language.starter.recognition import Recogniser, Tag
from sensorium.vision_language.starter.reply import Reply
from sensorium.vision_language.starter.scene import Scene, SceneReader
from sensorium.vision_language.starter.surroundings import can_be_seen, place_of
from sensorium.vision_language.starter.vocabulary import class_names
from tests.real_media import photo


@pytest.fixture(scope="module")
def reader() -> Iterator[SceneReader]:
    with CLIP() as clip, PeopleDetector() as people:
        yield SceneReader(clip, people)


@pytest.fixture(scope="module")
def home(reader: SceneReader) -> Scene:
    return reader.read(photo("home"))


@pytest.fixture(scope="module")
def dog(reader: SceneReader) -> Scene:
    return reader.read(photo("dog"))


def answer(scene: Scene, question: str) -> str:
    reply = answer_directly(scene, parse_question(question))
    assert isinstance(reply, Reply)
    return reply.text


def showing(scene: Scene, **classes: float) -> Scene:
    """Return a scene in which nothing is recognised, with some probabilities of classes."""
    probabilities = np.zeros((1, len(class_names())), np.float32)
    for name, probability in classes.items():
        probabilities[0, class_names().index(name)] = probability
    return replace(scene, tags=(), people=(), _probabilities=probabilities)


def test_a_dogs_face_is_told_from_a_persons_beside_it(reader: SceneReader) -> None:
    recogniser = Recogniser(reader.clip)
    # By eye.
    assert is_of_an_animal((60, 110, 400, 430), read_image(photo("dog")), recogniser)
    assert not is_of_an_animal((168, 78, 262, 172), read_image(photo("astronaut")), recogniser)
    both = PIL.Image.new("RGB", (1024, 512))
    for name, left in (("astronaut", 0), ("dog", 512)):
        both.paste(read_image(photo(name)).resize((512, 512)), (left, 0))
    scene = reader.read(both)
    assert len(scene.people) == 1
    assert len(scene.faces) == 1


def test_a_face_that_is_an_animals_is_nobodys(reader: SceneReader, monkeypatch: pytest.MonkeyPatch) -> None:
    person = reader.read(photo("astronaut")).people[0]
    monkeypatch.setattr(reader._people, "find", lambda image: [replace(person, face=(60, 110, 400, 430), score=0.9)])
    assert reader.read(photo("dog")).people == ()
    assert len(reader.read(photo("coffee")).people) == 1


def test_things_that_are_not_counted_are_said_to_be_there(dog: Scene) -> None:
    assert "at least one dog" in answer(dog, "How many dogs are there?")
    assert "people" not in answer(dog, "How many cats are there?")
    assert "Pekingese" in answer(dog, "How many unicorns are there?")
    question = asked("有几只狗？")
    assert "至少一只狗" in Reply(answer(dog, question.english)).to(question).text


def test_a_guess_stands_beside_what_it_is_a_guess_about(dog: Scene, home: Scene) -> None:
    spaniel, cocker = Tag("spaniel", "dog", 0.8, True), Tag("Cocker Spaniel", "", 0.4, False)
    box = Tag("box", "", 0.7, True)
    assert "a spaniel (perhaps a Cocker Spaniel) and a box" in caption(replace(dog, tags=(spaniel, box, cocker))).text
    assert "a spaniel, perhaps a Cocker Spaniel." in caption(replace(dog, tags=(spaniel, cocker))).text
    assert "a box, and perhaps a Cocker Spaniel." in caption(replace(dog, tags=(box, cocker))).text


def test_a_caption_tells_what_is_known_where_nothing_is_recognised(home: Scene) -> None:
    outdoors, indoors = (caption(showing(home, **{name: 0.6})) for name in ("cliff", "couch"))
    assert "outdoors" in outdoors.text
    assert "indoors" in indoors.text
    assert "blue" in outdoors.text
    assert outdoors.text.count(".") == 1
    assert "colour" in [fact.kind for fact in outdoors.evidence]
    grey = caption(replace(showing(home, cliff=0.6), monochrome=True)).text
    assert grey.startswith("A black and white picture, probably taken outdoors;")
    nowhere = showing(home, cliff=0.2, couch=0.2)
    assert place_of(nowhere) == ""
    assert "doors" not in caption(nowhere).text
    assert "户外" in outdoors.to(asked("图里有什么？")).text


def test_water_and_the_sky_are_seen_by_what_goes_with_them_and_never_denied(home: Scene, dog: Scene) -> None:
    assert answer(showing(home, dam=0.8), "Is there water?").startswith("Yes")
    assert answer(home, "Is there a sky?").startswith("Yes")
    assert answer_directly(home, parse_question("Are there clouds in the sky?")) is None
    assert answer(home, "What color is the sky?") == "The sky is mostly blue."
    assert not can_be_seen(replace(home, monochrome=True), "sky")
    for question in ("Is there water?", "Can you see the sky?"):
        assert answer(dog, question).startswith("I can't tell whether")


def test_the_colour_of_grass_is_told_without_a_refusal(reader: SceneReader) -> None:
    told = answer(reader.read(photo("messi")), "What color is the grass?")
    assert "green" in told
    assert "can't" not in told


def test_the_colour_of_water_is_told_where_water_is_seen(home: Scene, dog: Scene) -> None:
    seen = showing(home, dam=0.8)
    for question in ("What colour is the water?", "Is the water blue?"):
        assert "where the water usually is" in answer(seen, question)
        assert "can't tell its colour" in answer(dog, question)


@pytest.mark.parametrize(
    ("question", "outdoors", "indoors"),
    [
        ("Is it outdoors?", "Yes: it was probably taken outdoors.", "No: it was probably taken indoors."),
        ("Is this an indoor scene?", "No: it was probably taken outdoors.", "Yes: it was probably taken indoors."),
        ("Was the photo taken inside?", "No: it was probably taken outdoors.", "Yes: it was probably taken indoors."),
        ("Is this inside or outside?", "It was probably taken outdoors.", "It was probably taken indoors."),
    ],
)
def test_whether_it_is_outdoors_is_answered_as_captions_tell_it(
    home: Scene, question: str, outdoors: str, indoors: str
) -> None:
    assert answer(showing(home, cliff=0.6), question) == outdoors
    assert answer(showing(home, couch=0.6), question) == indoors
    assert answer(showing(home), question).startswith("I can't tell whether it was taken outdoors or indoors.")


def test_whatever_is_visible_is_there(home: Scene, dog: Scene) -> None:
    assert answer(home, "Is the sky visible?") == answer(home, "Can you see the sky?")
    assert answer(dog, "Is a dog visible in the picture?").startswith("Yes")


def test_no_more_is_confirmed_than_was_seen(dog: Scene, reader: SceneReader) -> None:
    assert answer(dog, "Is there a green dog?") == answer(dog, "Is the dog green?")
    assert answer(dog, "Is there a green dog?").startswith("No: the dog is")
    assert "at least one dog" in answer(dog, "Are there two dogs?")
    for question in ("Is there a big black dog?", "Is this a sleeping dog?"):
        assert "can't tell whether" in answer(dog, question)
    assert answer(dog, "Is that a kind of dog?").startswith("Yes")
    somebody = reader.read(photo("astronaut"))
    assert answer(somebody, "Are there three persons?") == "One person."
    assert answer(somebody, "Are there two faces?") == "One face."
    assert answer(somebody, "Is there a person?").startswith("Yes")
    assert "can't tell whether" in answer(somebody, "Is there a tall person?")
    two = replace(somebody, people=somebody.people * 2)
    assert answer(two, "Are there two people?").startswith("Yes")
    assert answer(two, "Are there three people?") == "At least two people."
