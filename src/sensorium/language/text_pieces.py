"""Tokens to text as they come, letter by whole letter, up to the text's end."""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Sequence
from contextlib import closing

from sensorium.answer import Answer, Ending, Usage
from sensorium.language.sampling import Sampling
from sensorium.language.stop_sequences import StopSequences
from sensorium.language.thoughts import LONGEST_THOUGHTS, TAIL, ThinkingStyle, Thoughts, cannot_think, no_answer
from sensorium.progress import ProgressCallback, report
from sensorium.streaming import ResultStream

_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


class PieceDecoder:
    """Turns tokens into text one by one; a letter of several tokens comes with its last one.

    Args:
        text_of: Decodes a list of tokens.
    """

    def __init__(self, text_of: Callable[[list[int]], str]) -> None:
        self._text_of = text_of
        # What a token reads like depends on the one before it, so the last piece is decoded together with the next.
        self._kept: list[int] = []
        self._said = 0

    def add(self, token: int) -> str:
        """Return the text that a token adds."""
        before = self._text_of(self._kept[: self._said])
        self._kept.append(token)
        after = self._text_of(self._kept)
        if len(after) > len(before) and not after.endswith(_REPLACEMENT):
            self._kept, self._said = self._kept[self._said :], len(self._kept) - self._said
            return after[len(before) :]
        return ""

    def rest(self) -> str:
        """Return whole letters that are left at the end."""
        before = self._text_of(self._kept[: self._said])
        return complete_text(self._text_of(self._kept))[len(before) :]


def complete_text(text: str) -> str:
    """Return a text without a last letter that the longest answer cut in the middle, as in Chinese it may."""
    return text.rstrip(_REPLACEMENT)


class TextReader:
    """Reads what one model writes, token by token: its answer without thoughts, up to a stop sequence or the length.

    Args:
        name: The checkpoint's, for the words of an error.
        prompt: The tokens that the model read.
        sampling: Holds the stop sequences and the longest answer.
        text_of: Decodes a list of tokens, without special tokens that are no marks of thoughts.
        ends: The tokens that end a text.
        style: How the checkpoint thinks.
        window: How many tokens prompt, thoughts and answer may have together; None or 0 where nobody knows.

    Attributes:
        text: The answer so far.
        done: Whether nothing more is to be read.
    """

    def __init__(
        self,
        name: str,
        prompt: Sequence[int],
        sampling: Sampling,
        *,
        text_of: Callable[[list[int]], str],
        ends: Collection[int],
        style: ThinkingStyle,
        window: int | None = None,
    ) -> None:
        self._name = name
        self._sampling = sampling
        self._prompt_tokens = len(prompt)
        self._ends = ends
        self._style = style
        self._decoder = PieceDecoder(text_of)
        self._stops = StopSequences(sampling.stop)
        self._thoughts = Thoughts(style.marks, text_of(list(prompt[-TAIL:])) if style.marks else "")
        left = window - len(prompt) - sampling.max_new_tokens if window else LONGEST_THOUGHTS
        self._longest_thoughts = max(0, min(LONGEST_THOUGHTS, left)) if style.marks else 0
        self._written = self._before = 0
        self._ended = False
        self.text = ""
        self.done = False

    @property
    def most_tokens(self) -> int:
        """How many tokens the model may write, thoughts included."""
        return self._sampling.max_new_tokens + self._longest_thoughts

    @property
    def thought(self) -> int:
        """How many tokens of thoughts there are so far."""
        return self._before if self._thoughts.came else 0

    def add(self, token: int) -> str:
        """Take the next token; return what may be shown of the answer."""
        self._written += 1
        self._ended = token in self._ends
        shown = self._shown(self._decoder.add(token))
        self._before += not self._thoughts.over and not self._ended
        too_long = self._thoughts.going_on and self.thought >= self._longest_thoughts
        full = self._written - self.thought >= self._sampling.max_new_tokens
        self.done = self._ended or self._stops.found or too_long or full
        return shown

    def rest(self) -> str:
        """Return what is held back still, at the end of the text."""
        shown = self._shown(self._decoder.rest())
        held = self._stops.let_through(self._thoughts.rest()) + self._stops.rest()
        self.text += held
        return shown + held

    def report(self, progress: ProgressCallback | None) -> None:
        """Tell how much was thought or written."""
        if self._thoughts.over:
            report(progress, "writing", self._written - self.thought, self._sampling.max_new_tokens, "tokens")
        elif self._thoughts.came:
            report(progress, "thinking", self.thought, None, "tokens")

    def ending(self) -> Ending:
        """Return how the text ended.

        Raises:
            UnsupportedError: The thoughts didn't end.
        """
        if self._thoughts.going_on:
            switchable = self._sampling.thinking and bool(self._style.switches)
            raise no_answer(self._name, self.thought, switchable=switchable)
        usage = Usage(self._prompt_tokens, self._written - self._ended, self.thought)
        warned = self._sampling.thinking and not self._style.possible
        return Ending(
            "stop" if self._ended or self._stops.found else "length",
            usage,
            (cannot_think(self._name),) if warned else (),
        )

    def _shown(self, piece: str) -> str:
        shown = self._stops.let_through(self._thoughts.let_through(piece))
        self.text += shown
        return shown


def read_tokens(
    tokens: Generator[int, None, None], reader: TextReader, *, progress: ProgressCallback | None = None
) -> Generator[str, None, Ending]:
    """Give a text as its tokens are written, and return how it ended.

    Args:
        tokens: Closed when the reader has read enough.
        reader: Makes text of them.
        progress: Told the tokens written so far.
    """
    with closing(tokens):
        for token in tokens:
            piece = reader.add(token)
            reader.report(progress)
            yield piece
            if reader.done:
                break
    yield reader.rest()
    return reader.ending()


def read_answer(
    pieces: Generator[str, None, Ending], sampling: Sampling, *, model: str
) -> Generator[str, None, Answer]:
    """Give the pieces that aren't empty, and return the answer that they make.

    Args:
        pieces: A text as it is written.
        sampling: How it is.
        model: The checkpoint's name.
    """
    said = []
    with ResultStream(pieces) as stream:
        for piece in filter(None, stream):
            said.append(piece)
            yield piece
        ending = stream.result
    return answer_from("".join(said).strip(), ending, sampling, model=model)


def answer_from(text: str, ending: Ending, sampling: Sampling, *, model: str) -> Answer:
    """Return a text as an answer that tells who wrote it, how, and how it ended."""
    return Answer(
        text,
        model=model,
        seed=sampling.drawn,
        finish_reason=ending.finish_reason,
        usage=ending.usage,
        warnings=ending.warnings,
    )
