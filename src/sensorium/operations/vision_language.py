"""What can be asked about pictures: embed, classify, caption, ask."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

from pydantic import ConfigDict, Field, field_validator, model_validator

from sensorium.errors import InputError, SensoriumError
from sensorium.operations.media import Media
from sensorium.operations.operation import ModelOperation
from sensorium.operations.reporter import Reporter
from sensorium.operations.tasks import Tasks
from sensorium.operations.together import attempted, run_alone, run_in_one_pass

if TYPE_CHECKING:
    import PIL.Image

    from sensorium.answer import Answer
    from sensorium.media.image import ImageSource
    from sensorium.models.catalog import Checkpoint
    from sensorium.vision_language.classification import Classification
    from sensorium.vision_language.clip import CLIP
    from sensorium.vision_language.dual_encoder import DualEncoder, Rows
    from sensorium.vision_language.embeddings import Embeddings
    from sensorium.vision_language.image_qa import AnswerOptions, ImageQA
    from sensorium.vision_language.text_embedder import TextEmbedder


_OF_TEXTS = "text-embedding"
"""What encoders of texts alone do, as the catalog calls it."""


class Embed(ModelOperation):
    """Turn texts, pictures and, with a checkpoint that takes them, recordings into vectors of one space, in which what
    goes together lies close together: one vector of length 1 for each, first the texts, then the pictures, then the
    recordings, in the order in which they are given."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"texts": ["a cat on a sofa"]}]})

    result: ClassVar[str] = "sensorium.vision_language.embeddings:Embeddings"
    task: ClassVar[str] = "image-text-similarity"

    texts: tuple[str, ...] = ()
    """The texts, one vector each."""
    images: tuple[Media, ...] = ()
    """The pictures, one vector each."""
    sounds: tuple[Media, ...] = ()
    """The recordings, one vector each, where the checkpoint takes sound."""
    role: Literal["query", "document"] | None = None
    """What the texts are, for checkpoints that want to be told: what is looked for, or what is to be found."""
    dimensions: Annotated[int | None, Field(ge=1)] = None
    """How many numbers each vector has; by default all. Only checkpoints that are made for it have shorter ones."""

    @field_validator("texts")
    @classmethod
    def _check_texts(cls, texts: tuple[str, ...]) -> tuple[str, ...]:
        from sensorium.vision_language.compared_texts import read_texts

        return tuple(read_texts(texts)) if texts else ()

    @model_validator(mode="after")
    def _check_that_something_is_there(self) -> Self:
        if not self.texts and not self.images and not self.sounds:
            raise InputError("There is nothing to embed", "Give texts, pictures, recordings, or several of them")
        if (self.images or self.sounds) and self._reads_texts_only:
            raise InputError(
                f"{self.model!r} embeds texts only, neither pictures nor recordings",
                "Leave the model out, or choose one that 'sensorium models list --task image-text-similarity' shows",
            )
        return self

    @property
    def _reads_texts_only(self) -> bool:
        from sensorium.models import catalog

        return self.model is not None and any(
            self.model in (entry.name, *entry.aliases) for entry in catalog.entries(_OF_TEXTS)
        )

    def opened(self, tasks: Tasks, report: Reporter) -> CLIP | TextEmbedder:
        """Return the encoder of pictures and texts, or of texts alone."""
        if not self._reads_texts_only:
            return _opened_clip(self, tasks, report)
        from sensorium.vision_language.text_embedder import TextEmbedder

        return tasks.open(
            (TextEmbedder, self.opening_key), lambda: TextEmbedder(self.model, **self.opening(tasks)), report
        )

    def checkpoints(self) -> tuple[Checkpoint, ...]:
        """Return the encoder."""
        if not self._reads_texts_only:
            return super().checkpoints()
        from sensorium.models import catalog

        return (catalog.resolve(self.model, task=_OF_TEXTS),)

    def batch_key(self) -> tuple[Hashable, ...]:
        """Return what tells encoders, and what texts are, apart."""
        return (self.name, self.opening_key, self.role)

    def run(self, tasks: Tasks, report: Reporter) -> Embeddings:
        """Encode the texts, pictures and recordings."""
        embeddings: Embeddings = run_alone(self, tasks, report)
        return embeddings

    @classmethod
    def run_together(cls, operations: Sequence[Self], tasks: Tasks, reports: Sequence[Reporter]) -> list[Any]:
        """Encode all texts together, all pictures together, and the recordings one after the other."""

        def encode(waiting: Sequence[Self], report: Reporter) -> list[Any]:
            from sensorium.operations.encoding import image_rows, made_of, sound_rows, text_rows
            from sensorium.vision_language.clip import CLIP

            encoder = waiting[0].opened(tasks, report)
            texts = text_rows(
                encoder, [each.texts for each in waiting], role=waiting[0].role, progress=report, cancel=report
            )
            kinds = [texts]
            if isinstance(encoder, CLIP):
                pictures, recordings = [each.images for each in waiting], [each.sounds for each in waiting]
                kinds.append(image_rows(encoder, tasks, pictures, progress=report, cancel=report))
                kinds.append(sound_rows(encoder, tasks, recordings, progress=report, cancel=report))
            return [
                made_of(rows, partial(_embeddings, encoder, each))
                for each, rows in zip(waiting, zip(*kinds, strict=True), strict=True)
            ]

        return run_in_one_pass(operations, reports, encode)


