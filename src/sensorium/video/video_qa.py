"""Questions about films, what they show and what is said in them: ``VideoQA``."""

from __future__ import annotations

import os
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Unpack

from sensorium.answer import Answer
from sensorium.arguments import checked
from sensorium.errors import InputError, UnsupportedError
from sensorium.language.written_language import require_language
from sensorium.media.container import warn
from sensorium.models import catalog
from sensorium.models.catalog import component
from sensorium.progress import Cancellation, ProgressCallback
from sensorium.speech.speech_to_text import SpeechToText
from sensorium.task import TaskOptions
from sensorium.video.families.action_family import ACTIONS, action_family
from sensorium.video.film import Film
from sensorium.video.frame_comparison import FrameComparingTask
from sensorium.video.parts import Parts
from sensorium.video.results import Subtitles, VideoClassification
from sensorium.video.video_answerer import ActionNamer, MomentLister
from sensorium.video.video_classification import VideoClassifier, classify_by_labels, require_top_k
from sensorium.vision_language.families.image_text_family import (
    IMAGE_TEXT_TO_TEXT,
    image_text_family,
    is_made_for_conversations,
)
from sensorium.vision_language.image_qa import AnswerOptions

if TYPE_CHECKING:
    from sensorium.media.source import MediaSource
    from sensorium.video.video_story import Moment


_MOST_FRAMES = 768


