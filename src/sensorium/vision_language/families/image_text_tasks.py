"""What `ImageQA` and `LLaVA` ask of an image-text-to-text model: answers, captions, chat."""

from __future__ import annotations

import weakref
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sensorium.answer import Answer
from sensorium.language.messages import Turn, user_turn
from sensorium.language.sampling import Sampling
from sensorium.language.text_pieces import read_answer
from sensorium.models.catalog import Checkpoint
from sensorium.progress import Cancellation, ProgressCallback
from sensorium.vision_language.families.document_models import LONGEST_PAGE, READING_REQUESTS, asks_to_read
from sensorium.vision_language.families.image_text_model import shared_image_text_model
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


class _ImageTextTask:
    """Holds a reference to the model, whose weights all tasks of the process share."""

    quantizes = True
    thinks = True

    def __init__(
        self, folder: Path, *, checkpoint: Checkpoint, device: str, dtype: str, quantize: str | None = None
    ) -> None:
        self._name = checkpoint.name
        shared = shared_image_text_model(folder, checkpoint=checkpoint, device=device, dtype=dtype, quantize=quantize)
        self._model = shared.backend
        weakref.finalize(self, shared.release)


class ImageTextQA(_ImageTextTask):
    """Answers single questions about single pictures, with the likeliest tokens.

    A model that was made to read is asked in the words of its training where it is to read, or to describe a page.
    """

    def __init__(
        self, folder: Path, *, checkpoint: Checkpoint, device: str, dtype: str, quantize: str | None = None
    ) -> None:
        super().__init__(folder, checkpoint=checkpoint, device=device, dtype=dtype, quantize=quantize)
        self._reading = READING_REQUESTS.get(str(self._model.config.model_type))
        window = self._model.context_window
        self._longest_page = min(LONGEST_PAGE, window // 2) if window else LONGEST_PAGE

    @property
    def batch_size(self) -> int:
        """How many pictures go through at once."""
        return self._model.batch_size

    def answer(
        self,
        images: Sequence[PIL.Image.Image],
        questions: Sequence[str],
        *,
        options: AnswerOptions = AS_USUAL,
        cancel: Cancellation | None = None,
    ) -> list[Outcome]:
        """Answer a question about each of several upright RGB pictures, all in one pass."""
        reads = [asks_to_read(question) for question in questions]
        usual = self._longest_page if any(reads) or self._reading is not None else LONGEST_ANSWER
        requests = [
            self._reading if read and self._reading is not None else question
            for read, question in zip(reads, questions, strict=True)
        ]
        return self._write(images, requests, options.sampling(usual), cancel)

    def caption(
        self,
        images: Sequence[PIL.Image.Image],
        *,
        options: AnswerOptions = AS_USUAL,
        cancel: Cancellation | None = None,
    ) -> list[Outcome]:
        """Describe upright RGB pictures, all in one pass."""
        if self._reading is not None:
            return self._write(images, [self._reading] * len(images), options.sampling(self._longest_page), cancel)
        return self._write(images, [CAPTION_REQUEST] * len(images), options.sampling(LONGEST_CAPTION), cancel)

    def _write(
        self,
        images: Sequence[PIL.Image.Image],
        requests: Sequence[str],
        sampling: Sampling,
        cancel: Cancellation | None,
    ) -> list[Outcome]:
        conversations = [[user_turn(request, [image])] for image, request in zip(images, requests, strict=True)]
        answers = self._model.answer_batch(conversations, sampling, cancel=cancel)
        return [each.changed(model=self._name) if isinstance(each, Answer) else each for each in answers]


class ImageTextChat(_ImageTextTask):
    """Talks about pictures over several turns."""

    longest_reply = LONGEST_REPLY

    def stream(
        self,
        turns: Sequence[Turn],
        sampling: Sampling,
        *,
        progress: ProgressCallback | None = None,
        cancel: Cancellation | None = None,
    ) -> Generator[str, None, Answer]:
        """Answer the last turn of a conversation, piece by piece. The input is checked at once."""
        pieces = self._model.stream(turns, sampling, progress=progress, cancel=cancel)
        return read_answer(pieces, sampling, model=self._name)
