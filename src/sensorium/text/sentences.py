"""Where sentences end, in any script: a period after "No." or "Dr." ends none, one after "etc." may."""

from __future__ import annotations

import re

from sensorium.text.phrase_breaks import ends_sentence

_PIECES = re.compile(r"[^\s。！？।]*(?:[。！？।][”’」』）]*|\s+|$)")
"""A word with the space after it, or up to a full stop of a script that puts no spaces."""

_CLOSING = "\"'”’»›)]}"
_OPENING = "\"'“‘«‹([{¿¡"


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_BEFORE_NAMES = _words(
    "mr mrs ms mx dr prof st mt ft gen gov sen rep capt lt col sgt cmdr rev hon pres supt cpl maj adm fr msgr mme mlle "
    "sra srta dra dott sig hr vs viz cf resp gebr bzw e.g i.e a.k.a z.b d.h u.a p.ej"
)
"""No sentence ends after these, whatever follows."""
_BEFORE_NUMBERS = _words(
    "no nos nr nrn pp fig figs vol vols ch chap sec sect art arts para eq eqs tab pt ll ca circa approx est "
    "max min avg tel ext apt rm bldg jan feb mar apr jun jul aug sep sept oct nov dec abs bd kap abb pág págs "
    "núm nums cap pag pagg"
)
"""No sentence ends after these if a number follows."""
_LETTERS_BEFORE_NUMBERS = frozenset("pPSlnvcbdrt")
"""Page, Seite, line, verse, circa, born …; no other capitals, which name things: "Plan B."."""
_IN_NAMES = _words("inc ltd co corp bros jr sr u.s u.k u.s.a e.u u.n d.c ph.d m.d b.a m.a")
"""A sentence ends after these if a word follows that begins sentences: names go on with capitals too."""
_SENTENCE_OPENERS = _words(
    "a an the this that these those it he she we they you i there here in on at as if when while after before but and "
    "so then now his her its our their my your what who how why where not no yes however for to by with from"
)
_DOTTED_ORDINALS = _words("de da no nn nb cs sk pl hu fi et sl hr sr bs lv is fo tr eu")
"""Languages that write "3." for "third"."""
_MONTHS = _words(
    "januar jänner februar märz april mai juni juli august september oktober november dezember jahrhundert"
)
_BEFORE_SMALL_LETTERS = _words("etc temp incl excl govt dept univ assn prov misc lang orig spec")
"""No sentence ends after these if it goes on in small letters."""
_SHORT = 3
"""So many letters and a period may be an abbreviation that nobody listed."""


def split_sentences(text: str, language: str = "") -> list[str]:
    """Cut a text into sentences, in any script; a new line ends one, a period does where it isn't an abbreviation's.

    Args:
        text: Each line of which is at least a sentence (`unwrap_lines` sees to that).
        language: Its code, where it is known.

    Returns:
        Those in which there is a letter or a digit, without the space around them.
    """
    sentences = [sentence for line in text.splitlines() for sentence in _sentences(line, language)]
    return [sentence for sentence in sentences if any(character.isalnum() for character in sentence)]


def _sentences(line: str, language: str) -> list[str]:
    sentences = []
    held: list[str] = []
    pieces = _PIECES.findall(line)
    for piece, following in zip(pieces, [*pieces[1:], ""], strict=True):
        held.append(piece)
        if _ends(piece.strip(), following.strip(), language):
            sentences.append("".join(held).strip())
            held = []
    return [*sentences, "".join(held).strip()]


def _ends(word: str, following: str, language: str) -> bool:
    """Return whether a sentence ends between two words."""
    bare = word.rstrip(_CLOSING)
    if not bare.endswith((".", "…")) or not following:
        return ends_sentence(word)
    bare = bare.lstrip(_OPENING)
    first = following.lstrip(_OPENING)[:1]
    if bare.endswith(("...", "…")):
        return not first.islower()
    return not _abbreviates(bare[:-1], first, following.strip(_OPENING + _CLOSING + ".,;:!?"), language)


def _abbreviates(word: str, first: str, following: str, language: str) -> bool:
    """Return whether a period after a word is an abbreviation's and no more than that.

    Args:
        word: The word without the period.
        first: The first letter or sign of the next word.
        following: The next word.
        language: The code of the language, or "".
    """
    known = word.lower()
    if known in _BEFORE_NAMES:
        return True
    if first.isdecimal() or first in "$€£¥#":
        return known in _BEFORE_NUMBERS or word in _LETTERS_BEFORE_NUMBERS
    if word.isdecimal():
        ordinal = language in _DOTTED_ORDINALS and len(word) <= 2
        return ordinal and (first.islower() or following.lower() in _MONTHS)
    if known in _IN_NAMES:
        return following.lower() not in _SENTENCE_OPENERS
    if first.islower():
        return len(word) <= _SHORT or "." in word or known in _BEFORE_NUMBERS | _BEFORE_SMALL_LETTERS
    return len(word) == 1 and word.isalpha()
