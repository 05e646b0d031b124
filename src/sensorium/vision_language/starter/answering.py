"""Answers that need no language model, because what is asked was measured."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from sensorium.answer import Answer, Ending, Evidence
from sensorium.vision_language.starter.colours import ColourShare, describe_colours
from sensorium.vision_language.starter.questions import Asks, Question, find_in_phrase, without_article
from sensorium.vision_language.starter.recognition import Tag, thing_of
from sensorium.vision_language.starter.scene import BLURRED, BRIGHT, DARK, Place, Scene
from sensorium.vision_language.starter.vocabulary import Thing, is_everyday, singular, with_article

_MAIN_COLOUR, _SECOND_COLOUR = 0.3, 0.12
_PLAIN = 0.99
_NO_SIGN = 0.06
_USUAL_PLACES = {
    "sky": "top",
    "ceiling": "top",
    "ground": "bottom",
    "floor": "bottom",
    "grass": "bottom",
    "road": "bottom",
}


@dataclass(frozen=True)
class Reply:
    """A short answer and what it rests on.

    Attributes:
        text: Whole sentences.
        evidence: The facts used.
        confidence: From 0 to 1, or None where nothing measures it.
        ending: How it ended; of a reply from measurements alone, that no language model took part.
    """

    text: str
    evidence: tuple[Evidence, ...] = ()
    confidence: float | None = None
    ending: Ending = field(default_factory=Ending)

    def as_answer(self, model: str) -> Answer:
        """Return it as a result that names who answered."""
        return Answer(
            self.text,
            model=model,
            evidence=self.evidence,
            confidence=self.confidence,
            finish_reason=self.ending.finish_reason,
            usage=self.ending.usage,
            warnings=self.ending.warnings,
        )


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
        Asks.LIGHT: _light,
        Asks.BLUR: _blur,
        Asks.SIZE: _size,
        Asks.WRITING: lambda scene, question: cannot_tell(scene, "I can't read writing in a picture"),
        Asks.IDENTITY: lambda scene, question: cannot_tell(scene, "I can't tell who somebody is"),
        Asks.ACTION: lambda scene, question: cannot_tell(scene, "I can't tell what is being done in a still picture"),
        Asks.PART: lambda scene, question: cannot_tell(scene, "I can't tell what is in which part of it"),
    }
    answerer = answerers.get(question.asks)
    return answerer(scene, question) if answerer else None


def caption(scene: Scene) -> Reply:
    """Say in a sentence or two what the picture shows."""
    colours = scene.colours_of("picture")
    if colours and colours[0].share >= _PLAIN and not seen_in(scene):
        text = f"A plain {colours[0].name} picture"
        return Reply(f"{text}.", (Evidence("colour", text),))
    style = "black and white picture" if scene.monochrome else "picture"
    if scene.brightness < DARK:
        style = f"dark {style}"
    if scene.sharpness < BLURRED:
        style = f"blurred {style}"
    opening = capitalised(with_article(style))
    shown = contents(scene)
    sentences = [f"{opening} of {shown}" if shown else f"{opening} in which nothing can be recognised for sure"]
    facts = [*scene.tag_facts(), scene.people_fact()]
    main = next((tag for tag in scene.tags if tag.sure and scene.colours_of(tag.name)), None)
    subject = main.name if main else "picture"
    if not scene.monochrome and scene.colours_of(subject):
        sentences.append(f"The {subject} is {describe_colours(scene.colours_of(subject))}")
        facts.append(Evidence("colour", sentences[-1], main.confidence if main else None))
    return Reply(". ".join(sentences) + ".", tuple(facts), sureness(scene))


def contents(scene: Scene) -> str:
    """Return what a picture shows as a noun phrase: "one person and a dog, perhaps a beagle"; "" if nothing."""
    seen = seen_in(scene)
    maybe = [with_article(tag.name) for tag in scene.tags if not tag.sure]
    if seen:
        return f"{listed(seen)}, perhaps {maybe[0]}" if maybe else listed(seen)
    return f"what is perhaps {listed(maybe[:2], 'or')}" if maybe else ""


def sureness(scene: Scene) -> float | None:
    """Return how sure the surest thing or person in a picture is; None if there is none."""
    sure = [tag.confidence for tag in scene.tags if tag.sure] + [person.score for person in scene.people]
    unsure = [tag.confidence for tag in scene.tags if not tag.sure]
    return round(max(sure or unsure), 2) if sure or unsure else None


def describe(scene: Scene) -> Reply:
    """Say everything that was measured."""
    opening = caption(scene)
    sentences = [opening.text]
    named = [tag.name for tag in scene.tags if tag.sure]
    if not scene.monochrome:
        regions = {name: describe_colours(scene.colours_of(name)) for name in ("top", "middle", "bottom")}
        # Three times the same says less than the caption's one sentence.
        parts = [f"the {name} is {words}" for name, words in regions.items()] if len(set(regions.values())) > 1 else []
        for name in named[1:]:
            if scene.colours_of(name):
                sentences.append(f"The {name} is {describe_colours(scene.colours_of(name))}.")
        if parts:
            sentences.append(f"{capitalised(listed(parts))}.")
    if not scene.people:
        sentences.append("I can find nobody in it.")
    sentences.append(f"{scene.layout_facts()[0].text}.")
    return Reply(" ".join(sentences), scene.facts(), opening.confidence)


def cannot_tell(scene: Scene, reason: str) -> Reply:
    """Say that something can't be told, and what can be seen instead."""
    seen = seen_in(scene)
    text = f"{reason}. I can see {listed(seen)}." if seen else f"{reason}."
    return Reply(text, (*scene.tag_facts(), scene.people_fact()))


