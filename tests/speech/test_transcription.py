"""Recognised words become segments."""

from __future__ import annotations

from sensorium.media.subtitles import Word
from sensorium.speech.transcription import phrases


def spoken(text: str, *, start: float = 0.0, each: float = 0.3) -> list[Word]:
    words = text.split()
    return [Word(start + n * each, start + (n + 1) * each, (" " if n else "") + word) for n, word in enumerate(words)]


def texts(words: list[Word]) -> list[str]:
    return ["".join(word.text for word in phrase).strip() for phrase in phrases(words)]


def test_sentences_are_segments() -> None:
    assert texts(spoken("It rained. Dr. Brown stayed at home! Why?")) == [
        "It rained.",
        "Dr. Brown stayed at home!",
        "Why?",
    ]


def test_a_silence_ends_a_segment() -> None:
    assert texts([*spoken("and then"), *spoken("nothing came", start=3.0)]) == ["and then", "nothing came"]


def test_a_long_sentence_is_cut_at_a_comma_and_an_endless_one_anywhere() -> None:
    long = " ".join(["word"] * 45) + ", " + " ".join(["more"] * 10)
    assert [len(text.split()) for text in texts(spoken(long))] == [45, 10]
    endless = texts(spoken(" ".join(["word"] * 200)))
    assert sum(len(text.split()) for text in endless) == 200
    assert all(len(text.split()) * 0.3 <= 20.3 for text in endless)


def test_nothing_gives_nothing() -> None:
    assert texts([]) == []
