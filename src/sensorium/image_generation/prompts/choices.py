"""Reading prompts with choices: ``{red|green} car``, ``{2$$moss|fog|rain}``, lists of words: ``__colour__``.

``{a|b}`` is one of the options; ``{3::a|b}`` is ``a`` three times as often. ``{2$$a|b|c}`` is two of them, in their
order, with commas; ``{1-2$$…}`` one or two; ``{2$$ and $$a|b|c}`` joins them with " and ". ``__colour__`` is a line
of the file ``colour.txt`` in the folder of wildcards, ``__animal/bird__`` of ``animal/bird.txt``; empty lines and
lines that begin with ``#`` don't count. Options and lines may hold further choices. A backslash before a brace or a
bar makes it a character like any other.

Source: the syntax of https://github.com/adieyal/sd-dynamic-prompts.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from sensorium.errors import InputError
from sensorium.image_generation.prompts.wildcards import Wildcards, list_named

_DEEPEST = 50

_PIECES = re.compile(r"\\[{}|]|[{}|]|__[\w-]+?(?:/[\w-]+?)*__|[^\\{}|_]+|[\\_]")
_WILDCARD = re.compile(r"__(.+)__")
_HOW_MANY = re.compile(r"\s*(\d+)(?:-(\d+))?\$\$(?:(.*?)\$\$)?", re.DOTALL)
_OFTEN = re.compile(r"\s*(\d+(?:\.\d+)?)::")
_ESCAPED = re.compile(r"\\([{}|])")


@dataclass(frozen=True, eq=False)
class Choice:
    """Some of several options, in their order. The lists of wildcards are choices, shared wherever they are used."""

    options: tuple[Parts, ...]
    frequencies: tuple[float, ...]
    fewest: int = 1
    most: int = 1
    separator: str = ", "


Part: TypeAlias = "str | Choice"
Parts: TypeAlias = "tuple[Part, ...]"


def wildcard_lists(prompt: str, wildcards: Wildcards) -> dict[str, tuple[str, ...]]:
    """Return the lists of words that a prompt uses, and those that these use, by name.

    Raises:
        InputError: As for `draw_variations`.
    """
    parser = ChoiceParser(wildcards)
    parse_choices(prompt, parser)
    return parser.lines


def parse_choices(prompt: str, parser: ChoiceParser) -> Parts:
    """Return the parts of a prompt: text and choices.

    Raises:
        InputError: It is empty, a brace is not closed, or a wildcard is missing or contains itself.
    """
    if not prompt.strip():
        raise InputError("The prompt is empty", "Write what the picture shows, such as 'a {red|green} car'")
    return parser.parse(prompt, f"The prompt {_beginning(prompt)}", (), depth=0)


class ChoiceParser:
    """Reads prompts.

    Attributes:
        lines: The lists that were read, by name.
    """

    def __init__(self, wildcards: Wildcards) -> None:
        self.lines: dict[str, tuple[str, ...]] = {}
        self._wildcards = wildcards
        self._lists: dict[str, Choice] = {}

    def parse(self, text: str, where: str, inside: tuple[str, ...], *, depth: int) -> Parts:
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
    ) -> tuple[Parts, int]:
        """Read up to the end, or inside braces up to the next bar or closing brace; return also where that is."""
        if depth > _DEEPEST:
            raise InputError(f"{where} has choices inside choices, more than {_DEEPEST} deep", "Simplify it")
        parts: list[Part] = []
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
    ) -> tuple[Choice, int]:
        options: list[Parts] = []
        position = start
        while True:
            parts, position = self._sequence(pieces, position, where, inside, depth=depth, braced=True)
            options.append(parts)
            if position == len(pieces):
                raise InputError(f"{where} opens a brace that is never closed", r"Close it, or write it as \{")
            position += 1
            if pieces[position - 1] == "}":
                return _as_choice(options, where), position

    def _list(self, name: str, inside: tuple[str, ...], depth: int) -> Choice:
        if name in inside:
            circle = " → ".join([*inside[inside.index(name) :], name])
            raise InputError(f"The wildcard __{name}__ contains itself: {circle}", "Take it out of one of these lists")
        if name not in self._lists:
            where, chain = f"A line of the wildcard __{name}__", (*inside, name)
            lines = self.lines[name] = list_named(name, self._wildcards)
            options = tuple(self.parse(line, where, chain, depth=depth + 1) for line in lines)
            self._lists[name] = Choice(options, (1.0,) * len(options))
        return self._lists[name]


def _as_choice(options: list[Parts], where: str) -> Choice:
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
    return Choice(
        tuple(options[number] for number in taken),
        tuple(frequencies[number] for number in taken),
        fewest,
        most,
        separator,
    )


def _options_of_list(options: list[Parts]) -> list[Parts]:
    """Return the lines of a wildcard that is the only option, for ``{2$$__colour__}`` means two of its lines."""
    parts = [part for part in options[0] if part] if len(options) == 1 else []
    only = parts[0] if len(parts) == 1 else ""
    return options if isinstance(only, str) else list(only.options)


def _beginning(prompt: str) -> str:
    return repr(prompt if len(prompt) <= 40 else prompt[:40] + "…")
