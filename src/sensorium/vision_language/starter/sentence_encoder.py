"""all-MiniLM-L6-v2: English text to vectors whose cosine tells how close two meanings are."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer

from sensorium.models.thread_safe import loading_weights

EMBEDDING_SIZE = 384
MAXIMUM_TOKENS = 254  # it was trained on 256, with the first and the last token
_BATCH_SIZE = 64


class SentenceEncoder:
    """The sentence encoder of Reimers and Gurevych 2019 (MiniLM of Wang et al. 2020), mean pooling.

    Args:
        folder: Holds ``config.json``, ``model.safetensors`` and ``tokenizer.json``.
        device: Where it runs.
    """

    def __init__(self, folder: Path, device: str) -> None:
        from transformers import BertConfig, BertModel

        with loading_weights:
            model = BertModel(BertConfig.from_json_file(folder / "config.json"))
        model.load_state_dict(load_file(folder / "model.safetensors"), strict=False)
        self._model: torch.nn.Module = model
        self._model.train(False).to(device)
        self._device = device
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.tokenizer.no_truncation()
        self.tokenizer.no_padding()

    def encode(self, texts: Sequence[str]) -> torch.Tensor:
        """Return ``[n, 384]`` float32 rows of length 1, on the CPU."""
        encodings = self.tokenizer.encode_batch(list(texts))
        rows = torch.empty(len(texts), EMBEDDING_SIZE)
        # Texts of like length share a batch, so that little is spent on padding.
        order = sorted(range(len(texts)), key=lambda index: len(encodings[index].ids))
        for start in range(0, len(order), _BATCH_SIZE):
            chosen = order[start : start + _BATCH_SIZE]
            rows[chosen] = self._encode_batch([encodings[index].ids for index in chosen])
        return rows

    def _encode_batch(self, batch: Sequence[Sequence[int]]) -> torch.Tensor:
        longest = max(len(ids) for ids in batch)
        ids = torch.zeros(len(batch), longest, dtype=torch.long)
        mask = torch.zeros(len(batch), longest, dtype=torch.long)
        for row, tokens in enumerate(batch):
            ids[row, : len(tokens)] = torch.tensor(tokens)
            mask[row, : len(tokens)] = 1
        with torch.inference_mode():
            mask = mask.to(self._device)
            states = self._model(input_ids=ids.to(self._device), attention_mask=mask).last_hidden_state
            weights = mask.unsqueeze(-1).to(states.dtype)
            pooled = (states * weights).sum(1) / weights.sum(1)
            return torch.nn.functional.normalize(pooled, dim=-1).float().cpu()
