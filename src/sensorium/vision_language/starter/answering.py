"""Answers that need no language model, because what is asked was measured."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from sensorium.answer import Evidence
from sensorium.vision_language.starter.captions import caption, describe, is_of_colour, seen_in
from sensorium.vision_language.starter.colours import ColourShare, describe_colours
from sensorium.vision_language.starter.languages import Asked
from sensorium.vision_language.starter.people_answers import count_people, find_people, place_people, places_of_people
from sensorium.vision_language.starter.phrases import (
    Phrase,
    Row,
    capitalised,
    listed,
    sentence,
    statement_of,
    uncapitalised,
)
from sensorium.vision_language.starter.questions import COLOURS, Asks, Question, find_in_phrase, without_article
from sensorium.vision_language.starter.recognition import thing_of
from sensorium.vision_language.starter.reply import Reply
from sensorium.vision_language.starter.scene import BLURRED, BRIGHT, DARK, Scene
from sensorium.vision_language.starter.surroundings import (
    SKY,
    WATER,
    can_be_seen,
    in_words,
    named_surroundings,
    place_of,
    sky_colours,
)
from sensorium.vision_language.starter.vocabulary import Thing, singular, with_article
from sensorium.vision_language.starter.writing_answers import answer_from_writing

_MAIN_COLOUR, _SECOND_COLOUR = 0.3, 0.12
_NO_SIGN = 0.06
_USUAL_PLACES = {
    SKY: "top",
    "ceiling": "top",
    "ground": "bottom",
    "floor": "bottom",
    "grass": "bottom",
    "road": "bottom",
    WATER: "bottom",
}
_OPPOSITE_SIDES = {"left": "right", "right": "left", "top": "bottom", "bottom": "top"}


def answer_directly(scene: Scene, question: Question) -> Reply | None:
    """Answer from measurements alone, or say that it can't be told; None if the facts might still tell."""
    answerers: dict[Asks, Callable[[Scene, Question], Reply | None]] = {
        Asks.CONTENT: lambda scene, question: caption(scene),
        Asks.DETAIL: lambda scene, question: describe(scene),
        Asks.COUNT: _count,
        Asks.COLOUR: _colour,
        Asks.IS_COLOUR: _is_colour,
        Asks.PRESENCE: _presence,
        Asks.KIND: _kind,
        Asks.PLACE: _place,
        Asks.IS_PLACE: _is_place,
        Asks.LIGHT: _light,
        Asks.BLUR: _blur,
        Asks.TAKEN: _taken,
        Asks.SIZE: _size,
        Asks.WRITING: _writing,
        Asks.IDENTITY: lambda scene, question: cannot_tell(scene, "I can't tell who somebody is"),
        Asks.ACTION: lambda scene, question: cannot_tell(scene, "I can't tell what is being done in a still picture"),
        Asks.PART: lambda scene, question: cannot_tell(scene, "I can't tell what is in which part of it"),
    }
    answerer = answerers.get(question.asks)
    return answerer(scene, question) if answerer else None


def cannot_tell(scene: Scene, reason: str) -> Reply:
    """Say that something can't be told, and what can be seen instead."""
    seen = seen_in(scene)
    text: str = sentence(reason)
    if seen:
        text = Row([text, sentence("I can see {things}", things=listed(seen))], " ")
    return Reply(text, (*scene.tag_facts(), scene.people_fact()))


def not_understood(question: Asked) -> Phrase:
    """Return the reason why nothing can be told where a question isn't understood."""
    return Phrase(
        "I don't understand the question {phrase!r}; ask it in other words or in English, or choose a model that knows "
        "its language with model=…",
        phrase=question.text.strip(),
    )


def _writing(scene: Scene, question: Question) -> Reply:
    if scene.writing is None:
        return cannot_tell(scene, "I can't read writing in a picture")
    found = answer_from_writing(scene.writing, question.text)
    return Reply(found.text, found.evidence, found.confidence)


def _count(scene: Scene, question: Question) -> Reply:
    if question.about_people:
        return count_people(scene, question)
    thing = question.only_thing
    subject = question.noun
    if thing is None or scene.shows(thing):
        if thing is None:
            return cannot_tell(scene, Phrase("I can't count {noun}, only people", noun=subject))
        text = sentence("I can see {thing}, but I can count people only", thing=_at_least_one(thing))
        return Reply(text, (_tag_evidence(scene, thing),), round(scene.confidence_in(thing), 2))
    if scene.lacks(thing):
        text = sentence("I can see no {noun}", noun=subject)
        return Reply(text, (_tag_evidence(scene, thing),), _absence(scene, thing))
    return Reply(sentence("I'm not sure that there are any {noun}", noun=subject), (_tag_evidence(scene, thing),))


