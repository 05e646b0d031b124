"""multilingual-e5-small: text in about a hundred languages to vectors whose cosine tells how close two meanings are."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sensorium.models.catalog import Checkpoint
from sensorium.models.onnx_session import half_there
from sensorium.vision_language.starter.onnx_graph import OnnxGraph
from sensorium.vision_language.starter.packed_encoder import PackedEncoder
from sensorium.vision_language.starter.unigram_tokenizer import UnigramTokenizer

EMBEDDING_SIZE = 384
MAXIMUM_TOKENS = 512
_BATCH_SIZE = 32


class MultilingualEncoder:
    """The text encoder of Wang et al. 2024, mean pooling; weights of 4 bits.

    Args:
        folder: The folder of the checkpoint ``multilingual-e5-small``.
        checkpoint: Its catalog entry.

    Attributes:
        unknown: The token for a sign that the encoder has never seen.

    Raises:
        ModelUnavailableError: The checkpoint's file is missing, or damaged.
    """

    def __init__(self, folder: Path, checkpoint: Checkpoint) -> None:
        try:
            self._packed = PackedEncoder(folder)
            weights = self._packed.layer_weights()
        except (OSError, KeyError, ValueError, struct.error) as error:
            raise half_there(checkpoint) from error
        self._network = OnnxGraph("multilingual_e5_small.onnx", folder, checkpoint, given=weights)
        self.unknown = self._packed.unknown

    def encode(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Return ``[n, 384]`` float32 rows of length 1."""
        tokens = [self.tokens(text) for text in texts]
        rows = np.empty((len(texts), EMBEDDING_SIZE), np.float32)
        order = sorted(range(len(texts)), key=lambda index: len(tokens[index]))
        for start in range(0, len(order), _BATCH_SIZE):
            chosen = order[start : start + _BATCH_SIZE]
            rows[chosen] = self._encode_batch([tokens[index] for index in chosen])
        return rows

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
