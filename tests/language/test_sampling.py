"""The options of all methods that write text: checked in one place, and stop sequences found across pieces."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from sensorium.errors import InputError
from sensorium.language.sampling import Sampling, choose_sampling
from sensorium.language.stop_sequences import StopSequences


def test_options_become_one_object() -> None:
    chosen = choose_sampling(9, temperature=1, seed=np.int64(5), stop="END")
    assert chosen == Sampling(9, 1, 1.0, 5, None, ("END",))
    assert chosen.drawn == 5
    assert choose_sampling(9, max_new_tokens=3, stop=["a", "", "b"]).stop == ("a", "b")
    assert choose_sampling(9, seed=5).drawn is None
    drawn = {choose_sampling(9, temperature=1.0).seed for _ in range(4)}
    assert len(drawn) > 1


def test_what_32_bits_would_take_for_nothing_stays_something() -> None:
    chosen = choose_sampling(9, temperature=1e-300, top_p=1e-300, seed=3)
    assert np.float32(1) / np.float32(chosen.temperature) < np.inf
    assert np.float32(chosen.top_p) > 0
    assert chosen.drawn == 3
    assert choose_sampling(9, temperature=0.0).temperature == 0


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"max_new_tokens": 0}, "max_new_tokens is 0"),
        ({"temperature": float("nan")}, "temperature nan"),
        ({"top_p": 0}, "top_p is 0"),
        ({"repetition_penalty": 11}, "repetition penalty 11"),
        ({"seed": 1 << 63}, "seed"),
        ({"temperature": "hot"}, "temperature can't be 'hot'"),
        ({"stop": 7}, "stop can't be 7"),
        ({"max_new_tokens": 2.5}, "max_new_tokens can't be 2.5"),
    ],
)
def test_options_that_make_no_sense(options: dict[str, Any], complaint: str) -> None:
    with pytest.raises(InputError, match=complaint) as caught:
        choose_sampling(9, **options)
    assert caught.value.remedy


@pytest.mark.parametrize("size", [1, 2, 3, 50])
@pytest.mark.parametrize(
    ("text", "stops", "expected"),
    [
        ("one two three", ["two"], "one "),
        ("one two three", ["three", "tw"], "one "),
        ("aab aaab", ["aaab"], "aab "),
        ("nothing of it", ["xyz"], "nothing of it"),
        ("almost EN", ["END"], "almost EN"),
    ],
)
def test_stops_are_found_wherever_pieces_end(size: int, text: str, stops: list[str], expected: str) -> None:
    found = StopSequences(stops)
    said = ""
    for start in range(0, len(text), size):
        said += found.let_through(text[start : start + size])
        assert expected.startswith(said)
        if found.found:
            break
    assert found.found == (expected != text)
    assert said + found.rest() == expected
