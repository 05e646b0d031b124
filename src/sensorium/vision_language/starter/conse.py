"""The starter's image and text encoder: ConSE, which needs no training on pairs of images and captions.

An image is the weighted mean of the text embeddings of its likeliest ImageNet classes. ImageNet has no class for
people, so the last components of a row say how surely a body was found in the image, or how much a text is about
people.

Source: Norouzi et al. 2013, Zero-Shot Learning by Convex Combination of Semantic Embeddings.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property
from importlib.resources import files as package_files
from pathlib import Path

import numpy as np
import numpy.typing as npt
import PIL.Image
from safetensors.numpy import load

from sensorium.errors import InputError
from sensorium.models.catalog import Checkpoint
from sensorium.vision_language.blazepose import shared_detector
from sensorium.vision_language.dual_encoder import DualEncoder, Rows, quoted, softmax, unit_length
from sensorium.vision_language.starter import efficientnet_lite, sentence_encoder
from sensorium.vision_language.starter.efficientnet_lite import EfficientNetLite0
from sensorium.vision_language.starter.english_nouns import (
    EnglishNouns,
    Understood,
    not_understood,
    shared_english_nouns,
)
from sensorium.vision_language.starter.english_text import about_people, is_english, is_latin, without_template
from sensorium.vision_language.starter.sentence_encoder import SentenceEncoder
from sensorium.vision_language.starter.vocabulary import find_thing

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
    """EfficientNet-Lite0 and all-MiniLM-L6-v2, joined by a table of class embeddings; BlazePose's detector.

    Attributes:
        classifier: Names what an image shows, and tells where that is.
    """

    embedding_size = sentence_encoder.EMBEDDING_SIZE + _PEOPLE_COMPONENTS
    image_side = efficientnet_lite.IMAGE_SIZE
    batch_size = 8

    def __init__(self, folder: Path, *, checkpoint: Checkpoint, device: str, dtype: str) -> None:
        super().__init__()
        self.classifier = EfficientNetLite0(folder, checkpoint)
        self._bodies = shared_detector(self, folder, "people/pose_detection.tflite", checkpoint)
        self._folder, self._checkpoint = folder, checkpoint
        self._english_nouns: EnglishNouns | None = None
        self._noun_meanings: dict[str, Rows] = {}
        table = load(_DATA.joinpath("conse_starter.safetensors").read_bytes())
        self._mean = table["mean"].astype(np.float32)
        self._classes = table["class_embeddings"].astype(np.float32) - self._mean

    @cached_property
    def _sentences(self) -> SentenceEncoder:
        """The text encoder, opened by the first text: who describes pictures needs none."""
        return SentenceEncoder(self._folder, self._checkpoint)

    def prepare(self, image: PIL.Image.Image) -> tuple[npt.NDArray[np.uint8], float]:
        """Return the pixels that the classifier sees, and how surely there is a body in the image, from 0 to 1."""
        score = self._bodies.confidence(image)
        share = (score - _BODY_SCORE_NONE) / (_BODY_SCORE_SURE - _BODY_SCORE_NONE)
        return efficientnet_lite.preprocess(image), min(1.0, max(0.0, share))

    def encode_prepared(self, prepared: Sequence[tuple[npt.NDArray[np.uint8], float]]) -> Rows:
        likely = self.classifier.see(np.stack([pixels for pixels, _ in prepared])).probabilities
        chosen = np.argpartition(likely, -_CLASSES_USED, axis=-1)[:, -_CLASSES_USED:]
        weights = np.take_along_axis(likely, chosen, axis=-1)
        meanings = (weights[..., None] * self._classes[chosen]).sum(1)
        people = np.array([share for _, share in prepared], np.float32)
        return _join(meanings, people * np.float32(_PEOPLE_ANGLE_OF_IMAGE))

    def check_text(self, text: str) -> None:
        subject = without_template(text)
        if not self._is_english(subject):
            self._nouns(subject).check(subject)
            if not is_latin(subject):
                return
        tokens = self._tokens(subject)
        if len(tokens) > sentence_encoder.MAXIMUM_TOKENS:
            raise InputError(
                f"The text {quoted(subject)} has {len(tokens)} tokens, and the starter's text encoder reads at most "
                f"{sentence_encoder.MAXIMUM_TOKENS}",
                "Shorten it, or compare the image with each of its sentences",
            )

    def can_recognise(self, text: str) -> bool:
        """Return whether a text names a thing of the vocabulary: of acts, scenes and states it knows nothing."""
        if self._is_english(text):
            return find_thing(text) is not None
        return self._nouns(text).is_thing(text)

    def count_tokens(self, text: str) -> int:
        subject = without_template(text)
        if not self._is_english(subject):
            return self._nouns(subject).count_tokens(subject)
        return len(self._sentences.tokenizer.encode(subject).ids)

    def encode_checked(self, texts: Sequence[str]) -> Rows:
        subjects = [without_template(text) for text in texts]
        meanings = self._meanings(subjects)
        plain = np.array([meaning is None for meaning in meanings], bool)
        rows = np.empty((len(texts), self.embedding_size), np.float32)
        if plain.any():
            rows[plain] = self._encode_english(
                [subject for subject, meaning in zip(subjects, meanings, strict=True) if meaning is None]
            )
        if not plain.all():
            rows[~plain] = self._encode_understood([meaning for meaning in meanings if meaning is not None])
        return rows

    def _meanings(self, subjects: Sequence[str]) -> list[Understood | None]:
        """Return what texts in other languages say, and None for those that the English encoder reads.

        These are English, or Latin letters that mean nothing in any language: names and numbers, such as "INV-20391".

        Raises:
            InputError: Texts in other letters mean nothing to the encoder.
        """
        others = [subject for subject in subjects if not self._is_english(subject)]
        if not others:
            return [None] * len(subjects)
        found = dict(zip(others, self._nouns(others[0]).understand(others), strict=True))
        unclear = [subject for subject, meaning in found.items() if meaning is None and not is_latin(subject)]
        if unclear:
            raise not_understood(unclear)
        return [found.get(subject) for subject in subjects]

    def _is_english(self, subject: str) -> bool:
        tokens = self._tokens(subject)
        return is_english(subject) and 2 * tokens.count("[UNK]") <= len(tokens)

    def _tokens(self, subject: str) -> list[str]:
        tokens: list[str] = self._sentences.tokenizer.encode(subject, add_special_tokens=False).tokens
        return tokens

    def _encode_english(self, subjects: Sequence[str]) -> Rows:
        people = np.array([_PEOPLE_ANGLES_OF_TEXT[about_people(subject)] for subject in subjects], np.float32)
        return _join(self._sentences.encode(subjects) - self._mean, people)

    def _encode_understood(self, texts: Sequence[Understood]) -> Rows:
        """Put each text where the weighted mean of its nouns lies."""
        new = sorted({noun for text in texts for noun in text.nouns}.difference(self._noun_meanings))
        if new:
            self._noun_meanings.update(zip(new, self._sentences.encode(new), strict=True))
        means = [text.shares @ np.stack([self._noun_meanings[noun] for noun in text.nouns]) for text in texts]
        people = np.array([_PEOPLE_ANGLES_OF_TEXT[text.people] for text in texts], np.float32)
        return _join(np.stack(means) - self._mean, people)

    def _nouns(self, text: str) -> EnglishNouns:
        """Open what understands other languages, at the first text that is not English."""
        if self._english_nouns is None:
            self._english_nouns = shared_english_nouns(self, text)
        return self._english_nouns

    def probabilities(self, cosines: Rows) -> Rows:
        return softmax(np.float32(_LOGIT_SCALE) * cosines)

    def is_sure(self, cosines: Rows, probabilities: Rows) -> bool:
        return bool(cosines.max() >= _SURE_COSINE)


def _join(meanings: Rows, angles: Rows) -> Rows:
    """Turn each meaning ``[n, 384]`` by an angle towards "there are people"; rows of length 1."""
    turned = unit_length(meanings) * np.cos(angles)[:, None]
    people = np.repeat(np.sin(angles)[:, None] / np.float32(math.sqrt(_PEOPLE_COMPONENTS)), _PEOPLE_COMPONENTS, axis=1)
    return np.concatenate([turned, people], axis=1)
