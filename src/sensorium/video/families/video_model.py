"""Video models, which see a film as a sequence of frames: VideoLLaMA 3, LLaVA-NeXT-Video, Qwen2/2.5/3-VL, SmolVLM 2.

Gemma 4, Qwen2.5-Omni and Qwen3-Omni hear its sound, too.

Source: Zhang et al. 2025, VideoLLaMA 3; Zhang et al. 2024, LLaVA-NeXT: A Strong Zero-shot Video Understanding Model;
Wang et al. 2024, Qwen2-VL.
"""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sensorium.answer import Answer
from sensorium.errors import InputError, UnsupportedError
from sensorium.media.video import VideoFrame, VideoInfo
from sensorium.models.catalog import Checkpoint, family_of
from sensorium.models.spoiled_files import SPOILED
from sensorium.progress import Cancellation, ProgressCallback
from sensorium.quiet import quiet_transformers
from sensorium.task import Opening
from sensorium.video.families.film_sound import HeardFilm, SoundFormat
from sensorium.video.families.frame_answering import LONGEST_ANSWER, FrameAnswerer
from sensorium.video.families.video_processor import VIDEO_PROCESSORS, metadata_of
from sensorium.video.parts import Parts
from sensorium.vision_language.families.image_text_family import hears
from sensorium.vision_language.families.image_text_model import shared_image_text_model
from sensorium.vision_language.families.image_text_processor import open_processor
from sensorium.vision_language.image_qa import AnswerOptions

if TYPE_CHECKING:
    from sensorium.video.film import Film
    from sensorium.vision_language.families.heard_recordings import Samples

_SHARE_FOR_FRAMES = 2
"""Frames may take half of the context window; the other half is for the question, the transcript and the answer."""
_WINDOW_IF_UNKNOWN = 4096


