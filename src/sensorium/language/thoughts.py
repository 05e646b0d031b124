"""What a model thinks before it answers: switched on and off by its chat template, and kept out of its answer."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from sensorium.errors import UnsupportedError

LONGEST_THOUGHTS = 8192
"""In tokens. The length of an answer counts the answer alone, so that thoughts need a bound of their own."""
TAIL = 16
"""So many tokens at the end of a prompt are enough to see whether its template has opened the thoughts already."""


@dataclass(frozen=True)
class Marks:
    """What a family of models writes before and after its thoughts."""

    opening: str
    closing: str


MARKS = (
    Marks("<think>", "</think>"),  # Qwen, DeepSeek, GLM, MiniCPM, SmolLM 3, Nemotron, ...
    Marks("<|channel>thought", "<channel|>"),  # Gemma 4
    Marks("<|channel|>analysis<|message|>", "<|channel|>final<|message|>"),  # gpt-oss
    Marks("[THINK]", "[/THINK]"),  # Magistral
    Marks("<|START_THINKING|>", "<|END_THINKING|>"),  # Command A
    Marks("<|inner_prefix|>", "<|inner_suffix|>"),  # Apertus
    Marks("<seed:think>", "</seed:think>"),  # Seed-OSS
    Marks("◁think▷", "◁/think▷"),  # Kimi-VL
)
_SWITCHES: dict[str, dict[bool, Any]] = {
    "enable_thinking": {False: False, True: True},
    "thinking": {False: False, True: True},  # DeepSeek 3.1, Granite, Hermes 4
    "reasoning": {False: False, True: True},  # Command A
    "thinking_budget": {False: 0},  # Seed-OSS: tokens; without a number it thinks as long as it likes
}
"""The variables by which chat templates are told whether to think, and their values for no and yes."""


@dataclass(frozen=True)
class ThinkingStyle:
    """How a checkpoint thinks, if it does.

    Attributes:
        marks: What may stand around its thoughts.
        switches: The variables of its chat template that switch thinking on and off.
        special: Its special tokens.
        kept: Those of them that are parts of its marks, and so must be decoded.
    """

    marks: tuple[Marks, ...] = ()
    switches: tuple[str, ...] = ()
    special: frozenset[int] = frozenset()
    kept: frozenset[int] = frozenset()

    @classmethod
    def of(cls, template: Any, added: Mapping[int, Any]) -> Self:
        """Return the style of a checkpoint.

        Args:
            template: Its chat template, or several by name; what has none doesn't think.
            added: The tokens that were added to its vocabulary, by number, with ``content`` and ``special``.
        """
        if not template:
            return cls()
        text = template if isinstance(template, str) else "\n".join(map(str, template.values()))
        names = {token.content for token in added.values()}
        marks = tuple(mark for mark in MARKS if mark.closing in text or mark.closing in names)
        special = {number: token.content for number, token in added.items() if token.special}
        kept = (n for n, name in special.items() if any(name in mark.opening + mark.closing for mark in marks))
        return cls(
            marks,
            tuple(name for name in _SWITCHES if re.search(rf"\b{name}\b", text)),
            frozenset(special),
            frozenset(kept),
        )

    @property
    def possible(self) -> bool:
        """Whether the checkpoint can think at all."""
        return bool(self.marks or self.switches)

    def arguments(self, thinking: bool) -> dict[str, Any]:
        """Return what its chat template is told."""
        return {name: _SWITCHES[name][thinking] for name in self.switches if thinking in _SWITCHES[name]}

    def decoded(self, tokens: Sequence[int], decode: Callable[..., Any]) -> str:
        """Return the text of tokens, without special ones that are no marks.

        Args:
            tokens: Of a prompt or an answer.
            decode: A tokenizer's, which takes ``skip_special_tokens``.
        """
        if not self.kept:
            return str(decode(list(tokens), skip_special_tokens=True))
        shown = [token for token in tokens if token in self.kept or token not in self.special]
        return str(decode(shown, skip_special_tokens=False))


@dataclass
class Thoughts:
    """Takes a text piece by piece and lets its answer through, without the thoughts in front.

    Args:
        marks: What may stand around them.
        prompt: The end of what the model read; its template may have opened the thoughts there.

    Attributes:
        going_on: Whether the model is thinking.
        came: Whether there were any thoughts.
        over: Whether the answer has begun.
    """

    marks: Sequence[Marks]
    prompt: str = ""
    going_on: bool = field(default=False, init=False)
    came: bool = field(default=False, init=False)
    over: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        self._held = ""
        self._closing = ""
        self.over = not self.marks
        for mark in self.marks:
            if self.prompt.rstrip().endswith(mark.opening):
                self._open(mark)

    def let_through(self, piece: str) -> str:
        """Take the next piece; return what of it belongs to the answer, and hold back what may begin a mark."""
        self._held += piece
        while not self.over:
            if self.going_on:
                before, mark, after = self._held.partition(self._closing)
                if not mark:
                    self._held = before[-(len(self._closing) - 1) :]  # may begin the mark
                    return ""
                self._held, self.going_on = after, False
            elif not self._pass_mark():
                if self._may_be_mark(self._held.lstrip()):
                    return ""
                self.over = True
                self._held = self._held.lstrip() if self.came else self._held
        return self._take()

    def rest(self) -> str:
        """Return what is held back still, at the end of the text."""
        return "" if self.going_on else self._take()

    def _pass_mark(self) -> bool:
        text = self._held.lstrip()
        for mark in self.marks:
            if text.startswith(mark.opening):
                self._held = text.removeprefix(mark.opening)
                self._open(mark)
                return True
            if text.startswith(mark.closing):  # the end of thoughts that a template had opened and closed
                self._held, self.came = text.removeprefix(mark.closing), True
                return True
        return False

    def _may_be_mark(self, text: str) -> bool:
        return any(mark.startswith(text) for pair in self.marks for mark in (pair.opening, pair.closing))

    def _open(self, mark: Marks) -> None:
        self.going_on = self.came = True
        self._closing = mark.closing

    def _take(self) -> str:
        taken, self._held = self._held, ""
        return taken


def no_answer(name: str, tokens: int, *, switchable: bool) -> UnsupportedError:
    """Return the error for a text that held thoughts only.

    Args:
        name: The checkpoint's.
        tokens: How many tokens it thought.
        switchable: Whether it was asked to think, and can answer without.
    """
    remedy = "Ask without thinking" if switchable else "Ask more simply, or choose another checkpoint"
    return UnsupportedError(f"{name!r} thought for {tokens} tokens and came to no answer", remedy)


def cannot_think(name: str) -> str:
    """Return the warning of an answer that was asked for with thoughts, by a checkpoint that has none."""
    return f"{name!r} can't think before it answers, so it answered at once"


def untold_thoughts(name: str) -> str:
    """Return the warning of an answer that was asked for with thoughts, where its server neither tells nor counts any.

    A model that can't think, and a server that can't ask for it, look the same from here.
    """
    return f"{name!r} was asked to think before it answers, and its server tells of no thoughts"
