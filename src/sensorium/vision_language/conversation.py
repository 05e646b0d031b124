"""A conversation, about pictures or about none, that remembers its turns and can be saved: ``Conversation``."""

from __future__ import annotations

import json
import os
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from sensorium.answer import Answer
from sensorium.arguments import checked
from sensorium.errors import InputError
from sensorium.language.messages import MediaPart, Turn, read_conversation, source_as_text
from sensorium.language.sampling import SamplingOptions
from sensorium.progress import Cancellation, ProgressCallback
from sensorium.streaming import ResultStream
from sensorium.vision_language.llava import LLaVA

if TYPE_CHECKING:
    from sensorium.media.image import ImageSource

_FORMAT = "sensorium-conversation"
_VERSION = 1


class Conversation:
    """Talks about pictures and keeps the history.

    Args:
        image: A picture, or a list of them, to talk about from the beginning; None where there are none.
        model: A `LLaVA`, or whatever it takes as ``model``.
        system: How to behave.

    Attributes:
        llava: What answers.
        images: The pictures: addresses and absolute paths as text, everything else embedded as PNG in a data: URI.
        system: How to behave, or None.

    Raises:
        ModelUnavailableError: No checkpoint of that name is known.
    """

    @checked
    def __init__(
        self,
        image: ImageSource | Sequence[ImageSource] | None = None,
        *,
        model: LLaVA | str | os.PathLike[str] | None = None,
        system: str | None = None,
    ) -> None:
        self.llava = model if isinstance(model, LLaVA) else LLaVA(model)
        sources = list(image) if isinstance(image, (list, tuple)) else [] if image is None else [image]
        self.images = tuple(source_as_text("image", source, limits=self.llava.limits) for source in sources)
        self.system = system or None
        self._turns: list[dict[str, Any]] = []

    @property
    def model(self) -> str:
        """What opens the same model again, as `LLaVA` takes it."""
        checkpoint = self.llava.checkpoint
        if checkpoint.endpoint:
            return f"{checkpoint.name}@{checkpoint.endpoint}"
        return checkpoint.folder or checkpoint.name

    @property
    def history(self) -> list[dict[str, Any]]:
        """The turns so far as messages, the user's and the assistant's alternating; a copy.

        Pictures in them are addresses, absolute paths, or embedded in data: URIs, like `images`.
        """
        return json.loads(json.dumps(self._turns))  # type: ignore[no-any-return]

    @checked
    def ask(
        self,
        text: str | Sequence[Any],
        *,
        progress: ProgressCallback | None = None,
        cancel: Cancellation | None = None,
        **options: Unpack[SamplingOptions],
    ) -> Answer:
        """Say something and return the answer; both are remembered. After an error nothing is.

        Args:
            text: What to say: text, or a list of parts, such as ``[{"type": "image", "image": "cat.jpg"}, "And
                this?"]``: see `sensorium.language.messages.Message`.
            progress: Told the tokens written so far.
            cancel: Stops within one token.
            options: See `SamplingOptions`; defaults as for `LLaVA.chat`.

        Raises:
            InputError: The text is empty, a picture can't be read, or the conversation has grown beyond the model's
                context window.
            UnsupportedError: The model takes no such part.
            CancelledError: ``cancel`` was set.
        """
        return self.stream(text, progress=progress, cancel=cancel, **options).finish()

    @checked
    def stream(
        self,
        text: str | Sequence[Any],
        *,
        progress: ProgressCallback | None = None,
        cancel: Cancellation | None = None,
        **options: Unpack[SamplingOptions],
    ) -> ResultStream[str, Answer]:
        """Like `ask`, piece by piece; then ``result`` is what `ask` returns.

        The turns are remembered once the answer is complete.
        """
        said = self._said(text)
        answer = self.llava.stream(
            self.images,
            [*self._turns, said],
            system=self.system,
            progress=progress,
            cancel=cancel,
            **options,
        )
        return ResultStream(self._remembering(said, answer))

    @checked
    def messages_asking(self, text: str | Sequence[Any]) -> list[dict[str, Any]]:
        """Return the conversation as messages that end with a new turn of the user, for somebody else to answer.

        The pictures to talk about are in the first turn of the user, and how to behave is a system turn.

        Args:
            text: What to say, as for `ask`.

        Raises:
            InputError: The text is empty, or a picture can't be read.
        """
        media = [MediaPart("image", image) for image in self.images]
        turns = read_conversation([*self._turns, self._said(text)], system=self.system, media=media)
        return [turn.to_dict(limits=self.llava.limits) for turn in turns]

    @checked
    def remember(self, text: str | Sequence[Any], answer: str) -> None:
        """Take in what the user said and what somebody else answered to `messages_asking`.

        Args:
            text: What the user said.
            answer: The answer; if it is empty, neither is remembered.

        Raises:
            InputError: The text is empty, or a picture can't be read.
        """
        self._remember(self._said(text), answer)

    @checked
    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the conversation to a JSON file, which appears complete or not at all.

        Args:
            path: The file; an existing one is replaced.

        Returns:
            The path.

        Raises:
            InputError: It can't be written there.
        """
        from sensorium.media.atomic_file import atomic_file

        document = {
            "format": _FORMAT,
            "version": _VERSION,
            "model": self.model,
            "system": self.system,
            "images": list(self.images),
            "turns": self.history,
        }
        with atomic_file(path) as temporary:
            text = json.dumps(document, ensure_ascii=False, indent=2) + "\n"
            # Names of files may hold halves of characters; written like this, they are JSON.
            temporary.write_text(text, encoding="utf-8", errors="backslashreplace")
        return Path(path)

    @classmethod
    @checked
    def load(
        cls,
        path: str | os.PathLike[str],
        *,
        model: LLaVA | str | os.PathLike[str] | None = None,
        profile: str | None = None,
        device: str = "auto",
    ) -> Conversation:
        """Read a conversation that `save` wrote, to go on with it.

        Args:
            path: The file.
            model: Who goes on; by default the model that it was held with.
            profile: Whose defaults the parts of a model are, if they are left open.
            device: Where a model named here, or in the file, runs.

        Raises:
            InputError: The file can't be read, is no saved conversation, or is of a later version.
            ModelUnavailableError: The model that it was held with is not known here.
        """
        document = _read(path)
        try:
            images, system, saved_model = document["images"], document["system"], document["model"]
            texts = [*images, saved_model, *([] if system is None else [system])]
            if not isinstance(images, list) or not all(isinstance(text, str) for text in texts):
                raise ValueError
            turns = [Turn.from_dict(message).to_dict() for message in document["turns"]]
            if turns and (turns[0]["role"], turns[-1]["role"]) != ("user", "assistant"):
                raise ValueError
            if len(read_conversation([*turns, {"role": "user", "content": "…"}])) != len(turns) + 1:
                raise ValueError
        except (KeyError, TypeError, ValueError, AttributeError, InputError):
            raise _not_a_conversation(path) from None
        chosen = model if isinstance(model, LLaVA) else LLaVA(model or saved_model, profile=profile, device=device)
        conversation = cls(images, model=chosen, system=system)
        conversation._turns = turns
        return conversation

    def _remembering(self, said: dict[str, Any], pieces: ResultStream[str, Answer]) -> Generator[str, None, Answer]:
        with pieces:
            answer = yield from pieces
        self._remember(said, answer)
        return answer

    def _said(self, text: str | Sequence[Any]) -> dict[str, Any]:
        return Turn.from_dict({"role": "user", "content": text}).to_dict(limits=self.llava.limits)

    def _remember(self, said: dict[str, Any], answer: str) -> None:
        # An empty answer would make a turn that no model takes; then neither turn counts.
        if answer.strip():
            self._turns += [said, {"role": "assistant", "content": str(answer)}]


def _read(path: str | os.PathLike[str]) -> dict[str, Any]:
    from sensorium.media.naming import display_name

    try:
        document = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        reason = (error.strerror or "the system refused").lower()
        raise InputError(f"{display_name(path)} can't be read: {reason}", "Check the name and the folder") from None
    except (ValueError, RecursionError):  # no JSON, or nested without end
        raise _not_a_conversation(path) from None
    if not isinstance(document, dict) or document.get("format") != _FORMAT:
        raise _not_a_conversation(path)
    if document.get("version") != _VERSION:
        raise InputError(
            f"{display_name(path)} was saved in version {document.get('version')!r} of the format, "
            f"and this version of Sensorium reads {_VERSION}",
            "Use a newer Sensorium",
        )
    return document


def _not_a_conversation(path: str | os.PathLike[str]) -> InputError:
    from sensorium.media.naming import display_name

    return InputError(f"{display_name(path)} is not a saved conversation", "Name a file that Conversation.save wrote")
