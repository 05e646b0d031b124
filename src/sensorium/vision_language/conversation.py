"""A conversation about pictures that remembers its turns and can be saved: ``Conversation``."""

from __future__ import annotations

import base64
import io
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sensorium.answer import Answer
from sensorium.arguments import checked
from sensorium.errors import InputError
from sensorium.language.messages import Message, check_conversation
from sensorium.progress import Cancellation, ProgressCallback
from sensorium.vision_language.llava import LLaVA

if TYPE_CHECKING:
    from sensorium.media.image import ImageSource
    from sensorium.models.catalog import Checkpoint

_FORMAT = "sensorium-conversation"
_VERSION = 1
_ADDRESSES = ("http://", "https://", "data:")


class Conversation:
    """Talks about pictures and keeps the history.

    Args:
        image: A picture, or a list of them.
        model: A `LLaVA`, or whatever it takes as ``model``.
        system: How to behave.

    Attributes:
        llava: What answers.
        images: The pictures: addresses and absolute paths as text, everything else embedded as PNG in a data: URI.
        system: How to behave, or None.

    Raises:
        InputError: There is no picture.
        ModelUnavailableError: No checkpoint of that name is known.
    """

    @checked
    def __init__(
        self,
        image: ImageSource | Sequence[ImageSource],
        *,
        model: LLaVA | str | os.PathLike[str] | None = None,
        system: str | None = None,
    ) -> None:
        self.llava = model if isinstance(model, LLaVA) else LLaVA(model)
        sources: list[ImageSource] = list(image) if isinstance(image, (list, tuple)) else [image]  # type: ignore[list-item]
        if not sources:
            raise InputError("There is no picture to talk about", "Give at least one")
        self.images = tuple(_as_text(source) for source in sources)
        self.system = system or None
        self._turns: list[Message] = []

    @property
    def history(self) -> list[Message]:
        """The turns so far, the user's and the assistant's alternating; a copy."""
        return [dict(turn) for turn in self._turns]

    @checked
    def ask(
        self,
        text: str,
        *,
        max_new_tokens: int | None = None,
        temperature: float = 0.0,
        top_p: float = 1.0,
        seed: int | None = None,
        progress: ProgressCallback | None = None,
        cancel: Cancellation | None = None,
    ) -> Answer:
        """Say something and return the answer; both are remembered. After an error nothing is.

        Args:
            text: What to say.
            max_new_tokens: As for `LLaVA.chat`, like the rest.
            temperature: 0 takes the likeliest token each time.
            top_p: Sample only from the likeliest tokens that together have this probability.
            seed: Makes sampling repeatable.
            progress: Told the tokens written so far.
            cancel: Stops within one token.

        Raises:
            InputError: The text is empty, or the conversation has grown beyond the model's context window.
            CancelledError: ``cancel`` was set.
        """
        answer = self.llava.chat(
            self.images,
            [*self._turns, {"role": "user", "content": text}],
            system=self.system,
            max_new_tokens=max_new_tokens,
            temperature=temperature,
            top_p=top_p,
            seed=seed,
            progress=progress,
            cancel=cancel,
        )
        self._remember(text, answer)
        return answer

    @checked
    def stream(
        self,
        text: str,
        *,
        max_new_tokens: int | None = None,
        temperature: float = 0.0,
        top_p: float = 1.0,
        seed: int | None = None,
        progress: ProgressCallback | None = None,
        cancel: Cancellation | None = None,
    ) -> Iterator[str]:
        """Like `ask`, piece by piece. The turns are remembered once the answer is complete."""
        pieces = self.llava.stream(
            self.images,
            [*self._turns, {"role": "user", "content": text}],
            system=self.system,
            max_new_tokens=max_new_tokens,
            temperature=temperature,
            top_p=top_p,
            seed=seed,
            progress=progress,
            cancel=cancel,
        )
        return self._remembering(text, pieces)

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
            "model": _reopening(self.llava.checkpoint),
            "system": self.system,
            "images": list(self.images),
            "turns": self.history,
        }
        with atomic_file(path) as temporary:
            temporary.write_text(json.dumps(document, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
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
            turns = [{"role": turn["role"], "content": turn["content"]} for turn in document["turns"]]
            texts = [*images, saved_model, *([] if system is None else [system])]
            if not isinstance(images, list) or not all(isinstance(text, str) for text in texts):
                raise ValueError
            if turns and (turns[0]["role"], turns[-1]["role"]) != ("user", "assistant"):
                raise ValueError
            check_conversation([*turns, {"role": "user", "content": "…"}])
        except (KeyError, TypeError, ValueError, InputError):
            raise _not_a_conversation(path) from None
        chosen = model if isinstance(model, LLaVA) else LLaVA(model or saved_model, profile=profile, device=device)
        conversation = cls(images, model=chosen, system=system)
        conversation._turns = list(turns)
        return conversation

    def _remember(self, text: str, answer: str) -> None:
        # An empty answer would make a turn that no model takes; then neither turn counts.
        if answer.strip():
            self._turns += [{"role": "user", "content": text}, {"role": "assistant", "content": str(answer)}]

    def _remembering(self, text: str, pieces: Iterator[str]) -> Iterator[str]:
        said = []
        try:
            for piece in pieces:
                said.append(piece)
                yield piece
        finally:
            close = getattr(pieces, "close", None)
            if close is not None:
                close()
        self._remember(text, "".join(said).strip())


def _reopening(checkpoint: Checkpoint) -> str:
    """Return what opens the same checkpoint again."""
    if checkpoint.endpoint:
        return f"{checkpoint.name}@{checkpoint.endpoint}"
    return checkpoint.folder or checkpoint.name


def _as_text(source: ImageSource) -> str:
    """Return a picture as an address or an absolute path, or else the picture itself as a data: URI."""
    if isinstance(source, str) and source.startswith(_ADDRESSES):
        return source
    if isinstance(source, (str, os.PathLike)):
        return str(Path(source).absolute())
    from sensorium.media.image import read_image

    file = io.BytesIO()
    read_image(source).save(file, "PNG")
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"


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
