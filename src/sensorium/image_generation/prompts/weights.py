"""Attention weights in prompts, in the syntax of AUTOMATIC1111's web interface.

``(word)`` counts 1.1 times, ``((word))`` 1.21 times, ``[word]`` 1/1.1 times, ``(word:1.3)`` 1.3 times. A backslash
before a bracket or a backslash makes it a character like any other. The word ``BREAK`` starts a new chunk.

Nothing is an error, as in that interface: a bracket that is never closed reaches to the end of the prompt, a closing
bracket that was never opened is text, and so is a weight that is no number or stands outside of round brackets. That
interface's words that change between steps, ``[from:to:when]`` and ``[a|b]``, are not known here: they are weak text.
"""

from __future__ import annotations

import re
from typing import NamedTuple

_ROUND = 1.1
_SQUARE = 1 / 1.1
_PIECES = re.compile(r"\\[()\[\]\\]|[()\[\]\\]|:\s*[+-]?(?:\d+\.?\d*|\.\d+)\s*\)|:|[^()\[\]\\:]+")
_BREAK = re.compile(r"\s*\bBREAK\b\s*")


class WeightedText(NamedTuple):
    """A run of words that count the same.

    Attributes:
        text: The words, without the syntax.
        weight: How much they count; 1 is plain text.
        after_break: Whether ``BREAK`` stands before it.
    """

    text: str
    weight: float
    after_break: bool = False


def parse_weights(prompt: str) -> list[WeightedText]:
    """Split a prompt into runs of words that count the same.

    Args:
        prompt: A prompt with or without attention syntax.

    Returns:
        The runs in order; joined they are the prompt without the syntax. Neighbours of the same weight are one run.
        An empty prompt is one empty run.

    Source: https://github.com/AUTOMATIC1111/stable-diffusion-webui/wiki/Features, "Attention/emphasis".
    """
    runs: list[WeightedText] = []
    opened: dict[str, list[int]] = {"(": [], "[": []}

    def close(bracket: str, factor: float) -> None:
        start = opened[bracket].pop()
        runs[start:] = [run._replace(weight=run.weight * factor) for run in runs[start:]]

    for match in _PIECES.finditer(prompt):
        piece = match[0]
        if piece in opened:
            opened[piece].append(len(runs))
        elif piece == ")" and opened["("]:
            close("(", _ROUND)
        elif piece == "]" and opened["["]:
            close("[", _SQUARE)
        elif piece.startswith(":") and piece.endswith(")") and opened["("]:
            close("(", float(piece[1:-1]))
        elif piece.startswith("\\") and len(piece) == 2:
            runs.append(WeightedText(piece[1], 1.0))
        else:
            for number, part in enumerate(_BREAK.split(piece)):
                runs.append(WeightedText(part, 1.0, after_break=number > 0))
    while opened["("]:
        close("(", _ROUND)
    while opened["["]:
        close("[", _SQUARE)
    return _joined(runs)


def without_weights(prompt: str) -> str:
    """Return a prompt without its attention syntax: what the text encoder reads."""
    runs = parse_weights(prompt)
    return "".join(f" {run.text}" if run.after_break else run.text for run in runs)


def _joined(runs: list[WeightedText]) -> list[WeightedText]:
    joined: list[WeightedText] = []
    for run in runs:
        if joined and joined[-1].weight == run.weight and not run.after_break:
            joined[-1] = joined[-1]._replace(text=joined[-1].text + run.text)
        else:
            joined.append(run)
    return joined or [WeightedText("", 1.0)]
