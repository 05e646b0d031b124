"""all-MiniLM-L6-v2: English text to vectors whose cosine tells how close two meanings are."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from sensorium.models.catalog import Checkpoint
from sensorium.vision_language.starter.onnx_graph import OnnxGraph

EMBEDDING_SIZE = 384
MAXIMUM_TOKENS = 254  # it was trained on 256, with the first and the last token
_BATCH_SIZE = 64


class SentenceEncoder:
    """The sentence encoder of Reimers and Gurevych 2019 (MiniLM of Wang et al. 2020), mean pooling.

    Args:
        folder: The folder of the starter's image-text encoder.
        checkpoint: Its catalog entry.
    """

    def __init__(self, folder: Path, checkpoint: Checkpoint) -> None:
        self._network = OnnxGraph("all_minilm_l6_v2.onnx", folder, checkpoint)
        self.tokenizer = Tokenizer.from_file(str(folder / "text" / "tokenizer.json"))
        self.tokenizer.no_truncation()
        self.tokenizer.no_padding()

    def encode(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Return ``[n, 384]`` float32 rows of length 1."""
        encodings = self.tokenizer.encode_batch(list(texts))
        rows = np.empty((len(texts), EMBEDDING_SIZE), np.float32)
        # Texts of like length share a batch, so that little is spent on padding.
        order = sorted(range(len(texts)), key=lambda index: len(encodings[index].ids))
        for start in range(0, len(order), _BATCH_SIZE):
            chosen = order[start : start + _BATCH_SIZE]
            rows[chosen] = self._encode_batch([encodings[index].ids for index in chosen])
        return rows

    def _encode_batch(self, batch: Sequence[Sequence[int]]) -> npt.NDArray[np.float32]:
        longest = max(len(ids) for ids in batch)
        ids = np.zeros((len(batch), longest), np.int64)
        mask = np.zeros((len(batch), longest), np.int64)
        for row, tokens in enumerate(batch):
            ids[row, : len(tokens)] = tokens
            mask[row, : len(tokens)] = 1
        (rows,) = self._network.run(["rows"], ids=ids, mask=mask)
        return rows