def seen_in(scene: Scene) -> list[str]:
    """Return what is surely there: people, then things."""
    people = [] if not scene.people else [_people_in_words(scene)]
    return [*people, *(_named(tag) for tag in scene.tags if tag.sure)]


def _named(tag: Tag) -> str:
    """Return a tag with its kind where the name alone may tell a reader nothing: "a Pekingese (dog)"."""
    tells_itself = not tag.kind or tag.kind in tag.name or is_everyday(thing_of(tag))
    return with_article(tag.name) + ("" if tells_itself else f" ({tag.kind})")


def _people_in_words(scene: Scene) -> str:
    return scene.people_fact().text.partition(" w")[0].lower()


def _count(scene: Scene, question: Question) -> Reply:
    if question.about_people:
        return _count_people(scene, question)
    thing = question.thing
    subject = question.noun
    if thing is None or scene.shows(thing):
        seen = f"I can see {with_article(thing.name)}, but I" if thing is not None else "I"
        evidence = (_tag_evidence(scene, thing),) if thing is not None else ()
        return Reply(f"{seen} can count people only, not {subject}.", evidence)
    if scene.lacks(thing):
        return Reply(f"I can see no {subject}.", (_tag_evidence(scene, thing),), _absence(scene, thing))
    return Reply(f"I'm not sure that there are any {subject}.", (_tag_evidence(scene, thing),))


def _count_people(scene: Scene, question: Question) -> Reply:
    fact = scene.people_fact()
    if not scene.people:
        return Reply("I can find nobody; people who are small or hidden can be missed.", (fact,))
    text = capitalised(_people_in_words(scene))
    text = f"At least {text.lower()}" if len(scene.people) > 1 else text
    if question.about_particular_people:
        text += f"; I can't tell whether {'it is' if len(scene.people) == 1 else 'they are'} {question.subject}"
    return Reply(f"{text}.", (fact,), fact.confidence)


def _colour(scene: Scene, question: Question) -> Reply:
    found = _coloured(scene, question)
    if isinstance(found, Reply):
        return found
    text = f"The {found.region} is {describe_colours(found.colours)}"
    return Reply(f"{text}.", (Evidence("colour", text, found.confidence),), found.confidence)


