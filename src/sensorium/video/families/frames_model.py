"""Films for models that read several pictures but no films: frames are pictures, and their times are told in words."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sensorium.answer import Answer
from sensorium.language.messages import user_turn
from sensorium.language.text_pieces import read_answer
from sensorium.media.video import VideoFrame, VideoInfo
from sensorium.models.catalog import Checkpoint
from sensorium.progress import Cancellation, ProgressCallback
from sensorium.streaming import ResultStream
from sensorium.task import Opening
from sensorium.video.families.frame_answering import FRAME_SIDE, LONGEST_ANSWER, MOST_PICTURES, FrameAnswerer
from sensorium.video.parts import Parts
from sensorium.vision_language.families.image_text_model import shared_image_text_model
from sensorium.vision_language.image_qa import AnswerOptions

if TYPE_CHECKING:
    from sensorium.video.film import Film


class FramesModel(FrameAnswerer):
    """An image-text-to-text model that is shown the frames of a film.

    Args:
        folder: The checkpoint's folder, in transformers' layout.
        checkpoint: Its catalog entry.
        device: Where to run.
        dtype: ``"auto"`` is float32 on a CPU, half precision on a GPU.
        parts: How many frames are looked at, and the speech recogniser, if there is one.
        opening: How the speech recogniser is opened.
        quantize: Quantizes the weights while they are loaded; None to leave them.

    Raises:
        UnsupportedError: The checkpoint has no chat template, or no processor that runs here.
        ModelUnavailableError: Files are missing or damaged.
        InsufficientMemoryError: The weights don't fit.
    """

    frames_are = "pictures"
    tells_times = False

    quantizes = True

    def __init__(
        self,
        folder: Path,
        *,
        checkpoint: Checkpoint,
        device: str,
        dtype: str,
        parts: Parts,
        opening: Opening,
        quantize: str | None = None,
    ) -> None:
        super().__init__(checkpoint.name, parts=parts, opening=opening)
        shared = shared_image_text_model(folder, checkpoint=checkpoint, device=device, dtype=dtype, quantize=quantize)
        self._model = shared.backend
        weakref.finalize(self, shared.release)

    def frame_count(self, film: Film, info: VideoInfo) -> int:
        """Return how many frames, at most 16, fill no more than half of the context window."""
        window = self._model.context_window
        if not window:
            return MOST_PICTURES
        (frame,) = film.frames(1, minimum_side=FRAME_SIDE)
        two, three = (self._model.count_tokens([user_turn("?", [frame.image] * count)]) for count in (2, 3))
        # Some families spend more tokens on a single picture than on one of several, so compare two pictures with
        # three.
        each = max(1, three - two)
        return max(1, min(MOST_PICTURES, (window // 2 - (two - 2 * each)) // each))

    def write(
        self,
        frames: Sequence[VideoFrame],
        duration: float,
        text: str,
        *,
        options: AnswerOptions,
        progress: ProgressCallback | None,
        cancel: Cancellation | None,
    ) -> Answer:
        """Return the answer to a question about frames; each token is the likeliest one."""
        window = self._model.context_window
        sampling = options.sampling(min(LONGEST_ANSWER, window // 8) if window else LONGEST_ANSWER)
        turn = user_turn(text, [frame.image for frame in frames])
        pieces = self._model.stream([turn], sampling, progress=progress, cancel=cancel)
        return ResultStream(read_answer(pieces, sampling, model=self._name)).finish()
