"""What every family of language models offers to `LanguageModel`: a conversation in, pieces of text out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Generator, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Protocol

from sensorium.errors import InputError
from sensorium.language.messages import Message
from sensorium.language.sampling import Sampling
from sensorium.models.catalog import Checkpoint
from sensorium.progress import Cancellation

if TYPE_CHECKING:
    from sensorium.language.chat_tokenizer import ChatTokenizer


class TextWriter(Protocol):
    """A loaded language model, here or behind a server.

    Attributes:
        holds_conversations: Whether it was made for conversations, rather than to continue a text.
        context_window: How many tokens prompt and answer may have together; None where only a server knows.
    """

    holds_conversations: bool
    context_window: int | None

    def count_tokens(self, messages: Sequence[Message]) -> int:
        """Return how many tokens a conversation takes."""

    def write(
        self, messages: Sequence[Message], sampling: Sampling, *, cancel: Cancellation | None
    ) -> Generator[str, None, None]:
        """Check the input, then give the answer's text, one piece a token, until its end or ``cancel``.

        Closing the generator stops the model. A piece may be empty.
        """


class TokenWriter(ABC):
    """A language model that runs here, token by token: a `TextWriter` for a tokenizer and a way to write tokens.

    Attributes:
        tokenizer: The checkpoint's tokenizer with its chat template.
    """

    tokenizer: ChatTokenizer
    context_window: int | None

    def __init__(self, checkpoint: Checkpoint) -> None:
        self._name = checkpoint.name

    @abstractmethod
    def write_tokens(
        self, tokens: Sequence[int], sampling: Sampling, *, cancel: Cancellation | None
    ) -> Generator[int, None, None]:
        """Give the answer's tokens as they are written, until its end, the longest answer or ``cancel``."""

    @property
    def holds_conversations(self) -> bool:
        """Whether the checkpoint has a chat template."""
        return self.tokenizer.has_chat_template

    def count_tokens(self, messages: Sequence[Message]) -> int:
        """Return how many tokens a conversation takes, the chat template's own tokens included."""
        return len(self.tokenizer.encode(messages))

    def write(
        self, messages: Sequence[Message], sampling: Sampling, *, cancel: Cancellation | None
    ) -> Generator[str, None, None]:
        """Give the answer's text, one piece a token.

        Raises:
            InputError: Prompt and answer don't fit the window.
        """
        tokens = self.tokenizer.encode(messages)
        window = self.context_window
        if window is not None and len(tokens) + sampling.max_new_tokens > window:
            raise InputError(
                f"The prompt has {len(tokens)} tokens and the answer may have {sampling.max_new_tokens}, "
                f"but {self._name!r} holds {window} in all",
                "Shorten the prompt or lower max_new_tokens",
            )
        return self._pieces(self.write_tokens(tokens, sampling, cancel=cancel))

    def _pieces(self, written: Generator[int, None, None]) -> Generator[str, None, None]:
        with closing(written):
            yield from self.tokenizer.decode(written)
