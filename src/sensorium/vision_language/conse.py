"""The starter's image and text encoder: ConSE, which needs no training on pairs of images and captions.

An image is the weighted mean of the text embeddings of its likeliest ImageNet classes.

Source: Norouzi et al. 2013, Zero-Shot Learning by Convex Combination of Semantic Embeddings.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files as package_files
from pathlib import Path

import numpy as np
import PIL.Image
import torch
from safetensors.torch import load

from sensorium.errors import InputError
from sensorium.models.catalog import Checkpoint
from sensorium.vision_language import efficientnet_lite
from sensorium.vision_language.dual_encoder import DualEncoder
from sensorium.vision_language.sentence_encoder import EMBEDDING_SIZE, SentenceEncoder

_CLASSES_USED = 10
_LOGIT_SCALE = 12.0
_SURE_COSINE = 0.40


class ConSE(DualEncoder):
    """EfficientNet-Lite0 and all-MiniLM-L6-v2, joined by a table of class embeddings."""

    embedding_size = EMBEDDING_SIZE
    image_side = efficientnet_lite.IMAGE_SIZE
    batch_size = 32

    def __init__(self, folder: Path, *, checkpoint: Checkpoint, device: str, dtype: str) -> None:
        super().__init__()
        self.device = device
        self._network = efficientnet_lite.load(folder / "image" / "efficientnet-lite0.pth").to(device)
        self._sentences = SentenceEncoder(folder / "text", device)
        table = load(package_files("sensorium.vision_language").joinpath("data/conse_starter.safetensors").read_bytes())
        self._mean = table["mean"].float()
        self._classes = table["class_embeddings"].float() - self._mean

    def preprocess(self, image: PIL.Image.Image) -> np.ndarray:
        return efficientnet_lite.preprocess(image)

    def encode_pixels(self, pixels: np.ndarray) -> torch.Tensor:
        with torch.inference_mode():
            batch = efficientnet_lite.scale_pixels(torch.from_numpy(pixels).to(self.device))
            likely, chosen = self._network(batch).softmax(-1).float().cpu().topk(_CLASSES_USED)
            rows = (likely.unsqueeze(-1) * self._classes[chosen]).sum(1)
            return torch.nn.functional.normalize(rows, dim=-1)

    def check_text(self, text: str) -> None:
        if not text.strip():
            raise InputError("A text to compare with is empty", "Write what you are looking for")

    def _encode_texts(self, texts: Sequence[str]) -> torch.Tensor:
        return torch.nn.functional.normalize(self._sentences.encode(texts) - self._mean, dim=-1)

    def prompt(self, label: str) -> str:
        return label

    def probabilities(
        self, images: Sequence[PIL.Image.Image], image_rows: torch.Tensor, texts: Sequence[str], text_rows: torch.Tensor
    ) -> torch.Tensor:
        return (_LOGIT_SCALE * image_rows @ text_rows.T).softmax(-1)

    def is_sure(self, cosines: torch.Tensor, probabilities: torch.Tensor) -> bool:
        return bool(cosines.max() >= _SURE_COSINE)
