"""Frames of films compared with texts or judged by a classifier: what `VideoQA` searches and moderates with."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self, Unpack

from sensorium.arguments import checked
from sensorium.models.catalog import component
from sensorium.progress import Cancellation, ProgressCallback
from sensorium.task import Task, TaskOptions
from sensorium.video.film import Film, FilmMemory
from sensorium.video.results import Moderation, VideoSearch
from sensorium.video.video_answerer import VideoAnswerer
from sensorium.vision_language.clip import CLIP
from sensorium.vision_language.nudity import NudityDetector

if TYPE_CHECKING:
    import numpy as np
    import PIL.Image
    from typing_extensions import TypeIs  # for the type checker alone; Python has it from 3.13

    from sensorium.media.image import ImageSource
    from sensorium.media.source import MediaSource
    from sensorium.video.frame_embeddings import FrameEmbeddings
    from sensorium.video.frame_scores import FrameScores
    from sensorium.video.judged_frames import Judges
    from sensorium.video.moderation_policy import Policy


class FrameComparingTask(Task[VideoAnswerer]):
    """What `VideoQA` does with an encoder of pictures and texts, and with the classifiers that policies name.

    Args:
        model: The checkpoint that answers.
        encoder: Checkpoint for `CLIP`; None for the one that the catalog entry names, else the profile's default.
        options: What every task takes.
    """

    def __init__(
        self, model: str | os.PathLike[str] | None, *, encoder: str | None, **options: Unpack[TaskOptions]
    ) -> None:
        super().__init__(model, **options)
        self._encoder = encoder or component(self.checkpoint, CLIP.task)
        self._clip: CLIP | None = None
        self._nudity: NudityDetector | None = None
        self._embeddings: FilmMemory[FrameEmbeddings] = FilmMemory()
        self._nudity_scores: FilmMemory[FrameScores] = FilmMemory()

    @checked
    def search(
        self,
        video_path: MediaSource,
        text: str,
        *,
        limit: int = 5,
        progress: ProgressCallback | None = None,
        cancel: Cancellation | None = None,
    ) -> VideoSearch:
        """Find the moments of a film that match a text; further searches in the same film take almost no time.

        One frame per second is compared with the text, or 1800 frames if the film is longer than half an hour.

        Args:
            video_path: Any film that FFmpeg reads.
            text: What to look for, such as "a cat on a sofa".
            limit: How many moments to return, at most.
            progress: Told the frames seen so far.
            cancel: Stops at the next frame.

        Raises:
            InputError: The text is empty or can't be used, ``limit`` is below 1, or the file is no film.
            CancelledError: ``cancel`` was set.
        """
        from sensorium.video.film_search import find_moments, require_search

        require_search(text, limit)
        film = Film(video_path, limits=self.limits, progress=progress, cancel=cancel)
        clip = self._loaded_clip(progress, cancel)
        embeddings = self._embedded(film, clip, progress, cancel)
        found = find_moments(embeddings, clip, text.strip(), limit=limit, cancel=cancel)
        return replace(found, warnings=film.warnings.told())

    @checked
    def moderate(
        self,
        source: MediaSource | ImageSource,
        policy: str | os.PathLike[str] | Mapping[str, Any] | None = None,
        *,
        labels: Sequence[str] | None = None,
        progress: ProgressCallback | None = None,
        cancel: Cancellation | None = None,
    ) -> Moderation:
        """Say where a film or a picture shows what a policy looks for.

        The result helps people to decide; it is not a decision. The encoder compares one frame per second with texts,
        or a classifier that the policy names judges it, and no threshold is right for all pictures. The result says
        which checkpoints judged, and which labels could not be judged.

        Args:
            source: A film or a picture.
            policy: A TOML file with labels, texts that say what the labels show or a classifier that knows, and
                thresholds; or a mapping with the same content; None for the shipped policy
                (``sensorium/video/data/moderation.toml``).
            labels: If given, only these labels of the policy are looked for.
            progress: Told the frames seen so far.
            cancel: Stops at the next frame.

        Raises:
            InputError: The policy can't be used (no such file or label, a threshold outside 0 to 1), or the source
                can't be read.
            UnsupportedError: None of the policy's labels can be judged.
            CancelledError: ``cancel`` was set.
        """
        from sensorium.media.image import read_image
        from sensorium.video.moderation import moderate_frames

        wanted = self._wanted(policy, labels)
        judges = self._loaded_judges(wanted, progress, cancel)
        if _is_decoded(source):
            return moderate_frames(wanted, judges.picture(read_image(source, limits=self.limits)), cancel=cancel)
        film = Film(source, limits=self.limits, progress=progress, cancel=cancel)
        if film.is_picture:
            return moderate_frames(wanted, judges.picture(film.picture(judges.minimum_side)), cancel=cancel)
        frames = judges.film(film, self._embeddings, self._nudity_scores, progress=progress, cancel=cancel)
        return replace(moderate_frames(wanted, frames, cancel=cancel), warnings=film.warnings.told())

    @checked
    def load_encoder(self, *, progress: ProgressCallback | None = None, cancel: Cancellation | None = None) -> Self:
        """Fetch and load the encoder now instead of at the first `search`, `moderate` or `classify`; return self."""
        self._loaded_clip(progress, cancel)
        return self

    @checked
    def load_judges(
        self,
        policy: str | os.PathLike[str] | Mapping[str, Any] | None = None,
        *,
        labels: Sequence[str] | None = None,
        progress: ProgressCallback | None = None,
        cancel: Cancellation | None = None,
    ) -> Self:
        """Fetch and load now what `moderate` needs for a policy, and for some of its labels; return self.

        Raises:
            InputError: The policy can't be used.
        """
        self._loaded_judges(self._wanted(policy, labels), progress, cancel)
        return self

    def close(self) -> None:
        """Give up the checkpoints and what is remembered of films, once the calls in progress have ended."""
        super().close()
        self._embeddings, self._nudity_scores = FilmMemory(), FilmMemory()
        self._clip = self._nudity = None

    def _loaded_clip(self, progress: ProgressCallback | None, cancel: Cancellation | None) -> CLIP:
        self.require_open()
        clip = self._clip = self._clip or self.opening.part(CLIP, self._encoder, dtype=self._dtype)
        return clip.ensure_loaded(progress=progress, cancel=cancel)

    def _loaded_judges(self, policy: Policy, progress: ProgressCallback | None, cancel: Cancellation | None) -> Judges:
        from sensorium.video.judged_frames import Judges

        self.require_open()
        clip = self._loaded_clip(progress, cancel) if policy.has_texts else None
        if not policy.judges:
            return Judges(clip, None)
        detector = self._nudity = self._nudity or self.opening.part(NudityDetector, device="cpu")
        return Judges(clip, detector.ensure_loaded(progress=progress, cancel=cancel))

    def _wanted(
        self, policy: str | os.PathLike[str] | Mapping[str, Any] | None, labels: Sequence[str] | None
    ) -> Policy:
        from sensorium.video.moderation_policy import read_policy

        wanted = read_policy(policy, limits=self.limits)
        return wanted if labels is None else wanted.only(labels)

    def _embedded(
        self, film: Film, clip: CLIP, progress: ProgressCallback | None, cancel: Cancellation | None
    ) -> FrameEmbeddings:
        from sensorium.video.frame_embeddings import embed_frames

        return self._embeddings.get(film, lambda: embed_frames(film, clip, progress=progress, cancel=cancel))


def _is_decoded(source: MediaSource | ImageSource) -> TypeIs[PIL.Image.Image | np.ndarray]:
    import numpy as np
    from PIL import Image

    return isinstance(source, (Image.Image, np.ndarray))
