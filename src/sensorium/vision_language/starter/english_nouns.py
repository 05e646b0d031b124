"""What a text in another language says, as English nouns: what it shows, and whether there are people.

A multilingual encoder puts the text among 5,600 English nouns. The nearest ones, weighed by how near they are,
stand for it wherever the starter knows English only; so an index that was made before stays valid.
"""

from __future__ import annotations

import json
import re
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files as package_files

import numpy as np
import numpy.typing as npt
from safetensors.numpy import load

from sensorium.errors import InputError, ModelUnavailableError
from sensorium.models import catalog, store
from sensorium.models.loaded import Shared
from sensorium.vision_language.dual_encoder import quoted, softmax, unit_length
from sensorium.vision_language.starter.english_text import is_written_in, people_words
from sensorium.vision_language.starter.vocabulary import find_thing
from sensorium.vision_language.text_embedder import TextEmbedder

CHECKPOINT = "multilingual-e5-small"
_DATA = package_files("sensorium.vision_language.starter").joinpath("data")

# Fitted on the names of photographs in 18 languages. The labels of the tests took no part, but their ten languages are
# among the 18, and results on them were seen while settings were chosen.
_NOUNS_USED = 16
_TEMPERATURE = 0.07
# 95 % of those names lie nearer to a noun; made-up words lie as far, or are put together from unlikely pieces.
_LEAST_SIMILARITY = 0.25
_LEAST_SIMILARITY_OF_UNLIKELY = 0.40
_LEAST_LIKELIHOOD = -5.5
# Of 46 words for people in ten languages 43 lie above, of 42 other words all below 0.05.
_ABOUT_ANYBODY, _ABOUT_SOMEBODY = 0.3, 0.2
# Chosen on every other name of pictographs in four languages: of those of things a third or more lie above, of the
# others, mostly particular kinds of things, a twelfth. training/conse_starter/judge_languages.py prints the figures.
_LEAST_SIMILARITY_OF_THING = 0.45

_PHOTO = (
    "(?:foto(?:graf[íi]a|grafie|grafia)?|photo(?:graphie)?|bild|imagen|image|imagem|immagine|fotoğraf|afbeelding|zdjęcie|"
    "фото(?:графия)?|изображение|صورة|तस्वीर|ảnh)"
)
_OF = "(?:(?:von|vom|de|des|du|di|do|da|del|della|van|с)\\s+|d['’]\\s*|ل\\s*)"
_ARTICLE = (
    "(?:ein|eine|einer|einem|eines|der|die|das|un|une|una|uno|uma|um|la|le|el|los|las|les|l['’]|o|a|een|de|het|il)"
)
_TEMPLATES = (
    re.compile(f"^(?:{_ARTICLE}\\s+)?{_PHOTO}\\s+{_OF}?(?:{_ARTICLE}\\s+)?(?P<subject>\\S.*)$", re.IGNORECASE),
    re.compile("^(?:这是)?(?:一张|一幅|一個|一张关于)?(?P<subject>.+?)的(?:照片|图片|相片|圖片|图像|圖像)$"),
    re.compile("^(?P<subject>.+?)の(?:写真|画像)$"),
    re.compile("^(?P<subject>.+?)(?:의)?\\s*(?:사진|이미지)$"),
)


@dataclass(frozen=True, eq=False)
class Understood:
    """What a text says.

    Attributes:
        nouns: English nouns, the nearest first.
        shares: How much each of them counts, together 1.
        similarity: The cosine of the text with the nearest noun, both without what all texts share.
        people: How much the text is about people, as `english_text.about_people` says it.
    """

    nouns: tuple[str, ...]
    shares: npt.NDArray[np.float32]
    similarity: float
    people: float


