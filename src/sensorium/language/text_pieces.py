"""Tokens to text as they come, letter by whole letter."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


def pieces_of_text(tokens: Iterable[int], text_of: Callable[[list[int]], str]) -> Iterator[str]:
    """Give one piece of text for each token, empty where a letter of several tokens waits for its last one.

    One more piece follows if the last token held a whole letter and the beginning of another one. A last letter that
    stays incomplete is left out.

    Args:
        tokens: One after the other.
        text_of: Decodes a list of tokens, without special tokens.
    """
    # What a token reads like depends on the one before it, so the last piece is decoded together with the next.
    kept: list[int] = []
    said = 0
    for token in tokens:
        before = text_of(kept[:said])
        kept.append(token)
        after = text_of(kept)
        if len(after) > len(before) and not after.endswith(_REPLACEMENT):
            yield after[len(before) :]
            kept, said = kept[said:], len(kept) - said
        else:
            yield ""
    rest = complete_text(text_of(kept))[len(text_of(kept[:said])) :]
    if rest:
        yield rest


def complete_text(text: str) -> str:
    """Return a text without a last letter that the longest answer cut in the middle, as in Chinese it may."""
    return text.rstrip(_REPLACEMENT)
