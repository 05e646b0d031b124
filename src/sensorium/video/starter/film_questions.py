"""Reads questions about films: they can ask for times, spoken words and lengths, which no picture can answer."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from functools import cache

from sensorium.vision_language.starter.questions import Question, parse_question, plain_words, read_forms, subject_in

_TIME = re.compile(
    r"\b(?:at|around|after|about)\s+(?:(?P<hours>\d+):)?(?P<minutes>\d+):(?P<seconds>\d\d)\b|"
    r"\b(?:at|around|after|about)\s+(?:second\s+)?(?P<plain>\d+(?:\.\d+)?)\s*(?:s|sec|seconds?)?\b(?!\s*(?:people|minutes))",
    re.IGNORECASE,
)
_SHARES = {"beginning": 0.0, "start": 0.0, "end": 1.0, "middle": 0.5}
_SHARE = re.compile(
    r"\b(?:at|in|towards) the (?:very )?(beginning|start|end|middle)\b(?: of (?:the|this) (?:film|video|clip|movie))?",
    re.IGNORECASE,
)
_MACROS = {
    "<when>": (
        r"(?:when|from when|until when|(?:for )?how long|"
        r"(?:at |in )?(?:what|which) (?:time|moment|point|second|part|scene))"
    ),
    "<written>": (
        r"(?:signs?|sign ?boards?|sign ?posts?|(?:black|white|chalk|notice |score)?boards?|billboards?|posters?|"
        r"placards?|banners?|notices?|plaques?|labels?|stickers?|screens?|displays?|monitors?|slides?|pages?|papers?|books?|"
        r"covers?|newspapers?|magazines?|letters?|notes?|documents?|receipts?|bills?|invoices?|menus?|tickets?|cards?|maps?|"
        r"titles?|subtitles?|captions?|(?:opening |closing )?credits|headlines?|headings?|text|texts|writing|lettering|"
        r"inscriptions?|graffiti|plates?|t-?shirts?|shirts?|jerseys?|bags?|box|boxes|bottles?|cans?|packets?|packages?|"
        r"packaging|doors?|walls?|flags?|mugs?|clocks?|e-?mails?|messages?|web ?sites?)"
    ),
    "<film>": r"(?:film|video|clip|movie|recording|footage)",
    "<speak>": (
        r"(?:said|says?|saying|spoken|speaks?|speaking|speech|talks?|talked|talking|tells?|told|mentions?|mentioned|"
        r"hears?|heard|narrator|voice|dialogue|words)"
    ),
}


class AsksOfFilm(Enum):
    """What is asked for."""

    WHEN_SEEN = "when something is seen"
    WHEN_SAID = "when something is said"
    WORDS = "what is said"
    ABOUT = "what is said about something"
    WRITING = "what is written"
    LENGTH = "how long the film is"
    STORY = "what happens"
    PICTURE = "something that a picture tells"


@dataclass(frozen=True)
class FilmQuestion:
    """A question, taken apart.

    Attributes:
        text: The question's words, without the time that the question names.
        asks: What the question asks for.
        picture: The same question, read as a question about a picture.
        subject: The noun phrase that a question about times or words is about; "" if there is none.
        time: The time that the question names, in seconds, or None.
        share: The part of the film that the question names, from 0 (beginning) to 1 (end), or None.
    """

    text: str
    asks: AsksOfFilm
    picture: Question
    subject: str = ""
    time: float | None = None
    share: float | None = None


def parse_film_question(text: str) -> FilmQuestion:
    """Find out from its wording what a question about a film asks for."""
    rest, time, share = text, None, None
    found = _TIME.search(rest)
    if found:
        units = (("hours", 3600.0), ("minutes", 60.0), ("seconds", 1.0), ("plain", 1.0))
        time = sum(float(found[name] or 0) * unit for name, unit in units)
        rest = rest[: found.start()] + rest[found.end() :]
    place = _SHARE.search(rest)
    if place:
        share = _SHARES[place[1].lower()]
        rest = rest[: place.start()] + rest[place.end() :]
    rest = re.sub(r"\s+([?.!])", r"\1", re.sub(r"\s+", " ", rest)).strip()
    plain = plain_words(rest)
    for asks, pattern in _forms():
        matched = pattern.fullmatch(plain)
        if matched:
            subject = subject_in(matched.groupdict().get("subject") or "")
            return FilmQuestion(rest, asks, parse_question(rest), subject, time, share)
    return FilmQuestion(rest, AsksOfFilm.PICTURE, parse_question(rest), "", time, share)


@cache
def _forms() -> tuple[tuple[AsksOfFilm, re.Pattern[str]], ...]:
    forms = read_forms("sensorium.video.starter", "data/film_question_forms.toml", _MACROS)
    return tuple((AsksOfFilm[asks], pattern) for asks, pattern in forms)