def _at_least_one(thing: Thing) -> Phrase:
    one = with_article(thing.name)
    if one == thing.name:
        return one
    return Phrase("at least {thing}", english=f"at least one {thing.name}", thing=one)


def _colour(scene: Scene, question: Question) -> Reply:
    found = _coloured(scene, question)
    if isinstance(found, Reply):
        return found
    text = is_of_colour("The", found.region, describe_colours(found.colours))
    return Reply(sentence(text), (Evidence("colour", text, found.confidence),), found.confidence)


def _is_colour(scene: Scene, question: Question) -> Reply:
    if "black and white" in question.text.lower() and question.subject.startswith("black"):
        answer = "Yes, it is" if scene.monochrome else "No, it is not"
        return Reply(sentence(f"{answer} black and white"), tuple(scene.colour_facts()[:1]))
    found = _coloured(scene, question)
    if isinstance(found, Reply):
        return found
    words = is_of_colour("the", found.region, describe_colours(found.colours))
    share = sum(colour.share for colour in found.colours if question.colour in colour.name.split())
    answer = "Yes" if share >= _MAIN_COLOUR else "Partly" if share >= _SECOND_COLOUR else "No"
    evidence = Evidence("colour", capitalised(words), found.confidence)
    return Reply(sentence(answer + ": {statement}", statement=words), (evidence,), found.confidence)


@dataclass(frozen=True)
class _Coloured:
    """A region or a thing, its colours, and how sure it is that the thing is there."""

    region: str
    colours: tuple[ColourShare, ...]
    confidence: float | None = None


def _coloured(scene: Scene, question: Question) -> _Coloured | Reply:
    """Return what a question about colours means, or a refusal where there is no such thing."""
    subject = question.noun
    if scene.monochrome:
        return Reply(sentence("The picture is black and white"), tuple(scene.colour_facts()))
    for region in ("middle", "top", "bottom", "left", "right"):
        if region in subject.split() or (region == "middle" and "centre" in subject):
            return _Coloured(region, scene.colours_of(region))
    if not subject:
        return _Coloured("picture", scene.colours_of("picture"))
    if question.about_people:
        return cannot_tell(scene, Phrase("I can't tell the colour of the {noun}", noun=subject))
    if subject.split()[-1] == SKY and can_be_seen(scene, SKY):
        return _Coloured(SKY, sky_colours(scene))
    usual = _USUAL_PLACES.get(subject.split()[-1])
    thing = question.only_thing
    if subject.split()[-1] == WATER and not can_be_seen(scene, WATER):
        usual = None
    if usual is not None and (thing is None or not scene.shows(thing)):
        described = describe_colours(scene.colours_of(usual))
        text = Phrase("The {region} of the picture is {colours}", region=usual, colours=described)
        where = "The {region} of the picture, where the {noun} usually is, is {colours}"
        return Reply(sentence(where, region=usual, noun=subject, colours=described), (Evidence("colour", text),))
    if thing is None:
        return cannot_tell(scene, Phrase("I can't find the {noun}, so I can't tell its colour", noun=subject))
    tag = scene.tag_for(thing)
    if tag is not None:
        colours = scene.colours_of(tag.name)
        if not colours:
            return cannot_tell(scene, Phrase("I can't tell the {noun} from what is around it", noun=tag.name))
        return _Coloured(singular(subject) if thing.name in subject else thing.name, colours, tag.confidence)
    if scene.lacks(thing):
        return cannot_tell(scene, Phrase("I can see no {noun}", noun=subject))
    return cannot_tell(scene, Phrase("I'm not sure that there is {thing}", thing=with_article(subject)))


