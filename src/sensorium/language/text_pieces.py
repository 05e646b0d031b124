"""Tokens to text as they come, letter by whole letter, up to the text's end."""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Iterable, Iterator
from contextlib import closing

from sensorium.answer import Answer, Ending, Usage
from sensorium.language.sampling import Sampling
from sensorium.language.stop_sequences import StopSequences
from sensorium.progress import ProgressCallback, report
from sensorium.streaming import ResultStream

_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


def pieces_of_text(tokens: Iterable[int], text_of: Callable[[list[int]], str]) -> Iterator[str]:
    """Give one piece of text for each token, empty where a letter of several tokens waits for its last one.

    One more piece follows if the last token held a whole letter and the beginning of another one. A last letter that
    stays incomplete is left out.

    Args:
        tokens: One after the other.
        text_of: Decodes a list of tokens, without special tokens.
    """
    # What a token reads like depends on the one before it, so the last piece is decoded together with the next.
    kept: list[int] = []
    said = 0
    for token in tokens:
        before = text_of(kept[:said])
        kept.append(token)
        after = text_of(kept)
        if len(after) > len(before) and not after.endswith(_REPLACEMENT):
            yield after[len(before) :]
            kept, said = kept[said:], len(kept) - said
        else:
            yield ""
    rest = complete_text(text_of(kept))[len(text_of(kept[:said])) :]
    if rest:
        yield rest


def complete_text(text: str) -> str:
    """Return a text without a last letter that the longest answer cut in the middle, as in Chinese it may."""
    return text.rstrip(_REPLACEMENT)


def read_tokens(
    tokens: Generator[int, None, None],
    sampling: Sampling,
    *,
    text_of: Callable[[list[int]], str],
    ends: Collection[int],
    prompt_tokens: int,
    progress: ProgressCallback | None = None,
) -> Generator[str, None, Ending]:
    """Give a text as its tokens are written, and return how it ended.

    Args:
        tokens: Closed when the text has come to a stop sequence.
        sampling: Holds the stop sequences.
        text_of: Decodes a list of tokens, without special tokens.
        ends: The tokens that end a text.
        prompt_tokens: How many tokens the model read before it wrote.
        progress: Told the tokens written so far.
    """
    stops = StopSequences(sampling.stop)
    written: list[int] = []

    def counted() -> Iterator[int]:
        for token in tokens:
            written.append(token)
            report(progress, "writing", len(written), sampling.max_new_tokens, "tokens")
            yield token

    with closing(tokens):
        for piece in pieces_of_text(counted(), text_of):
            yield stops.let_through(piece)
            if stops.found:
                break
    yield stops.rest()
    ended = bool(written) and written[-1] in ends
    return Ending("stop" if ended or stops.found else "length", Usage(prompt_tokens, len(written) - ended))


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
    return Answer(text, model=model, seed=sampling.drawn, finish_reason=ending.finish_reason, usage=ending.usage)
