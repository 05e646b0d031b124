"""Answers about a film that need no language model, because the answer was seen or heard."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from sensorium.answer import Evidence
from sensorium.video.starter.film_questions import FilmQuestion
from sensorium.video.starter.scene_story import SceneMoment, SceneStory
from sensorium.video.video_story import (
    Sentence,
    clock,
    moment_evidence,
    sentence_evidence,
    span,
)
from sensorium.vision_language.starter.answering import answer_directly
from sensorium.vision_language.starter.captions import seen_in
from sensorium.vision_language.starter.phrases import Phrase, Row, listed, sentence, statement_of
from sensorium.vision_language.starter.questions import Asks, Question
from sensorium.vision_language.starter.reply import Reply
from sensorium.vision_language.starter.surroundings import place_of
from sensorium.vision_language.starter.vocabulary import Thing, with_article

_MOST_QUOTES = 3
_PERHAPS = 0.3
_OF_A_THING = {Asks.PRESENCE, Asks.COLOUR, Asks.IS_COLOUR, Asks.PLACE, Asks.KIND, Asks.COUNT}
_OF_THE_WHOLE = {Asks.COLOUR, Asks.LIGHT, Asks.BLUR, Asks.SIZE}


class Stretch(Protocol):
    """Something that a film shows from one time to another, in seconds."""

    @property
    def start(self) -> float:
        """Where it begins."""

    @property
    def end(self) -> float:
        """Where it ends."""


def moments_asked_for(story: SceneStory, question: FilmQuestion) -> Sequence[SceneMoment]:
    """Return the moment at the time that a question names; all moments if the question names no time."""
    time = time_asked_for(question, story.duration)
    if time is None:
        return story.moments
    return [max((moment for moment in story.moments if moment.start <= time), key=lambda moment: moment.start)]


def sentences_asked_for(story: SceneStory, question: FilmQuestion) -> Sequence[Sentence]:
    """Return what is said around the time that a question names; all sentences if the question names no time."""
    time = time_asked_for(question, story.duration)
    if time is None:
        return story.sentences
    return [sentence for sentence in story.sentences if is_around(time, sentence)]


def time_asked_for(question: FilmQuestion, duration: float) -> float | None:
    """Return the time, in seconds, that a question names in a film of so many seconds; None if it names none."""
    if question.time is not None:
        return question.time
    return None if question.share is None else question.share * duration


def is_around(time: float, stretch: Stretch) -> bool:
    """Return whether a time is in a stretch, or at most a second away."""
    return stretch.start - 1 <= time <= stretch.end + 1


def all_words(story: SceneStory, sentences: Sequence[Sentence]) -> Reply:
    """Repeat what is said."""
    if not story.sentences:
        return Reply(silence(story))
    if not sentences:
        return Reply(sentence("Nothing is said then"))
    lines = [timed_words(item.start, item.end, item.text) for item in sentences]
    return Reply(Row(lines, "\n"), tuple(sentence_evidence(item) for item in sentences))


def tell(moments: Sequence[SceneMoment], sentences: Sequence[Sentence], story: SceneStory) -> Reply:
    """Tell what is seen and said, in the order of time."""
    whole = len(moments) == len(story.moments)
    heard = story.sentences if whole else sentences
    seen_and_said = [*map(moment_evidence, moments), *map(_heard, heard)]
    evidence = tuple(sorted(seen_and_said, key=lambda item: (item.start or 0.0, item.kind)))
    about_sound = [Phrase(line) for line in story.about_sound()] if whole else []
    lines = [timed_words(item.start, item.end, item.text) for item in evidence]
    return Reply(Row([*lines, *about_sound], "\n"), evidence)


def from_moments(moments: Sequence[SceneMoment], question: Question) -> Reply | None:
    """Answer a question about a picture from moments of a film, with their times; None if no moment can answer it."""
    if question.about_people and (
        question.asks is Asks.COUNT or (question.asks is Asks.PRESENCE and question.about_many)
    ):
        return _most_people(moments, question)
    if question.about_people and question.asks is Asks.PRESENCE:
        return people_times(moments, question, Phrase("Yes, somebody"))
    thing = question.thing
    if thing is not None and question.asks in _OF_A_THING:
        found = [moment for moment in moments if moment.scene.shows(thing)]
        if not found:
            return not_seen(thing, moments)
        if question.asks is Asks.PRESENCE and not question.attributes:
            return times(Phrase("Yes, {thing}", thing=with_article(thing.name)), found)
        return _each([(moment, answer_directly(moment.scene, question)) for moment in found])
    if question.asks is Asks.TAKEN:
        told = [moment for moment in moments if place_of(moment.scene)]
        if not told:
            return Reply(sentence("I can't tell whether it was taken outdoors or indoors"))
        return _each([(moment, answer_directly(moment.scene, question)) for moment in told])
    if not question.subject and question.asks in _OF_THE_WHOLE:
        return _each([(moment, answer_directly(moment.scene, question)) for moment in moments])
    return None


def people_times(moments: Sequence[SceneMoment], question: Question, words: str) -> Reply:
    """Say when somebody is seen."""
    found = [moment for moment in moments if moment.scene.people]
    if not found:
        text = sentence("I can find nobody in this film; people who are small or hidden can be missed")
        return Reply(text, (_nobody(moments),))
    reply = times(words, found)
    if not question.about_particular_people:
        return reply
    refusal = sentence("I can't tell whether it is {thing}", thing=with_article(question.subject))
    return Reply(Row([reply.text, refusal], " "), reply.evidence, reply.confidence)


def times(what: str, found: Sequence[SceneMoment]) -> Reply:
    """Say when something is seen."""
    evidence = tuple(moment_evidence(moment) for moment in found)
    confidences = [item.confidence for item in evidence if item.confidence is not None]
    text = sentence("{thing} is seen {times}", thing=what, times=spans_in_words(found))
    return Reply(text, evidence, max(confidences, default=None))


def not_seen(thing: Thing, moments: Sequence[SceneMoment]) -> Reply:
    """Say that something is not seen, or that it is not sure."""
    best = max(moments, key=lambda moment: moment.scene.slightest_sign_of(thing))
    sign = best.scene.slightest_sign_of(thing)
    if sign >= _PERHAPS:
        text = sentence(
            "I'm not sure: there may be {thing} at {time}", thing=with_article(thing.name), time=clock(best.start)
        )
        return Reply(text, (moment_evidence(best),), round(sign, 2))
    if thing.partial:
        template = "I can see no {noun} in this film, but I know only some kinds of that by sight"
        return Reply(sentence(template, noun=thing.name))
    return Reply(sentence("I can see no {noun} in this film", noun=thing.name), confidence=round(1 - sign, 2))


def quoted(sentences: Sequence[Sentence]) -> str:
    """Return sentences with their times: ``at 00:04: "…" and at 00:12: "…"``."""
    return listed(
        [Phrase('at {time}: "{quote}"', time=clock(item.start), quote=item.text) for item in sentences[:_MOST_QUOTES]]
    )


def what_is_seen(story: SceneStory) -> str:
    """Return in one sentence what the film shows: each thing once, with the time when it is first seen."""
    first: dict[str, float] = {}
    for moment in story.moments:
        for name in seen_in(moment.scene):
            first.setdefault(name, moment.start)
    shown = [Phrase("{thing} ({time})", thing=name, time=clock(start)) for name, start in list(first.items())[:6]]
    return sentence("I can see {things}", things=listed(shown)) if shown else ""


def silence(story: SceneStory) -> str:
    """Say why there are no words."""
    return sentence("Nothing is said in this film" if story.has_audio else "The film has no sound track")


def _most_people(moments: Sequence[SceneMoment], question: Question) -> Reply:
    most = max(moments, key=lambda moment: len(moment.scene.people))
    reply = answer_directly(most.scene, question)
    assert reply is not None, "people can always be counted"
    if not most.scene.people:
        return Reply(reply.text, (_nobody(moments),))
    text = sentence(
        "{statement}, at {time}; that is the most at one time",
        statement=statement_of(reply.text),
        time=clock(most.start),
    )
    return Reply(text, (moment_evidence(most),), reply.confidence)


def _nobody(moments: Sequence[SceneMoment]) -> Evidence:
    return Evidence("people", Phrase("Nobody was found"), None, moments[0].start, moments[-1].end)


def _each(replies: Sequence[tuple[SceneMoment, Reply | None]]) -> Reply | None:
    """Join the answers of several moments into one; equal answers are given once, with all their times."""
    by_text: OrderedDict[str, list[SceneMoment]] = OrderedDict()
    for moment, reply in replies:
        if reply is not None:
            by_text.setdefault(statement_of(reply.text), []).append(moment)
    if not by_text:
        return None
    confidences = [reply.confidence for _, reply in replies if reply is not None and reply.confidence is not None]
    each = [
        Phrase("{statement} ({times})", statement=words, times=spans_in_words(moments))
        for words, moments in by_text.items()
    ]
    evidence = tuple(moment_evidence(moment) for moments in by_text.values() for moment in moments)
    return Reply(sentence(Row(each, "; ")), evidence, max(confidences, default=None))


def spans_in_words(stretches: Sequence[Stretch]) -> str:
    """Return when something is there: "from 00:01 to 00:03 and from 00:07 to 00:09"."""
    spans: list[list[float]] = []
    for moment in stretches:
        if spans and abs(spans[-1][1] - moment.start) < 0.05:
            spans[-1][1] = moment.end
        else:
            spans.append([moment.start, moment.end])
    return listed([Phrase("from {start} to {end}", start=clock(start), end=clock(end)) for start, end in spans])


def _heard(sentence: Sentence) -> Evidence:
    return replace(sentence_evidence(sentence), text=Phrase('It is said: "{quote}"', quote=sentence.text))


def timed_words(start: float | None, end: float | None, text: str) -> Phrase:
    """Return words with the time in front: ``[00:12-00:15] A cat.``"""
    return Phrase("[{span}] {words}", span=span(start, end), words=text)
