"""The starter's networks in torch, as their authors published them: what the exported graphs are held against.

The table of class embeddings is built with them too, so that it comes out the same to the bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer
from torch import nn

_BATCH_NORM_EPSILON = 1e-3
_EMBEDDING_SIZE = 384
_BATCH_SIZE = 64

# kernel, stride, expansion, output channels, repeats
STAGES = (
    (3, 1, 1, 16, 1),
    (3, 2, 6, 24, 2),
    (5, 2, 6, 40, 2),
    (3, 2, 6, 80, 3),
    (5, 1, 6, 112, 3),
    (5, 2, 6, 192, 4),
    (3, 1, 6, 320, 1),
)


class SamePaddedConvolution(nn.Conv2d):
    """A convolution padded as TensorFlow pads: the odd pixel goes to the right and the bottom."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        height, width = self._padding(input.shape[-2], 0), self._padding(input.shape[-1], 1)
        padded = nn.functional.pad(input, (width // 2, width - width // 2, height // 2, height - height // 2))
        return nn.functional.conv2d(
            padded, self.weight, self.bias, self.stride, padding=0, dilation=self.dilation, groups=self.groups
        )

    def _padding(self, size: int, axis: int) -> int:
        stride, kernel = self.stride[axis], self.kernel_size[axis]
        return max((-(-size // stride) - 1) * stride + kernel - size, 0)


class InvertedResidual(nn.Module):
    """Expansion, depthwise convolution and projection, with a shortcut where the shapes allow it."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        inner = inputs * expansion
        self.shortcut = stride == 1 and inputs == outputs
        layers: list[nn.Module] = []
        if expansion != 1:
            layers += [nn.Conv2d(inputs, inner, 1, bias=False), _batch_norm(inner), nn.ReLU6(inplace=True)]
        layers += [
            SamePaddedConvolution(inner, inner, kernel, stride, groups=inner, bias=False),
            _batch_norm(inner),
            nn.ReLU6(inplace=True),
        ]
        layers += [nn.Conv2d(inner, outputs, 1, bias=False), _batch_norm(outputs)]
        self.layers = nn.Sequential(*layers)

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        output: torch.Tensor = self.layers(input)
        return output + input if self.shortcut else output


class EfficientNetLite0(nn.Module):
    """uint8 pixels ``[n, 3, height, width]`` to class logits ``[n, 1000]``.

    Source: Tan and Le 2019, EfficientNet; the Lite variants drop squeeze-and-excitation and use ReLU6.

    Args:
        path: The published ``.pth`` file; read with ``weights_only=True``, so that it can't run code.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        channels = 32
        self.stem = nn.Sequential(
            SamePaddedConvolution(3, channels, 3, 2, bias=False), _batch_norm(channels), nn.ReLU6(inplace=True)
        )
        blocks: list[nn.Module] = []
        for kernel, stride, expansion, outputs, repeats in STAGES:
            for repeat in range(repeats):
                blocks.append(InvertedResidual(channels, outputs, kernel, stride if repeat == 0 else 1, expansion))
                channels = outputs
        self.blocks = nn.Sequential(*blocks)
        self.head = nn.Sequential(nn.Conv2d(channels, 1280, 1, bias=False), _batch_norm(1280), nn.ReLU6(inplace=True))
        self.classifier = nn.Linear(1280, 1000)
        published = torch.load(path, map_location="cpu", weights_only=True)
        # The published names differ from ours, but both list the layers in the order in which they run.
        self.load_state_dict(dict(zip(self.state_dict(), published.values(), strict=True)))
        self.eval()

    def features(self, pixels: torch.Tensor) -> torch.Tensor:
        """Return what the classifier averages and judges: ``[n, 1280, height / 32, width / 32]``."""
        features: torch.Tensor = self.head(self.blocks(self.stem((pixels.float() - 127) / 128)))
        return features

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.classifier(self.features(pixels).mean((2, 3)))
        return logits


class SentenceEncoder:
    """all-MiniLM-L6-v2: the sentence encoder of Reimers and Gurevych 2019 (MiniLM of Wang et al. 2020), mean pooling.

    Args:
        folder: Holds ``config.json``, ``model.safetensors`` and ``tokenizer.json``.
    """

    def __init__(self, folder: Path) -> None:
        from transformers import BertConfig, BertModel

        self._model = BertModel(BertConfig.from_json_file(folder / "config.json"))
        self._model.load_state_dict(load_file(folder / "model.safetensors"), strict=False)
        self._model.train(False)
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()

    def encode(self, texts: Sequence[str]) -> torch.Tensor:
        """Return ``[n, 384]`` float32 rows of length 1."""
        encodings = self._tokenizer.encode_batch(list(texts))
        rows = torch.empty(len(texts), _EMBEDDING_SIZE)
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
            states = self._model(input_ids=ids, attention_mask=mask).last_hidden_state
            weights = mask.unsqueeze(-1).to(states.dtype)
            pooled = (states * weights).sum(1) / weights.sum(1)
            return torch.nn.functional.normalize(pooled, dim=-1)


def _batch_norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=_BATCH_NORM_EPSILON)
