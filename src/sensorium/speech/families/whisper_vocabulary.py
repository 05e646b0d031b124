"""The tokenizer of a Whisper from nothing but the list of its words, for folders without ``tokenizer.json``.

Whisper's words are in the order in which they were learned, each joined from two earlier ones (byte pair encoding). So
the list alone says how a text is cut: any two neighbours whose union stands first in the list are joined first.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tokenizers import Tokenizer

_BYTES = 256
END_OF_TEXT = "<|endoftext|>"
"""The first of the tokens that aren't spoken."""
TIMESTAMP = re.compile(r"<\|\d+\.\d+\|>")


def tokenizer_from(words: Sequence[str]) -> Tokenizer:
    """Return the tokenizer of a list of words.

    Args:
        words: All words of a Whisper by their numbers: bytes and what is joined of them, then `END_OF_TEXT` and the
            other special ones, marks of time, and words that a fine-tuning has added.

    Raises:
        ValueError: It is no such list.
    """
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    end = words.index(END_OF_TEXT)
    ranks = {word: number for number, word in enumerate(words[:end])}
    if end < _BYTES or set(words[:_BYTES]) != set(pre_tokenizers.ByteLevel.alphabet()):
        raise ValueError("the list doesn't begin with the bytes")
    merges = [(pair[0], pair[1]) for word in words[_BYTES:end] if len(pair := _parts(word, ranks)) == 2]
    tokenizer = Tokenizer(models.BPE(vocab=ranks, merges=merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    added = [AddedToken(word, special=_is_special(word), normalized=False) for word in words[end:]]
    tokenizer.add_tokens(added)
    if tokenizer.get_vocab_size() != len(words):
        raise ValueError("words are in the list twice")
    return tokenizer


def _is_special(word: str) -> bool:
    return word.startswith("<|") and word.endswith("|>") and not TIMESTAMP.fullmatch(word)


def _parts(word: str, ranks: dict[str, int]) -> tuple[str, ...]:
    """Return the two words that a word was joined from."""
    parts = list(word)
    while len(parts) > 2:
        joined = [ranks.get(left + right, len(ranks)) for left, right in pairwise(parts)]
        first = min(joined)
        if first >= ranks[word]:
            break
        place = joined.index(first)
        parts[place : place + 2] = [parts[place] + parts[place + 1]]
    return tuple(parts)
