"""What every family of CLIP-like checkpoints offers to `CLIP`: images and texts in one space."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import PIL.Image

from sensorium.progress import Cancellation, ProgressCallback, check_cancelled, report

if TYPE_CHECKING:
    from sensorium.media.content import Kind
    from sensorium.vision_language.embeddable import Role

_CACHED_TEXTS = 20_000
_TEXTS_AT_ONCE = 256

Rows = npt.NDArray[np.float32]


class DualEncoder(ABC):
    """A loaded checkpoint with an image encoder and a text encoder.

    Attributes:
        embedding_size: Length of a row.
        image_side: The side of the square that the image encoder sees, in pixels.
        batch_size: How many images go through at once by default.
        scoring: ``"softmax"`` if the scores of several texts share out 1 among them, ``"sigmoid"`` if each is the
            probability that this one text goes with the image.
        label_template: The sentence in which the family was trained or published to see a label.
        kinds: The kinds of files that it can make rows of, to be found by a text. A text encoder that was only trained
            to find pictures isn't for texts that are to be found.
        window_seconds: How long a stretch of sound may be, where it takes sound.
        sample_rate: Of that sound.
        shortens: Whether the first numbers of a row, scaled to length 1, are a row too.
    """

    embedding_size: int
    image_side: int
    batch_size: int
    scoring: str = "softmax"
    label_template: str = "a photo of a {label}"
    kinds: frozenset[Kind] = frozenset({"image", "video"})
    window_seconds: float = 0.0
    sample_rate: int = 16_000
    shortens: bool = False

    def __init__(self) -> None:
        self._texts: OrderedDict[str, Rows] = OrderedDict()
        self._encoding = threading.Lock()

    @abstractmethod
    def prepare(self, image: PIL.Image.Image) -> Any:
        """Return what the image encoder needs of an RGB image; called from several threads."""

    def prepare_sound(self, samples: Rows) -> Any:
        """Return what the encoder needs of float32 mono samples, for `encode_prepared`; only where it takes sound."""
        raise NotImplementedError

    def prepare_passage(self, text: str) -> Any:
        """Return what the encoder needs of a text that is to be found; only where it takes such texts."""
        raise NotImplementedError

    @abstractmethod
    def encode_prepared(self, prepared: Sequence[Any]) -> Rows:
        """Turn what `prepare`, and the like, gave into float32 rows ``[n, d]`` of length 1."""

    @abstractmethod
    def check_text(self, text: str) -> None:
        """Raise `InputError` if the text encoder can't take the text."""

    @abstractmethod
    def count_tokens(self, text: str) -> int:
        """Return how many tokens the text encoder reads for a text, with those around it."""

    @abstractmethod
    def encode_checked(self, texts: Sequence[str]) -> Rows:
        """Turn texts that `check_text` let pass into float32 rows ``[n, d]`` of length 1."""

    @abstractmethod
    def probabilities(self, cosines: Rows) -> Rows:
        """Turn cosines ``[images, texts]`` into how likely each text goes with the image, in the sense of `scoring`."""

    @abstractmethod
    def is_sure(self, cosines: Rows, probabilities: Rows) -> bool:
        """Return whether the best text is more than the least bad one.

        Args:
            cosines: Of one image with each text, ``[texts]``.
            probabilities: Of the same texts.
        """

    def prompted(self, text: str, role: Role | None) -> str:
        """Return a text with the words that tell the encoder what it is, where the family has such words."""
        return text

    def can_recognise(self, text: str) -> bool:
        """Return whether it was made to see what a text says; most were trained on captions of all kinds."""
        return True

    def label_text(self, label: str) -> str:
        """Return the sentence that stands for a label."""
        return self.label_template.format(label=label)

    def encode_texts(
        self,
        texts: Sequence[str],
        *,
        progress: ProgressCallback | None = None,
        cancel: Cancellation | None = None,
    ) -> Rows:
        """Return one row per text; rows met before come from memory.

        Raises:
            InputError: A text is too long for the encoder, or not in a language that it knows.
            CancelledError: ``cancel`` was set.
        """
        wanted = list(dict.fromkeys(texts))
        # One caller at a time: they share the memory of texts, and a text met twice is encoded once.
        with self._encoding:
            rows = {text: self._texts[text] for text in wanted if text in self._texts}
            new = [text for text in wanted if text not in rows]
            for text in new:
                self.check_text(text)
            for start in range(0, len(new), _TEXTS_AT_ONCE):
                check_cancelled(cancel)
                chosen = new[start : start + _TEXTS_AT_ONCE]
                # Rows of their own: a view would keep its whole batch in memory.
                rows.update((text, row.copy()) for text, row in zip(chosen, self.encode_checked(chosen), strict=True))
                report(progress, "encoding texts", start + len(chosen), len(new), "texts")
            for text in wanted:
                self._texts[text] = rows[text]
                self._texts.move_to_end(text)
            while len(self._texts) > _CACHED_TEXTS:
                self._texts.popitem(last=False)
        return np.stack([rows[text] for text in texts])


def softmax(values: Rows) -> Rows:
    """Turn each row of float32 ``[..., n]`` into numbers from 0 to 1 that add up to 1."""
    powers = np.exp(values - values.max(-1, keepdims=True))
    shares: Rows = powers / powers.sum(-1, keepdims=True)
    return shares


def unit_length(rows: Rows) -> Rows:
    """Scale rows ``[n, d]`` to length 1; a row of zeros stays as it is."""
    scaled: Rows = rows / np.maximum(np.linalg.norm(rows, axis=-1, keepdims=True), 1e-12)
    return scaled


def quoted(text: str) -> str:
    """Return the beginning of a text in quotes, for the words of an error."""
    return repr(text if len(text) <= 40 else text[:40] + "…")
