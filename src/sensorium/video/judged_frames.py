"""What the judges of a policy, an encoder and classifiers, say of a picture's or a film's frames."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sensorium.progress import Cancellation, ProgressCallback
from sensorium.video.film import Film, FilmMemory
from sensorium.video.frame_embeddings import FrameEmbeddings, embed_frames, embed_picture
from sensorium.video.frame_scores import FrameScores, score_frames, score_picture

if TYPE_CHECKING:
    import PIL.Image

    from sensorium.vision_language.clip import CLIP
    from sensorium.vision_language.nudity import NudityDetector


@dataclass(frozen=True)
class JudgedFrames:
    """What the judges say.

    Attributes:
        picture: Whether it is one picture, which has no times.
        clip: The encoder; None if it isn't needed.
        embeddings: The frames as it sees them; None without an encoder.
        classified: For the name of each classifier that was asked, the scores of the frames.
    """

    picture: bool
    clip: CLIP | None = None
    embeddings: FrameEmbeddings | None = None
    classified: dict[str, FrameScores] = field(default_factory=dict)


@dataclass(frozen=True)
class Judges:
    """Who judges frames.

    Attributes:
        clip: Compares frames with texts; None if no text is to be judged.
        nudity: Tells whether frames show nudity; None if nobody asks.
    """

    clip: CLIP | None
    nudity: NudityDetector | None

    @property
    def minimum_side(self) -> int:
        """How many pixels at the shorter side they need."""
        return max(2 * self.clip.backend.image_side if self.clip else 0, self._nudity_side)

    def picture(self, image: PIL.Image.Image) -> JudgedFrames:
        """Judge a picture."""
        embeddings = embed_picture(image, self.clip) if self.clip else None
        return JudgedFrames(
            True, self.clip, embeddings, _named(score_picture(image, self.nudity) if self.nudity else None)
        )

    def film(
        self,
        film: Film,
        seen: FilmMemory[FrameEmbeddings],
        scored: FilmMemory[FrameScores],
        *,
        progress: ProgressCallback | None = None,
        cancel: Cancellation | None = None,
    ) -> JudgedFrames:
        """Judge the frames of a film, which is decoded once for all judges.

        Args:
            film: The film.
            seen: What is remembered of films as the encoder sees them.
            scored: What is remembered of the scores for nudity.
            progress: Told the frames seen so far.
            cancel: Stops at the next frame.

        Raises:
            InputError: The file is no film or has no frames.
            CancelledError: ``cancel`` was set.
        """
        clip, nudity = self.clip, self.nudity
        values: list[float] = []

        def score(image: PIL.Image.Image) -> None:
            if nudity is not None:
                values.append(nudity.score(image))

        def embed(clip: CLIP) -> FrameEmbeddings:
            side = self._nudity_side
            return embed_frames(film, clip, beside=score, minimum_side=side, progress=progress, cancel=cancel)

        def scores(nudity: NudityDetector) -> FrameScores:
            if embeddings is None or not values:  # the encoder saw the film before, or isn't needed
                return score_frames(film, nudity, progress=progress, cancel=cancel)
            times, step, duration = embeddings.times, embeddings.step, embeddings.duration
            return FrameScores(times, step, duration, tuple(values), nudity.checkpoint)

        embeddings = seen.get(film, lambda: embed(clip)) if clip else None
        found = scored.get(film, lambda: scores(nudity)) if nudity else None
        return JudgedFrames(False, clip, embeddings, _named(found))

    @property
    def _nudity_side(self) -> int:
        return self.nudity.backend.resized_side if self.nudity else 0


def _named(nudity: FrameScores | None) -> dict[str, FrameScores]:
    return {} if nudity is None else {"nudity": nudity}
