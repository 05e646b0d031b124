"""Conversations to tokens and tokens back to text without transformers: a ``tokenizer.json`` and a chat template."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from sensorium.errors import ModelUnavailableError
from sensorium.language.chat_templates import written_by_template
from sensorium.language.messages import Turn
from sensorium.language.thoughts import ThinkingStyle
from sensorium.models.catalog import Checkpoint

TOKENIZER, CONFIG, TEMPLATE = "tokenizer.json", "tokenizer_config.json", "chat_template.jinja"
"""The files of a tokenizer, by the names that transformers gives them."""
_SPECIAL = ("bos_token", "eos_token", "unk_token", "pad_token")


class FastTokenizer:
    """A checkpoint's tokenizer with its chat template; threads may share it.

    Args:
        folder: Where its files lie.
        checkpoint: For the words of an error.

    Attributes:
        style: How the checkpoint thinks.

    Raises:
        ModelUnavailableError: A file is missing or damaged.
    """

    def __init__(self, folder: Path, checkpoint: Checkpoint) -> None:
        from tokenizers import Tokenizer

        self._name = checkpoint.name
        try:
            self._tokenizer: Any = Tokenizer.from_file(str(folder / TOKENIZER))
            config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
            template = (folder / TEMPLATE).read_text(encoding="utf-8") if (folder / TEMPLATE).is_file() else None
        except Exception as error:  # tokenizers raises bare Exception
            raise ModelUnavailableError(
                f"The checkpoint {checkpoint.name!r} can't be opened: its tokenizer's files are missing or damaged",
                f"Remove the folder {str(folder)!r}, and it is made anew",
            ) from error
        self._special = {name: config[name] for name in _SPECIAL if config.get(name)}
        self._template = None if template is None else _compiled(template)
        self.style = ThinkingStyle.of(template, self._tokenizer.get_added_tokens_decoder())

    @property
    def has_chat_template(self) -> bool:
        """Whether the checkpoint was made for conversations."""
        return self._template is not None

    @property
    def ends(self) -> frozenset[int]:
        """The token that ends a text, if there is one."""
        end = self._tokenizer.token_to_id(self._special.get("eos_token", ""))
        return frozenset() if end is None else frozenset([int(end)])

    def names(self, tokens: Sequence[int]) -> list[str]:
        """Return tokens by name rather than by number."""
        return [str(self._tokenizer.id_to_token(token)) for token in tokens]

    def encode(self, turns: Sequence[Turn], *, thinking: bool = False) -> list[int]:
        """Return the tokens of a conversation, up to where the answer begins; plain text without a template.

        Raises:
            UnsupportedError: The template can't write it, such as one with a system prompt.
        """
        if self._template is None:
            return list(self._tokenizer.encode("\n\n".join(turn.text for turn in turns)).ids)
        with written_by_template(self._name, turns):
            text = self._template.render(
                messages=[turn.to_dict() for turn in turns],
                add_generation_prompt=True,
                tools=None,
                documents=None,
                **self._special,
                **self.style.arguments(thinking),
            )
        return list(self._tokenizer.encode(text, add_special_tokens=False).ids)

    def text(self, tokens: Sequence[int]) -> str:
        """Return the text of tokens, without special ones that are no marks of thoughts."""
        return self.style.decoded(tokens, self._tokenizer.decode)


def _compiled(template: str) -> Any:
    """Return a chat template with all that transformers offers to templates."""
    from jinja2 import TemplateError
    from jinja2.ext import loopcontrols
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    def raise_exception(message: str) -> None:
        raise TemplateError(message)

    def tojson(value: Any, **options: Any) -> str:
        return json.dumps(value, ensure_ascii=False, **options)  # jinja2's own escapes what HTML would read

    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols])
    environment.filters["tojson"] = tojson
    environment.globals["raise_exception"] = raise_exception
    environment.globals["strftime_now"] = lambda pattern: datetime.now().strftime(pattern)
    return environment.from_string(template)
