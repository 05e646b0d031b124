"""How the next token of a text is chosen, and when the text ends: ``Sampling``."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypedDict

from sensorium.arguments import checked
from sensorium.errors import InputError

_LEAST = 1e-6


class SamplingOptions(TypedDict, total=False):
    """What every method that writes text takes.

    Attributes:
        max_new_tokens: Longest answer, in tokens; by default the method or the checkpoint decides.
        temperature: 0, the default, takes the likeliest token each time; higher is more varied, up to 2.
        top_p: Sample only from the likeliest tokens that together have this probability; 1 is all.
        seed: Makes sampling repeatable; a fresh one is drawn if None. The result tells it.
        repetition_penalty: Above 1, words that were written before become less likely; None is what the checkpoint
            recommends.
        stop: End the answer before any of these strings.
        thinking: Let the model think before it answers, if it can. Its thoughts are not part of the answer and don't
            count to ``max_new_tokens``; the answer's usage tells how many tokens they took.
    """

    max_new_tokens: int | None
    temperature: float
    top_p: float
    seed: int | None
    repetition_penalty: float | None
    stop: str | Sequence[str]
    thinking: bool


@dataclass(frozen=True)
class Sampling:
    """How the next token is chosen, and when to end.

    Attributes:
        max_new_tokens: Longest answer, in tokens; thoughts don't count.
        temperature: 0 takes the likeliest token each time; higher is more varied, up to 2.
        top_p: Sample only from the likeliest tokens that together have this probability.
        seed: Makes sampling repeatable.
        repetition_penalty: Above 1, words that were written before become less likely; None is what the checkpoint
            recommends.
        stop: The text ends before any of these strings.
        thinking: Whether the model may think before it answers.
    """

    max_new_tokens: int
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0
    repetition_penalty: float | None = None
    stop: tuple[str, ...] = ()
    thinking: bool = False

    @property
    def drawn(self) -> int | None:
        """The seed for the result to tell; None where nothing is left to chance."""
        return self.seed if self.temperature else None


@checked
def choose_sampling(
    longest: int,
    *,
    max_new_tokens: int | None = None,
    temperature: float = 0.0,
    top_p: float = 1.0,
    seed: int | None = None,
    repetition_penalty: float | None = None,
    stop: str | Sequence[str] = (),
    thinking: bool = False,
) -> Sampling:
    """Check the options of a method that writes text, and draw a seed if there is none.

    Args:
        longest: What ``max_new_tokens`` is by default.
        max_new_tokens: See `SamplingOptions`, like the rest.

    Raises:
        InputError: An option is of the wrong type or out of range.
    """
    if max_new_tokens is not None and max_new_tokens < 1:
        raise InputError(f"max_new_tokens is {max_new_tokens}", "Allow at least one token")
    if not 0 <= temperature <= 2:
        raise InputError(f"The temperature {temperature} is not between 0 and 2", "0 is repeatable, 0.7 is varied")
    if not 0 < top_p <= 1:
        raise InputError(f"top_p is {top_p}, not above 0 and at most 1", "Use 1 to sample from all tokens")
    if repetition_penalty is not None and not 0 < repetition_penalty <= 10:
        raise InputError(f"The repetition penalty {repetition_penalty} is not above 0 and at most 10", "Use 1 for none")
    if seed is not None and not 0 <= seed < 1 << 63:
        raise InputError(f"The seed {seed} is not between 0 and 2^63 - 1", "Use a number such as 42")
    return Sampling(
        max_new_tokens=longest if max_new_tokens is None else max_new_tokens,
        # Models compute with 32 bits, in which less than this is none.
        temperature=max(temperature, _LEAST) if temperature else 0.0,
        top_p=max(top_p, _LEAST),
        seed=random.SystemRandom().randrange(1 << 31) if seed is None else seed,
        repetition_penalty=repetition_penalty,
        stop=tuple(filter(None, [stop] if isinstance(stop, str) else stop)),
        thinking=thinking,
    )
