"""Conversations about a picture: ``LLaVA``."""

from __future__ import annotations

import random
from collections.abc import Generator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Protocol

from sensorium.answer import Answer
from sensorium.arguments import checked
from sensorium.errors import InputError
from sensorium.language.messages import Message, check_conversation
from sensorium.language.written_language import require_language
from sensorium.progress import Cancellation, ProgressCallback
from sensorium.task import Task
from sensorium.vision_language.families.image_text_family import IMAGE_TEXT_TO_TEXT, image_text_family

if TYPE_CHECKING:
    import PIL.Image

    from sensorium.media.image import ImageSource

LONGEST_REPLY = 512
"""In tokens, as in the chapter; a detailed description of a picture takes 100 to 200."""


class ImageChatter(Protocol):
    """What each family of checkpoints offers to `LLaVA`.

    Attributes:
        longest_reply: Longest reply in tokens where the caller doesn't say.
    """

    longest_reply: int

    def chat(
        self,
        images: Sequence[PIL.Image.Image],
        messages: Sequence[Message],
        *,
        max_new_tokens: int,
        temperature: float,
        top_p: float,
        seed: int,
        progress: ProgressCallback | None = None,
        cancel: Cancellation | None = None,
    ) -> Answer:
        """Answer the last turn of a checked conversation about upright RGB pictures."""

    def stream(
        self,
        images: Sequence[PIL.Image.Image],
        messages: Sequence[Message],
        *,
        max_new_tokens: int,
        temperature: float,
        top_p: float,
        seed: int,
        progress: ProgressCallback | None = None,
        cancel: Cancellation | None = None,
    ) -> Generator[str, None, None]:
        """Like `chat`, piece by piece."""


