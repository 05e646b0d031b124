"""Text made ready for a voice: checked for what the voice can't speak, cleaned, and cut into sentences."""

from __future__ import annotations

import re
import unicodedata

from sensorium.errors import InputError, UnsupportedError
from sensorium.text.languages import LANGUAGES, language_code
from sensorium.text.phrase_breaks import ends_sentence

_LONGEST_SENTENCE = 400
_LONGEST_WORD = 40
_LONGEST_NUMBER = 15
"""Nobody reads a longer number as one; it is read digit by digit."""

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
_PIECES = re.compile(r"[^\s。！？।]*(?:[。！？।][”’」』）]*|\s+|$)")
"""A word with the space after it, or up to a full stop of a script that puts no spaces."""
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


def clean_text(text: str) -> str:
    """Return a text without what no voice reads.

    Raises:
        InputError: There are no words in it.
    """
    cleaned = "".join(_readable(character) for character in unicodedata.normalize("NFC", text))
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
    remedy = "'sensorium models list --task text-to-speech' shows the voices there are"
    if language is not None and language.strip().lower() not in languages:
        code = language_code(language)
        if code not in languages:
            raise UnsupportedError(
                f"The voice {voice!r} speaks {_names(languages)} only, not {LANGUAGES[code]}", remedy
            )
    if languages == ("en",):
        foreign = _foreign_letters(text)
        if foreign:
            raise UnsupportedError(
                f"The text holds {foreign}, and the voice {voice!r} speaks English only",
                f"Leave that out; {remedy}",
            )
    told = None if language else _told_language(text, languages)
    if told:
        raise UnsupportedError(
            f"The text seems to be {LANGUAGES[told]}, and the voice {voice!r} speaks {_names(languages)} only",
            f"Say language={languages[0]!r} to have it read as {_names(languages[:1])}; {remedy}",
        )


def split_sentences(text: str) -> list[str]:
    """Cut a text into sentences, in any script; "Dr. Smith" doesn't end one, a new line does."""
    sentences: list[str] = []
    for line in text.splitlines():
        held = ""
        for piece in _PIECES.findall(line):
            held += piece
            if ends_sentence(held.strip()):
                sentences.append(held.strip())
                held = ""
        sentences.append(held.strip())
    return [sentence for sentence in sentences if any(character.isalnum() for character in sentence)]


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
    if character == "\r":
        return "\n"
    category = unicodedata.category(character)
    if category == "Cf":
        return ""
    return " " if category in {"Cc", "Cs", "Co", "Cn"} else character


def _foreign_letters(text: str) -> str:
    """Describe the first letters of another script: "Chinese (你好)"; "" if there are none."""
    # The phonemes of "[word](/phonemes/)" are letters of their own.
    for match in re.finditer(r"[^\W\d_]+", re.sub(r"\]\(/[^)\n]*/\)", "]", text)):
        for letter in match.group():
            script = unicodedata.name(unicodedata.normalize("NFKC", letter)[0], "UNKNOWN").split()[0]
            if script != "LATIN" and letter not in _READ_AS_UNITS and letter.isalpha():
                return f"{_SCRIPTS.get(script, script.capitalize())} letters ({match.group()[:20]})"
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
