"""What a reader takes for one character: a letter with its marks, an emoji of parts, a vowel with its consonant.

Not by Unicode's rule for grapheme clusters alone: that one lets a line end inside a syllable of Thai, Lao or Khmer.
"""

from __future__ import annotations

import unicodedata

CUT = "‐"
"""The hyphen where a word was cut that is longer than a line: U+2010, so that it can be told from a word's own."""

_SEAMS = frozenset("-‐/")
_JOINER = "\u200d"
_VOWELS_BEFORE = frozenset("เแโใไເແໂໃໄ")
"""Thai and Lao vowels that are written, and stored, before their consonant."""
_FOLLOWERS = frozenset("ะาำๅๆฯະາຳໆຯ་༌།៕។")
"""Thai, Lao, Tibetan and Khmer vowels and signs that belong to what stands before them."""
_VIRAMA = 9
"""The combining class of the signs that tie the next consonant to the last one in the scripts of India and Khmer."""


def belong_together(before: str, after: str) -> bool:
    """Return whether nothing may come between two neighbouring characters of a text (code points)."""
    return (
        not _takes_room(after)
        or unicodedata.category(after) == "Mc"
        or after in _FOLLOWERS
        or before in _VOWELS_BEFORE
        or before == _JOINER
        or (unicodedata.combining(before) == _VIRAMA and after.isalpha())
    )


def characters(text: str) -> list[str]:
    """Cut a text into what a reader takes for its characters."""
    found: list[str] = []
    for letter in text:
        flag = bool(found) and len(found[-1]) == 1 and _is_half_of_a_flag(found[-1]) and _is_half_of_a_flag(letter)
        if found and (flag or belong_together(found[-1][-1], letter)):
            found[-1] += letter
        else:
            found.append(letter)
    return found


def written_length(text: str) -> int:
    """Return how many characters long a text looks: marks above and below letters, and parts of emoji, don't count."""
    if text.isascii():
        return len(text)
    return sum(1 if _JOINER in each or _is_half_of_a_flag(each[0]) else _room(each) for each in characters(text))


def cut_word(word: str, line_length: int) -> list[str]:
    """Cut a word into parts that fit on a line: behind a hyphen or a slash of its own, else with the hyphen `CUT`."""
    parts: list[str] = []
    rest = characters(word)
    while written_length("".join(rest)) > line_length:
        most = 1
        while written_length("".join(rest[: most + 1])) < line_length:
            most += 1
        place = next((end for end in range(most, most // 2, -1) if rest[end - 1] in _SEAMS), most)
        is_address = "/" in word
        hyphen = "" if is_address or not (_is_cased(rest[place - 1]) and _is_cased(rest[place])) else CUT
        parts.append("".join(rest[:place]) + hyphen)
        rest = rest[place:]
    return [*parts, "".join(rest)]


def _is_cased(character: str) -> bool:
    """Return whether a character belongs to a script whose words are cut with a hyphen."""
    return character[0].isalpha() and character[0].lower() != character[0].upper()


def _room(character: str) -> int:
    return sum(map(_takes_room, character))


def _takes_room(letter: str) -> bool:
    is_skin_tone = "\U0001f3fb" <= letter <= "\U0001f3ff"
    return not (is_skin_tone or unicodedata.category(letter) in {"Mn", "Me", "Cf"})


def _is_half_of_a_flag(letter: str) -> bool:
    return "\U0001f1e6" <= letter <= "\U0001f1ff"
