"""Questions about a picture, and captions: ``ImageQA``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, Protocol, overload

from sensorium.answer import Answer
from sensorium.errors import InputError
from sensorium.language.written_language import require_language
from sensorium.progress import Cancellation, ProgressCallback, check_cancelled, report
from sensorium.task import Task

if TYPE_CHECKING:
    import PIL.Image

    from sensorium.media.image import ImageSource


class ImageAnswerer(Protocol):
    """What each family of checkpoints offers to `ImageQA`."""

    def answer(self, image: PIL.Image.Image, question: str, *, cancel: Cancellation | None = None) -> Answer:
        """Answer one question about an upright RGB picture."""

    def caption(self, image: PIL.Image.Image, *, cancel: Cancellation | None = None) -> Answer:
        """Describe an upright RGB picture in a sentence or two."""


class ImageQA(Task["ImageAnswerer"]):
    """Answers questions about a picture and writes captions.

    Args:
        model: Catalog name, hub id, local folder, or None for the profile's default.
        device: ``"auto"``, ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ``"mps"``.
        dtype: ``"auto"``, ``"float32"``, ``"float16"``, ``"bfloat16"``.
    """

    task: ClassVar[str] = "image-question-answering"
    families: ClassVar[Mapping[str, str]] = {"socratic": "sensorium.vision_language.socratic:SocraticImageQA"}

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
            progress: Told the answers given so far.
            cancel: Stops before the next answer, or within one token of the one being written.

        Returns:
            The answer with the facts that it rests on; a list of answers if either argument is a list.

        Raises:
            InputError: A question is empty, a picture can't be read, or the lists differ in length.
            UnsupportedError: The checkpoint doesn't know the language of a question.
            CancelledError: ``cancel`` was set.
        """
        from sensorium.media.image import read_image

        images = list(image) if isinstance(image, (list, tuple)) else None
        questions = [question] if isinstance(question, str) else list(question)
        for text in questions:
            _check_question(text)
            require_language(text, self.checkpoint, what="question")
        if images is None:
            # One picture is read once, and seen once, however many questions there are.
            pictures = [read_image(image)] * len(questions)  # type: ignore[arg-type]
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
        self.load(progress=progress, cancel=cancel)
        answers = []
        for done, (picture, text) in enumerate(zip(pictures, questions, strict=True)):
            check_cancelled(cancel)
            report(progress, "answering", done, len(questions), "questions")
            answers.append(self.backend.answer(read_image(picture), text, cancel=cancel))
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
            progress: Told the captions written so far.
            cancel: Stops before the next caption.

        Returns:
            The caption with the facts that it rests on; a list of captions for a list of pictures.

        Raises:
            InputError: A picture can't be read.
            CancelledError: ``cancel`` was set.
        """
        from sensorium.media.image import read_image

        several = isinstance(image, (list, tuple))
        images: list[ImageSource] = list(image) if isinstance(image, (list, tuple)) else [image]  # type: ignore[list-item]
        self.load(progress=progress, cancel=cancel)
        captions = []
        for done, picture in enumerate(images):
            check_cancelled(cancel)
            report(progress, "captioning", done, len(images), "pictures")
            captions.append(self.backend.caption(read_image(picture), cancel=cancel))
        report(progress, "captioning", len(images), len(images), "pictures")
        return captions if several else captions[0]


def _check_question(question: str) -> None:
    if not isinstance(question, str) or not question.strip():
        raise InputError("The question is empty", "Write what you want to know about the picture")
