"""Prompts with choices: ``{red|green} car``, ``{2$$moss|fog|rain}``, and lists of words from files: ``__colour__``.

``{a|b}`` is one of the options; ``{3::a|b}`` is ``a`` three times as often. ``{2$$a|b|c}`` is two of them, in their
order, with commas; ``{1-2$$…}`` one or two; ``{2$$ and $$a|b|c}`` joins them with " and ". ``__colour__`` is a line
of the file ``colour.txt`` in the folder of wildcards, ``__animal/bird__`` of ``animal/bird.txt``; empty lines and
lines that begin with ``#`` don't count. Options and lines may hold further choices. A backslash before a brace or a
bar makes it a character like any other.

Source: the syntax of https://github.com/adieyal/sd-dynamic-prompts.
"""

from __future__ import annotations

import difflib
import itertools
import os
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, TypeAlias

from sensorium.errors import InputError
from sensorium.record import Record

MAXIMUM_VARIATIONS = 10_000

_LONGEST_PROMPT = 20_000
_MOST_PIECES = 20_000
_LARGEST_FILE = 10_000_000
_DEEPEST = 50
_RETRIES = 50
_SHOWN_NAMES = 20
_LISTED_NAMES = 1000
_SEARCHED_FOLDERS = 1000

_PIECES = re.compile(r"\\[{}|]|[{}|]|__[\w-]+?(?:/[\w-]+?)*__|[^\\{}|_]+|[\\_]")
_WILDCARD = re.compile(r"__(.+)__")
_HOW_MANY = re.compile(r"\s*(\d+)(?:-(\d+))?\$\$(?:(.*?)\$\$)?", re.DOTALL)
_OFTEN = re.compile(r"\s*(\d+(?:\.\d+)?)::")
_ESCAPED = re.compile(r"\\([{}|])")


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


@dataclass(frozen=True, eq=False)
class _Choice:
    """Some of several options, in their order. The lists of wildcards are choices, shared wherever they are used."""

    options: tuple[_Sequence, ...]
    frequencies: tuple[float, ...]
    fewest: int = 1
    most: int = 1
    separator: str = ", "


Wildcards: TypeAlias = Path | Mapping[str, Sequence[str]] | None
"""Lists of words: a folder of text files, or a dict from name to words."""
_Part: TypeAlias = "str | _Choice"
_Sequence: TypeAlias = "tuple[_Part, ...]"


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
    parts = _parse(prompt, _Parser(wildcards))
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
    parts = _parse(prompt, _Parser(wildcards))
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

    def text(self, parts: _Sequence) -> str:
        return "".join(self._part(part) for part in parts)

    def _part(self, part: _Part) -> str:
        self._pieces += 1
        if isinstance(part, str):
            self._length += len(part)
        if self._pieces > _MOST_PIECES or self._length > _LONGEST_PROMPT:
            raise _too_long()
        return part if isinstance(part, str) else self._choose(part)

    def _choose(self, choice: _Choice) -> str:
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
        self._counts: dict[_Choice, int] = {}
        self._texts: dict[_Choice, list[str]] = {}

    def count(self, parts: _Sequence) -> int:
        """Return how many there are, or ``enough`` if there are more."""
        total = 1
        for part in parts:
            total = min(self._enough, total * (1 if isinstance(part, str) else self._count_of(part)))
        return total

    def texts(self, parts: _Sequence) -> list[str]:
        """Return them; the last choice changes fastest."""
        found = []
        for texts in itertools.product(*([part] if isinstance(part, str) else self._texts_of(part) for part in parts)):
            if sum(map(len, texts)) > _LONGEST_PROMPT:
                raise _too_long()
            found.append("".join(texts))
        return found

    def _count_of(self, choice: _Choice) -> int:
        if choice not in self._counts:
            # ways[k]: in how many ways k of the options seen so far can be chosen and written.
            ways = [1, *[0] * choice.most]
            for option in choice.options:
                written = self.count(option)
                for number in range(choice.most, 0, -1):
                    ways[number] = min(self._enough, ways[number] + ways[number - 1] * written)
            self._counts[choice] = min(self._enough, sum(ways[choice.fewest :]))
        return self._counts[choice]

    def _texts_of(self, choice: _Choice) -> list[str]:
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


