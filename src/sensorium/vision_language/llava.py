"""Conversations about a picture: ``LLaVA``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, Protocol

from sensorium.answer import Answer
from sensorium.errors import InputError
from sensorium.language.conversation import Message, check_conversation
from sensorium.language.written_language import require_language
from sensorium.progress import Cancellation, ProgressCallback
from sensorium.task import Task

if TYPE_CHECKING:
    import PIL.Image

    from sensorium.media.image import ImageSource


class ImageChatter(Protocol):
    """What each family of checkpoints offers to `LLaVA`."""

    def chat(
        self,
        images: Sequence[PIL.Image.Image],
        messages: Sequence[Message],
        *,
        max_new_tokens: int,
        temperature: float,
        top_p: float,
        seed: int | None,
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
        seed: int | None,
        cancel: Cancellation | None = None,
    ) -> Iterator[str]:
        """Like `chat`, piece by piece."""


class LLaVA(Task["ImageChatter"]):
    """Talks about pictures over several turns.

    Args:
        model: Catalog name, hub id, local folder, or None for the profile's default.
        device: ``"auto"``, ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ``"mps"``.
        dtype: ``"auto"``, ``"float32"``, ``"float16"``, ``"bfloat16"``.

    Source: Liu et al. 2023, Visual Instruction Tuning.
    """

    task: ClassVar[str] = "image-chat"
    families: ClassVar[Mapping[str, str]] = {"socratic": "sensorium.vision_language.socratic:SocraticChat"}

    def chat(
        self,
        image: ImageSource | Sequence[ImageSource],
        conversation_history: Sequence[Message],
        *,
        system: str | None = None,
        max_new_tokens: int = 128,
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
            max_new_tokens: Longest answer, in tokens.
            temperature: 0 takes the likeliest token each time; higher is more varied, up to 2.
            top_p: Sample only from the likeliest tokens that together have this probability.
            seed: Makes sampling repeatable.
            progress: Told what is being loaded.
            cancel: Stops within one token.

        Returns:
            The answer with the facts that it rests on.

        Raises:
            InputError: The turns are out of order or empty, or a picture can't be read.
            UnsupportedError: The checkpoint doesn't know the language of the last turn.
            CancelledError: ``cancel`` was set.
        """
        images, messages = self._checked(image, conversation_history, system)
        self.load(progress=progress, cancel=cancel)
        return self.backend.chat(
            images,
            messages,
            max_new_tokens=max_new_tokens,
            temperature=temperature,
            top_p=top_p,
            seed=seed,
            cancel=cancel,
        )

    def stream(
        self,
        image: ImageSource | Sequence[ImageSource],
        conversation_history: Sequence[Message],
        *,
        system: str | None = None,
        max_new_tokens: int = 128,
        temperature: float = 0.0,
        top_p: float = 1.0,
        seed: int | None = None,
        progress: ProgressCallback | None = None,
        cancel: Cancellation | None = None,
    ) -> Iterator[str]:
        """Like `chat`, but give the answer piece by piece as it is written.

        The input is checked at once, not at the first piece. Closing the iterator stops the model.
        """
        images, messages = self._checked(image, conversation_history, system)
        self.load(progress=progress, cancel=cancel)
        return self.backend.stream(
            images,
            messages,
            max_new_tokens=max_new_tokens,
            temperature=temperature,
            top_p=top_p,
            seed=seed,
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
        return [read_image(source) for source in sources], messages
