"""Models behind an OpenAI-compatible server that see pictures: OpenAI's own, vLLM, llama.cpp, Ollama, …"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from sensorium.answer import Answer
from sensorium.errors import InputError
from sensorium.language.endpoint_request import answer_of_endpoint
from sensorium.language.messages import Turn, user_turn
from sensorium.language.sampling import Sampling
from sensorium.language.text_pieces import read_answer
from sensorium.models.catalog import Checkpoint
from sensorium.models.endpoint import open_client
from sensorium.progress import Cancellation, ProgressCallback
from sensorium.streaming import ResultStream
from sensorium.vision_language.families.document_models import LONGEST_PAGE, asks_to_read
from sensorium.vision_language.image_qa import (
    AS_USUAL,
    CAPTION_REQUEST,
    LONGEST_ANSWER,
    LONGEST_CAPTION,
    AnswerOptions,
    Outcome,
)
from sensorium.vision_language.llava import LONGEST_REPLY

if TYPE_CHECKING:
    import PIL.Image

_REQUESTS_AT_ONCE = 4


class _Endpoint:
    """Asks the server.

    Args:
        folder: Not used: the weights are elsewhere.
        checkpoint: Names the model and the server.
        device: Not used.
        dtype: Not used.

    Raises:
        MissingDependencyError: The ``openai`` package isn't installed.
        ModelUnavailableError: A key is needed and not set, or offline mode is set and the server is elsewhere.
    """

    thinks = True

    def __init__(self, folder: Path, *, checkpoint: Checkpoint, device: str, dtype: str) -> None:
        self._checkpoint = checkpoint
        self._client = open_client(checkpoint)

    def stream(
        self,
        turns: Sequence[Turn],
        sampling: Sampling,
        *,
        progress: ProgressCallback | None = None,
        cancel: Cancellation | None = None,
    ) -> Generator[str, None, Answer]:
        """Answer the last turn of a conversation, piece by piece; the server decides what of the seed it honours.

        The request is made at the first piece, and closing hangs up.
        """
        pieces = answer_of_endpoint(self._client, self._checkpoint, turns, sampling, progress=progress, cancel=cancel)
        return read_answer(pieces, sampling, model=self._checkpoint.name)


class EndpointQA(_Endpoint):
    """Answers single questions about single pictures, with the likeliest tokens."""

    batch_size = _REQUESTS_AT_ONCE

    def answer(
        self,
        images: Sequence[PIL.Image.Image],
        questions: Sequence[str],
        *,
        options: AnswerOptions = AS_USUAL,
        cancel: Cancellation | None = None,
    ) -> list[Outcome]:
        """Answer a question about each of several upright RGB pictures, as requests side by side."""
        usual = LONGEST_PAGE if any(map(asks_to_read, questions)) else LONGEST_ANSWER
        return self._write(images, questions, options.sampling(usual), cancel)

    def caption(
        self,
        images: Sequence[PIL.Image.Image],
        *,
        options: AnswerOptions = AS_USUAL,
        cancel: Cancellation | None = None,
    ) -> list[Outcome]:
        """Describe upright RGB pictures, as requests side by side."""
        return self._write(images, [CAPTION_REQUEST] * len(images), options.sampling(LONGEST_CAPTION), cancel)

    def _write(
        self,
        images: Sequence[PIL.Image.Image],
        requests: Sequence[str],
        sampling: Sampling,
        cancel: Cancellation | None,
    ) -> list[Outcome]:
        def ask(image: PIL.Image.Image, request: str) -> Outcome:
            try:
                return ResultStream(self.stream([user_turn(request, [image])], sampling, cancel=cancel)).finish()
            except InputError as error:  # such as an answer whose length was used up by thoughts
                return error

        with ThreadPoolExecutor(max_workers=len(images)) as pool:
            return list(pool.map(ask, images, requests))


class EndpointChat(_Endpoint):
    """Talks about pictures over several turns."""

    longest_reply = LONGEST_REPLY
