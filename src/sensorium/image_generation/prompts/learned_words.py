"""Words that stand for vectors which somebody learned (textual inversion), read by CLIP's text encoders.

Nothing is added to a tokenizer or to a text encoder's table of words: other calls use both. While a text encoder reads
a prompt, the vectors take the place of what its table says, and the end of the text is where it is without them.

Source: Gal et al. 2022, "An Image is Worth One Word: Personalizing Text-to-Image Generation using Textual Inversion".
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from sensorium.image_generation.prompts.weights import parse_weights

if TYPE_CHECKING:
    import torch

_NEVER = re.compile(r"(?!)")


class Piece(NamedTuple):
    """A part of a prompt.

    Attributes:
        text: As it stands there.
        start: Where it begins.
        ids: If it is a learned word, the numbers of its vectors, below zero; else empty.
    """

    text: str
    start: int
    ids: tuple[int, ...] = ()


class LearnedWords:
    """Learned words for one text encoder.

    Args:
        vectors: From each word to its vectors, ``[n, d]``.
    """

    def __init__(self, vectors: Mapping[str, torch.Tensor] | None = None) -> None:
        self._vectors = {word.lower(): of_word for word, of_word in (vectors or {}).items()}
        self._pattern = pattern_of(self._vectors)

    def pieces(self, text: str) -> Iterator[Piece]:
        """Split a text into learned words and what stands between them."""
        end = 0
        for match in self._pattern.finditer(text):
            yield Piece(text[end : match.start()], end)
            yield Piece(match[0], match.start(), self._ids[match[0].lower()])
            end = match.end()
        yield Piece(text[end:], end)

    @contextmanager
    def standing_in(self, text_encoder: Any, ids: torch.Tensor) -> Iterator[torch.Tensor]:
        """Let vectors take the place of words inside the block.

        Args:
            text_encoder: A model of transformers.
            ids: Tokens, with the numbers of vectors below zero among them.

        Yields:
            Tokens that the text encoder knows, to be given to it.
        """
        import torch

        places = ids < 0
        if not bool(places.any()):
            yield ids
            return
        vectors = torch.cat(list(self._vectors.values()))[-1 - ids[places].cpu()]

        def put(module: Any, inputs: Any, states: torch.Tensor) -> torch.Tensor:
            changed = states.clone()
            changed[places.to(states.device)] = vectors.to(states)
            return changed

        hook = text_encoder.get_input_embeddings().register_forward_hook(put)
        try:
            yield ids.clamp(min=0)
        finally:
            hook.remove()

    @cached_property
    def _ids(self) -> dict[str, tuple[int, ...]]:
        ids: dict[str, tuple[int, ...]] = {}
        first = -1
        for word, of_word in self._vectors.items():
            ids[word] = tuple(range(first, first - len(of_word), -1))
            first -= len(of_word)
        return ids


def pattern_of(words: Collection[str]) -> re.Pattern[str]:
    """Return what finds words as they are typed, in any case; of two that begin alike, the longer one."""
    if not words:
        return _NEVER
    return re.compile("|".join(map(_whole, sorted(words, key=len, reverse=True))), re.IGNORECASE)


def stands_in(words: Collection[str], *prompts: str) -> bool:
    """Return whether one of ``words`` stands in one of the prompts, which may have attention weights."""
    pattern = pattern_of(words)
    return any(pattern.search(run.text) for prompt in prompts for run in parse_weights(prompt))


def _whole(word: str) -> str:
    """Return the pattern of a word that doesn't begin or end inside another one."""
    before = r"(?<!\w)" if re.match(r"\w", word) else ""
    after = r"(?!\w)" if re.search(r"\w$", word) else ""
    return f"{before}{re.escape(word)}{after}"
