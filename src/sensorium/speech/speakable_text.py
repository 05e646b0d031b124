"""Text made ready for a voice: checked for what the voice can't speak, cleaned, and cut where it is too long."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from sensorium.errors import InputError, UnsupportedError
from sensorium.text.english_signs import without_lone_greek
from sensorium.text.languages import LANGUAGES, language_code

_LONGEST_SENTENCE = 400
_LONGEST_WORD = 40
_LONGEST_NUMBER = 15
"""Nobody reads a longer number as one; it is read digit by digit."""

_MOST_LEFT_OUT = 0.1
_MOST_WHERE_INSISTED = 0.5
"""The share of a text's letters that may be left out, with a warning."""
OTHER_VOICES = "'sensorium models list --task text-to-speech' shows the voices there are"

_SOFT_HYPHEN = "\u00ad"
"""Says at the end of a line that the word goes on."""

_SCRIPTS = {
    "CJK": "Chinese",
    "HIRAGANA": "Japanese",
    "KATAKANA": "Japanese",
    "HANGUL": "Korean",
    "CYRILLIC": "Cyrillic",
    "ARABIC": "Arabic",
    "HEBREW": "Hebrew",
    "DEVANAGARI": "Devanagari",
    "THAI": "Thai",
    "GREEK": "Greek",
}
_READ_AS_UNITS = frozenset("µμΩΩ")

# Words by which a language is told; none of them is an English word.
_TELLING_WORDS = {
    "de": "und der das nicht ist ich ein eine mit auf für von zu den dem wie sich auch wird sind oder aber wir",
    "fr": "le la les des est et une dans pour que qui avec sur pas nous vous je il elle ce cette mais être sont",
    "es": "el los las que es una por con para del como pero está muy más este esta lo se su hay cuando donde",
    "it": "il che di una per con non sono della è gli nel anche questo questa più dal alla ma mi ti ci lo",
    "pt": "que não uma para com os em dos você está mais por são como mas seu sua foi ele ela isso das",
    "nl": "het een van en niet dat met voor zijn ook maar deze wij jij heeft naar worden uit bij ik",
}
_TELLING = {code: frozenset(words.split()) for code, words in _TELLING_WORDS.items()}
_ENGLISH_WORDS = """the and of to is that it was for with you on are as this be have at not but they he she we his her
or from i"""
_ENGLISH = frozenset(_ENGLISH_WORDS.split())
_LATIN = frozenset({*_TELLING, "en", "ca", "da", "fi", "hu", "id", "no", "pl", "ro", "sv", "tr", "vi"})
"""Languages that are written in Latin letters."""


@dataclass(frozen=True)
class Unspoken:
    """What a voice can't read of a text.

    Attributes:
        words: Each once.
        why: What the text is to the voice, after "The text".
    """

    words: tuple[str, ...]
    why: str


def clean_text(text: str) -> str:
    """Return a text without what no voice reads.

    Raises:
        InputError: There are no words in it.
    """
    cleaned = "".join(_readable(character) for character in unicodedata.normalize("NFC", re.sub(r"\r\n?", "\n", text)))
    cleaned = re.sub(rf"\d{{{_LONGEST_NUMBER + 1},}}", lambda number: " ".join(number.group()), cleaned)
    if not any(character.isalnum() for character in cleaned):
        raise InputError("There are no words to speak in the text", "Give at least one word or number")
    return cleaned


def check_language(text: str, *, languages: tuple[str, ...], language: str | None, voice: str) -> None:
    """Refuse a text in a language that a voice doesn't speak; nothing is dropped or garbled silently.

    Args:
        text: What shall be spoken.
        languages: Codes of the languages that the voice speaks; empty where nobody knows.
        language: The language of the text; None to judge by its letters and words.
        voice: Name of the voice, for the message.

    Raises:
        InputError: There is no such language.
        UnsupportedError: The voice doesn't speak it.
    """
    if not languages:
        return
    if language is not None and language.strip().lower() not in languages:
        code = language_code(language)
        if code not in languages:
            raise UnsupportedError(
                f"The voice {voice!r} speaks {_names(languages)} only, not {LANGUAGES[code]}", OTHER_VOICES
            )
    if languages == ("en",):
        without_unspoken(text, foreign_words(text, voice), insisted=language is not None)
    told = None if language else _told_language(text, languages)
    if told:
        raise UnsupportedError(
            f"The text seems to be {LANGUAGES[told]}, and the voice {voice!r} speaks {_names(languages)} only",
            f"Say language={languages[0]!r} to have it read as {_names(languages[:1])}; {OTHER_VOICES}",
        )


