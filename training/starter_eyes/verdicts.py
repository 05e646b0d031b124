"""How an answer is judged: by rules that read what a user reads, the same for every version of the code."""

from __future__ import annotations

import re
import unicodedata

RIGHT, WRONG, REFUSED = "right", "wrong", "refused"

_REFUSALS = re.compile(
    r"^(sorry|i can(no|')t|i could not|i'm not sure|perhaps)|for sure\b|but i know only|but i'm not sure|"
    r"but i can't tell of which kind|but i can count people only|"
    r"无法|不能|不会读|听不懂|不认得|看不出|不确定|不太确定|说不准|不知道|没有把握|不敢|"
    r"no puedo|no sé|no estoy segur|kann ich nicht|kann nicht|nicht sicher|je ne (peux|sais|suis pas)|"
    r"(分|わ)かりません|できません|لا أستطيع|لست متأكد",
    re.IGNORECASE,
)
_NOBODY = re.compile(r"nobody|no people|no one|no person", re.IGNORECASE)
_NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_COUNT = re.compile(rf"\b(?:(\d+)|({'|'.join(_NUMBERS)}))\b", re.IGNORECASE)


def verdict(answer: str, right: str, kind: str) -> str:
    """Judge an answer: a pattern that it should contain, and what kind of question it answers.

    An answer that says that it doesn't know is refused, even if it goes on to guess; only to a question about something
    that is not there, "I can see no dog, but I know only some kinds" is right. Line breaks count as spaces.
    """
    answer = " ".join(answer.split())
    matches = re.search(right, answer, re.IGNORECASE) is not None
    if matches and (kind == "absence" or not _REFUSALS.search(answer)):
        return RIGHT
    return REFUSED if _REFUSALS.search(answer) else WRONG


def said_number(answer: str) -> int | None:
    """Return the number of people that an answer in English says; None if it says none."""
    if _NOBODY.search(answer):
        return 0
    found = _COUNT.search(answer)
    if found is None or _REFUSALS.search(answer):
        return None
    return int(found[1]) if found[1] else _NUMBERS.index(found[2].lower())


def words_of(text: str) -> list[str]:
    """Return the words of a text, Chinese characters one by one, without case and punctuation."""
    plain = unicodedata.normalize("NFKC", text).casefold()
    return re.findall(r"[\u3400-\u9fff]|[^\W_\u3400-\u9fff]+", plain)


def found_words(written: str, read: str) -> int:
    """Return how many of the words that are written were read."""
    rest = words_of(read)
    count = 0
    for word in words_of(written):
        if word in rest:
            rest.remove(word)
            count += 1
    return count


def character_errors(written: str, read: str) -> int:
    """Return the fewest edits that make a stretch of what was read into what is written, spaces and case aside."""
    wanted, given = "".join(words_of(written)), "".join(words_of(read))
    row = [0] * (len(given) + 1)
    for index, character in enumerate(wanted, 1):
        above, row = row, [index]
        for place, other in enumerate(given, 1):
            row.append(min(above[place] + 1, row[-1] + 1, above[place - 1] + (character != other)))
    return min(row)