class VideoQA(FrameComparingTask):
    """Answers questions about a film, tells what the film shows and says, and finds moments in the film.

    The checkpoint decides between two ways. A pipeline (VideoMAE, and the starter) writes down what is seen, done and
    said, with times, and a language model answers from this text. A video model (VideoLLaMA 3, LLaVA-NeXT-Video,
    Qwen-VL, SmolVLM, or any model that reads several pictures) sees frames with their times and answers by itself. A
    video model learns what is said only if ``speech`` is given, or if it hears the film's sound: Gemma 4 E2B and E4B,
    Qwen2.5-Omni, Qwen3-Omni.

    Args:
        model: Catalog name, hub id, local folder, ``openai:NAME@BASE_URL``, or None for the profile's default.
        captioner: Checkpoint for `ImageQA`, which describes key frames in a pipeline.
        language_model: Checkpoint for `LanguageModel`, which answers in a pipeline.
        speech: Checkpoint for `SpeechToText`, which transcribes the sound track.
        encoder: Checkpoint for `CLIP`, which compares frames with texts in `search`, `moderate` and `classify`.
        num_frames: How many frames are looked at to answer; None for a number that suits the film and the checkpoint.
        profile: The profile whose defaults are used; None for ``SENSORIUM_PROFILE``, or ``"starter"``.
        device: ``"auto"``, ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ``"mps"``.
        dtype: ``"auto"``, ``"float32"``, ``"float16"``, ``"bfloat16"``.
        quantize: ``"8bit"``, ``"4bit"`` (with the package bitsandbytes), or None.
        limits: How large films may be and where they may come from; None for limits that suit a person's own files.
        provide: Returns parts that the caller already has: see `sensorium.task.Opening`.

    A checkpoint that is left out is the profile's default. Each one is loaded when it is first needed.

    Raises:
        ModelUnavailableError: No checkpoint of that name is known for this task.
        InputError: ``num_frames`` is below 1 or above 768.
    """

    task: ClassVar[str] = "video-question-answering"
    families: ClassVar[Mapping[str, str]] = {
        "socratic": "sensorium.video.starter.socratic_video:SocraticVideoQA",
        ACTIONS: "sensorium.video.families.video_pipeline:VideoPipeline",
        "gemma4": "sensorium.video.families.video_model:VideoModel",
        "qwen2_5_omni": "sensorium.video.families.video_model:VideoModel",
        "qwen3_omni_moe": "sensorium.video.families.video_model:VideoModel",
        "video_llama_3": "sensorium.video.families.video_model:VideoModel",
        "llava_next_video": "sensorium.video.families.video_model:VideoModel",
        "qwen2_vl": "sensorium.video.families.video_model:VideoModel",
        "qwen2_5_vl": "sensorium.video.families.video_model:VideoModel",
        "qwen3_vl": "sensorium.video.families.video_model:VideoModel",
        "qwen3_vl_moe": "sensorium.video.families.video_model:VideoModel",
        "qwen3_5": "sensorium.video.families.video_model:VideoModel",
        "qwen3_5_moe": "sensorium.video.families.video_model:VideoModel",
        "qwen4_exp": "sensorium.video.families.video_model:VideoModel",
        "smolvlm": "sensorium.video.families.video_model:VideoModel",
        IMAGE_TEXT_TO_TEXT: "sensorium.video.families.frames_model:FramesModel",
        "openai": "sensorium.video.families.endpoint_frames:EndpointFrames",
    }
    cpu_families = frozenset({"socratic"})
    quantizable = True

    @checked
    def __init__(
        self,
        model: str | os.PathLike[str] | None = None,
        *,
        captioner: str | os.PathLike[str] | None = None,
        language_model: str | os.PathLike[str] | None = None,
        speech: str | os.PathLike[str] | None = None,
        encoder: str | os.PathLike[str] | None = None,
        num_frames: int | None = None,
        **options: Unpack[TaskOptions],
    ) -> None:
        super().__init__(model, encoder=_name(encoder), **options)
        require_num_frames(num_frames)
        self._parts = Parts(
            captioner=_name(captioner),
            language_model=_name(language_model),
            speech=_name(speech),
            num_frames=num_frames,
        ).completed(self.checkpoint)
        actions = component(self.checkpoint, VideoClassifier.task)
        if actions is not None:
            # Open the classifier's checkpoint, under the name of the whole entry. The other components are fetched only
            # when they are needed, and never if the caller named other checkpoints.
            found = catalog.resolve(actions, task=VideoClassifier.task)
            whole = self.checkpoint
            self.checkpoint = replace(
                found, name=whole.name, task=whole.task, languages=whole.languages, limits=whole.limits
            )
        self._listener: SpeechToText | None = None

    @checked
    def answer_video_question(
        self,
        video_path: MediaSource,
        question: str,
        *,
        track: int | str | None = None,
        max_new_tokens: int | None = None,
        thinking: bool = False,
        progress: ProgressCallback | None = None,
        cancel: Cancellation | None = None,
    ) -> Answer:
        """Answer a question about a film.

        A pipeline looks at the film once; further questions about the same file are answered from memory.

        Args:
            video_path: Any film that FFmpeg reads: path, address, bytes, open file.
            question: What to find out, such as "When does the dog appear?" or "What is said?".
            track: Number, from 1, or language of the sound track; None for one in which somebody speaks.
            max_new_tokens: Longest answer in tokens; by default the checkpoint decides.
            thinking: Let the model that writes the answer think before, if it can. Its thoughts are not part of the
                answer.
            progress: Told the frames seen, the seconds heard and the tokens written so far.
            cancel: Stops at the next frame, sentence or token.

        Returns:
            The answer; ``evidence`` contains the moments that support the answer, with ``start`` and ``end``.

        Raises:
            InputError: The question is empty, or the file is no film or has no frames.
            UnsupportedError: The checkpoint doesn't know the language of the question.
            CancelledError: ``cancel`` was set.
        """
        options = AnswerOptions(max_new_tokens, thinking)
        require_question(question)
        require_language(question, self.checkpoint, what="question")
        film = Film(video_path, limits=self.limits, track=track, progress=progress, cancel=cancel)
        with self.lease(progress=progress, cancel=cancel) as backend:
            answer = backend.answer(film, question.strip(), options=options, progress=progress, cancel=cancel)
        return answer.warned(film.warnings.told())

    @checked
    def describe(
        self,
        video_path: MediaSource,
        *,
        track: int | str | None = None,
        max_new_tokens: int | None = None,
        thinking: bool = False,
        progress: ProgressCallback | None = None,
        cancel: Cancellation | None = None,
    ) -> Answer:
        """Tell what happens in a film.

        A pipeline writes one line with a time for each thing that is seen, done or said. A video model describes the
        film in its own words.

        Args:
            video_path: Any film that FFmpeg reads.
            track: Number, from 1, or language of the sound track; None for one in which somebody speaks.
            max_new_tokens: Longest description in tokens, of a video model; by default the checkpoint decides.
            thinking: Let a video model think before it describes the film, if it can.
            progress: Told the frames seen and the seconds heard so far.
            cancel: Stops at the next frame, sentence or token.

        Returns:
            The description; ``evidence`` contains what supports the description, with ``start`` and ``end``.

        Raises:
            InputError: The file is no film or has no frames.
            CancelledError: ``cancel`` was set.
        """
        options = AnswerOptions(max_new_tokens, thinking)
        film = Film(video_path, limits=self.limits, track=track, progress=progress, cancel=cancel)
        with self.lease(progress=progress, cancel=cancel) as backend:
            answer = backend.describe(film, options=options, progress=progress, cancel=cancel)
        return answer.warned(film.warnings.told())

    @checked
    def moments(
        self,
        video_path: MediaSource,
        *,
        progress: ProgressCallback | None = None,
        cancel: Cancellation | None = None,
    ) -> list[Moment]:
        """Return a film's key moments: what is seen, with start and end.

        Raises:
            InputError: The file is no film or has no frames.
            UnsupportedError: The checkpoint is a video model, which sees the film as a whole.
            CancelledError: ``cancel`` was set.
        """
        film = Film(video_path, limits=self.limits, progress=progress, cancel=cancel)
        with self.lease(progress=progress, cancel=cancel) as backend:
            if not isinstance(backend, MomentLister):
                raise UnsupportedError(
                    f"The checkpoint {self.model!r} sees a film as a whole and lists no moments",
                    "Use describe(), or a pipeline such as 'videomae-video-qa'",
                )
            moments = backend.moments(film, progress=progress, cancel=cancel)
        for sentence in film.warnings.told():
            warn(None, sentence)
        return moments

    @checked
    def classify(
        self,
        video_path: MediaSource,
        labels: Sequence[str] | None = None,
        *,
        top_k: int = 5,
        progress: ProgressCallback | None = None,
        cancel: Cancellation | None = None,
    ) -> VideoClassification:
        """Say what a film shows, as a whole and in stretches of at most 10 seconds.

        Args:
            video_path: Any film that FFmpeg reads.
            labels: The labels to choose from, which the encoder compares with frames. None for the actions that the
                checkpoint was trained to name (VideoMAE).
            top_k: How many labels to return, at most.
            progress: Told the frames or stretches seen so far.
            cancel: Stops at the next frame or stretch.

        Raises:
            InputError: The file is no film or has no frames, a label can't be used, or ``top_k`` is below 1.
            UnsupportedError: No labels are given, and the checkpoint names no actions by itself.
            CancelledError: ``cancel`` was set.
        """
        require_top_k(top_k)
        film = Film(video_path, limits=self.limits, progress=progress, cancel=cancel)
        if labels is not None:
            clip = self._loaded_clip(progress, cancel)
            embeddings = self._embedded(film, clip, progress, cancel)
            found = classify_by_labels(embeddings, clip, labels, top_k=top_k, cancel=cancel)
            return replace(found, warnings=film.warnings.told())
        with self.lease(progress=progress, cancel=cancel) as backend:
            if not isinstance(backend, ActionNamer):
                raise UnsupportedError(
                    f"The checkpoint {self.model!r} names no actions by itself",
                    "Say which labels to choose from, or choose 'videomae-video-qa'",
                )
            return backend.actions(film, top_k=top_k, progress=progress, cancel=cancel)

    @checked
    def subtitles(
        self,
        video_path: MediaSource,
        output_path: str | os.PathLike[str],
        language: str | None = None,
        *,
        task: str = "transcribe",
        track: int | str | None = None,
        progress: ProgressCallback | None = None,
        cancel: Cancellation | None = None,
    ) -> Subtitles:
        """Write what is said in a film to a subtitle file, laid out for reading.

        Args:
            video_path: Any film that FFmpeg reads.
            output_path: The file to write; its suffix chooses the format: .srt, .vtt, .txt, .tsv, .json.
            language: The language that is spoken; None to detect it.
            task: ``"transcribe"``, or ``"translate"`` into English.
            track: Number, from 1, or language of the sound track; by default one of the language that is spoken, else
                one in which somebody speaks.
            progress: Told the seconds transcribed so far.
            cancel: Stops the work; no incomplete file is left.

        Raises:
            InputError: The file has no sound track or can't be read, or the subtitles can't be written.
            UnsupportedError: The recogniser doesn't support the language or the task.
            CancelledError: ``cancel`` was set.
        """
        speech = self._loaded_speech()
        film = Film(video_path, limits=self.limits, progress=progress, cancel=cancel)
        path = speech.generate_subtitles(
            film.source,
            output_path,
            language,
            task,
            track=track,
            on_warning=film.warnings,
            progress=progress,
            cancel=cancel,
        )
        return Subtitles(Path(path), speech.model, film.warnings.told())

    def close(self) -> None:
        """Give up the checkpoint, the parts and what is remembered of films, once the calls in progress have ended."""
        super().close()
        self._listener = None

    def _options(self) -> Mapping[str, Hashable]:
        return {"parts": self._parts}

    def _family(self, folder: Path) -> str:
        family = super()._family(folder)
        if family in self.families:  # asking transformers takes seconds
            return family
        return image_text_family(action_family(family, folder), folder, self.families)

    def _opens(self, folder: Path) -> bool:
        generic = self._family(folder) == IMAGE_TEXT_TO_TEXT
        return super()._opens(folder) and (not generic or is_made_for_conversations(folder))

    def _loaded_speech(self) -> SpeechToText:
        self.require_open()
        listener = self._listener = self._listener or self.opening.part(SpeechToText, self._parts.speech)
        return listener


def require_question(question: str) -> None:
    """Refuse an empty question.

    Raises:
        InputError: The question is empty.
    """
    if not question.strip():
        raise InputError("The question is empty", "Write what you want to know about the film")


def require_num_frames(num_frames: int | None) -> None:
    """Refuse a number of frames that no film is looked at with.

    Raises:
        InputError: ``num_frames`` is below 1 or above 768.
    """
    if num_frames is not None and not 1 <= num_frames <= _MOST_FRAMES:
        raise InputError(f"num_frames is {num_frames}", f"Look at 1 to {_MOST_FRAMES} frames")


def _name(model: str | os.PathLike[str] | None) -> str | None:
    return None if model is None else os.fspath(model)
