"""What a question about a picture asks for, as far as its words tell."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from sensorium.vision_language.vocabulary import Thing, find_thing, singular

PEOPLE = frozenset(
    "person man woman human child kid boy girl baby adult someone somebody anyone anybody face guy lady crowd "
    "pedestrian player".split()
)
_PARTICULAR_PEOPLE = frozenset("man woman child kid boy girl baby adult guy lady player".split())
COLOURS = frozenset(
    "black white grey gray red orange brown beige yellow green blue teal purple pink olive turquoise violet".split()
)
_PICTURE = r"(?:image|picture|photo|photograph|scene|pic|shot|frame)"
_ENDING = re.compile(
    rf"\b(?:in|on|of|at|within|from|inside|across)\s+(?:the|this|that|these|a|your|my)\s+{_PICTURE}s?\b|"
    r"\b(?:here|there|please|visible|shown|exactly|present|now|wearing|depicted|pictured)\b"
)
_OPENING = re.compile(
    r"^(?:hi|hello|hey|ok|okay|so|well|and|then|now|please|also|but|thanks|thank you)\b[\s,.!]*|"
    r"^(?:can|could|would|will) you (?:please )?(?:tell|show) me (?:if |whether )?|^(?:tell|show) me (?:if |whether )?|"
    r"^(?:do you know|i wonder|i want to know|i'd like to know) (?:if |whether )?"
)
_ARTICLES = re.compile(r"^(?:the|a|an|any|some|this|that|these|those|your|my|its|their|his|her|many|of|one|more)\s+")


class Asks(Enum):
    """What is asked for."""

    CONTENT = "what the picture shows"
    DETAIL = "everything about the picture"
    COUNT = "how many"
    COLOUR = "which colour"
    IS_COLOUR = "whether something has a colour"
    PRESENCE = "whether there is something"
    KIND = "which kind of something"
    PLACE = "where something is"
    LIGHT = "whether it is dark or bright"
    BLUR = "whether it is blurred"
    SIZE = "how large the picture is"
    WRITING = "what is written"
    IDENTITY = "who somebody is"
    ACTION = "what somebody is doing"
    PART = "what is in some part of the picture"
    OTHER = "something else"


@dataclass(frozen=True)
class Question:
    """A question, taken apart.

    Attributes:
        text: As it was asked.
        asks: What it asks for.
        subject: The noun phrase that it is about, without articles; "" where it is the picture itself.
        colour: The colour that it names; or "".
    """

    text: str
    asks: Asks
    subject: str = ""
    colour: str = ""

    @property
    def thing(self) -> Thing | None:
        """What the subject stands for in the vocabulary; None if nothing."""
        return find_in_phrase(self.subject)

    @property
    def about_people(self) -> bool:
        """Whether the subject is people."""
        return any(singular(word) in PEOPLE for word in self.subject.split())

    @property
    def about_particular_people(self) -> bool:
        """Whether the subject is people of some age or sex, which nothing here can tell."""
        return any(singular(word) in _PARTICULAR_PEOPLE for word in self.subject.split())


_POINTING = frozenset(
    ["it", "this", "that", "they", "these", "those", "you", "you see", "do you see", "picture", "image"]
)
_COLOUR_WORDS = "|".join(sorted(COLOURS))
_BE = r"(?:is|are|was|were|'s|do|does)"

# Tried in this order; the named groups are the subject and the colour.
_FORMS: tuple[tuple[Asks, str], ...] = (
    (Asks.COUNT, r"how many (?P<subject>[\w\s-]+?)(?: (?:is|are|do|can|does|did|have|were|was)\b.*)?$"),
    (Asks.COUNT, r"(?:count|what is the number of|number of) (?:the |all )?(?P<subject>[\w\s-]+)$"),
    (Asks.COLOUR, rf"(?:what|which) (?:is|are) the (?:main |dominant |most common )?colou?rs?(?: of)?(?P<subject>.*)$"),
    (Asks.COLOUR, rf"(?:what|which) (?:kind of |main |dominant )?colou?rs? (?:{_BE}|can|of|has|have)(?P<subject>.*)$"),
    (Asks.COLOUR, r"(?:what|which) (?:main |dominant )?colou?rs?(?P<subject>)\b.*$"),
    (Asks.IS_COLOUR, rf"(?:is|are|was|were)(?P<subject>.+?) (?:really |mostly |all )?(?P<colour>{_COLOUR_WORDS})(?: in colou?r)?$"),
    (Asks.LIGHT, r"(?:is|was) (?:it|the \w+|this) (?:(?:a|too|very|rather) )?(?:dark|bright|light)\b.*$"),
    (Asks.BLUR, r"(?:is|was) (?:it|the \w+|this) (?:(?:a|too|very) )?(?:blurr?(?:ed|y)|sharp|in focus|out of focus)\b.*$"),
    (Asks.SIZE, r"(?:what|which|how) (?:is the |are the )?(?:size|resolution|dimensions?|format|orientation|aspect|big|large|wide|tall)\b.*$"),
    (Asks.WRITING, r".*\b(?:written|say|says|read|reads|text|word|words|letters?|sign say|title|caption says|number plate|licen[cs]e plate)\b.*$"),
    (Asks.IDENTITY, r"(?:who|whose|whom)\b.*$|what is (?:his|her|their|the \w+'s) name$"),
    (Asks.ACTION, r".*\b(?:doing|happening|going on|taking place)\b.*$|.*\bwhat (?:does|do) (?P<subject>.+) do$"),
    (Asks.PLACE, rf"where(?: {_BE}|'s)?(?P<subject>.+)$"),
    (Asks.KIND, r"(?:what|which) (?:kind|type|sort|breed|species|make|model|variety)s? (?:of )?(?P<subject>[\w\s-]+?)?(?: (?:is|are|do|can|does)\b.*)?$"),
    (Asks.DETAIL, r"describe\b.*$|.*\bin (?:more |full |great |as much )?detail.*$|(?:tell me|say) (?:more|everything|all|something)?\s?about (?:the|this|it)\b.*$|what else\b.*$|about (?:the|this) .*$"),
    (Asks.PRESENCE, r"(?:is|are|was|were) there(?: also)?(?P<subject>.+)$"),
    (Asks.PRESENCE, r"(?:do|can|could) (?:you|we|i|one) (?:also )?(?:see|find|spot|recogni[sz]e|detect)(?P<subject>.+)$"),
    (Asks.PRESENCE, rf"does (?:the|this|it)\s?(?:{_PICTURE})? ?(?:show|contain|have|include|depict)(?P<subject>.+)$"),
    (Asks.PRESENCE, rf"(?:is|are) (?:this|that|it|these|those|they)(?: (?:a|the) {_PICTURE} of)? (?=(?:a|an|the|some|people)\b)(?P<subject>.+)$"),
    (Asks.PRESENCE, r"(?:has|have) (?:it|this|they) (?:got )?(?P<subject>.+)$"),
    (Asks.PRESENCE, r"(?:any|a|an) (?P<subject>[\w\s-]+)$"),
    (Asks.PART, rf"what (?:is|are|do you see|can you see|can be seen) (?:on|under|behind|beside|above|below|near|next to|in front of|in|inside|around) (?!(?:the|this|that) {_PICTURE}\b)(?P<subject>.+)$"),
    (Asks.CONTENT, rf"what(?: all)?(?: {_BE}|'s| can| could)? ?(?:in|on|this|that|it|there|you see|i see|we see|be seen|the (?:main )?(?:object|subject|thing|content)|(?:the|this) {_PICTURE}|do you see|these|they|shown)\b.*$"),
    (Asks.CONTENT, rf"(?:what|which) (?:objects?|things?|items?) (?:{_BE}|can|do)\b.*$|caption.*$|(?:list|name) .*$|what (?:do|can) (?:you|we|i) see$"),
    (Asks.KIND, r"(?:what|which) (?P<subject>[\w\s-]+?) (?:is|are|was|were|does|do|can)\b.*$"),
)  # fmt: skip
_COMPILED = tuple((asks, re.compile(form)) for asks, form in _FORMS)


def parse_question(text: str) -> Question:
    """Take a question apart by its wording."""
    plain = _plain(text)
    for asks, form in _COMPILED:
        found = form.match(plain)
        if found:
            groups = found.groupdict()
            subject = _subject(groups.get("subject") or "")
            if asks is Asks.KIND and (not subject or subject in {"thing", "object", "one", "it"}):
                return Question(text, Asks.CONTENT)
            return Question(text, asks, subject, (groups.get("colour") or "").replace("gray", "grey"))
    return Question(text, Asks.OTHER)


def find_in_phrase(phrase: str) -> Thing | None:
    """Return the thing that a noun phrase names: all of it, or its last words; what stands before "of" first."""
    head, _, rest = phrase.partition(" of ")
    for part in (head, phrase, rest):
        words = part.split()
        for start in range(len(words)):
            thing = find_thing(" ".join(words[start:]))
            if thing is not None:
                return thing
    return None


def _plain(text: str) -> str:
    plain = re.sub(r"\s+", " ", text.lower().replace("’", "'")).strip(" ?!.\"'")
    plain = plain.replace("what's", "what is").replace("where's", "where is").replace("who's", "who is")
    while (shorter := _OPENING.sub("", plain).strip(" ,")) and shorter != plain:
        plain = shorter
    return plain


def _subject(words: str) -> str:
    subject = _ENDING.sub(" ", f" {words} ")
    subject = re.sub(rf"\b(?:the|this|that) {_PICTURE}s?\b|^\s*{_PICTURE}s?\s*$", " ", subject)
    subject = re.sub(r"\s+", " ", subject).strip(" ,.")
    while (shorter := _ARTICLES.sub("", subject)) != subject:
        subject = shorter
    return "" if subject in _POINTING else subject
