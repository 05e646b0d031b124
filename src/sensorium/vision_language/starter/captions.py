"""What a picture shows, in a sentence or in all that was measured."""

from __future__ import annotations

from sensorium.answer import Evidence
from sensorium.vision_language.starter.colours import describe_colours
from sensorium.vision_language.starter.phrases import Phrase, Row, capitalised, listed, sentence
from sensorium.vision_language.starter.prominent_writing import ProminentWriting, prominent_writing
from sensorium.vision_language.starter.recognition import Tag, thing_of
from sensorium.vision_language.starter.reply import Reply
from sensorium.vision_language.starter.scene import BLURRED, BRIGHT, DARK, Scene
from sensorium.vision_language.starter.surroundings import place_of
from sensorium.vision_language.starter.vocabulary import is_everyday, with_article

_PLAIN = 0.99


def caption(scene: Scene) -> Reply:
    """Say in a sentence or two what the picture shows."""
    colours = scene.colours_of("picture")
    writing = _told_writing(scene)
    if colours and colours[0].share >= _PLAIN and not seen_in(scene) and writing is None:
        text = Phrase("A plain {colour} picture", colour=colours[0].name)
        return Reply(sentence(text), (Evidence("colour", text),))
    style = "black and white {picture}" if scene.monochrome else "{picture}"
    style = Phrase(style, picture="picture")
    if scene.brightness < DARK:
        style = Phrase("dark {picture}", picture=style)
    if scene.sharpness < BLURRED:
        style = Phrase("blurred {picture}", picture=style)
    opening = capitalised(with_article(style))
    shown = contents(scene)
    if writing is not None and not seen_in(scene) and (writing.page or not shown):
        shown = Phrase("a page of writing" if writing.page else "writing")
    if shown:
        sentences = [sentence("{picture} of {things}", picture=opening, things=shown)]
    else:
        sentences = [sentence(_nothing_recognised(scene, style))]
    facts = [*scene.tag_facts(), scene.people_fact()]
    if writing is not None:
        template = "The writing begins {quote}" if writing.page else "It says {quote}"
        sentences.append(sentence(template, quote=f'"{writing.quote}"'))
        facts.append(Evidence("writing", Phrase("{quote}", quote=writing.quote), writing.confidence))
    main = next((tag for tag in scene.tags if tag.sure and scene.colours_of(tag.name)), None)
    subject = main.name if main else "picture"
    if not scene.monochrome and scene.colours_of(subject):
        colour = Phrase(
            "The {region} is {colours}", region=subject, colours=describe_colours(scene.colours_of(subject))
        )
        if shown:
            sentences.append(sentence(colour))
        facts.append(Evidence("colour", colour, main.confidence if main else None))
    confidence = sureness(scene)
    if confidence is None and writing is not None:
        confidence = writing.confidence
    return Reply(Row(sentences, " "), tuple(facts), confidence)


def _nothing_recognised(scene: Scene, style: Phrase) -> Phrase:
    """Say what can be told of a picture whose things can't: light, colours, where it was taken."""
    if scene.brightness > BRIGHT:
        style = Phrase("bright {picture}", picture=style)
    opening = capitalised(with_article(style))
    colours = scene.colours_of("picture")
    if scene.monochrome or not colours:
        told = Phrase("{picture} without colours", english=opening, picture=opening)
    else:
        told = Phrase("{picture} that is {colours}", picture=opening, colours=describe_colours(colours))
    place = place_of(scene)
    if place:
        outdoors = place == "outdoors"
        told = Phrase(
            "{picture}, probably taken outdoors" if outdoors else "{picture}, probably taken indoors", picture=told
        )
    return Phrase("{picture}; what it shows can't be recognised for sure", picture=told)


def _told_writing(scene: Scene) -> ProminentWriting | None:
    return prominent_writing(scene.writing) if scene.writing is not None and scene.clearly_written else None


def contents(scene: Scene) -> str:
    """Return what a picture shows as a noun phrase: "one person and a dog, perhaps a beagle"; "" if nothing."""
    guesses = [tag for tag in scene.tags if not tag.sure]
    seen = seen_in(scene)
    if not guesses:
        return listed(seen) if seen else ""
    if not seen:
        return Phrase("what is perhaps {things}", things=listed([with_article(tag.name) for tag in guesses[:2]], "or"))
    guess = with_article(guesses[0].name)
    sure = [tag for tag in scene.tags if tag.sure]
    guessed = next((tag for tag in sure if thing_of(guesses[0]).classes < thing_of(tag).kinds), None)
    if guessed is None:
        return Phrase("{things}, and perhaps {guess}", things=listed(seen), guess=guess)
    if len(seen) == 1:
        return Phrase("{things}, perhaps {guess}", things=seen[0], guess=guess)
    place = len(seen) - len(sure) + sure.index(guessed)
    seen[place] = Phrase("{thing} (perhaps {guess})", thing=seen[place], guess=guess)
    return listed(seen)


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
        varied = len(set(regions.values())) > 1
        parts = [is_of_colour("the", name, words) for name, words in regions.items()] if varied else []
        for name in named[1:]:
            if scene.colours_of(name):
                sentences.append(sentence(is_of_colour("The", name, describe_colours(scene.colours_of(name)))))
        if parts:
            sentences.append(sentence(capitalised(listed(parts, joint="clauses"))))
    if not scene.people:
        sentences.append(sentence("I can find nobody in it"))
    sentences.append(sentence(scene.layout_facts()[0].text))
    writing = [fact for fact in opening.evidence if fact.kind == "writing"]
    return Reply(Row(sentences, " "), (*scene.facts(), *writing), opening.confidence)


def seen_in(scene: Scene) -> list[str]:
    """Return what is surely there: people, then things."""
    people = [] if not scene.people else [scene.people_in_words()]
    return [*people, *(_named(tag) for tag in scene.tags if tag.sure)]


def _named(tag: Tag) -> str:
    """Return a tag with its kind where the name alone may tell a reader nothing: "a Pekingese (dog)"."""
    tells_itself = not tag.kind or tag.kind in tag.name or is_everyday(thing_of(tag))
    named = with_article(tag.name)
    return named if tells_itself else Phrase("{thing} ({kind})", thing=named, kind=tag.kind)


def is_of_colour(article: str, region: str, colours: str) -> Phrase:
    """Say of which colour a part of a picture is."""
    return Phrase(article + " {region} is {colours}", region=region, colours=colours)
