"""Films for models behind an OpenAI-compatible server: frames are sent as pictures, and their times in words."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sensorium.answer import Answer
from sensorium.language.messages import user_turn
from sensorium.media.video import VideoFrame, VideoInfo
from sensorium.models.catalog import Checkpoint
from sensorium.progress import Cancellation, ProgressCallback
from sensorium.streaming import ResultStream
from sensorium.task import Opening
from sensorium.video.families.frame_answering import LONGEST_ANSWER, MOST_PICTURES, FrameAnswerer
from sensorium.video.parts import Parts
from sensorium.vision_language.families.endpoint_chat import EndpointChat
from sensorium.vision_language.image_qa import AnswerOptions

if TYPE_CHECKING:
    from sensorium.video.film import Film


class EndpointFrames(FrameAnswerer):
    """A model that sees pictures and runs behind a server.

    Args:
        folder: Not used: the weights are on the server.
        checkpoint: Names the model and the server.
        device: Where the speech recogniser runs, if there is one.
        dtype: Not used.
        parts: How many frames are looked at, and the speech recogniser, if there is one.
        opening: How the speech recogniser is opened.

    Raises:
        MissingDependencyError: The ``openai`` package isn't installed.
        ModelUnavailableError: A key is needed but not set, or offline mode is set and the server is another machine.
    """

    frames_are = "pictures"
    tells_times = False

    def __init__(
        self, folder: Path, *, checkpoint: Checkpoint, device: str, dtype: str, parts: Parts, opening: Opening
    ) -> None:
        super().__init__(checkpoint.name, parts=parts, opening=opening)
        self._server = EndpointChat(folder, checkpoint=checkpoint, device=device, dtype=dtype)

    def frame_count(self, film: Film, info: VideoInfo) -> int:
        """Return how many frames are sent."""
        return MOST_PICTURES

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
        """Return what the server's model writes about frames."""
        turn = user_turn(text, [frame.image for frame in frames])
        sampling = options.sampling(LONGEST_ANSWER)
        pieces = self._server.stream([turn], sampling, progress=progress, cancel=cancel)
        return ResultStream(pieces).finish()
