"""Questions about films, and where a film shows or says something: ``VideoQA``."""

from __future__ import annotations

import os
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self, Unpack

from sensorium.answer import Answer
from sensorium.arguments import checked
from sensorium.errors import InputError, UnsupportedError
from sensorium.language.written_language import require_language
from sensorium.media.container import warn
from sensorium.models import catalog
from sensorium.models.catalog import component
from sensorium.progress import Cancellation, ProgressCallback
from sensorium.speech.speech_to_text import SpeechToText
from sensorium.task import Task, TaskOptions
from sensorium.video.families.action_family import ACTIONS, action_family
from sensorium.video.film import Film, FilmMemory
from sensorium.video.parts import Parts
from sensorium.video.results import Moderation, Subtitles, VideoClassification, VideoSearch
from sensorium.video.video_answerer import ActionNamer, MomentLister, VideoAnswerer
from sensorium.video.video_classification import VideoClassifier, classify_by_labels, require_top_k
from sensorium.vision_language.clip import CLIP
from sensorium.vision_language.families.image_text_family import (
    IMAGE_TEXT_TO_TEXT,
    image_text_family,
    is_made_for_conversations,
)
from sensorium.vision_language.image_qa import AnswerOptions
from sensorium.vision_language.nudity import NudityDetector

if TYPE_CHECKING:
    import numpy as np
    import PIL.Image
    from typing_extensions import TypeIs  # for the type checker alone; Python has it from 3.13

    from sensorium.media.image import ImageSource
    from sensorium.media.source import MediaSource
    from sensorium.video.frame_embeddings import FrameEmbeddings
    from sensorium.video.frame_scores import FrameScores
    from sensorium.video.judged_frames import Judges
    from sensorium.video.moderation_policy import Policy
    from sensorium.video.video_story import Moment


_MOST_FRAMES = 768


