"""A Whisper's tokenizer, as faster-whisper uses it, with the words that a fine-tuning has added."""

from __future__ import annotations

import string
from collections.abc import Mapping, Sequence
from functools import cached_property
from itertools import groupby
from typing import Any

from faster_whisper.tokenizer import Tokenizer

from sensorium.speech.families.whisper_vocabulary import TIMESTAMP

_NEEDED = ("startoftranscript", "endoftext", "notimestamps", "startofprev", "transcribe", "translate")
_SILENT = ("transcribe", "translate", "startoftranscript", "startofprev", "startoflm", "nospeech", "nocaptions")
"""Never in a text."""


class WhisperTokenizer(Tokenizer):  # type: ignore[misc]
    """Turns words into text and back.

    Args:
        tokenizer: As the ``tokenizers`` package has it.
        words: All words of the model by their numbers; a tokenizer may know others, which the model doesn't.
    """

    def __init__(self, tokenizer: Any, words: Sequence[str]) -> None:
        super().__init__(tokenizer, multilingual=False)
        self._count = len(words)
        tokenizer.no_truncation()
        tokenizer.no_padding()
        wrong = [name for name in _NEEDED if self._number(name) != _place(words, f"<|{name}|>")]
        if wrong:
            raise ValueError(f"its tokenizer and its vocabulary disagree about <|{wrong[0]}|>")

    def told(self, language: str, task: str) -> bool:
        """Set the language and the task that the decoder is told; return whether the model knows the language."""
        self.task = self._number(task)
        self.language = self._number(language)
        self.language_code = language
        return self.language is not None

    @cached_property
    def added(self) -> Mapping[int, str]:
        """The words that a fine-tuning has added, by their numbers."""
        return {
            number: token.content
            for number, token in self.tokenizer.get_added_tokens_decoder().items()
            if self.eot < number < self._count and not token.special and not TIMESTAMP.fullmatch(token.content)
        }

    @cached_property
    def suppressed(self) -> list[int]:
        """The numbers of what is never in a text: special words, and signs of what isn't spoken."""
        special = [number for name in _SILENT if (number := self._number(name)) is not None]
        spoken = set(self.added)
        return sorted({*special, *self.non_speech_tokens} - spoken)

    def spoken(self, tokens: Sequence[int]) -> list[int]:
        """Return those that are words of a text."""
        return [token for token in tokens if token < self.eot or token in self.added]

    def encode(self, text: str) -> list[int]:
        """Return a text as numbers of words."""
        return [number for number in super().encode(text) if number < self._count]

    def decode(self, tokens: Sequence[int]) -> str:
        """Return words as a text."""
        text = ""
        for added, group in groupby(tokens, key=lambda token: token in self.added):
            run = list(group)
            # What is added isn't written in bytes, as other words are.
            text += "".join(self.added[token] for token in run) if added else super().decode(run)
        return text

    def decode_with_timestamps(self, tokens: Sequence[int]) -> str:
        """Return words as a text; marks of time are not among them."""
        return self.decode(tokens)

    def split_tokens_on_spaces(self, tokens: list[int]) -> tuple[list[str], list[list[int]]]:
        """Return the words of a text, and the tokens of each; what is added may be a part of a word."""
        words: list[str] = []
        word_tokens: list[list[int]] = []
        for part, part_tokens in zip(*self.split_tokens_on_unicode(tokens), strict=True):
            special = part_tokens[0] >= self.eot and part_tokens[0] not in self.added
            begins = special or part.startswith(" ") or part.strip() in string.punctuation
            if begins or not words:
                words.append(part)
                word_tokens.append(part_tokens)
            else:
                words[-1] += part
                word_tokens[-1].extend(part_tokens)
        return words, word_tokens

    def _number(self, name: str) -> int | None:
        number: int | None = self.tokenizer.token_to_id(f"<|{name}|>")
        return number if number is not None and number < self._count else None


def _place(words: Sequence[str], word: str) -> int | None:
    return words.index(word) if word in words else None