def _is_colour(scene: Scene, question: Question) -> Reply:
    if "black and white" in question.text.lower() and question.subject.startswith("black"):
        answer = "Yes, it is" if scene.monochrome else "No, it is not"
        return Reply(f"{answer} black and white.", tuple(scene.colour_facts()[:1]))
    found = _coloured(scene, question)
    if isinstance(found, Reply):
        return found
    words = f"the {found.region} is {describe_colours(found.colours)}"
    share = sum(colour.share for colour in found.colours if question.colour in colour.name.split())
    answer = "Yes" if share >= _MAIN_COLOUR else "Partly" if share >= _SECOND_COLOUR else "No"
    evidence = Evidence("colour", capitalised(words), found.confidence)
    return Reply(f"{answer}: {words}.", (evidence,), found.confidence)


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
        return Reply("The picture is black and white.", tuple(scene.colour_facts()))
    for region in ("middle", "top", "bottom", "left", "right"):
        if region in subject.split() or (region == "middle" and "centre" in subject):
            return _Coloured(region, scene.colours_of(region))
    if not subject:
        return _Coloured("picture", scene.colours_of("picture"))
    if question.about_people:
        return cannot_tell(scene, f"I can't tell the colour of the {subject}")
    usual = _USUAL_PLACES.get(subject.split()[-1])
    thing = question.thing
    if usual is not None and (thing is None or not scene.shows(thing)):
        text = f"The {usual} of the picture is {describe_colours(scene.colours_of(usual))}"
        return Reply(f"I can't tell what is {subject} here. {text}.", (Evidence("colour", text),))
    if thing is None:
        return cannot_tell(scene, f"I can't find the {subject}, so I can't tell its colour")
    tag = scene.tag_for(thing)
    if tag is not None:
        colours = scene.colours_of(tag.name)
        if not colours:
            return cannot_tell(scene, f"I can't tell the {tag.name} from what is around it")
        return _Coloured(singular(subject) if thing.name in subject else thing.name, colours, tag.confidence)
    if scene.lacks(thing):
        return cannot_tell(scene, f"I can see no {subject}")
    return cannot_tell(scene, f"I'm not sure that there is {with_article(subject)}")


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
        return Reply(" ".join(reply.text for reply in found), tuple(fact for reply in found for fact in reply.evidence))
    if question.about_people:
        return _people_presence(scene, question)
    thing = question.thing
    if thing is None:
        return None
    noun = singular(question.noun)
    named = with_article(noun)
    confidence = round(scene.confidence_in(thing), 2)
    evidence = (_tag_evidence(scene, thing),)
    if scene.shows(thing):
        exact = next((tag for tag in scene.tags if tag.sure and thing_of(tag).classes < thing.classes), None)
        more = f" ({with_article(exact.name)})" if exact is not None else ""
        return Reply(f"Yes, there is {with_article(thing.name)}{more}.", evidence, confidence)
    if scene.lacks(thing):
        return Reply(f"No, I can see no {noun}.", evidence, _absence(scene, thing))
    if thing.partial and scene.slightest_sign_of(thing) < _NO_SIGN:
        return Reply(f"I can see no {noun}, but I know only some kinds of that by sight.", evidence)
    sign = round(max(confidence, scene.slightest_sign_of(thing)), 2)
    return Reply(f"I'm not sure: there may be {named}.", evidence, sign)


def _choice(scene: Scene, alternatives: Sequence[str]) -> Reply | None:
    found = [(find_in_phrase(part), part) for part in alternatives]
    known = [(thing, part) for thing, part in found if thing is not None]
    if len(known) < len(found):
        return None
    best, _ = max(known, key=lambda pair: scene.confidence_in(pair[0]))
    confidence = round(scene.confidence_in(best), 2)
    if scene.shows(best):
        return Reply(f"{capitalised(with_article(best.name))}.", (_tag_evidence(scene, best),), confidence)
    return cannot_tell(scene, "I can see neither of them for sure")


def _people_presence(scene: Scene, question: Question) -> Reply:
    fact = scene.people_fact()
    if not scene.people:
        return Reply("I can find nobody; people who are small or hidden can be missed.", (fact,))
    if question.about_particular_people:
        pronoun = "it is" if len(scene.people) == 1 else "they are"
        text = (
            f"I can see {_people_in_words(scene)}, but I can't tell whether {pronoun} {with_article(question.subject)}."
        )
        return Reply(text, (fact,))
    return Reply(f"Yes, I can see {_people_in_words(scene)}.", (fact,), fact.confidence)


