"""Whether a text can be read at all, and whether a checkpoint can read its language."""

from __future__ import annotations

import re
import unicodedata

from sensorium.errors import InputError, UnsupportedError
from sensorium.models.catalog import Checkpoint
from sensorium.text.languages import LANGUAGES

_SCRIPTS = {
    "CJK": "Chinese characters",
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
_CODES = {"Chinese characters": "zh", **{name: code for code, name in LANGUAGES.items()}}
# The small words that questions are made of; those that are English words as well are left out.
_SMALL_WORDS = {
    "English": "what which who where when why how is are was were the a an of in on it this that there do does can any",
    "French": "quel quelle quelles qui où quand pourquoi combien est sont le la les un une des du dans sur ce cette "
    "de il elle y t écrit",
    "Spanish": "qué cuál quién dónde cuándo cuánto cuántos cuántas hay es está están el la los las un una en de del",
    "German": "was welche welcher welches wer wo wann warum wie viele ist sind der das ein eine einen einem dem den im "
    "auf und gibt es steht viel kostet",
    "Italian": "che cosa quale chi dove quando perché quanto quanti quante è sono il la lo gli un una nella nel di",
    "Portuguese": "que qual quem onde quando quanto quantos quantas há é são está o os um uma na no da do",
    "Dutch": "wat welke wie waar wanneer waarom hoeveel zijn de het een op van er deze",
}


def require_characters(text: str, *, what: str) -> None:
    """Refuse a text with halves of characters, as JSON may hold them (``"\\ud800"``): no tokenizer takes it.

    Args:
        text: What the user wrote.
        what: What the text is, for the message: "question", "prompt".

    Raises:
        InputError: It holds surrogates.
    """
    if any("\ud800" <= letter <= "\udfff" for letter in text):
        raise InputError(f"The {what} holds a character that is not valid Unicode", "Write it again without it")


def require_language(text: str, checkpoint: Checkpoint, *, what: str) -> None:
    """Refuse a text that a checkpoint would answer with nonsense: one that knows only English, or that is put together
    from parts which know some languages.

    Another script is told for sure; another language in Latin letters by its small words, if there are enough.

    Args:
        text: What the user wrote.
        checkpoint: Who shall read it.
        what: What the text is, for the message: "question", "prompt".

    Raises:
        InputError: It holds a character that is not valid Unicode.
        UnsupportedError: It is in another language than those that the checkpoint knows.
    """
    require_characters(text, what=what)
    known = checkpoint.languages
    if known != ("en",) and not (known and checkpoint.components):
        return
    language = _script(text) or _latin_language(text)
    if language and _CODES.get(language) not in known:
        *most, last = (LANGUAGES[code] for code in known)
        names = f"{', '.join(most)} and {last}" if most else last
        raise UnsupportedError(
            f"The {what} is written in {language}, and {checkpoint.name!r} knows only {names}",
            f"Ask in {names.replace(' and ', ' or ')}, or choose a multilingual checkpoint with model=…",
        )


def _script(text: str) -> str:
    """Return the name of the script that most letters are of, if it is not Latin; else ""."""
    names = [unicodedata.name(letter, "").split()[0:1] for letter in text if letter.isalpha()]
    foreign = [name[0] for name in names if name and name[0] not in {"LATIN", "FULLWIDTH", "MICRO"}]
    if 2 * len(foreign) <= len(names):
        return ""
    script = "HIRAGANA" if "HIRAGANA" in foreign else max(set(foreign), key=foreign.count)
    return _SCRIPTS.get(script, script.capitalize())


def _latin_language(text: str) -> str:
    """Return the language whose small words outnumber the English ones by two, or ""."""
    words = re.findall(r"[^\W\d_]+", text.lower())
    counts = {name: sum(word in small.split() for word in words) for name, small in _SMALL_WORDS.items()}
    likeliest = max(counts, key=lambda name: counts[name])
    return likeliest if counts[likeliest] >= counts["English"] + 2 else ""