class Classify(ModelOperation):
    """Say which of some labels fits a picture best (zero-shot classification): the labels with their scores, best
    first, and whether even the best one hardly goes with the picture."""

    result: ClassVar[str] = "sensorium.vision_language.classification:Classification"
    task: ClassVar[str] = "image-text-similarity"

    image: Media
    """The picture."""
    labels: Annotated[tuple[str, ...], Field(json_schema_extra={"minItems": 1})]
    """The labels to choose from."""

    @field_validator("labels")
    @classmethod
    def _check_labels(cls, labels: tuple[str, ...]) -> tuple[str, ...]:
        from sensorium.vision_language.compared_texts import read_labels

        return tuple(read_labels(labels))

    def opened(self, tasks: Tasks, report: Reporter) -> CLIP:
        """Return the encoder of pictures and texts."""
        return _opened_clip(self, tasks, report)

    def batch_key(self) -> tuple[Hashable, ...]:
        """Return what tells encoders apart."""
        return (self.name, self.opening_key)

    def load(self, tasks: Tasks, report: Reporter) -> None:
        """Load the checkpoint, and encode the labels: those that it can't read are told before the first picture."""
        clip = self.opened(tasks, report)
        with clip.lease(progress=report, cancel=report) as encoder:
            clip.text_rows([encoder.label_text(label) for label in self.labels], progress=report, cancel=report)

    def run(self, tasks: Tasks, report: Reporter) -> Classification:
        """Classify the picture."""
        classification: Classification = run_alone(self, tasks, report)
        return classification

    @classmethod
    def run_together(cls, operations: Sequence[Self], tasks: Tasks, reports: Sequence[Reporter]) -> list[Any]:
        """Encode all pictures together, and each label once, whatever the labels of each operation are."""

        def classify(waiting: Sequence[Self], report: Reporter) -> list[Any]:
            from sensorium.operations.encoding import image_rows, made_of, text_rows

            clip = waiting[0].opened(tasks, report)
            with clip.lease(progress=report, cancel=report) as encoder:
                sentences = [[encoder.label_text(label) for label in each.labels] for each in waiting]
                labels = text_rows(clip, sentences, cancel=report)
                images = image_rows(clip, tasks, [[each.image] for each in waiting], cancel=report)
                return [
                    made_of(rows, partial(_classification, operation.labels, encoder, clip.model))
                    for operation, rows in zip(waiting, zip(labels, images, strict=True), strict=True)
                ]

        return run_in_one_pass(operations, reports, classify)


class _PictureOperation(ModelOperation):
    """An operation whose answer is in words."""

    task: ClassVar[str] = "image-question-answering"
    quantizable: ClassVar[bool] = True

    def opened(self, tasks: Tasks, report: Reporter) -> ImageQA:
        """Return what answers questions about pictures."""
        from sensorium.vision_language.image_qa import ImageQA

        return tasks.open((ImageQA, self.opening_key), lambda: ImageQA(self.model, **self.opening(tasks)), report)


LongestText = Annotated[int | None, Field(json_schema_extra={"minimum": 1})]


