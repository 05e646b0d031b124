"""Whether an answer says only what the facts say: the check that keeps a small language model from inventing."""

from __future__ import annotations

import re
from collections.abc import Sequence

# Words that carry no fact of their own.
_EMPTY_WORDS = frozenset(
    [
        *("a", "an", "the", "this", "that", "these", "those", "it", "its", "he", "she", "they", "them", "their", "his"),
        *("her", "we", "you", "your", "i", "my", "me", "one", "there", "here", "and", "or", "but", "so", "as", "if"),
        *("is", "are", "was", "were", "be", "been", "being", "am", "do", "does", "did", "has", "have", "had", "can"),
        *("could", "may", "might", "would", "will", "should", "must", "of", "in", "on", "at", "to", "for", "from"),
        *("with", "by", "about", "into", "than", "then", "also", "very", "mostly", "kind", "type", "picture", "image"),
        *(
            "photo",
            "film",
            "video",
            "scene",
            "fact",
            "facts",
            "show",
            "shows",
            "shown",
            "seen",
            "see",
            "called",
            "such",
        ),
        *("what", "which", "who", "whom", "whose", "when", "where", "why", "how", "s", "some", "any", "other", "just"),
        *("says", "said", "say", "tells", "given", "answer", "question", "because", "while", "not", "no", "yes"),
    ]
)
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[A-Z\"'])")


def content_words(text: str) -> list[str]:
    """Return the words of an English text that carry meaning, reduced to their stems."""
    words = re.findall(r"[a-z]+|\d+", text.lower())
    return [_stem(word) for word in words if word not in _EMPTY_WORDS]


def first_sentence(text: str) -> str:
    """Return the first sentence; a small model's later ones wander off."""
    return _SENTENCE_END.split(text.strip(), maxsplit=1)[0]


def is_grounded(answer: str, facts: Sequence[str], question: str) -> bool:
    """Return whether an answer adds something from the facts to the question, and nothing else to it.

    Args:
        answer: What a language model wrote.
        facts: What is known.
        question: What was asked.
    """
    known = {word for fact in facts for word in content_words(fact)}
    asked = set(content_words(question))
    said = content_words(answer)
    return all(word in known or word in asked for word in said) and any(word in known - asked for word in said)


def _stem(word: str) -> str:
    for ending in ("ing", "ed", "es", "s", "ly", "e"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word[: -len(ending)]
    return word
