"""Conversations to tokens, and tokens back to text as they come."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from sensorium.language.text_pieces import pieces_of_text
from sensorium.models.catalog import Checkpoint
from sensorium.models.pretrained import open_part


class ChatTokenizer:
    """A checkpoint's tokenizer with its chat template.

    Args:
        folder: Where its files lie.
        checkpoint: For the words of an error.

    Raises:
        ModelUnavailableError: A file is missing or damaged.
    """

    def __init__(self, folder: Path, checkpoint: Checkpoint) -> None:
        from transformers import AutoTokenizer

        self._tokenizer: Any = open_part(AutoTokenizer, folder, checkpoint=checkpoint)

    @property
    def has_chat_template(self) -> bool:
        """Whether the checkpoint was made for conversations."""
        return bool(self._tokenizer.chat_template)

    @property
    def longest(self) -> int:
        """How many tokens the tokenizer says that the model takes."""
        return int(self._tokenizer.model_max_length)

    @property
    def padding(self) -> int:
        """The token that fills up; the end token where there is none."""
        found = self._tokenizer.pad_token_id
        return int(found if found is not None else self._tokenizer.eos_token_id or 0)

    def encode(self, messages: Sequence[Mapping[str, str]]) -> list[int]:
        """Return the tokens of a conversation, up to where the answer begins; plain text without a template."""
        if not self.has_chat_template:
            return list(
                self._tokenizer("\n\n".join(message["content"] for message in messages), verbose=False).input_ids
            )
        text = self._tokenizer.apply_chat_template(
            [dict(message) for message in messages], tokenize=False, add_generation_prompt=True
        )
        return list(self._tokenizer(text, add_special_tokens=False, verbose=False).input_ids)

    def names(self, tokens: Sequence[int]) -> list[str]:
        """Return tokens by name rather than by number."""
        return list(self._tokenizer.convert_ids_to_tokens(list(tokens)))

    def decode(self, tokens: Iterable[int]) -> Iterator[str]:
        """Give one piece of text for each token, as `pieces_of_text` does."""
        return pieces_of_text(tokens, self._text)

    def _text(self, tokens: Sequence[int]) -> str:
        return str(self._tokenizer.decode(list(tokens), skip_special_tokens=True))