class LLaVA(Task["ImageChatter"]):
    """Talks about pictures over several turns.

    LLaVA 1.5, 1.6 and OneVision, any other image-text-to-text model of transformers that has a chat template (Qwen-VL,
    SmolVLM, InternVL, …), or any model behind an OpenAI-compatible server.

    Args:
        model: Catalog name, hub id, local folder, ``openai:NAME@BASE_URL``, or None for the profile's default.
        device: ``"auto"``, ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ``"mps"``.
        dtype: ``"auto"``, ``"float32"``, ``"float16"``, ``"bfloat16"``.

    Source: Liu et al. 2023, Visual Instruction Tuning.
    """

    task: ClassVar[str] = "image-chat"
    families: ClassVar[Mapping[str, str]] = {
        "socratic": "sensorium.vision_language.starter.picture_answers:SocraticChat",
        IMAGE_TEXT_TO_TEXT: "sensorium.vision_language.families.image_text_tasks:ImageTextChat",
        "openai": "sensorium.vision_language.families.endpoint_chat:EndpointChat",
    }
    cpu_families = frozenset({"socratic"})

    def _family(self, folder: Path) -> str:
        return image_text_family(super()._family(folder), self.families)

    @checked
    def chat(
        self,
        image: ImageSource | Sequence[ImageSource],
        conversation_history: Sequence[Message],
        *,
        system: str | None = None,
        max_new_tokens: int | None = None,
        temperature: float = 0.0,
        top_p: float = 1.0,
        seed: int | None = None,
        progress: ProgressCallback | None = None,
        cancel: Cancellation | None = None,
    ) -> Answer:
        """Answer the last turn of a conversation about one or several pictures.

        Args:
            image: A picture, or a list of them; questions may say "the second picture".
            conversation_history: Turns ``{"role": "user" | "assistant", "content": text}``, alternating, the last
                one the user's. The first may be a system turn.
            system: How to behave; the same as a system turn.
            max_new_tokens: Longest answer, in tokens; by default 512 as in the chapter, and 128 for the starter.
            temperature: 0 takes the likeliest token each time; higher is more varied, up to 2.
            top_p: Sample only from the likeliest tokens that together have this probability.
            seed: Makes sampling repeatable; a fresh one is drawn if None.
            progress: Told what is being loaded, then the tokens written so far.
            cancel: Stops within one token.

        Returns:
            The answer, without the prompt and without special tokens; with the starter, also the facts that it
            rests on; with a temperature, also the seed.

        Raises:
            InputError: The turns are out of order or empty, a number is out of range, a picture can't be read, or
                the conversation doesn't fit the model's context window; nothing of it is ever cut.
            UnsupportedError: The checkpoint doesn't know the language of the last turn, or takes no system prompt.
            CancelledError: ``cancel`` was set.
        """
        check_sampling(max_new_tokens, temperature, top_p, seed)
        images, messages = self._checked(image, conversation_history, system)
        chosen = _fresh_seed() if seed is None else seed
        with self.lease(progress=progress, cancel=cancel) as backend:
            answer = backend.chat(
                images,
                messages,
                max_new_tokens=backend.longest_reply if max_new_tokens is None else max_new_tokens,
                temperature=temperature,
                top_p=top_p,
                seed=chosen,
                progress=progress,
                cancel=cancel,
            )
        return Answer(
            answer,
            model=answer.model,
            evidence=answer.evidence,
            confidence=answer.confidence,
            seed=chosen if temperature else None,
        )

    @checked
    def stream(
        self,
        image: ImageSource | Sequence[ImageSource],
        conversation_history: Sequence[Message],
        *,
        system: str | None = None,
        max_new_tokens: int | None = None,
        temperature: float = 0.0,
        top_p: float = 1.0,
        seed: int | None = None,
        progress: ProgressCallback | None = None,
        cancel: Cancellation | None = None,
    ) -> Iterator[str]:
        """Like `chat`, but give the answer piece by piece as it is written.

        The input is checked at once, not at the first piece. Closing the iterator stops the model.
        """
        check_sampling(max_new_tokens, temperature, top_p, seed)
        images, messages = self._checked(image, conversation_history, system)
        chosen = _fresh_seed() if seed is None else seed
        return self.leased(
            lambda backend: backend.stream(
                images,
                messages,
                max_new_tokens=backend.longest_reply if max_new_tokens is None else max_new_tokens,
                temperature=temperature,
                top_p=top_p,
                seed=chosen,
                progress=progress,
                cancel=cancel,
            ),
            progress=progress,
            cancel=cancel,
        )

    def _checked(
        self, image: ImageSource | Sequence[ImageSource], history: Sequence[Message], system: str | None
    ) -> tuple[list[PIL.Image.Image], Sequence[Message]]:
        from sensorium.media.image import read_image

        messages = check_conversation(history)
        if system:
            if messages[0]["role"] == "system":
                raise InputError("There are two system prompts", "Give system=… or a system turn, not both")
            messages = [{"role": "system", "content": system}, *messages]
        require_language(messages[-1]["content"], self.checkpoint, what="question")
        sources: list[ImageSource] = list(image) if isinstance(image, (list, tuple)) else [image]  # type: ignore[list-item]
        if not sources:
            raise InputError("There is no picture to talk about", "Give at least one")
        return [read_image(source, limits=self.limits) for source in sources], messages


def _fresh_seed() -> int:
    return random.SystemRandom().randrange(1 << 31)


def check_sampling(max_new_tokens: int | None, temperature: float, top_p: float, seed: int | None) -> None:
    if max_new_tokens is not None and max_new_tokens < 1:
        raise InputError(f"max_new_tokens is {max_new_tokens}", "Allow at least one token")
    if not 0 <= temperature <= 2:
        raise InputError(f"The temperature {temperature} is not between 0 and 2", "0 is repeatable, 0.7 is varied")
    if not 0 < top_p <= 1:
        raise InputError(f"top_p is {top_p}, not above 0 and at most 1", "Use 1 to sample from all tokens")
    if seed is not None and not 0 <= seed < 1 << 63:
        raise InputError(f"The seed {seed} is not between 0 and 2^63 - 1", "Use a number such as 42")
