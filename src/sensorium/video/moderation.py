"""Finds the moments of a film, or the pictures, that show what a policy looks for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sensorium.errors import UnsupportedError
from sensorium.models.checkpoint import Checkpoint
from sensorium.progress import Cancellation
from sensorium.video.frame_embeddings import FrameEmbeddings
from sensorium.video.frame_scores import FrameScores
from sensorium.video.judged_frames import JudgedFrames
from sensorium.video.moderation_policy import Policy, PolicyLabel
from sensorium.video.results import ModeratedMoment, Moderation
from sensorium.video.sampled_frames import SampledFrames

if TYPE_CHECKING:
    from sensorium.vision_language.clip import CLIP
    from sensorium.vision_language.dual_encoder import Rows


@dataclass(frozen=True)
class _Judged:
    """A label with its score in each frame, and who gave the scores."""

    label: PolicyLabel
    scores: list[float]
    frames: SampledFrames
    checkpoint: Checkpoint

    def moment(self, first: int, last: int, picture: bool) -> ModeratedMoment:
        """Return what the label says of the frames ``first`` to ``last``."""
        score, threshold = max(self.scores[first : last + 1]), self.label.threshold
        start, end = (None, None) if picture else self.frames.stretch(first, last)
        return ModeratedMoment(self.label.name, score, threshold, score >= threshold, start, end, self.checkpoint.name)


def moderate_frames(policy: Policy, frames: JudgedFrames, *, cancel: Cancellation | None = None) -> Moderation:
    """Apply a policy to what its judges said of frames.

    A label with texts (``shows``) is judged by the encoder, which gives each text a probability. The score of the label
    is the sum of these probabilities; all texts of the policy together have probability 1. Encoders such as SigLIP
    judge each text by itself: then the score is the highest probability of the label's texts. A label that names a
    classifier (``judge``) has the probability that the classifier gives, whichever encoder there is.

    Args:
        policy: What to look for.
        frames: The frames, as seen by those whom the policy needs.
        cancel: Stops the encoding of texts.

    Raises:
        InputError: A text of the policy can't be used.
        UnsupportedError: None of the policy's labels can be judged.
    """
    judged = [_classified(label, frames.classified[label.judge]) for label in policy.labels if label.judge]
    not_judged: tuple[str, ...] = ()
    clip, embeddings = frames.clip, frames.embeddings
    if clip is not None and embeddings is not None:
        by_texts, not_judged = _known_to(clip, policy)
        if not judged and not by_texts:
            raise UnsupportedError(
                f"The checkpoint {clip.model!r} can judge none of {', '.join(not_judged)}: "
                "it knows only everyday things",
                "Choose a CLIP checkpoint as encoder, such as 'clip-vit-base-patch32'",
            )
        judged = [*_by_texts(policy.ordinary, by_texts, embeddings, clip, cancel), *judged]
    flagged: list[ModeratedMoment] = []
    closest: list[ModeratedMoment] = []
    for each in judged:
        stretches = _stretches([score >= each.label.threshold for score in each.scores])
        flagged += [each.moment(first, last, frames.picture) for first, last in stretches]
        if not stretches:
            best = max(range(len(each.scores)), key=lambda index: each.scores[index])
            closest.append(each.moment(best, best, frames.picture))
    flagged.sort(key=lambda moment: (moment.start or 0.0, -moment.score))
    closest.sort(key=lambda moment: -moment.score)
    checkpoints = list(dict.fromkeys(each.checkpoint for each in judged))
    return Moderation(
        flagged=bool(flagged),
        moments=(*flagged, *closest),
        not_judged=not_judged,
        frames=len(judged[0].frames.times),
        policy=policy.name,
        model=" + ".join(checkpoint.name for checkpoint in checkpoints),
        limits=" ".join(checkpoint.limits for checkpoint in checkpoints if checkpoint.limits),
    )


def _classified(label: PolicyLabel, frames: FrameScores) -> _Judged:
    return _Judged(label, _rounded(frames.values), frames, frames.checkpoint)


def _by_texts(
    ordinary: Sequence[str],
    labels: Sequence[PolicyLabel],
    embeddings: FrameEmbeddings,
    clip: CLIP,
    cancel: Cancellation | None,
) -> list[_Judged]:
    """Judge labels by their texts."""
    if not labels:
        return []
    texts = [*ordinary, *(text for label in labels for text in label.shows)]
    rows = clip.text_rows([_sentence(text, clip) for text in texts], cancel=cancel)
    likely = clip.backend.probabilities(embeddings.rows @ rows.T)
    judged = []
    place = len(ordinary)
    for label in labels:
        scores = _scores(likely[:, place : place + len(label.shows)], clip.scoring)
        judged.append(_Judged(label, scores, embeddings, clip.checkpoint))
        place += len(label.shows)
    return judged


def _known_to(clip: CLIP, policy: Policy) -> tuple[list[PolicyLabel], tuple[str, ...]]:
    """Return the labels with texts that the encoder knows, and the names of those of which it knows no text."""
    backend = clip.backend
    judged, not_judged = [], []
    for label in policy.labels:
        shows = tuple(text for text in label.shows if backend.can_recognise(_bare(text)))
        if shows:
            judged.append(replace(label, shows=shows))
        elif not label.judge:
            not_judged.append(label.name)
    return judged, tuple(not_judged)


def _sentence(text: str, clip: CLIP) -> str:
    """Return a thing with an article ("a gun") in the sentence that the family expects; other texts are unchanged."""
    bare = _bare(text)
    return text if bare == text else clip.backend.label_text(bare)


def _bare(text: str) -> str:
    article, _, rest = text.partition(" ")
    return rest if article.lower() in {"a", "an"} and rest else text


def _scores(columns: Rows, scoring: str) -> list[float]:
    return _rounded(columns.sum(-1) if scoring == "softmax" else columns.max(-1))


def _rounded(scores: Iterable[float]) -> list[float]:
    return [round(min(max(float(score), 0.0), 1.0), 4) for score in scores]


def _stretches(reached: Sequence[bool]) -> list[tuple[int, int]]:
    """Return the first and last index of each run of frames that reach the threshold."""
    found: list[tuple[int, int]] = []
    for index, is_reached in enumerate(reached):
        if not is_reached:
            continue
        if found and found[-1][1] == index - 1:
            found[-1] = (found[-1][0], index)
        else:
            found.append((index, index))
    return found
