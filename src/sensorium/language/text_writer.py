"""What every family of language models offers to `LanguageModel`: a conversation in, pieces of text out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Generator, Sequence
from dataclasses import replace
from typing import Protocol

from sensorium.answer import Ending
from sensorium.errors import InputError
from sensorium.language.messages import Turn
from sensorium.language.sampling import Sampling
from sensorium.language.text_pieces import TextReader, read_tokens
from sensorium.language.thoughts import ThinkingStyle
from sensorium.models.catalog import Checkpoint
from sensorium.progress import Cancellation, ProgressCallback


class TextWriter(Protocol):
    """A loaded language model, here or behind a server.

    Attributes:
        holds_conversations: Whether it was made for conversations, rather than to continue a text.
        context_window: How many tokens prompt and answer may have together; None where only a server knows.
    """

    holds_conversations: bool
    context_window: int | None

    def count_tokens(self, turns: Sequence[Turn]) -> int:
        """Return how many tokens a conversation takes."""

    def write(
        self,
        turns: Sequence[Turn],
        sampling: Sampling,
        *,
        progress: ProgressCallback | None,
        cancel: Cancellation | None,
    ) -> Generator[str, None, Ending]:
        """Check the input, then give the answer's text until its end or ``cancel``, and return how it ended.

        Closing the generator stops the model. A piece may be empty.
        """


class ChatTokenizer(Protocol):
    """A checkpoint's tokenizer with its chat template."""

    @property
    def has_chat_template(self) -> bool:
        """Whether the checkpoint was made for conversations."""

    @property
    def style(self) -> ThinkingStyle:
        """How the checkpoint thinks."""

    def encode(self, turns: Sequence[Turn], *, thinking: bool = False) -> list[int]:
        """Return the tokens of a conversation, up to where the answer begins; plain text without a template."""

    def text(self, tokens: Sequence[int]) -> str:
        """Return the text of tokens, without special ones that are no marks of thoughts."""


class TokenWriter(ABC):
    """A language model that runs here, token by token: a `TextWriter` for a tokenizer and a way to write tokens.

    Attributes:
        tokenizer: The checkpoint's tokenizer with its chat template.
        ends: The tokens that end a text.
    """

    tokenizer: ChatTokenizer
    context_window: int | None
    ends: Collection[int]

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

    def count_tokens(self, turns: Sequence[Turn]) -> int:
        """Return how many tokens a conversation takes, the chat template's own tokens included."""
        return len(self.tokenizer.encode(turns))

    def write(
        self,
        turns: Sequence[Turn],
        sampling: Sampling,
        *,
        progress: ProgressCallback | None,
        cancel: Cancellation | None,
    ) -> Generator[str, None, Ending]:
        """Give the answer's text, one piece a token.

        Raises:
            InputError: Prompt and answer don't fit the window.
            UnsupportedError: The model thinks, and comes to no answer.
        """
        tokens = self.tokenizer.encode(turns, thinking=sampling.thinking)
        window = self.context_window
        if window is not None and len(tokens) + sampling.max_new_tokens > window:
            raise InputError(
                f"The prompt has {len(tokens)} tokens and the answer may have {sampling.max_new_tokens}, "
                f"but {self._name!r} holds {window} in all",
                "Shorten the prompt or lower max_new_tokens",
            )
        reader = TextReader(
            self._name,
            tokens,
            sampling,
            text_of=self.tokenizer.text,
            ends=self.ends,
            style=self.tokenizer.style,
            window=window,
        )
        longest = replace(sampling, max_new_tokens=reader.most_tokens)
        return read_tokens(self.write_tokens(tokens, longest, cancel=cancel), reader, progress=progress)
