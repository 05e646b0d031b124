"""Conversations to tokens and tokens back to text, by transformers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sensorium.language.chat_templates import written_by_template
from sensorium.language.messages import Turn
from sensorium.language.thoughts import ThinkingStyle
from sensorium.models.catalog import Checkpoint
from sensorium.models.pretrained import open_part


class PretrainedTokenizer:
    """A checkpoint's tokenizer with its chat template.

    Args:
        folder: Where its files lie.
        checkpoint: For the words of an error.

    Attributes:
        style: How the checkpoint thinks.

    Raises:
        ModelUnavailableError: A file is missing or damaged.
    """

    def __init__(self, folder: Path, checkpoint: Checkpoint) -> None:
        from transformers import AutoTokenizer

        self._name = checkpoint.name
        self._tokenizer: Any = open_part(AutoTokenizer, folder, checkpoint=checkpoint)
        self.style = ThinkingStyle.of(self._tokenizer.chat_template, self._tokenizer.added_tokens_decoder)

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

    def encode(self, turns: Sequence[Turn], *, thinking: bool = False) -> list[int]:
        """Return the tokens of a conversation, up to where the answer begins; plain text without a template.

        Raises:
            UnsupportedError: The template can't write it, such as one with a system prompt.
        """
        if not self.has_chat_template:
            return list(self._tokenizer("\n\n".join(turn.text for turn in turns), verbose=False).input_ids)
        with written_by_template(self._name, turns):
            text = self._tokenizer.apply_chat_template(
                [turn.to_dict() for turn in turns],
                tokenize=False,
                add_generation_prompt=True,
                **self.style.arguments(thinking),
            )
        return list(self._tokenizer(text, add_special_tokens=False, verbose=False).input_ids)

    def text(self, tokens: Sequence[int]) -> str:
        """Return the text of tokens, without special ones that are no marks of thoughts."""
        return self.style.decoded(tokens, self._tokenizer.decode)
