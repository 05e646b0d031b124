"""Facts about real photos and about pictures whose facts are known."""

from __future__ import annotations

import json
import threading

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter

from sensorium.errors import CancelledError
from sensorium.vision_language.clip import CLIP
from sensorium.vision_language.people import PeopleDetector
from sensorium.vision_language.starter.colours import (
    by_region,
    colour_names,
    describe_colours,
    is_monochrome,
    name_pixels,
)
from sensorium.vision_language.starter.efficientnet_lite import Seen
from sensorium.vision_language.starter.questions import Asks, find_in_phrase, parse_question
from sensorium.vision_language.starter.recognition import thing_of
from sensorium.vision_language.starter.scene import SceneReader
from sensorium.vision_language.starter.vocabulary import class_names, find_thing, singular, things, with_article
from tests.real_media import photo


@pytest.fixture(scope="module")
def reader() -> SceneReader:
    return SceneReader(CLIP(), PeopleDetector())


@pytest.mark.parametrize(
    ("name", "shown"),
    [("chelsea", "cat"), ("dog", "dog"), ("squirrel", "rodent"), ("home", "building"), ("messi", "ball")],
)
def test_real_photos_show_what_they_show(reader: SceneReader, name: str, shown: str) -> None:
    scene = reader.read(photo(name))
    thing, other = find_thing(shown), find_thing("bicycle")
    assert thing is not None
    assert other is not None
    assert scene.shows(thing)
    assert scene.lacks(other)
    for tag in scene.tags:
        assert 0 <= tag.confidence <= 1
        assert thing_of(tag)
    print([(tag.name, tag.kind, tag.confidence) for tag in scene.tags])


def test_facts_are_evidence_in_words_and_go_to_json(reader: SceneReader) -> None:
    scene = reader.read(photo("astronaut"))
    kinds = [fact.kind for fact in scene.facts()]
    assert kinds.index("tag") < kinds.index("people") < kinds.index("colour") < kinds.index("layout")
    assert "One person was found" in [fact.text for fact in scene.facts()]
    written = json.loads(json.dumps(scene.to_dict()))
    assert written["width"] == 512
    assert written["people"][0]["score"] > 0.5
    assert "_probabilities" not in written
    assert scene.model == "conse-starter + blazepose"


