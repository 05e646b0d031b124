"""Questions about a picture, and captions: ``ImageQA``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Protocol, TypeAlias, overload

from sensorium.answer import Answer
from sensorium.arguments import checked
from sensorium.errors import InputError, SensoriumError
from sensorium.language.sampling import Sampling, choose_sampling
from sensorium.language.thoughts import cannot_think
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

Outcome: TypeAlias = Answer | SensoriumError
"""What became of one of several pictures: its answer, or the error that says why the model came to none."""


@dataclass(frozen=True)
class AnswerOptions:
    """How an answer or a caption is to be written.

    Attributes:
        max_new_tokens: The longest in tokens; None where the family decides.
        thinking: Whether the model may think before.

    Raises:
        InputError: ``max_new_tokens`` is below 1.
    """

    max_new_tokens: int | None = None
    thinking: bool = False

    def __post_init__(self) -> None:
        self.sampling(1)

    def longest(self, usual: int) -> int:
        """Return the longest in tokens."""
        return usual if self.max_new_tokens is None else self.max_new_tokens

    def sampling(self, usual: int) -> Sampling:
        """Return how tokens are chosen: always the likeliest."""
        return choose_sampling(usual, max_new_tokens=self.max_new_tokens, thinking=self.thinking, seed=0)


AS_USUAL = AnswerOptions()
"""Of a length that the family chooses, and without thinking."""


class ImageAnswerer(Protocol):
    """What each family of checkpoints offers to `ImageQA`.

    Attributes:
        batch_size: How many pictures it takes at once.
        thinks: Whether there are checkpoints of it that think; each of them says if it can't.
    """

    thinks: bool

    @property
    def batch_size(self) -> int: ...

    def answer(
        self,
        images: Sequence[PIL.Image.Image],
        questions: Sequence[str],
        *,
        options: AnswerOptions = AS_USUAL,
        cancel: Cancellation | None = None,
    ) -> Sequence[Outcome]:
        """Answer a question about each of several upright RGB pictures."""

    def caption(
        self,
        images: Sequence[PIL.Image.Image],
        *,
        options: AnswerOptions = AS_USUAL,
        cancel: Cancellation | None = None,
    ) -> Sequence[Outcome]:
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
        max_new_tokens: int | None = None,
        thinking: bool = False,
        progress: ProgressCallback | None = None,
        cancel: Cancellation | None = None,
    ) -> list[Answer]: ...

    @overload
    def answer_question(
        self,
        image: ImageSource,
        question: list[str] | tuple[str, ...],
        *,
        max_new_tokens: int | None = None,
        thinking: bool = False,
        progress: ProgressCallback | None = None,
        cancel: Cancellation | None = None,
    ) -> list[Answer]: ...

    @overload
    def answer_question(
        self,
        image: ImageSource,
        question: str,
        *,
        max_new_tokens: int | None = None,
        thinking: bool = False,
        progress: ProgressCallback | None = None,
        cancel: Cancellation | None = None,
    ) -> Answer: ...

    @checked
    def answer_question(
        self,
        image: ImageSource | Sequence[ImageSource],
        question: str | Sequence[str],
        *,
        max_new_tokens: int | None = None,
        thinking: bool = False,
        progress: ProgressCallback | None = None,
        cancel: Cancellation | None = None,
    ) -> Answer | list[Answer]:
        """Answer a question about a picture.

        Args:
            image: A picture, or a list of them.
            question: A question, or a list of them. A list of one kind goes with a single one of the other;
                two lists go pairwise.
            max_new_tokens: Longest answer in tokens, such as 4096 for a page of text that is to be read; by default the
                checkpoint decides. An answer that is cut there says so in ``warnings``.
            thinking: Let the model think before it answers, if it can. Its thoughts are not part of the answer.
            progress: Told the answers given so far; a list goes through the model in groups.
            cancel: Stops within one token.

        Returns:
            The answer with the facts that it rests on; a list of answers if either argument is a list. Where the model
            comes to none for some of a list, such as where its thoughts don't end, theirs is empty: ``finish_reason``
            is ``"length"``, and ``warnings`` say why.

        Raises:
            InputError: A question is empty, a picture can't be read, or the lists differ in length.
            UnsupportedError: The checkpoint doesn't know the language of a question, only writes captions, or thinks
                and comes to no answer at all.
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
        options = AnswerOptions(max_new_tokens, thinking)
        answers: list[Outcome] = []
        with self.lease(progress=progress, cancel=cancel) as backend:
            for start, group in _groups(pictures, backend.batch_size):
                check_cancelled(cancel)
                report(progress, "answering", start, len(questions), "questions")
                asked = questions[start : start + len(group)]
                read = [read_image(picture, limits=self.limits) for picture in group]
                answers += _told(backend, options, backend.answer(read, asked, options=options, cancel=cancel))
        report(progress, "answering", len(questions), len(questions), "questions")
        listed = _listed(answers, self.model)
        return listed[0] if images is None and isinstance(question, str) else listed

    @overload
    def generate_caption(
        self,
        image: list[ImageSource] | tuple[ImageSource, ...],
        *,
        max_new_tokens: int | None = None,
        thinking: bool = False,
        progress: ProgressCallback | None = None,
        cancel: Cancellation | None = None,
    ) -> list[Answer]: ...

    @overload
    def generate_caption(
        self,
        image: ImageSource,
        *,
        max_new_tokens: int | None = None,
        thinking: bool = False,
        progress: ProgressCallback | None = None,
        cancel: Cancellation | None = None,
    ) -> Answer: ...

    @checked
    def generate_caption(
        self,
        image: ImageSource | Sequence[ImageSource],
        *,
        max_new_tokens: int | None = None,
        thinking: bool = False,
        progress: ProgressCallback | None = None,
        cancel: Cancellation | None = None,
    ) -> Answer | list[Answer]:
        """Describe a picture in a sentence or two.

        Args:
            image: A picture, or a list of them.
            max_new_tokens: Longest caption in tokens; by default the checkpoint decides. A caption that is cut there
                says so in ``warnings``.
            thinking: Let the model think before it writes, if it can. Its thoughts are not part of the caption.
            progress: Told the captions written so far; a list goes through the model in groups.
            cancel: Stops within one token.

        Returns:
            The caption with the facts that it rests on; a list of captions for a list of pictures. Where the model
            comes to none for some of a list, theirs is empty, as `answer_question` says.

        Raises:
            InputError: A picture can't be read.
            UnsupportedError: The checkpoint only answers questions, or thinks and comes to no caption at all.
            CancelledError: ``cancel`` was set.
        """
        from sensorium.media.image import as_list

        several = isinstance(image, (list, tuple))
        images = as_list(image)
        outcomes = self.caption_together(
            images, max_new_tokens=max_new_tokens, thinking=thinking, progress=progress, cancel=cancel
        )
        captions = _listed(outcomes, self.model)
        return captions if several else captions[0]

    @checked
    def caption_together(
        self,
        images: Sequence[ImageSource],
        *,
        max_new_tokens: int | None = None,
        thinking: bool = False,
        progress: ProgressCallback | None = None,
        cancel: Cancellation | None = None,
    ) -> list[Outcome]:
        """Describe pictures as `generate_caption` does, each on its own account.

        Returns:
            For each its caption, or the error that says why the model came to none.

        Raises:
            InputError: A picture can't be read.
            UnsupportedError: The checkpoint only answers questions.
            CancelledError: ``cancel`` was set.
        """
        from sensorium.media.image import read_image

        options = AnswerOptions(max_new_tokens, thinking)
        captions: list[Outcome] = []
        with self.lease(progress=progress, cancel=cancel) as backend:
            for start, group in _groups(images, backend.batch_size):
                check_cancelled(cancel)
                report(progress, "captioning", start, len(images), "pictures")
                read = [read_image(picture, limits=self.limits) for picture in group]
                captions += _told(backend, options, backend.caption(read, options=options, cancel=cancel))
        report(progress, "captioning", len(images), len(images), "pictures")
        return captions


def _listed(outcomes: Sequence[Outcome], model: str) -> list[Answer]:
    """Return answers, an empty one where the model came to none.

    Raises:
        SensoriumError: It came to none at all.
    """
    errors = [outcome for outcome in outcomes if isinstance(outcome, SensoriumError)]
    if errors and len(errors) == len(outcomes):
        raise errors[0]
    return [
        Answer("", model=model, finish_reason="length", usage=None, warnings=(str(outcome),))
        if isinstance(outcome, SensoriumError)
        else outcome
        for outcome in outcomes
    ]


def _told(backend: ImageAnswerer, options: AnswerOptions, answers: Sequence[Outcome]) -> list[Outcome]:
    """Return answers that say if they were cut, and if nobody thought though it was wished."""
    told: list[Outcome] = []
    for answer in answers:
        if isinstance(answer, SensoriumError):
            told.append(answer)
            continue
        cut = "The text stops where it is as long as it may be; more tokens (max_new_tokens) let it go on"
        unthinking = options.thinking and not backend.thinks
        told.append(
            answer.warned(
                (
                    *([cannot_think(answer.model)] if unthinking else []),
                    *([cut] if answer.finish_reason == "length" else []),
                )
            )
        )
    return told


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
