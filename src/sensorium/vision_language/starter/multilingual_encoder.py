"""multilingual-e5-small: text in about a hundred languages to vectors whose cosine tells how close two meanings are."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from sensorium.errors import UnsupportedError
from sensorium.models.catalog import Checkpoint
from sensorium.models.onnx_session import half_there
from sensorium.vision_language.starter.onnx_graph import OnnxGraph
from sensorium.vision_language.starter.packed_encoder import PackedEncoder
from sensorium.vision_language.starter.unigram_tokenizer import UnigramTokenizer

if TYPE_CHECKING:
    from sensorium.vision_language.embeddable import Role

_BATCH_SIZE = 32
_MOST_TOKENS_TOGETHER = 4096
"""With the filling after shorter texts: attention takes memory by the square of a text's length."""
_PREFIXES = {"query": "query: ", "document": "passage: "}


class MultilingualEncoder:
    """The text encoder of Wang et al. 2024, mean pooling; weights of 4 bits.

    Args:
        folder: The folder of the checkpoint ``multilingual-e5-small``.
        checkpoint: Its catalog entry.
        device: ``"cpu"``.
        dtype: It has one precision of its own.

    Attributes:
        embedding_size: Length of a row.
        maximum_tokens: How many tokens a text may have, with its prefix.
        shortens: Whether the first numbers of a row are a row too.
        unknown: The token for a sign that the encoder has never seen.

    Raises:
        ModelUnavailableError: The checkpoint's file is missing, or damaged.
        UnsupportedError: The encoder has no such precision.
    """

    embedding_size = 384
    maximum_tokens = 512
    shortens = False

    def __init__(self, folder: Path, *, checkpoint: Checkpoint, device: str = "cpu", dtype: str = "auto") -> None:
        if dtype not in ("auto", "float32"):
            raise UnsupportedError(f"The encoder {checkpoint.name!r} can't run in {dtype}", "Use dtype='auto'")
        try:
            self._packed = PackedEncoder(folder)
            weights = self._packed.layer_weights()
        except (OSError, KeyError, ValueError, struct.error) as error:
            raise half_there(checkpoint) from error
        self._network = OnnxGraph("multilingual_e5_small.onnx", folder, checkpoint, given=weights)
        self.unknown = self._packed.unknown

    def encode(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Return ``[n, 384]`` float32 rows of length 1 for texts, with their prefixes."""
        tokens = [self.tokens(text) for text in texts]
        rows = np.empty((len(texts), self.embedding_size), np.float32)
        order = sorted(range(len(texts)), key=lambda index: len(tokens[index]), reverse=True)
        while order:
            size = min(_BATCH_SIZE, max(1, _MOST_TOKENS_TOGETHER // len(tokens[order[0]])))
            chosen, order = order[:size], order[size:]
            rows[chosen] = self._encode_batch([tokens[index] for index in chosen])
        return rows

    @staticmethod
    def prompted(text: str, role: Role | None) -> str:
        """Return a text with the prefix that tells the encoder what it is; it was trained with one before each."""
        return _PREFIXES[role or "query"] + text

    def tokens(self, text: str) -> list[int]:
        """Return the tokens of a text, with the one at its beginning and the one at its end."""
        return [self._packed.beginning, *self._tokenizer.encode(text), self._packed.end]

    def likelihood(self, text: str) -> float:
        """Return the logarithm of how likely the text's pieces are, for each of its letters."""
        letters = sum(not character.isspace() for character in text)
        return self._tokenizer.log_likelihood(text) / max(1, letters)

    @cached_property
    def _tokenizer(self) -> UnigramTokenizer:
        return UnigramTokenizer(*self._packed.vocabulary(), self._packed.unknown)

    def _encode_batch(self, batch: Sequence[Sequence[int]]) -> npt.NDArray[np.float32]:
        longest = max(len(ids) for ids in batch)
        ids = np.zeros((len(batch), longest), np.int64)
        mask = np.zeros((len(batch), longest), np.int64)
        for row, tokens in enumerate(batch):
            ids[row, : len(tokens)] = tokens
            mask[row, : len(tokens)] = 1
        (rows,) = self._network.run(["rows"], embeddings=self._packed.token_embeddings(ids), mask=mask)
        return rows
