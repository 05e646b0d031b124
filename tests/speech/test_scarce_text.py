"""Which texts are too short for what is spoken, and in which parts it is recognised once more."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from sensorium.speech.scarce_text import is_fuller, is_hardly_any, is_scarce, short_parts
from sensorium.speech.voice_activity import Span, Window
from tests.speech.conftest import SAMPLE_RATE


def window(seconds: float, *pauses: tuple[float, float]) -> Window:
    samples = np.random.default_rng(0).normal(0, 0.1, round(seconds * SAMPLE_RATE)).astype(np.float32)
    spans = (Span(0, len(samples), 0),)
    return Window(samples, spans, ((0.0, 0.1), *pauses, (seconds - 0.1, seconds)))


def test_a_text_is_scarce_by_the_letters_of_what_is_spoken() -> None:
    sentence = "And Mr. John Dashwood had then leisure to consider."
    assert not is_scarce(window(4.5), sentence)
    assert is_scarce(window(20.0), sentence)
    assert not is_scarce(window(20.0, (4.0, 19.0)), sentence), "nobody speaks in a pause"
    assert not is_scarce(window(5.0), "你好世界你好世界你好世界")
    assert not is_scarce(window(5.0), "1 2 3 4 5 6 7 8 9 10 11 12")
    assert not is_scarce(window(2.0), ""), "a word may be missed"
    assert not is_hardly_any(window(20.0), sentence)
    assert is_hardly_any(window(20.0), "You")
    assert is_fuller("again, again, again", "again")
    assert not is_fuller("again!", "again")


def test_parts_are_short_and_begin_in_pauses_where_there_are_some() -> None:
    whole = window(28.0, (2.0, 2.4), (4.0, 4.4), (8.0, 8.4))
    parts = short_parts(whole)
    assert sum(part.seconds for part in parts) == 28.0
    assert all(part.seconds <= 5.0 for part in parts)
    starts = [part.times(0.0, 0.0)[0] for part in parts]
    assert starts[:3] == [0.0, 4.2, 8.2]
    assert all(first.end == second.times(0.0, 0.0)[0] for first, second in pairwise(parts))
    assert [part.seconds for part in short_parts(window(4.5))] == [4.5]