def wildcard_lists(prompt: str, wildcards: Wildcards) -> dict[str, tuple[str, ...]]:
    """Return the lists of words that a prompt uses, and those that these use, by name.

    Raises:
        InputError: As for `draw_variations`.
    """
    parser = _Parser(wildcards)
    _parse(prompt, parser)
    return parser.lines


def _parse(prompt: str, parser: _Parser) -> _Sequence:
    if not prompt.strip():
        raise InputError("The prompt is empty", "Write what the picture shows, such as 'a {red|green} car'")
    return parser.parse(prompt, f"The prompt {_beginning(prompt)}", (), depth=0)


class _Parser:
    """Reads prompts.

    Attributes:
        lines: The lists that were read, by name.
    """

    def __init__(self, wildcards: Wildcards) -> None:
        self.lines: dict[str, tuple[str, ...]] = {}
        self._wildcards = wildcards
        self._lists: dict[str, _Choice] = {}

    def parse(self, text: str, where: str, inside: tuple[str, ...], *, depth: int) -> _Sequence:
        """Read a prompt, or a line of a list.

        Args:
            text: What to read.
            where: What it is, for the words of an error.
            inside: The wildcards whose lists led here.
            depth: How many braces and lists led here.
        """
        pieces = [match[0] for match in _PIECES.finditer(text)]
        return self._sequence(pieces, 0, where, inside, depth=depth, braced=False)[0]

    def _sequence(
        self, pieces: Sequence[str], start: int, where: str, inside: tuple[str, ...], *, depth: int, braced: bool
    ) -> tuple[_Sequence, int]:
        """Read up to the end, or inside braces up to the next bar or closing brace; return also where that is."""
        if depth > _DEEPEST:
            raise InputError(f"{where} has choices inside choices, more than {_DEEPEST} deep", "Simplify it")
        parts: list[_Part] = []
        position = start
        while position < len(pieces):
            piece = pieces[position]
            if braced and piece in "|}":
                break
            wildcard = _WILDCARD.fullmatch(piece)
            if piece == "{":
                choice, position = self._braces(pieces, position + 1, where, inside, depth=depth + 1)
                parts.append(choice)
                continue
            if piece == "}":
                raise InputError(f"{where} closes a brace that was never opened", r"Remove it, or write it as \}")
            parts.append(self._list(wildcard[1], inside, depth) if wildcard else _ESCAPED.sub(r"\1", piece))
            position += 1
        return tuple(parts), position

    def _braces(
        self, pieces: Sequence[str], start: int, where: str, inside: tuple[str, ...], *, depth: int
    ) -> tuple[_Choice, int]:
        options: list[_Sequence] = []
        position = start
        while True:
            parts, position = self._sequence(pieces, position, where, inside, depth=depth, braced=True)
            options.append(parts)
            if position == len(pieces):
                raise InputError(f"{where} opens a brace that is never closed", r"Close it, or write it as \{")
            position += 1
            if pieces[position - 1] == "}":
                return _as_choice(options, where), position

    def _list(self, name: str, inside: tuple[str, ...], depth: int) -> _Choice:
        if name in inside:
            circle = " → ".join([*inside[inside.index(name) :], name])
            raise InputError(f"The wildcard __{name}__ contains itself: {circle}", "Take it out of one of these lists")
        if name not in self._lists:
            where, chain = f"A line of the wildcard __{name}__", (*inside, name)
            lines = self.lines[name] = _list_named(name, self._wildcards)
            options = tuple(self.parse(line, where, chain, depth=depth + 1) for line in lines)
            self._lists[name] = _Choice(options, (1.0,) * len(options))
        return self._lists[name]


