"""The chapter's pipeline: action labels, captions of key moments and the transcript, then a language model.

VideoMAE, or another classifier of films, names what is done, an image model describes key frames, a speech recogniser
writes down the sound track.
Together these texts are a time line of the film, and a language model answers from the time line.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sensorium.answer import Answer
from sensorium.language.language_model import LanguageModel
from sensorium.models.catalog import Checkpoint
from sensorium.progress import Cancellation, ProgressCallback, check_cancelled
from sensorium.speech.speech_to_text import SpeechToText
from sensorium.task import Opening
from sensorium.video.families.action_classifier import ActionClassifier
from sensorium.video.families.timeline_answering import answer_from_story
from sensorium.video.film import FilmMemory
from sensorium.video.key_frames import key_frames, new_looking
from sensorium.video.parts import Parts
from sensorium.video.results import LabelledWindow, VideoClassification
from sensorium.video.video_classification import classify_actions
from sensorium.video.video_story import Action, Moment, VideoStory, listen
from sensorium.vision_language.image_qa import AnswerOptions, ImageQA

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sensorium.media.image import ImageSource
    from sensorium.video.film import Film

_LEAST_LIKELY = 0.2


class VideoPipeline:
    """Answers questions about films.

    Args:
        folder: The folder of the checkpoint that names actions.
        checkpoint: Its catalog entry.
        device: Where the parts run.
        dtype: The precision of that checkpoint, the image model and the language model.
        parts: The models that describe frames, recognise speech and write the answer.
        opening: How the parts are opened.

    Raises:
        UnsupportedError: The checkpoint names no actions.
        ModelUnavailableError: Files of the checkpoint are missing or damaged.
    """

    made_of_parts = True

    def __init__(
        self, folder: Path, *, checkpoint: Checkpoint, device: str, dtype: str, parts: Parts, opening: Opening
    ) -> None:
        self._name = checkpoint.name
        self._classifier = ActionClassifier(folder, checkpoint=checkpoint, device=device, dtype=dtype)
        self._captioner = opening.part(ImageQA, parts.captioner, dtype=dtype)
        self._speech = opening.part(SpeechToText, parts.speech)
        self._language_model = opening.part(LanguageModel, parts.language_model, dtype=dtype)
        self._num_frames = parts.num_frames
        self._stories: FilmMemory[VideoStory[Moment]] = FilmMemory()

    def answer(
        self,
        film: Film,
        question: str,
        *,
        options: AnswerOptions,
        progress: ProgressCallback | None,
        cancel: Cancellation | None,
    ) -> Answer:
        """Answer one question about a film, naming the times that the answer rests on."""
        story = self._story(film, progress, cancel)
        check_cancelled(cancel)
        answer = answer_from_story(
            story, question, self._language_model, options=options, progress=progress, cancel=cancel
        )
        return answer.changed(model=self._model(story, words=True))

    def describe(
        self, film: Film, *, options: AnswerOptions, progress: ProgressCallback | None, cancel: Cancellation | None
    ) -> Answer:
        """Tell what is seen, done and said, one line each, with times. The language model is not used."""
        story = self._story(film, progress, cancel)
        # A model wrote the captions, and its tokens were not counted.
        return Answer(story.text(), model=self._model(story, words=False), evidence=story.evidence(), usage=None)

    def moments(self, film: Film, *, progress: ProgressCallback | None, cancel: Cancellation | None) -> list[Moment]:
        """Return a film's key moments, in the order of time."""
        return list(self._story(film, progress, cancel).moments)

    def actions(
        self, film: Film, *, top_k: int, progress: ProgressCallback | None, cancel: Cancellation | None
    ) -> VideoClassification:
        """Name what is done in a film, stretch by stretch."""
        return classify_actions(film, self._classifier, top_k=top_k, progress=progress, cancel=cancel)

    def _story(self, film: Film, progress: ProgressCallback | None, cancel: Cancellation | None) -> VideoStory[Moment]:
        return self._stories.get(film, lambda: self._read(film, progress, cancel))

    def _read(self, film: Film, progress: ProgressCallback | None, cancel: Cancellation | None) -> VideoStory[Moment]:
        info = film.probe()
        frames = key_frames(film, info, self._num_frames)
        self._captioner.ensure_loaded(progress=progress, cancel=cancel)
        new = new_looking(frames)
        pictures: list[ImageSource] = [frame.image for frame, is_new in zip(frames, new, strict=True) if is_new]
        captions = iter(self._captioner.generate_caption(pictures, progress=progress, cancel=cancel))
        captioned = [(frame.time, next(captions)) for frame, is_new in zip(frames, new, strict=True) if is_new]
        seen = [(time, caption) for time, caption in captioned if caption]
        classified = self.actions(film, top_k=1, progress=progress, cancel=cancel)
        sentences, language = listen(film, info, self._speech, progress=progress, cancel=cancel)
        return VideoStory(
            duration=info.duration,
            moments=tuple(_moments(seen, info.duration)),
            actions=tuple(_joined(classified.windows)),
            sentences=sentences,
            has_audio=info.has_audio,
            language=language,
            frames=len(frames),
        )

    def _model(self, story: VideoStory[Moment], *, words: bool) -> str:
        parts = [self._captioner.model]
        parts += [self._speech.model] if story.has_audio else []
        parts += [self._language_model.model] if words else []
        return f"{self._name} ({' + '.join(parts)})"


def _moments(seen: Iterable[tuple[float, Answer]], duration: float) -> list[Moment]:
    """Join consecutive frames with the same caption into one moment."""
    groups: list[tuple[float, Answer]] = []
    for time, caption in seen:
        if not groups or groups[-1][1] != caption:
            groups.append((time, caption))
    ends = [*(start for start, _ in groups[1:]), duration]
    return [
        Moment(round(start, 2), round(max(start, end), 2), str(caption), caption.confidence)
        for (start, caption), end in zip(groups, ends, strict=True)
    ]


def _joined(windows: Sequence[LabelledWindow]) -> list[Action]:
    """Return the likeliest action of each stretch, without unlikely ones; consecutive equal actions are joined."""
    found: list[Action] = []
    for window in windows:
        best = window.labels[0]
        if best.score < _LEAST_LIKELY:
            continue
        last = found[-1] if found else None
        if last is not None and last.label == best.label and last.end >= window.start:
            found[-1] = Action(last.start, window.end, best.label, max(last.score, best.score))
        else:
            found.append(Action(window.start, window.end, best.label, best.score))
    return found
