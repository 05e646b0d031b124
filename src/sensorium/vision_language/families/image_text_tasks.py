"""What `ImageQA` and `LLaVA` ask of an image-text-to-text model: answers, captions, chat."""

from __future__ import annotations

import weakref
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sensorium.answer import Answer
from sensorium.language.messages import Message
from sensorium.models.catalog import Checkpoint
from sensorium.progress import Cancellation, ProgressCallback
from sensorium.vision_language.families.image_text_model import shared_image_text_model
from sensorium.vision_language.image_qa import CAPTION_REQUEST, LONGEST_ANSWER, LONGEST_CAPTION
from sensorium.vision_language.llava import LONGEST_REPLY

if TYPE_CHECKING:
    import PIL.Image


class _ImageTextTask:
    """Holds a reference to the model, whose weights all tasks of the process share."""

    def __init__(self, folder: Path, *, checkpoint: Checkpoint, device: str, dtype: str) -> None:
        self._name = checkpoint.name
        shared = shared_image_text_model(folder, checkpoint=checkpoint, device=device, dtype=dtype)
        self._model = shared.backend
        weakref.finalize(self, shared.release)


class ImageTextQA(_ImageTextTask):
    """Answers single questions about single pictures, with the likeliest tokens."""

    @property
    def batch_size(self) -> int:
        """How many pictures go through at once."""
        return self._model.batch_size

    def answer(
        self, images: Sequence[PIL.Image.Image], questions: Sequence[str], *, cancel: Cancellation | None = None
    ) -> list[Answer]:
        """Answer a question about each of several upright RGB pictures, all in one pass."""
        return self._write(images, questions, LONGEST_ANSWER, cancel)

    def caption(self, images: Sequence[PIL.Image.Image], *, cancel: Cancellation | None = None) -> list[Answer]:
        """Describe upright RGB pictures, all in one pass."""
        return self._write(images, [CAPTION_REQUEST] * len(images), LONGEST_CAPTION, cancel)

    def _write(
        self, images: Sequence[PIL.Image.Image], requests: Sequence[str], longest: int, cancel: Cancellation | None
    ) -> list[Answer]:
        conversations = [[{"role": "user", "content": request}] for request in requests]
        texts = self._model.generate_batch(
            [[image] for image in images], conversations, max_new_tokens=longest, cancel=cancel
        )
        return [Answer(text, model=self._name) for text in texts]


class ImageTextChat(_ImageTextTask):
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
        text = self._model.generate(
            images,
            messages,
            max_new_tokens=max_new_tokens,
            temperature=temperature,
            top_p=top_p,
            seed=seed,
            progress=progress,
            cancel=cancel,
        )
        return Answer(text, model=self._name)

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
        """Like `chat`, piece by piece."""
        return self._model.stream(
            images,
            messages,
            max_new_tokens=max_new_tokens,
            temperature=temperature,
            top_p=top_p,
            seed=seed,
            progress=progress,
            cancel=cancel,
        )