def likely_language(text: str, languages: tuple[str, ...]) -> str | None:
    """Return in which of a voice's languages a text most likely is; the first one where nothing tells.

    Args:
        text: What shall be spoken.
        languages: Codes of the languages that the voice speaks.

    Returns:
        A code; None where the languages aren't known.
    """
    words = re.findall(r"[^\W\d_]+", text[:20_000].lower())
    telling = {**_TELLING, "en": _ENGLISH}
    found = {code: sum(word in telling[code] for word in words) if code in telling else 0 for code in languages}
    return max(found, key=found.__getitem__, default=None)


def foreign_words(text: str, voice: str, languages: tuple[str, ...] = ("en",)) -> Unspoken | None:
    """Return the words of a text that a voice can't read: those in other scripts than Latin.

    Args:
        text: What shall be spoken.
        voice: Name of the voice, for the message.
        languages: What it speaks; where some of that isn't written in Latin letters, it reads every word.
    """
    if not languages or not _LATIN.issuperset(languages):
        return None
    # The phonemes of "[word](/phonemes/)" are letters of their own, and lone Greek letters have English names.
    plain = without_lone_greek(re.sub(r"\]\(/[^)\n]*/\)", "]", text))
    words = [word for word in re.findall(r"[^\W\d_]+", plain) if not word.isascii() and _script(word)]
    if not words:
        return None
    shown = ", ".join(dict.fromkeys(words))
    return Unspoken(
        tuple(dict.fromkeys(words)),
        f"holds {_script(words[0])} letters ({shown[:20]}{'…' if len(shown) > 20 else ''}), "
        f"and the voice {voice!r} speaks {_names(languages)} only",
    )


def without_unspoken(text: str, unspoken: Unspoken | None, *, insisted: bool) -> tuple[str, str | None]:
    """Return a text without the words that a voice can't read, if they are few, and a warning that says so.

    Args:
        text: What shall be spoken.
        unspoken: The words; None if there are none.
        insisted: Whether the language was named: then up to half of the text is left out, else a tenth.

    Raises:
        UnsupportedError: They are too many.
    """
    if unspoken is None:
        return text, None
    which = re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, sorted(unspoken.words, key=len, reverse=True)))})(?!\w)")
    kept = which.sub(" ", text)
    letters, left = (sum(map(str.isalpha, part)) for part in (text, kept))
    if letters - left > letters * (_MOST_WHERE_INSISTED if insisted else _MOST_LEFT_OUT):
        raise UnsupportedError(f"The text {unspoken.why}", f"Leave that out; {OTHER_VOICES}")
    return kept, f"Some words are not spoken: the text {unspoken.why}"


def cut_long_sentence(sentence: str, longest: int = _LONGEST_SENTENCE) -> list[str]:
    """Cut a sentence that is too long to be spoken at once, at a clause where there is one, else between words."""
    sentence = re.sub(rf"(\w{{{_LONGEST_WORD}}})(?=\w)", r"\1 ", sentence)
    parts: list[str] = []
    while len(sentence) > longest:
        head = sentence[:longest]
        clauses = [match.end() for match in re.finditer(r"[,;:—]\s", head) if match.end() > len(head) // 2]
        cut = clauses[-1] if clauses else head.rfind(" ") + 1 or len(head)
        parts.append(sentence[:cut].strip())
        sentence = sentence[cut:]
    return [part for part in [*parts, sentence.strip()] if part]


def _readable(character: str) -> str:
    if character in "\n\t":
        return character
    if character in "\v\f\x85":
        return "\n"
    category = unicodedata.category(character)
    if category == "Cf":
        return character if character == _SOFT_HYPHEN else ""
    return " " if category in {"Cc", "Cs", "Co", "Cn"} else character


def _script(word: str) -> str:
    """Return the first script of a word's letters that isn't Latin; "" if there is none."""
    for letter in word:
        script = unicodedata.name(unicodedata.normalize("NFKC", letter)[0], "UNKNOWN").split()[0]
        if script != "LATIN" and letter not in _READ_AS_UNITS and letter.isalpha():
            return _SCRIPTS.get(script, script.capitalize())
    return ""


def _told_language(text: str, languages: tuple[str, ...]) -> str | None:
    """Return the language that a text is surely in, if the voice doesn't speak it; None where that is open."""
    words = re.findall(r"[^\W\d_]+", text[:20_000].lower())
    found = {code: sum(word in telling for word in words) for code, telling in _TELLING.items()}
    # Words of languages without a list here may look English, so English is told only against a known one.
    own = [code for code in languages if code in found or code == "en"]
    if len(own) < len(languages):
        return None
    found["en"] = sum(word in _ENGLISH for word in words)
    best = max(found, key=found.__getitem__)
    spoken = max(found[code] for code in own)
    return best if best not in own and found[best] >= 3 and found[best] > 2 * spoken else None


def _names(languages: tuple[str, ...]) -> str:
    return ", ".join(LANGUAGES.get(code, code) for code in languages)
