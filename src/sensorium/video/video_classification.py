"""What a film shows, stretch by stretch: actions that a checkpoint was trained to name, or labels that a caller
gives."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from sensorium.errors import InputError
from sensorium.progress import Cancellation, ProgressCallback, check_cancelled, report
from sensorium.task import Task
from sensorium.video.families.action_family import ACTIONS, action_family
from sensorium.video.film import Film
from sensorium.video.results import LabelledWindow, VideoClassification
from sensorium.vision_language.classification import LabelScore

if TYPE_CHECKING:
    from sensorium.media.source import MediaSource
    from sensorium.video.families.action_classifier import ActionClassifier
    from sensorium.video.frame_embeddings import FrameEmbeddings
    from sensorium.vision_language.clip import CLIP
    from sensorium.vision_language.dual_encoder import Rows

_WINDOW_SECONDS = 10.0
"""The length of the clips that action classifiers are trained on (Kinetics)."""
_MOST_WINDOWS = 60
_FRAME_SIDE = 448


class VideoClassifier(Task["ActionClassifier"]):
    """Names what is done in a film.

    Args:
        model: Catalog name, hub id, local folder, or None for the profile's default.
        device: ``"auto"``, ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ``"mps"``.
        dtype: ``"auto"``, ``"float32"``, ``"float16"``, ``"bfloat16"``.
    """

    task: ClassVar[str] = "video-classification"
    families: ClassVar[dict[str, str]] = {ACTIONS: "sensorium.video.families.action_classifier:ActionClassifier"}

    def _family(self, folder: Path) -> str:
        return action_family(super()._family(folder), folder)

    def classify(
        self,
        video_path: MediaSource,
        *,
        top_k: int = 5,
        progress: ProgressCallback | None = None,
        cancel: Cancellation | None = None,
    ) -> VideoClassification:
        """Name what is done in a film; see `VideoQA.classify`."""
        require_top_k(top_k)
        film = Film(video_path, limits=self.limits, progress=progress, cancel=cancel)
        with self.lease(progress=progress, cancel=cancel) as backend:
            return classify_actions(film, backend, top_k=top_k, progress=progress, cancel=cancel)


def classify_actions(
    film: Film,
    classifier: ActionClassifier,
    *,
    top_k: int,
    progress: ProgressCallback | None = None,
    cancel: Cancellation | None = None,
) -> VideoClassification:
    """Classify a film in stretches of at most 10 seconds, one after the other.

    The classifier sees 16 frames of each stretch (or as many as the classifier takes), evenly spread from the first
    frame to the last. If a stretch has fewer frames, some frames are seen twice, as in the reference's sampling. Of a
    film longer than 10 minutes, 60 evenly spread stretches of 10 seconds are classified.

    Args:
        film: The film.
        classifier: Names actions.
        top_k: How many labels to return, at most.
        progress: Told the stretches classified so far.
        cancel: Stops before the next stretch.

    Raises:
        InputError: The file is no film or has no frames.
        CancelledError: ``cancel`` was set.
    """
    import numpy as np

    windows = film_windows(film.probe().duration)
    likely = []
    for done, (start, end) in enumerate(windows):
        check_cancelled(cancel)
        report(progress, "classifying", done, len(windows), "stretches")
        sampled = film.frames(classifier.num_frames, start=start, end=end, minimum_side=_FRAME_SIDE)
        likely.append(classifier.probabilities([frame.image for frame in sampled]).numpy())
    report(progress, "classifying", len(windows), len(windows), "stretches")
    found = _classification(windows, np.stack(likely), classifier.labels, top_k, classifier.name)
    return replace(found, warnings=film.warnings.told())


def classify_by_labels(
    embeddings: FrameEmbeddings, clip: CLIP, labels: Sequence[str], *, top_k: int, cancel: Cancellation | None = None
) -> VideoClassification:
    """Classify each stretch of a film by labels that the caller chooses; a stretch's score is the mean over its frames.

    Args:
        embeddings: The film's frames.
        clip: The encoder that made them.
        labels: The labels to choose from.
        top_k: How many labels to return, at most.
        cancel: Stops the encoding of texts.

    Raises:
        InputError: There is no label, or a label can't be used.
    """
    import numpy as np

    wanted = distinct_labels(labels)
    rows = clip.text_rows([clip.backend.label_text(label) for label in wanted], cancel=cancel)
    likely = clip.backend.probabilities(embeddings.rows @ rows.T)
    windows = film_windows(embeddings.duration)
    means = []
    for start, end in windows:
        inside = [index for index, time in enumerate(embeddings.times) if start <= time < end]
        nearest = min(range(len(embeddings.times)), key=lambda index: abs(embeddings.times[index] - start))
        means.append(likely[inside or [nearest]].mean(0))
    return _classification(windows, np.stack(means), wanted, top_k, clip.model)


def film_windows(duration: float) -> list[tuple[float, float]]:
    """Return start and end, in seconds, of each stretch in which a film of a given length is classified."""
    count = max(1, math.ceil(round(duration / _WINDOW_SECONDS, 3)))
    if count <= _MOST_WINDOWS:
        length = duration / count
        return [(round(index * length, 3), round((index + 1) * length, 3)) for index in range(count)]
    step = (duration - _WINDOW_SECONDS) / (_MOST_WINDOWS - 1)
    return [(round(index * step, 3), round(index * step + _WINDOW_SECONDS, 3)) for index in range(_MOST_WINDOWS)]


def distinct_labels(labels: Sequence[str]) -> list[str]:
    """Return the labels that say something, each once.

    Raises:
        InputError: There is none.
    """
    wanted = list(dict.fromkeys(label.strip() for label in labels if label.strip()))
    if not wanted:
        raise InputError("There is no label to choose from", "Give at least one label")
    return wanted


def require_top_k(top_k: int) -> None:
    """Refuse a number of labels below 1.

    Raises:
        InputError: ``top_k`` is below 1.
    """
    if top_k < 1:
        raise InputError(f"top_k is {top_k}", "Ask for at least one label")


def _classification(
    windows: Sequence[tuple[float, float]], likely: Rows, labels: Sequence[str], top_k: int, model: str
) -> VideoClassification:
    return VideoClassification(
        labels=_best(likely.mean(0), labels, top_k),
        windows=tuple(
            LabelledWindow(start, end, _best(row, labels, top_k))
            for (start, end), row in zip(windows, likely, strict=True)
        ),
        model=model,
    )


def _best(likely: Rows, labels: Sequence[str], top_k: int) -> tuple[LabelScore, ...]:
    best = (-likely).argsort(kind="stable")[:top_k].tolist()
    return tuple(LabelScore(labels[index], float(likely[index])) for index in best)