class VideoQA(Task[VideoAnswerer]):
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
        super().__init__(model, **options)
        require_num_frames(num_frames)
        self._parts = Parts(
            captioner=_name(captioner),
            language_model=_name(language_model),
            speech=_name(speech),
            num_frames=num_frames,
        ).completed(self.checkpoint)
        self._encoder = _name(encoder) or component(self.checkpoint, CLIP.task)
        actions = component(self.checkpoint, VideoClassifier.task)
        if actions is not None:
            # Open the classifier's checkpoint, under the name of the whole entry. The other components are fetched only
            # when they are needed, and never if the caller named other checkpoints.
            found = catalog.resolve(actions, task=VideoClassifier.task)
            whole = self.checkpoint
            self.checkpoint = replace(
                found, name=whole.name, task=whole.task, languages=whole.languages, limits=whole.limits
            )
        self._clip: CLIP | None = None
        self._listener: SpeechToText | None = None
        self._nudity: NudityDetector | None = None
        self._embeddings: FilmMemory[FrameEmbeddings] = FilmMemory()
        self._nudity_scores: FilmMemory[FrameScores] = FilmMemory()

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
    def search(
        self,
        video_path: MediaSource,
        text: str,
        *,
        limit: int = 5,
        progress: ProgressCallback | None = None,
        cancel: Cancellation | None = None,
    ) -> VideoSearch:
        """Find the moments of a film that match a text; further searches in the same film take almost no time.

        One frame per second is compared with the text, or 1800 frames if the film is longer than half an hour.

        Args:
            video_path: Any film that FFmpeg reads.
            text: What to look for, such as "a cat on a sofa".
            limit: How many moments to return, at most.
            progress: Told the frames seen so far.
            cancel: Stops at the next frame.

        Raises:
            InputError: The text is empty or can't be used, ``limit`` is below 1, or the file is no film.
            CancelledError: ``cancel`` was set.
        """
        from sensorium.video.film_search import find_moments, require_search

        require_search(text, limit)
        film = Film(video_path, limits=self.limits, progress=progress, cancel=cancel)
        clip = self._loaded_clip(progress, cancel)
        embeddings = self._embedded(film, clip, progress, cancel)
        found = find_moments(embeddings, clip, text.strip(), limit=limit, cancel=cancel)
        return replace(found, warnings=film.warnings.told())

    @checked
    def moderate(
        self,
        source: MediaSource | ImageSource,
        policy: str | os.PathLike[str] | Mapping[str, Any] | None = None,
        *,
        labels: Sequence[str] | None = None,
        progress: ProgressCallback | None = None,
        cancel: Cancellation | None = None,
    ) -> Moderation:
        """Say where a film or a picture shows what a policy looks for.

        The result helps people to decide; it is not a decision. The encoder compares one frame per second with texts,
        or a classifier that the policy names judges it, and no threshold is right for all pictures. The result says
        which checkpoints judged, and which labels could not be judged.

        Args:
            source: A film or a picture.
            policy: A TOML file with labels, texts that say what the labels show or a classifier that knows, and
                thresholds; or a mapping with the same content; None for the shipped policy
                (``sensorium/video/data/moderation.toml``).
            labels: If given, only these labels of the policy are looked for.
            progress: Told the frames seen so far.
            cancel: Stops at the next frame.

        Raises:
            InputError: The policy can't be used (no such file or label, a threshold outside 0 to 1), or the source
                can't be read.
            UnsupportedError: None of the policy's labels can be judged.
            CancelledError: ``cancel`` was set.
        """
        from sensorium.media.image import read_image
        from sensorium.video.moderation import moderate_frames

        wanted = self._wanted(policy, labels)
        judges = self._loaded_judges(wanted, progress, cancel)
        if _is_decoded(source):
            return moderate_frames(wanted, judges.picture(read_image(source, limits=self.limits)), cancel=cancel)
        film = Film(source, limits=self.limits, progress=progress, cancel=cancel)
        if film.is_picture:
            return moderate_frames(wanted, judges.picture(film.picture(judges.minimum_side)), cancel=cancel)
        frames = judges.film(film, self._embeddings, self._nudity_scores, progress=progress, cancel=cancel)
        return replace(moderate_frames(wanted, frames, cancel=cancel), warnings=film.warnings.told())

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

    @checked
    def load_encoder(self, *, progress: ProgressCallback | None = None, cancel: Cancellation | None = None) -> Self:
        """Fetch and load the encoder now instead of at the first `search`, `moderate` or `classify`; return self."""
        self._loaded_clip(progress, cancel)
        return self

    @checked
    def load_judges(
        self,
        policy: str | os.PathLike[str] | Mapping[str, Any] | None = None,
        *,
        labels: Sequence[str] | None = None,
        progress: ProgressCallback | None = None,
        cancel: Cancellation | None = None,
    ) -> Self:
        """Fetch and load now what `moderate` needs for a policy, and for some of its labels; return self.

        Raises:
            InputError: The policy can't be used.
        """
        self._loaded_judges(self._wanted(policy, labels), progress, cancel)
        return self

    def close(self) -> None:
        """Give up the checkpoint, the parts and what is remembered of films, once the calls in progress have ended."""
        super().close()
        self._embeddings, self._nudity_scores = FilmMemory(), FilmMemory()
        self._clip = self._listener = self._nudity = None

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

    def _loaded_clip(self, progress: ProgressCallback | None, cancel: Cancellation | None) -> CLIP:
        self.require_open()
        clip = self._clip = self._clip or self.opening.part(CLIP, self._encoder, dtype=self._dtype)
        return clip.ensure_loaded(progress=progress, cancel=cancel)

    def _loaded_judges(self, policy: Policy, progress: ProgressCallback | None, cancel: Cancellation | None) -> Judges:
        from sensorium.video.judged_frames import Judges

        self.require_open()
        clip = self._loaded_clip(progress, cancel) if policy.has_texts else None
        if not policy.judges:
            return Judges(clip, None)
        detector = self._nudity = self._nudity or self.opening.part(NudityDetector, device="cpu")
        return Judges(clip, detector.ensure_loaded(progress=progress, cancel=cancel))

    def _wanted(
        self, policy: str | os.PathLike[str] | Mapping[str, Any] | None, labels: Sequence[str] | None
    ) -> Policy:
        from sensorium.video.moderation_policy import read_policy

        wanted = read_policy(policy, limits=self.limits)
        return wanted if labels is None else wanted.only(labels)

    def _loaded_speech(self) -> SpeechToText:
        self.require_open()
        listener = self._listener = self._listener or self.opening.part(SpeechToText, self._parts.speech)
        return listener

    def _embedded(
        self, film: Film, clip: CLIP, progress: ProgressCallback | None, cancel: Cancellation | None
    ) -> FrameEmbeddings:
        from sensorium.video.frame_embeddings import embed_frames

        return self._embeddings.get(film, lambda: embed_frames(film, clip, progress=progress, cancel=cancel))


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


def _is_decoded(source: MediaSource | ImageSource) -> TypeIs[PIL.Image.Image | np.ndarray]:
    import numpy as np
    from PIL import Image

    return isinstance(source, (Image.Image, np.ndarray))
