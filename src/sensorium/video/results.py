"""What `VideoQA` returns, except answers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sensorium.record import Record
from sensorium.vision_language.classification import LabelScore


@dataclass(frozen=True, eq=False, repr=False)
class LabelledWindow(Record):
    """A stretch of a film, and what it shows.

    Attributes:
        start: Where the stretch begins, in seconds.
        end: Where the stretch ends, in seconds.
        labels: The likeliest labels, best first; their scores are probabilities.
    """

    start: float
    end: float
    labels: tuple[LabelScore, ...]


@dataclass(frozen=True, eq=False, repr=False)
class VideoClassification(Record):
    """What a film shows, as a whole and stretch by stretch.

    Attributes:
        labels: The likeliest labels of the whole film, best first; scores are means over the film's stretches.
        windows: The film's stretches, in the order of time.
        model: Name of the checkpoint that judged.
        warnings: What was missing or damaged in the film: a sentence for each.
    """

    labels: tuple[LabelScore, ...]
    windows: tuple[LabelledWindow, ...]
    model: str
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False, repr=False)
class ModeratedMoment(Record):
    """A stretch of a film, or a picture, as judged by one label of a policy.

    Attributes:
        label: The policy's label.
        score: Highest probability of the label in this stretch, from 0 to 1.
        threshold: Lowest score that the policy flags.
        flagged: Whether the score reaches the threshold.
        start: Where the stretch begins, in seconds; None for a picture.
        end: Where the stretch ends, in seconds; None for a picture.
        model: Name of the checkpoint that judged this label: the encoder, or the classifier that the policy names.
    """

    label: str
    score: float
    threshold: float
    flagged: bool
    start: float | None
    end: float | None
    model: str = ""


@dataclass(frozen=True, eq=False, repr=False)
class Moderation(Record):
    """What a policy says about a film or a picture.

    Attributes:
        flagged: Whether any label is flagged anywhere.
        moments: Each flagged stretch, in the order of time; then, for each label that is flagged nowhere, the moment
            with the label's highest score.
        not_judged: Labels of the policy that the checkpoint can't judge. The film or picture may show them or not.
        frames: How many frames were looked at.
        policy: Name of the policy.
        model: Name of the checkpoint that judged; if there were several, their names with " + " between them.
        limits: What the checkpoints can't do, from their catalog cards; "" for a checkpoint without a card.
        warnings: What was missing or damaged in the film or picture: a sentence for each.
    """

    flagged: bool
    moments: tuple[ModeratedMoment, ...]
    not_judged: tuple[str, ...]
    frames: int
    policy: str
    model: str
    limits: str
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False, repr=False)
class FoundMoment(Record):
    """A moment of a film that matches a text.

    Attributes:
        start: Where the moment begins, in seconds.
        end: Where the moment ends, in seconds.
        score: Cosine of the text and the moment's best frame; comparable only within one film and checkpoint.
    """

    start: float
    end: float
    score: float


@dataclass(frozen=True, eq=False, repr=False)
class VideoSearch(Record):
    """The moments of a film that match a text best.

    Attributes:
        text: What was searched for.
        moments: Best first. The list is never empty, even if the film doesn't show what the text says.
        model: Name of the checkpoint that compared.
        warnings: What was missing or damaged in the film: a sentence for each.
    """

    text: str
    moments: tuple[FoundMoment, ...]
    model: str
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False, repr=False)
class Subtitles(Record):
    """A subtitle file that was written.

    Attributes:
        path: Path of the file.
        model: Name of the checkpoint that recognised the speech.
        warnings: What was missing or damaged in the film: a sentence for each.
    """

    path: Path
    model: str
    warnings: tuple[str, ...] = ()
