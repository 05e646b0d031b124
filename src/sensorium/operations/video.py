"""What can be asked of films: descriptions, answers, moments, labels, and what a policy looks for."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any, ClassVar, Self

from pydantic import Field, field_validator, model_validator

from sensorium.answer import Answer
from sensorium.models import catalog
from sensorium.models.catalog import Checkpoint
from sensorium.operations.media import Media
from sensorium.operations.operation import ModelOperation
from sensorium.operations.reporter import Reporter
from sensorium.operations.sound_track import Track
from sensorium.operations.tasks import Tasks
from sensorium.video.film_search import require_search
from sensorium.video.moderation_policy import read_policy
from sensorium.video.parts import Parts, encoder_of
from sensorium.video.results import Moderation, VideoClassification, VideoSearch
from sensorium.video.video_classification import distinct_labels, require_top_k
from sensorium.video.video_qa import VideoQA, require_num_frames, require_question
from sensorium.vision_language.clip import CLIP
from sensorium.vision_language.image_qa import AnswerOptions
from sensorium.vision_language.nudity import NudityDetector

PartName = Annotated[str | None, Field(min_length=1)]


class _OfAFilm(ModelOperation):
    task: ClassVar[str] = VideoQA.task
    quantizable: ClassVar[bool] = VideoQA.quantizable

    film: Media
    """A film that FFmpeg reads."""

    def _entry(self) -> Checkpoint:
        return catalog.resolve(self.model, task=VideoQA.task, profile=_profile(self))


class _Answering(_OfAFilm):
    captioner: PartName = None
    """Describes frames in a pipeline; by default the checkpoint's own choice, else the profile's."""
    language_model: PartName = None
    """Writes the answers of a pipeline; by default the checkpoint's own choice, else the profile's."""
    speech: PartName = None
    """Writes down what is said in a pipeline; a video model hears the sound track only if one is named."""
    track: Track = None
    """Which sound track is heard: its number, from 1, or the language that it is marked with; by default one in which
    somebody speaks."""
    num_frames: int | None = None
    """How many frames are looked at, 1 to 768; by default what suits the film and the checkpoint."""

    max_new_tokens: Annotated[int | None, Field(json_schema_extra={"minimum": 1})] = None
    """Longest answer, in tokens; by default the model decides."""
    thinking: bool = False
    """Let the model that writes think before, if it can; its thoughts are no part of the answer."""

    @field_validator("num_frames")
    @classmethod
    def _check_num_frames(cls, num_frames: int | None) -> int | None:
        require_num_frames(num_frames)
        return num_frames

    @model_validator(mode="after")
    def _check_options(self) -> Self:
        AnswerOptions(self.max_new_tokens, self.thinking)
        return self

    @property
    def _writing(self) -> dict[str, Any]:
        return {"track": self.track, "max_new_tokens": self.max_new_tokens, "thinking": self.thinking}

    def opened(self, tasks: Tasks, report: Reporter) -> VideoQA:
        """Return the task object, loaded; its parts are loaded when they are first needed."""

        def make() -> VideoQA:
            return VideoQA(
                self.model,
                captioner=self.captioner,
                language_model=self.language_model,
                speech=self.speech,
                num_frames=self.num_frames,
                **self.opening(tasks),
            )

        parts = (self.captioner, self.language_model, self.speech, self.num_frames)
        return tasks.open((VideoQA, self.opening_key, parts), make, report)

    def checkpoints(self) -> tuple[Checkpoint, ...]:
        """Return the checkpoint, and the parts that aren't its components."""
        parts = Parts(self.captioner, self.language_model, self.speech, self.num_frames)
        entry = self._entry()
        return (entry, *parts.beside(entry, _profile(self)))


class DescribeFilm(_Answering):
    """Tell what happens in a film: what is seen, done and said, with the times."""

    result: ClassVar[str] = "sensorium.answer:Answer"

    def run(self, tasks: Tasks, report: Reporter) -> Answer:
        """Return the description; its evidence are the moments that it tells of."""
        film = tasks.media(self.film)
        return self.opened(tasks, report).describe(film, **self._writing, progress=report, cancel=report)


class AskFilm(_Answering):
    """Answer a question about a film, citing the moments that support the answer."""

    result: ClassVar[str] = "sensorium.answer:Answer"

    question: str
    """What to find out, such as "When does the dog appear?" or "What is said?"."""

    @field_validator("question")
    @classmethod
    def _check_question(cls, question: str) -> str:
        require_question(question)
        return question

    def run(self, tasks: Tasks, report: Reporter) -> Answer:
        """Return the answer."""
        film = tasks.media(self.film)
        video_qa = self.opened(tasks, report)
        return video_qa.answer_video_question(film, self.question, **self._writing, progress=report, cancel=report)