def _presence(scene: Scene, question: Question) -> Reply | None:
    alternatives = [part.strip() for part in question.subject.split(" or ")]
    if len(alternatives) > 1:
        return _choice(scene, alternatives)
    together = [part.strip() for part in question.subject.split(" and ")]
    if len(together) > 1:
        replies = [_presence(scene, replace(question, subject=without_article(part))) for part in together]
        found = [reply for reply in replies if reply is not None]
        if len(found) < len(replies):
            return None
        return Reply(
            Row([reply.text for reply in found], " "), tuple(fact for reply in found for fact in reply.evidence)
        )
    if question.about_people:
        return find_people(scene, question)
    thing = question.thing
    if thing is None:
        return _surroundings(scene, question)
    if question.attributes and scene.shows(thing):
        return _with_attributes(scene, question, thing)
    noun = singular(question.noun)
    named = with_article(noun)
    confidence = round(scene.confidence_in(thing), 2)
    evidence = (_tag_evidence(scene, thing),)
    if scene.shows(thing):
        exact = next((tag for tag in scene.tags if tag.sure and thing_of(tag).classes < thing.classes), None)
        shown: str = with_article(thing.name)
        if exact is not None:
            shown = Phrase("{thing} ({kind})", thing=shown, kind=with_article(exact.name))
        return Reply(sentence("Yes, there is {thing}", thing=shown), evidence, confidence)
    if scene.lacks(thing):
        return Reply(sentence("No, I can see no {noun}", noun=noun), evidence, _absence(scene, thing))
    if thing.partial and scene.slightest_sign_of(thing) < _NO_SIGN:
        text = sentence("I can see no {noun}, but I know only some kinds of that by sight", noun=noun)
        return Reply(text, evidence)
    sign = round(max(confidence, scene.slightest_sign_of(thing)), 2)
    return Reply(sentence("I'm not sure: there may be {thing}", thing=named), evidence, sign)


def _with_attributes(scene: Scene, question: Question, thing: Thing) -> Reply:
    """Say whether what is surely there is as the question says: of a colour; else that it can't be told."""
    if question.about_many:
        return _count(scene, question)
    if question.attributes in COLOURS:
        colour = question.attributes.replace("gray", "grey")
        return _is_colour(scene, replace(question, subject=thing.name, colour=colour))
    template = "I can see {thing}, but I can't tell whether {phrase!r} fits"
    text = sentence(template, thing=with_article(thing.name), phrase=question.subject)
    return Reply(text, (_tag_evidence(scene, thing),))


def _surroundings(scene: Scene, question: Question) -> Reply | None:
    name = named_surroundings(question.subject)
    if not name:
        return None
    named = in_words(name)
    if not can_be_seen(scene, name):
        reason = "I can't tell whether {thing} can be seen: I recognise that only in some kinds of pictures"
        return cannot_tell(scene, Phrase(reason, thing=named))
    if name == SKY:
        colours = is_of_colour("The", "top", describe_colours(scene.colours_of("top")))
        evidence = (Evidence("colour", colours), *scene.tag_facts())
    else:
        evidence = (Evidence("tag", Phrase("There is {thing}", thing=named)), *scene.tag_facts())
    return Reply(sentence("Yes, I can see {thing}", thing=named), evidence)


def _choice(scene: Scene, alternatives: Sequence[str]) -> Reply | None:
    found = [(find_in_phrase(part), part) for part in alternatives]
    known = [(thing, part) for thing, part in found if thing is not None]
    if len(known) < len(found):
        return None
    best, _ = max(known, key=lambda pair: scene.confidence_in(pair[0]))
    confidence = round(scene.confidence_in(best), 2)
    if scene.shows(best):
        return Reply(sentence(capitalised(with_article(best.name))), (_tag_evidence(scene, best),), confidence)
    return cannot_tell(scene, "I can see neither of them for sure")


def _kind(scene: Scene, question: Question) -> Reply | None:
    thing = question.thing
    if thing is None:
        return None
    inside = [tag for tag in scene.tags if thing_of(tag).kinds <= thing.kinds and tag.name != thing.name]
    inside.sort(key=lambda tag: -tag.confidence)
    sure = [tag for tag in inside if tag.sure]
    if len(sure) > 1 and question.subject != singular(question.subject):
        text = sentence(capitalised(listed([with_article(tag.name) for tag in sure])))
        return Reply(text, tuple(_tag_evidence(scene, thing_of(tag)) for tag in sure), sure[0].confidence)
    if inside:
        best = inside[0]
        named = with_article(best.name)
        text = sentence(capitalised(named) if best.sure else Phrase("Perhaps {thing}, but I'm not sure", thing=named))
        return Reply(text, (_tag_evidence(scene, thing_of(best)),), best.confidence)
    if scene.shows(thing):
        text = sentence("There is {thing}, but I can't tell of which kind", thing=with_article(thing.name))
        return Reply(text, (_tag_evidence(scene, thing),))
    return cannot_tell(scene, Phrase("I can see no {noun} for sure", noun=question.noun))


