"""How the next token of a text is chosen: ``Sampling``."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Sampling:
    """How the next token is chosen, and when to end at the latest.

    Attributes:
        max_new_tokens: Longest answer, in tokens.
        temperature: 0 takes the likeliest token each time; higher is more varied, up to 2.
        top_p: Sample only from the likeliest tokens that together have this probability.
        seed: Makes sampling repeatable.
        repetition_penalty: Above 1, words that were written before become less likely; None is what the checkpoint
            recommends.
    """

    max_new_tokens: int
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0
    repetition_penalty: float | None = None
