"""Labels of a picture with scores: ``Classification``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from sensorium.record import Record

if TYPE_CHECKING:
    from sensorium.vision_language.dual_encoder import DualEncoder, Rows


@dataclass(frozen=True, eq=False, repr=False)
class LabelScore(Record):
    """A candidate label and how likely it is.

    Attributes:
        label: The label, as the caller wrote it.
        score: From 0 to 1. `Classification.scoring` tells whether the scores of all labels add up to 1.
    """

    label: str
    score: float


@dataclass(frozen=True, eq=False, repr=False)
class _Classification(Record):
    """A classification as `Classification.to_dict` writes it."""

    labels: tuple[LabelScore, ...]
    model: str
    sure: bool
    scoring: str


class Classification(list[LabelScore]):
    """The candidate labels of one image, best first.

    Attributes:
        model: Name of the checkpoint that judged.
        sure: False if even the best label hardly goes with the image ("not sure").
        scoring: ``"softmax"`` if the scores of all labels share out 1 among them, ``"sigmoid"`` if each is the
            probability that this one label goes with the image: then several may be high, or none.
    """

    def __init__(self, scores: Iterable[LabelScore], *, model: str, sure: bool, scoring: str) -> None:
        super().__init__(scores)
        self.model = model
        self.sure = sure
        self.scoring = scoring

    def to_dict(self) -> dict[str, Any]:
        """Return labels with scores, model, sure and scoring, ready for ``json.dumps``."""
        labels = [item.to_dict() for item in self]
        return {"labels": labels, "model": self.model, "sure": self.sure, "scoring": self.scoring}

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Self:
        """Return what `to_dict` made a document of.

        Raises:
            InputError: It is no such document.
        """
        read = _Classification.from_dict(document)
        return cls(read.labels, model=read.model, sure=read.sure, scoring=read.scoring)


def classification_of(labels: Sequence[str], cosines: Rows, encoder: DualEncoder, *, model: str) -> Classification:
    """Return the classification of an image that was compared with labels.

    Args:
        labels: The labels.
        cosines: Of the image's row with the row of each label's sentence, float32 ``[labels]``.
        encoder: Who made the rows.
        model: The name of the checkpoint.
    """
    likely = encoder.probabilities(cosines[None])[0]
    scores = [LabelScore(label, score) for label, score in zip(labels, likely.tolist(), strict=True)]
    scores.sort(key=lambda item: item.score, reverse=True)
    return Classification(scores, model=model, sure=encoder.is_sure(cosines, likely), scoring=encoder.scoring)