def test_layout_light_and_blur_are_measured(reader: SceneReader) -> None:
    picture = Image.open(photo("astronaut")).convert("RGB").resize((400, 300))
    sharp = reader.read(picture)
    soft = reader.read(picture.filter(ImageFilter.GaussianBlur(4)))
    dark = reader.read(picture.point(lambda value: value // 6))
    assert (sharp.width, sharp.height) == (400, 300)
    assert sharp.sharpness > 0.5 > 0.45 > soft.sharpness
    assert dark.brightness < 0.2 < sharp.brightness
    texts = [fact.text for scene in (soft, dark) for fact in scene.layout_facts()]
    assert "The picture is wide, 400 by 300 pixels" in texts
    assert "The picture is blurred" in texts
    assert "The picture is dark" in texts


def test_a_picture_is_seen_once_by_its_parts_and_once_as_a_whole(
    reader: SceneReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    classifier = reader.clip.backend.classifier
    looks: list[int] = []
    see = classifier.see

    def counting(pixels: np.ndarray) -> Seen:
        looks.append(len(pixels))
        return see(pixels)

    monkeypatch.setattr(classifier, "see", counting)
    scene = reader.read(photo("fruits"))
    assert sum(tag.sure for tag in scene.tags) >= 2
    assert len(scene.places) >= 2
    assert looks[1:] == [1]


def test_grey_pictures_have_no_colours(reader: SceneReader) -> None:
    scene = reader.read(photo("cameraman"))
    assert scene.monochrome
    assert [fact.text for fact in scene.colour_facts()] == ["The picture is black and white"]


def test_cancel_stops_between_measurements(reader: SceneReader) -> None:
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(CancelledError):
        reader.read(photo("chelsea"), cancel=cancel)


@pytest.mark.parametrize(
    ("colour", "name"),
    [
        ((255, 0, 0), "red"),
        ((0, 160, 0), "green"),
        ((0, 0, 255), "blue"),
        ((255, 255, 0), "yellow"),
        ((255, 140, 0), "orange"),
        ((128, 0, 128), "purple"),
        ((255, 150, 190), "pink"),
        ((120, 75, 35), "brown"),
        ((0, 0, 0), "black"),
        ((255, 255, 255), "white"),
        ((128, 128, 128), "grey"),
        ((10, 20, 90), "dark blue"),
        ((170, 205, 235), "light blue"),
        ((0, 128, 128), "teal"),
        ((225, 205, 175), "beige"),
    ],
)
def test_colours_have_their_everyday_names(colour: tuple[int, int, int], name: str) -> None:
    named = name_pixels(Image.new("RGB", (8, 8), colour))
    assert {colour_names()[index] for index in np.unique(named)} == {name}


def test_colours_are_told_by_region() -> None:
    picture = Image.new("RGB", (120, 90), (255, 255, 255))
    draw = ImageDraw.Draw(picture)
    draw.rectangle((0, 0, 119, 29), fill=(30, 90, 205))
    draw.rectangle((0, 60, 119, 89), fill=(45, 155, 55))
    colours = by_region(name_pixels(picture))
    told = {
        region: describe_colours([item for item in colours if item.region == region]) for region in ("top", "bottom")
    }
    assert told == {"top": "blue", "bottom": "green"}
    assert not is_monochrome(picture)
    assert is_monochrome(Image.open(photo("coins")).convert("RGB"))


def test_two_shades_of_a_colour_are_one_colour() -> None:
    picture = Image.new("RGB", (40, 40), (35, 90, 205))
    picture.paste((20, 30, 95), (0, 0, 20, 40))
    assert describe_colours([item for item in by_region(name_pixels(picture)) if item.region == "picture"]) == "blue"


def test_the_vocabulary_is_whole() -> None:
    assert len(class_names()) == 1000
    names = [thing.name for thing in things()]
    assert len(names) > 1000
    for thing in things():
        assert thing.classes
        assert all(0 <= index < 1000 for index in thing.classes)
        assert find_thing(thing.name) is not None
    dog, pekingese = find_thing("dogs"), find_thing("pekingese")
    assert dog is not None
    assert pekingese is not None
    assert pekingese.classes < dog.classes
    assert find_thing("unicorn") is None


@pytest.mark.parametrize(
    ("plural", "one"), [("dogs", "dog"), ("boxes", "box"), ("cherries", "cherry"), ("people", "person"), ("bus", "bus")]
)
def test_plurals(plural: str, one: str) -> None:
    assert singular(plural) == one


@pytest.mark.parametrize(
    ("noun", "phrase"), [("apple", "an apple"), ("car", "a car"), ("espresso", "espresso"), ("jeans", "jeans")]
)
def test_articles(noun: str, phrase: str) -> None:
    assert with_article(noun) == phrase


@pytest.mark.parametrize(
    ("question", "asks", "subject"),
    [
        ("What is in the image?", Asks.CONTENT, ""),
        ("What color is the car?", Asks.COLOUR, "car"),
        ("How many people are there?", Asks.COUNT, "people"),
        ("And are there any cats in this picture?", Asks.PRESENCE, "cats"),
        ("Can you tell me what is in the picture?", Asks.CONTENT, ""),
        ("What kind of dog is it?", Asks.KIND, "dog"),
        ("Which fruit is shown?", Asks.KIND, "fruit"),
        ("Is the flower orange?", Asks.IS_COLOUR, "flower"),
        ("Where's the small brown dog?", Asks.PLACE, "small brown dog"),
        ("Is the cup on the left side of the picture?", Asks.IS_PLACE, "cup"),
        ("Are there any people in the middle?", Asks.IS_PLACE, "people"),
        ("Is the cup on the left or on the right?", Asks.PLACE, "cup"),
        ("Is the cat in the box?", Asks.OTHER, ""),
        ("Describe this image in detail.", Asks.DETAIL, ""),
        ("What is the person doing?", Asks.ACTION, ""),
        ("Who is this?", Asks.IDENTITY, ""),
        ("What does the sign say?", Asks.WRITING, ""),
        ("Is it blurry?", Asks.BLUR, ""),
        ("What is on the table?", Asks.PART, "table"),
        ("Is it a photo of a bird?", Asks.PRESENCE, "bird"),
        ("Why is the sky blue?", Asks.OTHER, ""),
    ],
)
def test_questions_are_taken_apart(question: str, asks: Asks, subject: str) -> None:
    parsed = parse_question(question)
    assert (parsed.asks, parsed.subject) == (asks, subject)


def test_a_noun_phrase_names_its_head() -> None:
    for phrase, name in (("cup of coffee", "cup"), ("small brown dog", "dog"), ("red sports car", "sports car")):
        thing = find_in_phrase(phrase)
        assert thing is not None
        assert thing.name == name
