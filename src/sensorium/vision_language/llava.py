"""Conversations about a picture: ``LLaVA``."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Protocol, Unpack

from sensorium.answer import Answer
from sensorium.arguments import checked
from sensorium.language.media_parts import read_media, with_warnings
from sensorium.language.messages import MediaKind, MediaPart, Message, Turn, read_conversation
from sensorium.language.sampling import Sampling, SamplingOptions, choose_sampling
from sensorium.language.thoughts import cannot_think
from sensorium.language.written_language import require_language
from sensorium.media.input_warnings import InputWarnings
from sensorium.models.store import locate
from sensorium.progress import Cancellation, ProgressCallback
from sensorium.streaming import ResultStream
from sensorium.task import Task
from sensorium.vision_language.families.image_text_family import (
    IMAGE_TEXT_TO_TEXT,
    hears,
    image_text_family,
    is_made_for_conversations,
)

if TYPE_CHECKING:
    from sensorium.media.image import ImageSource

LONGEST_REPLY = 512
"""The longest reply in tokens where the caller doesn't say; a detailed description of a picture takes 100 to 200."""


class ImageChatter(Protocol):
    """What each family of checkpoints offers to `LLaVA`.

    Attributes:
        longest_reply: Longest reply in tokens where the caller doesn't say.
        thinks: Whether there are checkpoints of the family that think; each of them says if it can't.
    """

    longest_reply: int
    thinks: bool

    def stream(
        self,
        turns: Sequence[Turn],
        sampling: Sampling,
        *,
        progress: ProgressCallback | None = None,
        cancel: Cancellation | None = None,
    ) -> Generator[str, None, Answer]:
        """Answer the last turn of a conversation piece by piece, and return the whole answer.

        Its pictures are upright and RGB, its recordings mono samples at 16 kHz. Closing the generator stops the model.
        """


class LLaVA(Task["ImageChatter"]):
    """Talks about pictures over several turns.

    LLaVA 1.5, 1.6 and OneVision, another image-text-to-text model of transformers that has a chat template and the
    usual parts (Qwen-VL, SmolVLM, InternVL, …), or any model behind an OpenAI-compatible server. Gemma 4 E2B and E4B,
    Qwen2.5-Omni and Qwen3-Omni also hear recordings that stand in the turns.

    Args:
        model: Catalog name, hub id, local folder, ``openai:NAME@BASE_URL``, or None for the profile's default.
        device: ``"auto"``, ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ``"mps"``.
        dtype: ``"auto"``, ``"float32"``, ``"float16"``, ``"bfloat16"``.
        quantize: ``"8bit"``, ``"4bit"`` (with the package bitsandbytes), or None.

    Source: Liu et al. 2023, Visual Instruction Tuning.
    """

    task: ClassVar[str] = "image-chat"
    families: ClassVar[Mapping[str, str]] = {
        "socratic": "sensorium.vision_language.starter.picture_answers:SocraticChat",
        IMAGE_TEXT_TO_TEXT: "sensorium.vision_language.families.image_text_tasks:ImageTextChat",
        "openai": "sensorium.vision_language.families.endpoint_chat:EndpointChat",
    }
    cpu_families = frozenset({"socratic"})
    quantizable = True

    def _family(self, folder: Path) -> str:
        return image_text_family(super()._family(folder), folder, self.families)

    def _opens(self, folder: Path) -> bool:
        generic = self._family(folder) == IMAGE_TEXT_TO_TEXT
        return super()._opens(folder) and (not generic or is_made_for_conversations(folder))

    @checked
    def chat(
        self,
        image: ImageSource | Sequence[ImageSource] | None,
        conversation_history: Sequence[Message],
        *,
        system: str | None = None,
        progress: ProgressCallback | None = None,
        cancel: Cancellation | None = None,
        **options: Unpack[SamplingOptions],
    ) -> Answer:
        """Answer the last turn of a conversation about one or several pictures, or about none.

        Args:
            image: A picture, or a list of them, which belong to the first turn of the user; questions may say "the
                second picture". None where the turns hold the pictures themselves, or where there are none.
            conversation_history: Turns ``{"role": "user" | "assistant", "content": text}``, the last one the user's.
                Several turns of one role in a row are one; the first may be a system turn. A turn of the user may hold
                parts instead of text, such as ``[{"type": "image", "image": "cat.jpg"}, {"type": "text", "text":
                "And this?"}]``: see `sensorium.language.messages.Message`.
            system: How to behave; the same as a system turn.
            progress: Told what is being loaded, then the tokens written so far.
            cancel: Stops within one token.
            options: See `SamplingOptions`; ``max_new_tokens`` is 512 by default, and 128 for the
                starter.

        Returns:
            The answer, without the prompt and without special tokens; with the starter, also the facts that it
            rests on; with a temperature, also the seed.

        Raises:
            InputError: The turns are out of order or empty, a number is out of range, a picture can't be read, or
                the conversation doesn't fit the model's context window; nothing of it is ever cut.
            UnsupportedError: The checkpoint doesn't know the language of the last turn, takes no system prompt, or
                takes no recordings or films.
            CancelledError: ``cancel`` was set.
        """
        stream = self.stream(image, conversation_history, system=system, progress=progress, cancel=cancel, **options)
        return stream.finish()

    @checked
    def stream(
        self,
        image: ImageSource | Sequence[ImageSource] | None,
        conversation_history: Sequence[Message],
        *,
        system: str | None = None,
        progress: ProgressCallback | None = None,
        cancel: Cancellation | None = None,
        **options: Unpack[SamplingOptions],
    ) -> ResultStream[str, Answer]:
        """Like `chat`, but give the answer piece by piece as it is written; then ``result`` is what `chat` returns.

        The input is checked at once, not at the first piece. Closing the stream stops the model.
        """
        sampling = choose_sampling(LONGEST_REPLY, **options)
        warnings = InputWarnings()
        turns = self._turns(image, conversation_history, system, warnings, progress, cancel)

        def start(backend: ImageChatter) -> Generator[str, None, Answer]:
            longest = options.get("max_new_tokens") or backend.longest_reply
            chosen = replace(sampling, max_new_tokens=longest)
            # Not in a generator: what the backend refuses is to be told now, not at the first piece.
            pieces = backend.stream(turns, chosen, progress=progress, cancel=cancel)
            if sampling.thinking and not backend.thinks:
                warnings(cannot_think(self.model))
            return with_warnings(pieces, warnings)

        return ResultStream(self.leased(start, progress=progress, cancel=cancel))

    def _turns(
        self,
        image: ImageSource | Sequence[ImageSource] | None,
        history: Sequence[Message],
        system: str | None,
        warnings: InputWarnings,
        progress: ProgressCallback | None,
        cancel: Cancellation | None,
    ) -> list[Turn]:
        sources = list(image) if isinstance(image, (list, tuple)) else [] if image is None else [image]
        media = [MediaPart("image", source) for source in sources]
        turns = read_conversation(history, system=system, media=media)
        require_language(turns[-1].text, self.checkpoint, what="question")
        sounds = any(part.kind == "audio" for turn in turns for part in turn.media)
        heard = sounds and (
            self.checkpoint.endpoint or hears(locate(self.checkpoint, progress=progress, cancel=cancel))
        )
        takes: tuple[MediaKind, ...] = ("image", "audio") if heard else ("image",)
        return read_media(turns, takes=takes, checkpoint=self.checkpoint, limits=self.limits, on_warning=warnings)
