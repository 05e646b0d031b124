"""The prompts that a prompt with choices stands for: some drawn at random, or all of them. `choices` has the syntax."""

from __future__ import annotations

import itertools
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from sensorium.errors import InputError
from sensorium.image_generation.prompts.choices import Choice, ChoiceParser, Part, Parts, parse_choices
from sensorium.image_generation.prompts.wildcards import Wildcards
from sensorium.record import Record

MAXIMUM_VARIATIONS = 10_000

_LONGEST_PROMPT = 20_000
_MOST_PIECES = 20_000
_RETRIES = 50


@dataclass(frozen=True, eq=False, repr=False)
class _PromptVariations(Record):
    """Prompts as `PromptVariations.to_dict` writes them."""

    prompts: tuple[str, ...]
    seed: int | None


class PromptVariations(list[str]):
    """Prompts that came of one.

    Attributes:
        seed: With it the same prompts come again; None where nothing was drawn.
    """

    def __init__(self, prompts: Sequence[str], *, seed: int | None) -> None:
        super().__init__(prompts)
        self.seed = seed

    def to_dict(self) -> dict[str, Any]:
        """Return prompts and seed, ready for ``json.dumps``."""
        return {"prompts": list(self), "seed": self.seed}

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Self:
        """Return what `to_dict` made a document of.

        Raises:
            InputError: It is no such document.
        """
        read = _PromptVariations.from_dict(document)
        return cls(read.prompts, seed=read.seed)


def draw_variations(
    prompt: str, count: int, seed: int | None = None, *, wildcards: Wildcards = None
) -> PromptVariations:
    """Draw prompts at random; one comes twice only where hardly any other is left.

    Args:
        prompt: With choices.
        count: How many, at most `MAXIMUM_VARIATIONS`. The first ones don't depend on it.
        seed: Decides the choices; a random one by default.
        wildcards: The lists of words.

    Raises:
        InputError: The prompt is empty, a brace is not closed, a wildcard is missing or contains itself, or ``count``
            can't be.
    """
    if not 1 <= count <= MAXIMUM_VARIATIONS:
        raise InputError(f"There can't be {count:,} variations", f"Ask for 1 to {MAXIMUM_VARIATIONS:,}")
    parts = parse_choices(prompt, ChoiceParser(wildcards))
    seed = random.SystemRandom().randrange(2**32) if seed is None else seed
    dice = random.Random(seed)
    found: dict[str, None] = {}
    drawn: list[str] = []
    for _ in range(count):
        for _ in range(_RETRIES):
            text = _Drawing(dice).text(parts)
            if text not in found:
                break
        found[text] = None
        drawn.append(text)
    return PromptVariations(drawn, seed=seed)


def list_variations(prompt: str, *, limit: int = 1000, wildcards: Wildcards = None) -> PromptVariations:
    """Return all prompts that a prompt with choices stands for, each once, the last choice changing fastest.

    Args:
        prompt: With choices.
        limit: More than these are refused, before any is made; at most `MAXIMUM_VARIATIONS`.
        wildcards: The lists of words.

    Raises:
        InputError: There are more than ``limit``, or as for `draw_variations`.
    """
    if not 1 <= limit <= MAXIMUM_VARIATIONS:
        raise InputError(f"The limit can't be {limit:,} variations", f"Set it to 1 to {MAXIMUM_VARIATIONS:,}")
    parts = parse_choices(prompt, ChoiceParser(wildcards))
    listing = _Listing(limit + 1)
    if listing.count(parts) > limit:
        raise InputError(
            f"The prompt stands for more than {limit:,} variations",
            "Draw some of them at random, or leave some choices out",
        )
    return PromptVariations(list(dict.fromkeys(listing.texts(parts))), seed=None)


class _Drawing:
    """One prompt in the making; lists that refer to each other can't make it grow beyond bounds."""

    def __init__(self, dice: random.Random) -> None:
        self._dice = dice
        self._pieces = 0
        self._length = 0

    def text(self, parts: Parts) -> str:
        return "".join(self._part(part) for part in parts)

    def _part(self, part: Part) -> str:
        self._pieces += 1
        if isinstance(part, str):
            self._length += len(part)
        if self._pieces > _MOST_PIECES or self._length > _LONGEST_PROMPT:
            raise _too_long()
        return part if isinstance(part, str) else self._choose(part)

    def _choose(self, choice: Choice) -> str:
        number = self._dice.randint(choice.fewest, choice.most)
        left = list(range(len(choice.options)))
        chosen = []
        for _ in range(number):
            index = self._dice.choices(left, [choice.frequencies[index] for index in left])[0]
            left.remove(index)
            chosen.append(index)
        return choice.separator.join(self.text(choice.options[index]) for index in sorted(chosen))


class _Listing:
    """All texts of a prompt; each choice is worked out once, however often it is used.

    Args:
        enough: Counting stops there.
    """

    def __init__(self, enough: int) -> None:
        self._enough = enough
        self._counts: dict[Choice, int] = {}
        self._texts: dict[Choice, list[str]] = {}

    def count(self, parts: Parts) -> int:
        """Return how many there are, or ``enough`` if there are more."""
        total = 1
        for part in parts:
            total = min(self._enough, total * (1 if isinstance(part, str) else self._count_of(part)))
        return total

    def texts(self, parts: Parts) -> list[str]:
        """Return them; the last choice changes fastest."""
        found = []
        for texts in itertools.product(*([part] if isinstance(part, str) else self._texts_of(part) for part in parts)):
            if sum(map(len, texts)) > _LONGEST_PROMPT:
                raise _too_long()
            found.append("".join(texts))
        return found

    def _count_of(self, choice: Choice) -> int:
        if choice not in self._counts:
            # ways[k]: in how many ways k of the options seen so far can be chosen and written.
            ways = [1, *[0] * choice.most]
            for option in choice.options:
                written = self.count(option)
                for number in range(choice.most, 0, -1):
                    ways[number] = min(self._enough, ways[number] + ways[number - 1] * written)
            self._counts[choice] = min(self._enough, sum(ways[choice.fewest :]))
        return self._counts[choice]

    def _texts_of(self, choice: Choice) -> list[str]:
        if choice not in self._texts:
            options = [self.texts(option) for option in choice.options]
            self._texts[choice] = [
                choice.separator.join(texts)
                for number in range(choice.fewest, choice.most + 1)
                for chosen in itertools.combinations(options, number)
                for texts in itertools.product(*chosen)
            ]
        return self._texts[choice]


def _too_long() -> InputError:
    return InputError(
        f"The prompt grows to more than {_LONGEST_PROMPT:,} characters by its choices", "Use fewer or shorter ones"
    )