class VideoModel(FrameAnswerer):
    """A loaded video model.

    Args:
        folder: The checkpoint's folder, in transformers' layout.
        checkpoint: Its catalog entry.
        device: Where to run.
        dtype: ``"auto"`` is float32 on a CPU, half precision on a GPU.
        parts: How many frames are looked at, and the speech recogniser, if there is one.
        opening: How the speech recogniser is opened.
        quantize: Quantizes the weights while they are loaded; None to leave them.

    Raises:
        UnsupportedError: The checkpoint's chat template takes no films.
        ModelUnavailableError: Files are missing or damaged.
        InsufficientMemoryError: The weights don't fit.
    """

    quantizes = True

    def __init__(
        self,
        folder: Path,
        *,
        checkpoint: Checkpoint,
        device: str,
        dtype: str,
        parts: Parts,
        opening: Opening,
        quantize: str | None = None,
    ) -> None:
        super().__init__(checkpoint.name, parts=parts, opening=opening)
        shared = shared_image_text_model(folder, checkpoint=checkpoint, device=device, dtype=dtype, quantize=quantize)
        self._model = shared.backend
        weakref.finalize(self, shared.release)
        # A second processor for this object alone: the processor of the shared model prepares pictures, not films.
        self._processor = open_processor(folder, checkpoint=checkpoint)
        if not self._processor.chat_template:
            self._processor.chat_template = self._processor.tokenizer.chat_template
        self._window = self._model.context_window or _WINDOW_IF_UNKNOWN
        self._videos = VIDEO_PROCESSORS[family_of(folder)](folder, self._window // _SHARE_FOR_FRAMES)
        self._processor.video_processor = self._videos
        self.tells_times = self._videos.tells_times
        self._sound = SoundFormat(self._processor, self._model, name=checkpoint.name) if hears(folder) else None

    def frame_count(self, film: Film, info: VideoInfo) -> int:
        """Return the number of frames that suits a film and the family."""
        return self._videos.frame_count(info.duration)

    def prompt(self, text: str, *, recordings: int = 0, thinking: bool = False) -> str:
        """Return a question about a film as the checkpoint's chat template writes it.

        Args:
            text: The question.
            recordings: How many recordings stand behind the film, for a model that hears them there.

        Raises:
            InputError: The text contains a word that the checkpoint reserves for itself.
            UnsupportedError: The template takes no films.
        """
        tokenizer = self._processor.tokenizer
        added = [token.content for token in tokenizer.added_tokens_decoder.values() if token.special]
        for word in {*added, *tokenizer.all_special_tokens, self._processor.video_token}:
            if word.strip() and word in text:
                raise InputError(
                    f"The question contains {word!r}, which {self._name!r} reserves for itself", "Leave it out"
                )
        from jinja2 import TemplateError

        content = [{"type": "video"}, *[{"type": "audio"}] * recordings, {"type": "text", "text": text}]
        turn = {"role": "user", "content": content}
        try:
            chosen = self._model.style.arguments(thinking)
            with quiet_transformers():
                written = self._processor.apply_chat_template(
                    [turn], add_generation_prompt=True, tokenize=False, **chosen
                )
            prompt = str(written)
        except (TemplateError, *SPOILED):
            prompt = ""
        if prompt.count(self._processor.video_token) != 1 or text not in prompt:
            raise UnsupportedError(
                f"The checkpoint {self._name!r} has no chat template that takes films",
                "Choose one that has, such as llava-hf/LLaVA-NeXT-Video-7B-hf or Qwen/Qwen2.5-VL-3B-Instruct",
            )
        return prompt

    def inputs(
        self,
        frames: Sequence[VideoFrame],
        duration: float,
        text: str,
        *,
        sound: Samples | None = None,
        thinking: bool = False,
    ) -> dict[str, Any]:
        """Return the model's inputs for a question about frames, on the CPU.

        Args:
            frames: In the order of time.
            duration: Of the film, in seconds.
            text: The question.
            sound: The film's, as mono samples at 16 kHz, for a model that hears; None where there is none.

        Raises:
            InputError: The family can't take frames of this shape. For Qwen-VL, one side may be at most 200 times as
                long as the other.
        """
        heard = HeardFilm() if self._sound is None else self._sound.heard(sound, len(frames) / max(duration, 0.1))
        prompt = self.prompt(text, recordings=heard.recordings, thinking=thinking)
        start = self._processor.tokenizer.bos_token
        try:
            with quiet_transformers():
                return dict(
                    self._processor(
                        text=[prompt],
                        videos=[[frame.image for frame in frames]],
                        video_metadata=metadata_of(frames, duration),
                        return_tensors="pt",
                        **heard.for_processor,
                        # If the template writes the start token itself, the tokenizer must not add a second one.
                        add_special_tokens=not (start and prompt.startswith(start)),
                    ),
                    **heard.for_model,
                )
        except (ValueError, ZeroDivisionError, IndexError) as error:
            width, height = frames[0].image.size
            raise InputError(
                f"{self._name!r} can't take a film whose frames are {width} × {height} pixels",
                "Crop it, or choose another checkpoint",
            ) from error

    def write(
        self,
        frames: Sequence[VideoFrame],
        duration: float,
        text: str,
        *,
        options: AnswerOptions,
        progress: ProgressCallback | None,
        cancel: Cancellation | None,
    ) -> Answer:
        """Return the answer to a question about frames; each token is the likeliest one.

        Raises:
            InputError: Frames, question and answer don't fit the context window.
            UnsupportedError: The model thinks and comes to no answer.
            CancelledError: ``cancel`` was set.
        """
        inputs = self.inputs(frames, duration, text, thinking=options.thinking)
        return self._answer(inputs, frames, options, progress, cancel)

    def write_about(
        self,
        film: Film,
        info: VideoInfo,
        frames: Sequence[VideoFrame],
        text: str,
        *,
        options: AnswerOptions,
        progress: ProgressCallback | None,
        cancel: Cancellation | None,
    ) -> Answer:
        """Return the answer to a question about a film, which is heard by a model that hears."""
        sound = None if self._sound is None else self._sound.read(film, info, cancel=cancel)
        inputs = self.inputs(frames, info.duration, text, sound=sound, thinking=options.thinking)
        return self._answer(inputs, frames, options, progress, cancel)

    def _answer(
        self,
        inputs: dict[str, Any],
        frames: Sequence[VideoFrame],
        options: AnswerOptions,
        progress: ProgressCallback | None,
        cancel: Cancellation | None,
    ) -> Answer:
        length = inputs["input_ids"].shape[1]
        sampling = options.sampling(min(LONGEST_ANSWER, self._window // 8))
        if length + sampling.max_new_tokens > self._window:
            raise InputError(
                f"The question has {length} tokens with its {len(frames)} frames, and {self._name!r} holds "
                f"{self._window} together with the answer",
                "Ask with fewer frames (num_frames=…), in fewer words, or for a shorter answer (max_new_tokens=…)",
            )
        return self._model.answer_inputs(inputs, sampling, progress=progress, cancel=cancel)
