"""Answers about the people in a picture and their faces: how many, whether there are any, where they are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from sensorium.answer import Evidence
from sensorium.vision_language.starter.phrases import Phrase, capitalised, listed, sentence
from sensorium.vision_language.starter.questions import Question
from sensorium.vision_language.starter.reply import Reply
from sensorium.vision_language.starter.scene import Place, Scene, number_in_words
from sensorium.vision_language.starter.vocabulary import with_article


def count_people(scene: Scene, question: Question) -> Reply:
    """Say how many people or faces there are."""
    if question.about_faces and scene.faces:
        return Reply(sentence(capitalised(_faces_in_words(scene))), (_face_fact(scene),), _face_fact(scene).confidence)
    fact = scene.people_fact()
    if question.about_faces or not scene.people:
        return _nobody(scene, question)
    people = scene.people_in_words()
    text = Phrase("At least {people}", people=people) if len(scene.people) > 1 else capitalised(people)
    if question.about_particular_people:
        pronoun = "it is" if len(scene.people) == 1 else "they are"
        text = Phrase("{people}; I can't tell whether " + pronoun + " {noun}", people=text, noun=question.subject)
    return Reply(sentence(text), (fact,), fact.confidence)


def find_people(scene: Scene, question: Question) -> Reply:
    """Say whether there are people or faces."""
    if question.about_faces and scene.faces:
        if question.about_many not in {0, len(scene.faces)}:
            return count_people(scene, question)
        text = sentence("Yes, I can see {people}", people=_faces_in_words(scene))
        return Reply(text, (_face_fact(scene),), _face_fact(scene).confidence)
    fact = scene.people_fact()
    if question.about_faces or not scene.people:
        return _nobody(scene, question)
    number = question.about_many
    if number and number != len(scene.people):
        return count_people(scene, replace(question, subject=question.subject.partition(" ")[2]))
    if question.attributes and not number and not question.about_particular_people:
        template = "I can see {people}, but I can't tell whether {phrase!r} fits"
        text = sentence(template, people=scene.people_in_words(), phrase=question.subject)
        return Reply(text, (fact,))
    if question.about_particular_people:
        pronoun = "it is" if len(scene.people) == 1 else "they are"
        template = "I can see {people}, but I can't tell whether " + pronoun + " {thing}"
        text = sentence(template, people=scene.people_in_words(), thing=with_article(question.subject))
        return Reply(text, (fact,))
    return Reply(sentence("Yes, I can see {people}", people=scene.people_in_words()), (fact,), fact.confidence)


def place_people(scene: Scene, question: Question) -> Reply:
    """Say where the people or faces are, from left to right."""
    places = places_of_people(scene, question)
    if not places:
        return _nobody(scene, question)
    seen, fact = (scene.people_in_words(), scene.people_fact())
    if question.about_faces:
        seen, fact = _faces_in_words(scene), _face_fact(scene)
    if len(places) == 1:
        text = sentence("{people} is {place}", people=capitalised(seen), place=places[0].in_words())
    else:
        text = sentence("I can see {people}: {places}", people=seen, places=listed(_together(places)))
    return Reply(text, (fact,), fact.confidence)


def places_of_people(scene: Scene, question: Question) -> list[Place]:
    """Return where the people or faces that a question is about are, from left to right."""
    boxes = scene.faces if question.about_faces else [person.box for person in scene.people]
    return [
        Place("person", (left + right) / 2 / scene.width, (top + bottom) / 2 / scene.height)
        for left, top, right, bottom in sorted(boxes, key=lambda box: box[0] + box[2])
    ]


def _nobody(scene: Scene, question: Question) -> Reply:
    text = "I can find nobody; people who are small or hidden can be missed"
    if question.about_faces:
        text = "I can find no face; faces that are small or turned away can be missed"
    return Reply(sentence(text), (scene.people_fact(),))


def _faces_in_words(scene: Scene) -> Phrase:
    count = len(scene.faces)
    return Phrase("{number} face" if count == 1 else "{number} faces", number=number_in_words(count))


def _face_fact(scene: Scene) -> Evidence:
    weakest = min(person.score for person in scene.people if person.face is not None)
    template = "{people} was found" if len(scene.faces) == 1 else "{people} were found"
    return Evidence("people", Phrase(template, people=capitalised(_faces_in_words(scene))), round(weakest, 2))


def _together(places: Sequence[Place]) -> list[str]:
    """Return places in words, each once: "two at the left"."""
    count = Counter(place.in_words() for place in places)
    if len(count) in {1, len(places)}:
        return list(count)
    return [Phrase("{number} {place}", number=number_in_words(many), place=place) for place, many in count.items()]
