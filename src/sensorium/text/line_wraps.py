"""Lines that were broken to fit a width are one again; poems, lists, headings and blank lines keep their breaks."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from sensorium.text.phrase_breaks import break_cost, ends_sentence, needs_space

_WIDEST = 120
"""Nobody breaks lines wider than that: each line of such a text is a paragraph."""
_NARROWEST = 12
"""Narrower than that, lines are words in a list."""

_INSIDE_PHRASE = 9
"""What `break_cost` says of a break after "the"."""

_NEW_LINES = re.compile(r"\r\n?|[\v\f\x1c-\x1e\x85\u2028]")
_ITEM = re.compile(r"\s*(?:[-–—*•·‣▪◦+>#|]|\(?(?:\d{1,3}|[a-zA-Z]|[ivx]{1,5})[.)])(?:\s|$)|\s*(?:#{1,6}\s|>)")
_RULED_OFF = re.compile(r"\s*(?:[-=_*~#]\s*){3,}$")
_SOFT_HYPHEN = "\u00ad"
_WORD_CUT_IN_TWO = re.compile(r"[^\W\d_]-$")


def unwrap_lines(text: str) -> str:
    """Return a text in which each line is a paragraph, a line of a poem, a heading or an item of a list.

    A break is taken for one that only fits a width if the next word had no room left on its line, and if the text goes
    on in the middle of a sentence more often than it begins a new one; a poem's lines begin anew or are short.

    Args:
        text: Of any kind. Line ends of all systems are taken.
    """
    plain = _NEW_LINES.sub("\n", text.replace("\u2029", "\n\n"))
    blocks = [_Block(block.split("\n")) for block in re.split(r"\n[^\S\n]*\n\s*?(?=\S|$)", plain)]
    wrapped = [block.width for block in blocks if block.is_wrapped]
    return "\n\n".join(block.unwrapped(max(wrapped, default=0)) for block in blocks).replace(_SOFT_HYPHEN, "")


@dataclass(frozen=True)
class _Block:
    """Lines without a blank one between them."""

    lines: list[str]

    @property
    def width(self) -> int:
        """The columns of its widest line."""
        return max(map(_columns, self.lines))

    @property
    def is_wrapped(self) -> bool:
        """Whether its own breaks show that they were made to fit its width."""
        width = self.width
        if not _NARROWEST <= width <= _WIDEST:
            return False
        breaks = [pair for pair in self._pairs() if not _begins_item(pair[1])]
        if not breaks or (len(" ".join(self.lines).split()) < 2 * len(self.lines) and not _is_unspaced(self.lines)):
            return False
        full = sum(_has_no_room(before, after, width) for before, after in breaks)
        onward = sum(_goes_on(before, after) for before, after in breaks)
        anew = sum(_begins_anew(before, after) for before, after in breaks)
        return full > 0.7 * len(breaks) and onward >= anew and (onward > 0 or len(breaks) > 1)

    def unwrapped(self, width_of_text: int) -> str:
        """Return its lines, those joined that belong together.

        Args:
            width_of_text: The width that other blocks of the text were broken to fit; 0 where there is none.
        """
        wrapped, own = self.is_wrapped, self.width
        width = own if wrapped else width_of_text
        if width < own:
            width = 0
        parts = [self.lines[0]]
        for before, after in self._pairs():
            if _is_broken_to_fit(before, after, width, surely=wrapped):
                parts[-1] = parts[-1].rstrip()
                parts += [_between(before.rstrip(), after.lstrip()), after.lstrip()]
            else:
                parts += ["\n", after]
        return "".join(parts)

    def _pairs(self) -> list[tuple[str, str]]:
        return list(zip(self.lines, self.lines[1:], strict=False))


def _is_broken_to_fit(before: str, after: str, width: int, *, surely: bool) -> bool:
    if _begins_item(after) or _RULED_OFF.match(before) or _RULED_OFF.match(after):
        return False
    cut_in_two = _WORD_CUT_IN_TWO.search(before) and _first_letter(after).islower()
    if cut_in_two or before.endswith(_SOFT_HYPHEN) or (surely and _goes_on(before, after)):
        return True
    return width > 0 and _has_no_room(before, after, width)


def _has_no_room(before: str, after: str, width: int) -> bool:
    """Return whether the first word of a line had no room at the end of the line before."""
    first = after.split()[0] if after.split() else ""
    if _is_unspaced([after]):
        return _columns(before) + 4 > width  # Two characters of Chinese, which may not be parted from each other.
    return _columns(before.rstrip()) + 1 + _columns(first) > width


def _goes_on(before: str, after: str) -> bool:
    """Return whether a line goes on in the middle of the sentence of the line before."""
    if _begins_item(after):
        return False
    return _first_letter(after).islower() or _ends_inside_phrase(before, after)


def _begins_anew(before: str, after: str) -> bool:
    """Return whether a line begins as a sentence does though the line before hasn't ended one."""
    return not _goes_on(before, after) and _first_letter(after).isupper() and not ends_sentence(before.strip())


def _ends_inside_phrase(before: str, after: str) -> bool:
    """Return whether a line ends with a word that English begins phrases with, such as "the"."""
    last, first = before.split()[-1:], after.split()[:1]
    return bool(last and first) and _INSIDE_PHRASE <= break_cost(last[0], first[0], space=True, language="en") < 10


def _begins_item(line: str) -> bool:
    return _ITEM.match(line) is not None


def _between(before: str, after: str) -> str:
    """Return what stands between two lines that are joined."""
    cut_in_two = before.endswith(_SOFT_HYPHEN) or (_WORD_CUT_IN_TWO.search(before) and after[:1].islower())
    return " " if not cut_in_two and needs_space(before, after) else ""


def _first_letter(line: str) -> str:
    """Return a line's first letter or digit; "" if there is none."""
    return next((character for character in line if character.isalnum()), "")


def _is_unspaced(lines: list[str]) -> bool:
    return any(unicodedata.east_asian_width(character) == "W" for line in lines for character in line[:1])


def _columns(line: str) -> int:
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in line.rstrip())