def _as_choice(options: list[_Sequence], where: str) -> _Choice:
    fewest = most = 1
    separator = ", "
    head = options[0][0] if options[0] and isinstance(options[0][0], str) else ""
    found = _HOW_MANY.match(head)
    if found:
        options[0] = (head[found.end() :], *options[0][1:])
        fewest, most = int(found[1]), int(found[2] or found[1])
        separator = found[3] if found[3] is not None else separator
        options = _options_of_list(options)
        if not 1 <= fewest <= most <= len(options):
            raise InputError(
                f"{where} asks for {found[1]}{f'-{found[2]}' if found[2] else ''} of {len(options)} options",
                f"Ask for 1 to {len(options)}",
            )
    frequencies: list[float] = []
    for number, option in enumerate(options):
        often = _OFTEN.match(option[0]) if option and isinstance(option[0], str) else None
        frequencies.append(float(often[1]) if often else 1.0)
        if often:
            options[number] = (str(option[0])[often.end() :], *option[1:])
    taken = [number for number, frequency in enumerate(frequencies) if frequency > 0]
    if most > len(taken):
        raise InputError(f"{where} asks for options that are never to be taken", "Give more of them a number above 0")
    return _Choice(
        tuple(options[number] for number in taken),
        tuple(frequencies[number] for number in taken),
        fewest,
        most,
        separator,
    )


def _options_of_list(options: list[_Sequence]) -> list[_Sequence]:
    """Return the lines of a wildcard that is the only option, for ``{2$$__colour__}`` means two of its lines."""
    parts = [part for part in options[0] if part] if len(options) == 1 else []
    only = parts[0] if len(parts) == 1 else ""
    return options if isinstance(only, str) else list(only.options)


def _list_named(name: str, wildcards: Wildcards) -> tuple[str, ...]:
    if wildcards is None:
        raise InputError(
            f"The prompt has the wildcard __{name}__, and no folder of wildcards is named",
            "Name a folder that holds a text file of that name, one word or phrase a line",
        )
    if isinstance(wildcards, Mapping):
        what = f"list of the wildcard __{name}__"
        if name not in wildcards:
            raise InputError(f"There is no {what}", _choice_of(sorted(wildcards), name))
        lines = wildcards[name]
    else:
        what = f"list {name.rpartition('/')[2]}.txt"
        lines = _read_list(wildcards, name)
    found = tuple(line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#"))
    if not found:
        raise InputError(f"The {what} is empty", "Write one word or phrase a line")
    return found


def _read_list(folder: Path, name: str) -> list[str]:
    path = folder / f"{name}.txt"
    if not path.is_file():
        raise InputError(
            f"There is no file {name}.txt in the folder of wildcards {str(folder)!r}", _there(folder, name)
        )
    try:
        if path.stat().st_size > _LARGEST_FILE:
            raise InputError(f"The list {path.name} is larger than {_LARGEST_FILE // 1_000_000} MB", "Split it")
        return path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise InputError(f"The list {path.name} is not UTF-8 text", "Save it as UTF-8") from None
    except OSError:
        raise InputError(f"The list {path.name} can't be read", "Check its permissions") from None


def _there(folder: Path, name: str) -> str:
    """Tell what a folder of wildcards holds, and what may have been meant."""
    if not folder.is_dir():
        return "There is no such folder; name another one"
    names = sorted(itertools.islice(_names(folder), _LISTED_NAMES))
    return _choice_of(names, name) if names else "It holds no text files at all"


def _choice_of(names: Sequence[str], name: str) -> str:
    """Tell which lists there are, and what may have been meant."""
    near = difflib.get_close_matches(name, names, n=1)
    if near:
        return f"Did you mean __{near[0]}__?"
    shown = ", ".join(f"__{found}__" for found in names[:_SHOWN_NAMES])
    more = " and more" if len(names) > _SHOWN_NAMES else ""
    return f"It has {shown}{more}" if names else "Give one"


def _names(folder: Path) -> Iterator[str]:
    for place, folders, files in itertools.islice(os.walk(folder), _SEARCHED_FOLDERS):
        folders.sort()
        for file in sorted(files):
            if file.endswith(".txt"):
                yield (Path(place) / file).relative_to(folder).with_suffix("").as_posix()


def _beginning(prompt: str) -> str:
    return repr(prompt if len(prompt) <= 40 else prompt[:40] + "…")