def _kind(scene: Scene, question: Question) -> Reply | None:
    thing = question.thing
    if thing is None:
        return None
    inside = [tag for tag in scene.tags if thing_of(tag).kinds <= thing.kinds and tag.name != thing.name]
    inside.sort(key=lambda tag: -tag.confidence)
    sure = [tag for tag in inside if tag.sure]
    if len(sure) > 1 and question.subject != singular(question.subject):
        text = f"{capitalised(listed([with_article(tag.name) for tag in sure]))}."
        return Reply(text, tuple(_tag_evidence(scene, thing_of(tag)) for tag in sure), sure[0].confidence)
    if inside:
        best = inside[0]
        named = with_article(best.name)
        text = f"{capitalised(named)}." if best.sure else f"Perhaps {named}, but I'm not sure."
        return Reply(text, (_tag_evidence(scene, thing_of(best)),), best.confidence)
    if scene.shows(thing):
        return Reply(
            f"There is {with_article(thing.name)}, but I can't tell of which kind.", (_tag_evidence(scene, thing),)
        )
    return cannot_tell(scene, f"I can see no {question.noun} for sure")


def _place(scene: Scene, question: Question) -> Reply | None:
    if question.about_people and scene.people:
        places = [str(_place_of_box(person.box, scene)) for person in scene.people]
        return Reply(f"I can see {_people_in_words(scene)}: {listed(places)}.", (scene.people_fact(),))
    thing = question.thing
    if thing is None:
        return cannot_tell(
            scene, f"I can't tell where the {question.subject} is" if question.subject else "I can't tell"
        )
    found = {place.name: place for place in scene.places}
    tag = scene.tag_for(thing)
    if tag is not None:
        if tag.name in found:
            text = f"The {tag.name} is {found[tag.name]}"
            return Reply(f"{text}.", (Evidence("layout", text),), tag.confidence)
        return cannot_tell(scene, f"I can't tell where the {tag.name} is")
    return cannot_tell(scene, f"I can see no {question.noun} for sure")


def _place_of_box(box: tuple[float, ...], scene: Scene) -> Place:
    return Place("person", (box[0] + box[2]) / 2 / scene.width, (box[1] + box[3]) / 2 / scene.height)


def _light(scene: Scene, question: Question) -> Reply:
    light = "dark" if scene.brightness < DARK else "bright" if scene.brightness > BRIGHT else "neither dark nor bright"
    text = f"The picture is {light}"
    return Reply(f"{text}.", (Evidence("layout", f"{text}: its mean lightness is {scene.brightness:.2f} of 1"),), 1.0)


def _blur(scene: Scene, question: Question) -> Reply:
    text = f"The picture is {'blurred' if scene.sharpness < BLURRED else 'sharp'}"
    return Reply(f"{text}.", (Evidence("layout", f"{text}: its sharpness is {scene.sharpness:.2f} of 1"),))


def _size(scene: Scene, question: Question) -> Reply:
    if question.text and any(
        word in question.text.lower() for word in ("how big", "how large", "how tall", "how wide")
    ):
        about = question.text.lower()
        if not any(word in about for word in ("picture", "image", "photo")):
            return cannot_tell(scene, "I can't tell the size of things")
    fact = scene.layout_facts()[0]
    return Reply(f"{fact.text}.", (fact,), 1.0)


def _tag_evidence(scene: Scene, thing: Thing) -> Evidence:
    confidence = round(scene.confidence_in(thing), 2)
    words = "There is" if scene.shows(thing) else "No sign of" if scene.lacks(thing) else "There may be"
    return Evidence("tag", f"{words} {with_article(thing.name)}", confidence)


def _absence(scene: Scene, thing: Thing) -> float:
    return round(1 - scene.slightest_sign_of(thing), 2)


def listed(parts: Sequence[str], word: str = "and") -> str:
    """Return words as a list in a sentence: "a, b and c"."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} {word} {parts[-1]}"


def capitalised(text: str) -> str:
    """Return a text with its first letter large and the others as they are."""
    return text[:1].upper() + text[1:]
