"""Questions about a picture, and captions: ``ImageQA``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Protocol, overload

from sensorium.answer import Answer
from sensorium.arguments import checked
from sensorium.errors import InputError
from sensorium.language.written_language import require_language
from sensorium.progress import Cancellation, ProgressCallback, check_cancelled, report
from sensorium.task import Task
from sensorium.vision_language.families.image_text_family import (
    IMAGE_TEXT_TO_TEXT,
    PALIGEMMA,
    image_text_family,
    is_made_for_conversations,
)

if TYPE_CHECKING:
    import PIL.Image

    from sensorium.media.image import ImageSource

CAPTION_REQUEST = "Describe this picture in one sentence."
"""How a model that does whatever it is asked is asked for a caption."""
LONGEST_CAPTION = 64
"""In tokens, of a model that is asked for a caption by `CAPTION_REQUEST`."""
LONGEST_ANSWER = 128
"""In tokens, of a model that answers in its own words; BLIP and BLIP-2 have limits of their own."""


class ImageAnswerer(Protocol):
    """What each family of checkpoints offers to `ImageQA`.

    Attributes:
        batch_size: How many pictures it takes at once.
    """

    @property
    def batch_size(self) -> int: ...

    def answer(
        self, images: Sequence[PIL.Image.Image], questions: Sequence[str], *, cancel: Cancellation | None = None
    ) -> list[Answer]:
        """Answer a question about each of several upright RGB pictures."""

    def caption(self, images: Sequence[PIL.Image.Image], *, cancel: Cancellation | None = None) -> list[Answer]:
        """Describe upright RGB pictures in a sentence or two each."""


class ImageQA(Task["ImageAnswerer"]):
    """Answers questions about a picture and writes captions.

    BLIP, BLIP-2, PaliGemma, an image-text-to-text model of transformers that has a chat template and the usual parts,
    or any model behind an OpenAI-compatible server. Every family but the starter picks the likeliest words, so that
    answers are repeatable.

    Args:
        model: Catalog name, hub id, local folder, ``openai:NAME@BASE_URL``, or None for the profile's default.
        device: ``"auto"``, ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ``"mps"``.
        dtype: ``"auto"``, ``"float32"``, ``"float16"``, ``"bfloat16"``.
        quantize: ``"8bit"``, ``"4bit"`` (with the package bitsandbytes), or None.
    """

    task: ClassVar[str] = "image-question-answering"
    families: ClassVar[Mapping[str, str]] = {
        "socratic": "sensorium.vision_language.starter.picture_answers:SocraticImageQA",
        "blip": "sensorium.vision_language.families.blip:open_blip",
        "blip-2": "sensorium.vision_language.families.blip_2:Blip2",
        IMAGE_TEXT_TO_TEXT: "sensorium.vision_language.families.image_text_tasks:ImageTextQA",
        PALIGEMMA: "sensorium.vision_language.families.image_text_tasks:ImageTextQA",
        "openai": "sensorium.vision_language.families.endpoint_chat:EndpointQA",
    }
    cpu_families = frozenset({"socratic"})
    quantizable = True

    def _family(self, folder: Path) -> str:
        return image_text_family(super()._family(folder), folder, self.families)

    def _opens(self, folder: Path) -> bool:
        generic = self._family(folder) == IMAGE_TEXT_TO_TEXT
        return super()._opens(folder) and (not generic or is_made_for_conversations(folder))

    @property
    def batch_size(self) -> int:
        """How many pictures of a list go through the model at once; loads it if need be."""
        return self.backend.batch_size

    @overload
    def answer_question(
        self,
        image: list[ImageSource] | tuple[ImageSource, ...],
        question: str | list[str] | tuple[str, ...],
        *,
        progress: ProgressCallback | None = None,
        cancel: Cancellation | None = None,
    ) -> list[Answer]: ...

    @overload
    def answer_question(
        self,
        image: ImageSource,
        question: list[str] | tuple[str, ...],
        *,
        progress: ProgressCallback | None = None,
        cancel: Cancellation | None = None,
    ) -> list[Answer]: ...

    @overload
    def answer_question(
        self,
        image: ImageSource,
        question: str,
        *,
        progress: ProgressCallback | None = None,
        cancel: Cancellation | None = None,
    ) -> Answer: ...

    @checked
    def answer_question(
        self,
        image: ImageSource | Sequence[ImageSource],
        question: str | Sequence[str],
        *,
        progress: ProgressCallback | None = None,
        cancel: Cancellation | None = None,
    ) -> Answer | list[Answer]:
        """Answer a question about a picture.

        Args:
            image: A picture, or a list of them.
            question: A question, or a list of them. A list of one kind goes with a single one of the other;
                two lists go pairwise.
            progress: Told the answers given so far; a list goes through the model in groups.
            cancel: Stops within one token.

        Returns:
            The answer with the facts that it rests on; a list of answers if either argument is a list.

        Raises:
            InputError: A question is empty, a picture can't be read, or the lists differ in length.
            UnsupportedError: The checkpoint doesn't know the language of a question, or only writes captions.
            CancelledError: ``cancel`` was set.
        """
        from sensorium.media.image import read_image

        images = list(image) if isinstance(image, (list, tuple)) else None
        questions = [question] if isinstance(question, str) else list(question)
        for text in questions:
            check_question(text)
            require_language(text, self.checkpoint, what="question")
        if images is None:
            # One picture is read once, and seen once, however many questions there are.
            pictures = [read_image(image, limits=self.limits)] * len(questions)  # type: ignore[arg-type]
        elif len(questions) == 1:
            pictures = images
            questions *= len(images)
        elif len(questions) == len(images):
            pictures = images
        else:
            raise InputError(
                f"There are {len(images)} pictures and {len(questions)} questions",
                "Give as many questions as pictures, or a single one of either",
            )
        answers: list[Answer] = []
        with self.lease(progress=progress, cancel=cancel) as backend:
            for start, group in _groups(pictures, backend.batch_size):
                check_cancelled(cancel)
                report(progress, "answering", start, len(questions), "questions")
                asked = questions[start : start + len(group)]
                read = [read_image(picture, limits=self.limits) for picture in group]
                answers += backend.answer(read, asked, cancel=cancel)
        report(progress, "answering", len(questions), len(questions), "questions")
        return answers[0] if images is None and isinstance(question, str) else answers

    @overload
    def generate_caption(
        self,
        image: list[ImageSource] | tuple[ImageSource, ...],
        *,
        progress: ProgressCallback | None = None,
        cancel: Cancellation | None = None,
    ) -> list[Answer]: ...

    @overload
    def generate_caption(
        self,
        image: ImageSource,
        *,
        progress: ProgressCallback | None = None,
        cancel: Cancellation | None = None,
    ) -> Answer: ...

    @checked
    def generate_caption(
        self,
        image: ImageSource | Sequence[ImageSource],
        *,
        progress: ProgressCallback | None = None,
        cancel: Cancellation | None = None,
    ) -> Answer | list[Answer]:
        """Describe a picture in a sentence or two.

        Args:
            image: A picture, or a list of them.
            progress: Told the captions written so far; a list goes through the model in groups.
            cancel: Stops within one token.

        Returns:
            The caption with the facts that it rests on; a list of captions for a list of pictures.

        Raises:
            InputError: A picture can't be read.
            UnsupportedError: The checkpoint only answers questions.
            CancelledError: ``cancel`` was set.
        """
        from sensorium.media.image import read_image

        several = isinstance(image, (list, tuple))
        images: list[ImageSource] = list(image) if isinstance(image, (list, tuple)) else [image]  # type: ignore[list-item]
        captions: list[Answer] = []
        with self.lease(progress=progress, cancel=cancel) as backend:
            for start, group in _groups(images, backend.batch_size):
                check_cancelled(cancel)
                report(progress, "captioning", start, len(images), "pictures")
                read = [read_image(picture, limits=self.limits) for picture in group]
                captions += backend.caption(read, cancel=cancel)
        report(progress, "captioning", len(images), len(images), "pictures")
        return captions if several else captions[0]


def _groups(images: Sequence[ImageSource], size: int) -> Iterator[tuple[int, Sequence[ImageSource]]]:
    """Yield as many pictures as go through at once, with the number of those before; only these are in memory."""
    for start in range(0, len(images), size):
        yield start, images[start : start + size]


def check_question(question: str) -> None:
    """Refuse a question that says nothing.

    Raises:
        InputError: It is empty.
    """
    if not isinstance(question, str) or not question.strip():
        raise InputError("The question is empty", "Write what you want to know about the picture")
