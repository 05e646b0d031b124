"""Finds the moments of a film, or the pictures, that show what a policy looks for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from sensorium.errors import UnsupportedError
from sensorium.progress import Cancellation
from sensorium.video.frame_embeddings import FrameEmbeddings
from sensorium.video.moderation_policy import Policy, PolicyLabel
from sensorium.video.results import ModeratedMoment, Moderation
from sensorium.vision_language.starter.vocabulary import find_thing

if TYPE_CHECKING:
    from sensorium.vision_language.clip import CLIP
    from sensorium.vision_language.dual_encoder import Rows


def moderate_frames(
    embeddings: FrameEmbeddings, clip: CLIP, policy: Policy, *, picture: bool, cancel: Cancellation | None = None
) -> Moderation:
    """Judge frames by a policy.

    A label of the policy has several texts (``shows``), each with a probability. The score of the label is the sum of
    these probabilities; all texts of the policy together have probability 1. Encoders such as SigLIP judge each text by
    itself: then the score is the highest probability of the label's texts.

    Args:
        embeddings: The frames.
        clip: The encoder that made them.
        policy: What to look for.
        picture: Whether the frames are one picture, which has no times.
        cancel: Stops the encoding of texts.

    Raises:
        InputError: A text of the policy can't be used.
        UnsupportedError: The checkpoint can judge none of the policy's labels.
    """
    judged, not_judged = _judged(policy, clip)
    texts = [*policy.ordinary, *(text for label in judged for text in label.shows)]
    rows = clip.text_rows([_sentence(text, clip) for text in texts], cancel=cancel)
    likely = clip.backend.probabilities(embeddings.rows @ rows.T)
    flagged: list[ModeratedMoment] = []
    closest: list[ModeratedMoment] = []
    place = len(policy.ordinary)
    for label in judged:
        columns = likely[:, place : place + len(label.shows)]
        place += len(label.shows)
        scores = _scores(columns, clip.scoring)
        stretches = _stretches([score >= label.threshold for score in scores])
        flagged += [_moment(label, scores, stretch, embeddings, picture) for stretch in stretches]
        if not stretches:
            best = max(range(len(scores)), key=lambda index: scores[index])
            closest.append(_moment(label, scores, (best, best), embeddings, picture))
    flagged.sort(key=lambda moment: (moment.start or 0.0, -moment.score))
    closest.sort(key=lambda moment: -moment.score)
    return Moderation(
        flagged=bool(flagged),
        moments=(*flagged, *closest),
        not_judged=not_judged,
        frames=len(embeddings.times),
        policy=policy.name,
        model=clip.model,
        limits=clip.checkpoint.limits,
    )


def _judged(policy: Policy, clip: CLIP) -> tuple[list[PolicyLabel], tuple[str, ...]]:
    """Return the labels, each with the texts that the checkpoint knows, and the names of labels without such texts."""
    knows = _KNOWN.get(clip.checkpoint.family)
    judged, not_judged = [], []
    for label in policy.labels:
        shows = tuple(text for text in label.shows if knows is None or knows(text))
        if shows:
            judged.append(PolicyLabel(label.name, label.threshold, shows))
        else:
            not_judged.append(label.name)
    if not judged:
        raise UnsupportedError(
            f"The checkpoint {clip.model!r} can judge none of {', '.join(not_judged)}: it knows only everyday things",
            "Choose a CLIP checkpoint as encoder, such as 'clip-vit-base-patch32'",
        )
    return judged, tuple(not_judged)


def _is_known_thing(text: str) -> bool:
    """Return whether a text names a thing that the starter can recognise; it knows no acts, scenes or states."""
    return find_thing(_bare(text)) is not None


_KNOWN: dict[str, Callable[[str], bool]] = {"conse": _is_known_thing}
"""Maps a family to a function that tells whether the family knows a text. Families that are not listed know all
texts: they were trained on captions of all kinds."""


def _sentence(text: str, clip: CLIP) -> str:
    """Return a thing with an article ("a gun") in the sentence that the family expects; other texts are unchanged."""
    bare = _bare(text)
    return text if bare == text else clip.backend.label_text(bare)


def _bare(text: str) -> str:
    article, _, rest = text.partition(" ")
    return rest if article.lower() in {"a", "an"} and rest else text


def _scores(columns: Rows, scoring: str) -> list[float]:
    scores = columns.sum(-1) if scoring == "softmax" else columns.max(-1)
    return [round(float(score), 4) for score in scores.clip(0, 1)]


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


def _moment(
    label: PolicyLabel, scores: Sequence[float], stretch: tuple[int, int], embeddings: FrameEmbeddings, picture: bool
) -> ModeratedMoment:
    first, last = stretch
    score = max(scores[first : last + 1])
    start, end = (None, None) if picture else embeddings.stretch(first, last)
    return ModeratedMoment(label.name, score, label.threshold, score >= label.threshold, start, end)
