"""The starter's image and text encoder: ConSE, which needs no training on pairs of images and captions.

An image is the weighted mean of the text embeddings of its likeliest ImageNet classes. ImageNet has no class for
people, so the last components of a row say how surely a body was found in the image, or how much a text is about
people.

Source: Norouzi et al. 2013, Zero-Shot Learning by Convex Combination of Semantic Embeddings.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from importlib.resources import files as package_files
from pathlib import Path

import numpy as np
import PIL.Image
import torch
from safetensors.torch import load

from sensorium.errors import InputError
from sensorium.models.catalog import Checkpoint
from sensorium.vision_language.blazepose import BodyDetector
from sensorium.vision_language.dual_encoder import DualEncoder, quoted
from sensorium.vision_language.starter import efficientnet_lite, sentence_encoder
from sensorium.vision_language.starter.english_text import about_people, is_latin, without_template
from sensorium.vision_language.starter.sentence_encoder import SentenceEncoder

_DATA = package_files("sensorium.vision_language.starter").joinpath("data")

_CLASSES_USED = 20
# Fitted on photographs and cut-outs, so that of the labels with score 0.8 about 80 % are right.
_LOGIT_SCALE = 11.0
_SURE_COSINE = 0.40
# Many equal components rather than one: product quantisation in a search index looks at groups of them.
_PEOPLE_COMPONENTS = 16
_BODY_SCORE_NONE, _BODY_SCORE_SURE = 0.45, 0.65
_PEOPLE_ANGLE_OF_IMAGE = math.radians(30)
_PEOPLE_ANGLES_OF_TEXT = {0.0: 0.0, 0.5: math.radians(45), 1.0: math.radians(78)}


class ConSE(DualEncoder):
    """EfficientNet-Lite0 and all-MiniLM-L6-v2, joined by a table of class embeddings; BlazePose's detector."""

    embedding_size = sentence_encoder.EMBEDDING_SIZE + _PEOPLE_COMPONENTS
    image_side = efficientnet_lite.IMAGE_SIZE
    batch_size = 8

    def __init__(self, folder: Path, *, checkpoint: Checkpoint, device: str, dtype: str) -> None:
        super().__init__()
        self.device = device
        self._network = efficientnet_lite.load(folder / "image" / "efficientnet-lite0.pth").to(device)
        self._bodies = BodyDetector(folder / "people" / "pose_detection.tflite")
        self._sentences = SentenceEncoder(folder / "text", device)
        table = load(_DATA.joinpath("conse_starter.safetensors").read_bytes())
        self._mean = table["mean"].float()
        self._classes = table["class_embeddings"].float() - self._mean

    def prepare(self, image: PIL.Image.Image) -> tuple[np.ndarray, float]:
        """Return the pixels that the classifier sees, and how surely there is a body in the image, from 0 to 1."""
        score = self._bodies.confidence(image)
        share = (score - _BODY_SCORE_NONE) / (_BODY_SCORE_SURE - _BODY_SCORE_NONE)
        return self.preprocess(image), min(1.0, max(0.0, share))

    def encode_prepared(self, prepared: Sequence[tuple[np.ndarray, float]]) -> torch.Tensor:
        likely, chosen = self.class_probabilities(np.stack([pixels for pixels, _ in prepared])).topk(_CLASSES_USED)
        meanings = (likely.unsqueeze(-1) * self._classes[chosen]).sum(1)
        people = torch.tensor([share for _, share in prepared])
        return _join(meanings, people * _PEOPLE_ANGLE_OF_IMAGE)

    def preprocess(self, image: PIL.Image.Image) -> np.ndarray:
        """Return the uint8 pixels ``[3, side, side]`` that the classifier sees."""
        return efficientnet_lite.preprocess(image)

    def class_probabilities(self, pixels: np.ndarray) -> torch.Tensor:
        """Turn uint8 ``[n, 3, side, side]`` into the probability of each ImageNet class, float32 ``[n, 1000]``."""
        with torch.inference_mode():
            batch = efficientnet_lite.scale_pixels(torch.from_numpy(pixels).to(self.device))
            likely: torch.Tensor = self._network(batch).softmax(-1)
            return likely.float().cpu()

    def class_activation(self, pixels: np.ndarray, classes: Sequence[int]) -> np.ndarray:
        """Return where an image speaks for some classes.

        Args:
            pixels: uint8 ``[3, side, side]``.
            classes: Indices of ImageNet classes, weighted by how likely each is.

        Returns:
            float32 ``[7, 7]``; higher speaks for the classes.

        Source: Zhou et al. 2016, Learning Deep Features for Discriminative Localization.
        """
        with torch.inference_mode():
            batch = efficientnet_lite.scale_pixels(torch.from_numpy(pixels[None]).to(self.device))
            features = self._network.features(batch)[0]
            head = self._network.classifier
            chosen = torch.tensor(list(classes), device=features.device)
            likely = head(features.mean((1, 2))).softmax(-1)[chosen]
            directions = (likely / likely.sum()).unsqueeze(-1) * (head.weight[chosen] - head.weight.mean(0))
            return torch.einsum("kc,chw->hw", directions, features).float().cpu().numpy()

    def check_text(self, text: str) -> None:
        subject = without_template(text)
        tokens = self._sentences.tokenizer.encode(subject, add_special_tokens=False).tokens
        if not is_latin(subject) or 2 * tokens.count("[UNK]") > len(tokens):
            raise InputError(
                f"The starter's text encoder knows English only, not {quoted(subject)}",
                "Write it in English, or choose a hub checkpoint that knows the language with model=…",
            )
        if len(tokens) > sentence_encoder.MAXIMUM_TOKENS:
            raise InputError(
                f"The text {quoted(subject)} has {len(tokens)} tokens, and the starter's text encoder reads at most "
                f"{sentence_encoder.MAXIMUM_TOKENS}",
                "Shorten it, or compare the image with each of its sentences",
            )

    def encode_checked(self, texts: Sequence[str]) -> torch.Tensor:
        subjects = [without_template(text) for text in texts]
        people = torch.tensor([_PEOPLE_ANGLES_OF_TEXT[about_people(subject)] for subject in subjects])
        return _join(self._sentences.encode(subjects) - self._mean, people)

    def probabilities(self, cosines: torch.Tensor) -> torch.Tensor:
        return (_LOGIT_SCALE * cosines).softmax(-1)

    def is_sure(self, cosines: torch.Tensor, probabilities: torch.Tensor) -> bool:
        return bool(cosines.max() >= _SURE_COSINE)


def _join(meanings: torch.Tensor, angles: torch.Tensor) -> torch.Tensor:
    """Turn each meaning ``[n, 384]`` by an angle towards "there are people"; rows of length 1."""
    turned = torch.nn.functional.normalize(meanings, dim=-1) * angles.cos().unsqueeze(-1)
    people = (angles.sin() / math.sqrt(_PEOPLE_COMPONENTS)).unsqueeze(-1).expand(-1, _PEOPLE_COMPONENTS)
    return torch.cat([turned, people], dim=-1)