class _Comparing(_OfAFilm):
    model: PartName = None
    """A checkpoint for questions about films, whose own choice of an encoder counts; by default the profile's."""
    encoder: PartName = None
    """Compares frames with texts; by default the checkpoint's own choice, else the profile's."""

    def _opened(self, tasks: Tasks, report: Reporter, *, load: bool) -> VideoQA:
        return tasks.open(
            (VideoQA, self.opening_key, self.encoder),
            lambda: VideoQA(self.model, encoder=self.encoder, **self.opening(tasks)),
            report,
            load=load,
        )

    def opened(self, tasks: Tasks, report: Reporter) -> VideoQA:
        """Return the task object with its encoder loaded; nothing else is needed."""
        return self._opened(tasks, report, load=False).load_encoder(progress=report, cancel=report)

    def checkpoints(self) -> tuple[Checkpoint, ...]:
        """Return the encoder."""
        return (encoder_of(self._entry(), self.encoder, _profile(self)),)


class FindMoment(_Comparing):
    """Find the moments of a film that show what a text says, best first."""

    result: ClassVar[str] = "sensorium.video.results:VideoSearch"

    text: str
    """What to look for, such as "a cat on a sofa"."""
    limit: int = 5
    """How many moments to return, at most."""

    @model_validator(mode="after")
    def _check_search(self) -> FindMoment:
        require_search(self.text, self.limit)
        return self

    def run(self, tasks: Tasks, report: Reporter) -> VideoSearch:
        """Return the moments."""
        film = tasks.media(self.film)
        return self.opened(tasks, report).search(film, self.text, limit=self.limit, progress=report, cancel=report)


class ClassifyFilm(_Comparing):
    """Say what a film shows, as a whole and in stretches of at most 10 seconds."""

    result: ClassVar[str] = "sensorium.video.results:VideoClassification"

    model: PartName = None
    """The checkpoint that names actions; by default the profile's choice."""
    labels: tuple[str, ...] | None = None
    """The labels to choose from; without them, the actions that the checkpoint was trained to name (VideoMAE)."""
    top_k: int = 5
    """How many labels to return, at most."""

    @field_validator("labels")
    @classmethod
    def _check_labels(cls, labels: tuple[str, ...] | None) -> tuple[str, ...] | None:
        return None if labels is None else tuple(distinct_labels(labels))

    @field_validator("top_k")
    @classmethod
    def _check_top_k(cls, top_k: int) -> int:
        require_top_k(top_k)
        return top_k

    def opened(self, tasks: Tasks, report: Reporter) -> VideoQA:
        """Return the task object, with what names actions or what compares with labels loaded."""
        return self._opened(tasks, report, load=True) if self.labels is None else super().opened(tasks, report)

    def run(self, tasks: Tasks, report: Reporter) -> VideoClassification:
        """Return the labels."""
        film = tasks.media(self.film)
        video_qa = self.opened(tasks, report)
        return video_qa.classify(film, self.labels, top_k=self.top_k, progress=report, cancel=report)

    def checkpoints(self) -> tuple[Checkpoint, ...]:
        """Return what names actions, or the encoder."""
        return (self._entry(),) if self.labels is None else super().checkpoints()


class Moderate(ModelOperation):
    """Say where a film or a picture shows what a policy looks for: a help for people who decide, not a decision.

    What the checkpoint can't judge is listed, not passed over.
    """

    result: ClassVar[str] = "sensorium.video.results:Moderation"
    task: ClassVar[str] = CLIP.task

    source: Media
    """A film or a picture."""
    policy: dict[str, Any] | None = None
    """What to look for, with the fields of a policy's file: labels, each with name, threshold, and shows (texts)
    or judge ("nudity", a classifier); ordinary: texts for what ordinary pictures show. By default the shipped."""
    labels: tuple[str, ...] | None = None
    """Look for these labels of the policy only."""

    @field_validator("policy")
    @classmethod
    def _check_policy(cls, policy: dict[str, Any] | None) -> dict[str, Any] | None:
        return None if policy is None else asdict(read_policy(policy))

    @model_validator(mode="after")
    def _check_labels(self) -> Moderate:
        if self.labels is not None:
            read_policy(self.policy).only(self.labels)
        return self

    def opened(self, tasks: Tasks, report: Reporter) -> VideoQA:
        """Return the task object with what the policy needs loaded: the encoder, the classifier, or both."""
        video_qa = tasks.open(
            (VideoQA, Moderate, self.opening_key),
            lambda: VideoQA(encoder=self.model, **self.opening(tasks)),
            report,
            load=False,
        )
        return video_qa.load_judges(self.policy, labels=self.labels, progress=report, cancel=report)

    def run(self, tasks: Tasks, report: Reporter) -> Moderation:
        """Return what the policy says."""
        source = tasks.media(self.source)
        video_qa = self.opened(tasks, report)
        return video_qa.moderate(source, self.policy, labels=self.labels, progress=report, cancel=report)

    def checkpoints(self) -> tuple[Checkpoint, ...]:
        """Return what the policy needs: the encoder, the classifier, or both."""
        profile, policy = _profile(self), read_policy(self.policy)
        wanted = policy if self.labels is None else policy.only(self.labels)
        found = []
        if wanted.has_texts:
            found.append(encoder_of(catalog.resolve(None, task=VideoQA.task, profile=profile), self.model, profile))
        if wanted.judges:
            found.append(catalog.resolve(None, task=NudityDetector.task, profile=profile))
        return tuple(found)


def _profile(operation: ModelOperation) -> str:
    return operation.profile or catalog.current_profile()
