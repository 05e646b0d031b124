"""Models behind an OpenAI-compatible server that see pictures: OpenAI's own, vLLM, llama.cpp, Ollama, …"""

from __future__ import annotations

import base64
import io
from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sensorium.answer import Answer
from sensorium.language.messages import Message
from sensorium.models.catalog import Checkpoint
from sensorium.models.endpoint import open_client, stream_chat
from sensorium.progress import Cancellation, ProgressCallback, report
from sensorium.vision_language.image_qa import CAPTION_REQUEST, LONGEST_ANSWER, LONGEST_CAPTION
from sensorium.vision_language.llava import LONGEST_REPLY

if TYPE_CHECKING:
    import PIL.Image

_LONGEST_SIDE = 2048
"""Beyond it no server of today sees more; a 24-megapixel photo would only be a large upload."""
_JPEG_QUALITY = 92
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

    def __init__(self, folder: Path, *, checkpoint: Checkpoint, device: str, dtype: str) -> None:
        self._checkpoint = checkpoint
        self._client = open_client(checkpoint)

    def _pieces(
        self,
        images: Sequence[PIL.Image.Image],
        messages: Sequence[Message],
        *,
        progress: ProgressCallback | None = None,
        cancel: Cancellation | None = None,
        **options: Any,
    ) -> Generator[str, None, None]:
        """Give the answer as it comes; the request is made at the first piece, and closing hangs up."""
        turns = _with_pictures(images, messages)
        written = 0
        with closing(stream_chat(self._client, self._checkpoint, turns, cancel=cancel, **options)) as pieces:
            for piece in filter(None, pieces):
                written += 1
                report(progress, "writing", written, options["max_tokens"], "tokens")
                yield piece


class EndpointQA(_Endpoint):
    """Answers single questions about single pictures, with the likeliest tokens."""

    batch_size = _REQUESTS_AT_ONCE

    def answer(
        self, images: Sequence[PIL.Image.Image], questions: Sequence[str], *, cancel: Cancellation | None = None
    ) -> list[Answer]:
        """Answer a question about each of several upright RGB pictures, as requests side by side."""
        return self._write(images, questions, LONGEST_ANSWER, cancel)

    def caption(self, images: Sequence[PIL.Image.Image], *, cancel: Cancellation | None = None) -> list[Answer]:
        """Describe upright RGB pictures, as requests side by side."""
        return self._write(images, [CAPTION_REQUEST] * len(images), LONGEST_CAPTION, cancel)

    def _write(
        self, images: Sequence[PIL.Image.Image], requests: Sequence[str], longest: int, cancel: Cancellation | None
    ) -> list[Answer]:
        def ask(image: PIL.Image.Image, request: str) -> Answer:
            turns = [{"role": "user", "content": request}]
            pieces = self._pieces([image], turns, cancel=cancel, max_tokens=longest, temperature=0.0)
            return Answer("".join(pieces).strip(), model=self._checkpoint.name)

        with ThreadPoolExecutor(max_workers=len(images)) as pool:
            return list(pool.map(ask, images, requests))


class EndpointChat(_Endpoint):
    """Talks about pictures over several turns."""

    longest_reply = LONGEST_REPLY

    def chat(
        self,
        images: Sequence[PIL.Image.Image],
        messages: Sequence[Message],
        *,
        max_new_tokens: int,
        temperature: float,
        top_p: float,
        seed: int,
        progress: ProgressCallback | None = None,
        cancel: Cancellation | None = None,
    ) -> Answer:
        """Answer the last turn of a checked conversation about upright RGB pictures."""
        pieces = self.stream(
            images,
            messages,
            max_new_tokens=max_new_tokens,
            temperature=temperature,
            top_p=top_p,
            seed=seed,
            progress=progress,
            cancel=cancel,
        )
        return Answer("".join(pieces).strip(), model=self._checkpoint.name)

    def stream(
        self,
        images: Sequence[PIL.Image.Image],
        messages: Sequence[Message],
        *,
        max_new_tokens: int,
        temperature: float,
        top_p: float,
        seed: int,
        progress: ProgressCallback | None = None,
        cancel: Cancellation | None = None,
    ) -> Generator[str, None, None]:
        """Like `chat`, piece by piece; the server decides what of the seed and of the window it honours."""
        return self._pieces(
            images,
            messages,
            progress=progress,
            cancel=cancel,
            max_tokens=max_new_tokens,
            temperature=temperature,
            top_p=top_p,
            seed=seed,
        )


def _with_pictures(images: Sequence[PIL.Image.Image], messages: Sequence[Message]) -> list[dict[str, Any]]:
    """Return the conversation in OpenAI's form, the pictures in the first turn of the user."""
    turns: list[dict[str, Any]] = [{"role": message["role"], "content": message["content"]} for message in messages]
    first = next(turn for turn in turns if turn["role"] == "user")
    shown = [{"type": "image_url", "image_url": {"url": _data_uri(image)}} for image in images]
    first["content"] = [*shown, {"type": "text", "text": first["content"]}]
    return turns


def _data_uri(image: PIL.Image.Image) -> str:
    if max(image.size) > _LONGEST_SIDE:
        image = image.copy()
        image.thumbnail((_LONGEST_SIDE, _LONGEST_SIDE))
    file = io.BytesIO()
    image.save(file, "JPEG", quality=_JPEG_QUALITY)
    return f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode()}"