def _place(scene: Scene, question: Question) -> Reply | None:
    if question.about_people and (scene.people or question.about_faces or question.thing is None):
        return place_people(scene, question)
    thing = question.only_thing
    if thing is None:
        if not question.subject:
            return cannot_tell(scene, "I can't tell")
        return cannot_tell(scene, Phrase("I can't tell where the {noun} is", noun=question.subject))
    found = {place.name: place for place in scene.places}
    tag = scene.tag_for(thing)
    if tag is not None:
        if tag.name in found:
            text = Phrase("The {noun} is {place}", noun=tag.name, place=found[tag.name].in_words())
            return Reply(sentence(text), (Evidence("layout", text),), tag.confidence)
        return cannot_tell(scene, Phrase("I can't tell where the {noun} is", noun=tag.name))
    return cannot_tell(scene, Phrase("I can see no {noun} for sure", noun=question.noun))


def _is_place(scene: Scene, question: Question) -> Reply | None:
    where = _place(scene, question)
    if question.about_people:
        places = places_of_people(scene, question)
    else:
        tag = scene.tag_for(question.thing) if question.thing is not None else None
        places = [place for place in scene.places if tag is not None and place.name == tag.name]
    if where is None or not places:
        return where
    words = [place.in_words() for place in places]
    if all(question.side in place for place in words):
        answer = "Yes: {statement}"
    elif all(_OPPOSITE_SIDES.get(question.side, "elsewhere") in place for place in words):
        answer = "No: {statement}"
    else:
        # Whether something is left or in the middle is a matter of opinion.
        return where
    statement = statement_of(where.text)
    if not statement.startswith("I "):
        statement = uncapitalised(statement)
    return replace(where, text=sentence(answer, statement=statement))


def _light(scene: Scene, question: Question) -> Reply:
    light = "dark" if scene.brightness < DARK else "bright" if scene.brightness > BRIGHT else "neither dark nor bright"
    text = f"The picture is {light}"
    measured = Phrase(text + ": its mean lightness is {value} of 1", value=f"{scene.brightness:.2f}")
    return Reply(sentence(text), (Evidence("layout", measured),), 1.0)


def _blur(scene: Scene, question: Question) -> Reply:
    text = f"The picture is {'blurred' if scene.sharpness < BLURRED else 'sharp'}"
    measured = Phrase(text + ": its sharpness is {value} of 1", value=f"{scene.sharpness:.2f}")
    return Reply(sentence(text), (Evidence("layout", measured),))


def _taken(scene: Scene, question: Question) -> Reply:
    place = place_of(scene)
    if not place:
        return cannot_tell(scene, "I can't tell whether it was taken outdoors or indoors")
    outdoors = place == "outdoors"
    statement = Phrase("It was probably taken outdoors" if outdoors else "It was probably taken indoors")
    words = re.findall(r"(?:out|in)(?=door|side)|open", question.text.lower())
    asked_for = {word != "in" for word in words}
    evidence = (Evidence("tag", statement), *scene.tag_facts())
    if len(asked_for) > 1:
        return Reply(sentence(statement), evidence)
    answer = "Yes: {statement}" if asked_for == {outdoors} else "No: {statement}"
    return Reply(sentence(answer, statement=uncapitalised(statement)), evidence)


def _size(scene: Scene, question: Question) -> Reply:
    if question.text and any(
        word in question.text.lower() for word in ("how big", "how large", "how tall", "how wide")
    ):
        about = question.text.lower()
        if not any(word in about for word in ("picture", "image", "photo")):
            return cannot_tell(scene, "I can't tell the size of things")
    fact = scene.layout_facts()[0]
    return Reply(sentence(fact.text), (fact,), 1.0)


def _tag_evidence(scene: Scene, thing: Thing) -> Evidence:
    confidence = round(scene.confidence_in(thing), 2)
    words = "There is" if scene.shows(thing) else "No sign of" if scene.lacks(thing) else "There may be"
    return Evidence("tag", Phrase(words + " {thing}", thing=with_article(thing.name)), confidence)


def _absence(scene: Scene, thing: Thing) -> float:
    return round(1 - scene.slightest_sign_of(thing), 2)