class Caption(_PictureOperation):
    """Describe a picture in a sentence or two."""

    result: ClassVar[str] = "sensorium.answer:Answer"

    image: Media
    """The picture."""
    max_new_tokens: LongestText = None
    """Longest caption, in tokens; by default the model decides."""
    thinking: bool = False
    """Let the model think before, if it can; its thoughts are no part of the caption."""

    @model_validator(mode="after")
    def _check_options(self) -> Self:
        _options_of(self)
        return self

    def run(self, tasks: Tasks, report: Reporter) -> Answer:
        """Describe the picture."""
        answer: Answer = run_alone(self, tasks, report)
        return answer

    def batch_key(self) -> Hashable:
        """Return what tells models apart, and ways to write."""
        return (self.name, self.opening_key, self.max_new_tokens, self.thinking)

    def at_once(self, tasks: Tasks, report: Reporter) -> int:
        """Return how many pictures the model takes in one pass."""
        return self.opened(tasks, report).batch_size

    @classmethod
    def run_together(cls, operations: Sequence[Self], tasks: Tasks, reports: Sequence[Reporter]) -> list[Any]:
        """Describe pictures in passes of as many as the model takes."""

        def describe(waiting: Sequence[Self], report: Reporter) -> list[Any]:
            image_qa = waiting[0].opened(tasks, report)
            size = image_qa.batch_size
            groups = [waiting[start : start + size] for start in range(0, len(waiting), size)]
            return [outcome for group in groups for outcome in _captions(image_qa, group, tasks, report)]

        return run_in_one_pass(operations, reports, describe)


class Ask(_PictureOperation):
    """Answer a question about a picture, and tell the facts that the answer rests on."""

    result: ClassVar[str] = "sensorium.answer:Answer"

    image: Media
    """The picture."""
    question: Annotated[str, Field(json_schema_extra={"minLength": 1})]
    """What to find out."""
    max_new_tokens: LongestText = None
    """Longest answer, in tokens, such as 4096 for a page to be read; by default the model decides."""
    thinking: bool = False
    """Let the model think before it answers, if it can; its thoughts are no part of the answer."""

    @model_validator(mode="after")
    def _check_options(self) -> Self:
        _options_of(self)
        return self

    @field_validator("question")
    @classmethod
    def _check_question(cls, question: str) -> str:
        from sensorium.vision_language.image_qa import check_question

        check_question(question)
        return question

    def run(self, tasks: Tasks, report: Reporter) -> Answer:
        """Answer the question."""
        image_qa = self.opened(tasks, report)
        return image_qa.answer_question(
            tasks.media(self.image),
            self.question,
            max_new_tokens=self.max_new_tokens,
            thinking=self.thinking,
            progress=report,
            cancel=report,
        )


def _opened_clip(operation: Embed | Classify, tasks: Tasks, report: Reporter) -> CLIP:
    from sensorium.vision_language.clip import CLIP

    return tasks.open((CLIP, operation.opening_key), lambda: CLIP(operation.model, **operation.opening(tasks)), report)


def _embeddings(encoder: CLIP | TextEmbedder, wish: Embed, *kinds: Rows) -> Embeddings | SensoriumError:
    import numpy as np

    from sensorium.vision_language.embeddings import Embeddings
    from sensorium.vision_language.shortening import shortened

    tokens = encoder.count_tokens(wish.texts) if wish.texts else 0
    try:
        rows = shortened(np.concatenate(kinds), wish.dimensions, encoder)
    except InputError as error:
        return error
    return Embeddings(rows, encoder.model, len(wish.texts), len(wish.images), tokens, len(wish.sounds))


def _classification(
    labels: Sequence[str], encoder: DualEncoder, model: str, label_rows: Rows, image_row: Rows
) -> Classification:
    from sensorium.vision_language.classification import classification_of

    return classification_of(labels, (image_row @ label_rows.T)[0], encoder, model=model)


def _captions(image_qa: ImageQA, group: Sequence[Caption], tasks: Tasks, report: Reporter) -> list[Any]:
    """Return the captions of pictures that go through the model in one pass; errors for those that can't be read."""
    pictures = [attempted(_picture, tasks, operation.image) for operation in group]
    readable: list[ImageSource] = [picture for picture in pictures if not isinstance(picture, SensoriumError)]
    if not readable:
        return pictures
    options = _options_of(group[0])
    captions = iter(
        image_qa.caption_together(
            readable, max_new_tokens=options.max_new_tokens, thinking=options.thinking, cancel=report
        )
    )
    return [picture if isinstance(picture, SensoriumError) else next(captions) for picture in pictures]


def _options_of(operation: Caption | Ask) -> AnswerOptions:
    from sensorium.vision_language.image_qa import AnswerOptions

    return AnswerOptions(operation.max_new_tokens, operation.thinking)


def _picture(tasks: Tasks, reference: Media) -> PIL.Image.Image:
    from sensorium.media.image import read_image

    return read_image(tasks.media(reference), limits=tasks.limits)