class EnglishNouns:
    """English nouns in the space of a multilingual encoder.

    Args:
        embedder: The encoder with which the table was made, loaded.
    """

    def __init__(self, embedder: TextEmbedder) -> None:
        self._embedder, self._encoder = embedder, embedder.backend
        table = load(_DATA.joinpath("english_nouns.safetensors").read_bytes())
        self._rows = unit_length(table["rows"].astype(np.float32))
        self._mean = table["mean_of_foreign"]
        self._nouns: tuple[str, ...] = tuple(json.loads(_DATA.joinpath("english_nouns.json").read_text("utf-8")))

    def check(self, text: str) -> None:
        """Check what can be told without the network: the text's length.

        Raises:
            InputError: The text is too long.
        """
        subject = subject_of(text)
        tokens, most = self.count_tokens(text), self._encoder.maximum_tokens
        if tokens > most:
            raise InputError(
                f"{quoted(subject)} has {tokens} tokens, and {CHECKPOINT!r} reads at most {most}",
                "Shorten it, or compare the image with each of its sentences",
            )

    def count_tokens(self, text: str) -> int:
        """Return how many tokens the encoder reads for a text."""
        return self._embedder.count_tokens(subject_of(text))

    def understand(self, texts: Sequence[str]) -> list[Understood | None]:
        """Return what each text says; None if it means nothing: letters at random, or unknown ones."""
        subjects = [subject_of(text) for text in texts]
        found: list[Understood | None] = []
        for subject, similarities in zip(subjects, self._similarities(subjects), strict=True):
            needed = _LEAST_SIMILARITY_OF_UNLIKELY if self._is_unlikely(subject) else _LEAST_SIMILARITY
            if similarities.max() < needed or self._is_unknown(subject):
                found.append(None)
                continue
            chosen = np.argsort(-similarities)[:_NOUNS_USED]
            nouns = tuple(self._nouns[index] for index in chosen)
            shares = softmax(similarities[chosen] / np.float32(_TEMPERATURE))
            found.append(Understood(nouns, shares, float(similarities.max()), _about_people(nouns, shares)))
        return found

    def is_thing(self, text: str) -> bool:
        """Return whether a text names a thing of the starter's vocabulary, such as "一只猫", "rote Autos", "枪"."""
        (similarities,) = self._similarities([subject_of(text)])
        nearest = int(similarities.argmax())
        return (
            bool(similarities[nearest] >= _LEAST_SIMILARITY_OF_THING) and find_thing(self._nouns[nearest]) is not None
        )

    def _is_unknown(self, subject: str) -> bool:
        """Return whether a text is mostly in signs that the encoder has never seen."""
        tokens = self._encoder.tokens(subject)
        return 2 * tokens.count(self._encoder.unknown) >= len(tokens) - 2

    def _is_unlikely(self, subject: str) -> bool:
        """Return whether a text is put together from unlikely pieces, where signs stand for sounds."""
        return is_written_in(subject, "LATIN", "CYRILLIC") and self._encoder.likelihood(subject) < _LEAST_LIKELIHOOD

    def _similarities(self, subjects: Sequence[str]) -> npt.NDArray[np.float32]:
        """Return the cosine of each text with each noun: ``[texts, nouns]``."""
        rows = self._embedder.text_rows(subjects)
        similarities: npt.NDArray[np.float32] = unit_length(rows - self._mean) @ self._rows.T
        return similarities


def shared_english_nouns(owner: object, text: str) -> EnglishNouns:
    """Open the nouns with their encoder once for everybody, fetching the encoder if it isn't here.

    Args:
        owner: Who keeps them: when nobody does any more, their memory is freed.
        text: For which text they are needed, for the words of an error.

    Raises:
        ModelUnavailableError: The encoder is not here and could not be fetched.
    """
    try:
        folder = store.locate(catalog.named(CHECKPOINT))
    except ModelUnavailableError as error:
        raise ModelUnavailableError(
            f"{quoted(text)} is not English as far as the starter knows, and for other languages: {error.message}",
            f"Run 'sensorium models pull {CHECKPOINT}' while there is network, or write the text in English",
        ) from error
    shared = Shared((EnglishNouns, folder), lambda: EnglishNouns(TextEmbedder(CHECKPOINT).load()))
    weakref.finalize(owner, shared.release)
    return shared.backend


def subject_of(text: str) -> str:
    """Return what a prompt such as "一张猫的照片" or "ein Foto von einem Hund" is about."""
    plain = text.strip()
    for template in _TEMPLATES:
        if match := template.match(plain):
            return match["subject"]
    return plain


def _about_people(nouns: Sequence[str], shares: npt.NDArray[np.float32]) -> float:
    anybody, somebody = people_words()
    of_anybody = sum(share for noun, share in zip(nouns, shares, strict=True) if noun in anybody)
    of_somebody = sum(share for noun, share in zip(nouns, shares, strict=True) if noun in somebody)
    if of_anybody > _ABOUT_ANYBODY:
        return 1.0
    return 0.5 if of_anybody + of_somebody > _ABOUT_SOMEBODY else 0.0


def not_understood(subjects: Sequence[str]) -> InputError:
    """Return the error of texts that mean nothing to the starter."""
    return InputError(
        f"The starter's text encoders don't understand {', '.join(map(quoted, subjects))}",
        f"Write {'it' if len(subjects) == 1 else 'them'} in other words or in English, or choose a hub checkpoint that "
        "knows the language with model=…",
    )
