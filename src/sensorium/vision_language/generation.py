"""Text from a generating model of transformers: cancelled within a token, streamed, sampled repeatably."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from transformers import LogitsProcessor, LogitsProcessorList, StoppingCriteria, StoppingCriteriaList
from transformers.generation.streamers import BaseStreamer

from sensorium.models.pretrained import quiet_transformers
from sensorium.progress import Cancellation, ProgressCallback, check_cancelled, report

_PATIENCE_SECONDS = 0.05
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


@dataclass(frozen=True)
class Sampling:
    """How the next token is chosen, and when to end at the latest.

    Attributes:
        max_new_tokens: Longest answer, in tokens.
        temperature: 0 takes the likeliest token each time; higher is more varied.
        top_p: Sample only from the likeliest tokens that together have this probability.
        seed: Makes sampling repeatable.
    """

    max_new_tokens: int
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0

    def options(self) -> dict[str, Any]:
        """Return arguments of ``generate``; they replace what the checkpoint recommends about sampling."""
        chosen: dict[str, Any] = {
            "max_new_tokens": self.max_new_tokens,
            "do_sample": False,
            "num_beams": 1,
            "temperature": None,
            "top_p": None,
            "top_k": None,
        }
        if self.temperature:
            chosen["logits_processor"] = LogitsProcessorList([_Choice(self)])
        return chosen


class _Choice(LogitsProcessor):
    """Samples with a random generator of its own, so that other threads and other samples change nothing.

    transformers samples with the process's generator. Here the token is drawn first, and the only likely one then.
    """

    def __init__(self, sampling: Sampling) -> None:
        self._sampling = sampling
        self._generator = torch.Generator().manual_seed(sampling.seed)

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> Any:
        scaled = scores.float().cpu() / self._sampling.temperature
        probabilities, tokens = scaled.softmax(-1).sort(stable=True, dim=-1, descending=True)
        # A token stays in while those before it are less than top_p together; so the likeliest always does.
        before = probabilities.cumsum(-1) - probabilities
        probabilities = probabilities.masked_fill(before >= self._sampling.top_p, 0.0)
        drawn = tokens.gather(-1, torch.multinomial(probabilities, 1, generator=self._generator))
        return torch.full_like(scores, -torch.inf).scatter_(-1, drawn.to(scores.device), 0.0)


class _Halted(StoppingCriteria):
    def __init__(
        self, halt: threading.Event, cancel: Cancellation | None, progress: ProgressCallback | None, longest: int
    ) -> None:
        self._halt, self._cancel, self._progress, self._longest = halt, cancel, progress, longest
        self._written = 0

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor, **options: Any) -> Any:
        self._written += 1
        report(self._progress, "writing", self._written, self._longest, "tokens")
        return torch.full((input_ids.shape[0],), self.asked, dtype=torch.bool, device=input_ids.device)

    @property
    def asked(self) -> bool:
        """Whether somebody wants the model to stop."""
        return self._halt.is_set() or (self._cancel is not None and self._cancel.is_set())

    @contextmanager
    def turn(self, busy: threading.Lock) -> Iterator[bool]:
        """Wait until the model is free, and hold it; yields False if somebody wants it to stop before that."""
        held = False
        while not held and not self.asked:
            held = busy.acquire(timeout=_PATIENCE_SECONDS)
        try:
            yield held
        finally:
            if held:
                busy.release()


def write_tokens(
    generate: Callable[..., Any],
    sampling: Sampling,
    *,
    busy: threading.Lock,
    progress: ProgressCallback | None = None,
    cancel: Cancellation | None = None,
) -> torch.Tensor:
    """Return what ``generate`` returns: token ids ``[n, length]``, with the prompt if the model repeats it.

    Args:
        generate: A model's ``generate`` with its inputs filled in.
        sampling: How to choose tokens.
        busy: Held while the model runs: two generations at once would share the same cores.
        progress: Told the tokens written so far.
        cancel: Stops within one token.

    Raises:
        CancelledError: ``cancel`` was set.
    """
    halted = _Halted(threading.Event(), cancel, progress, sampling.max_new_tokens)
    with halted.turn(busy), torch.inference_mode(), quiet_transformers():
        check_cancelled(cancel)
        tokens = generate(stopping_criteria=StoppingCriteriaList([halted]), **sampling.options())
    check_cancelled(cancel)
    assert isinstance(tokens, torch.Tensor)
    return tokens


def stream_tokens(
    generate: Callable[..., Any],
    sampling: Sampling,
    *,
    busy: threading.Lock,
    progress: ProgressCallback | None = None,
    cancel: Cancellation | None = None,
) -> Generator[int, None, None]:
    """Give one sequence's new tokens as they are written.

    The model runs in a thread of its own, which starts with the first token asked for and holds ``busy``; closing the
    iterator, or setting ``cancel``, ends it within a token.

    Raises:
        CancelledError: ``cancel`` was set.
    """
    halt = threading.Event()
    written: queue.SimpleQueue[int | None] = queue.SimpleQueue()
    failures: list[BaseException] = []
    halted = _Halted(halt, cancel, progress, sampling.max_new_tokens)

    def run() -> None:
        try:
            with halted.turn(busy) as held, torch.inference_mode(), quiet_transformers():
                if held:
                    generate(
                        streamer=_HandedOver(written),
                        stopping_criteria=StoppingCriteriaList([halted]),
                        **sampling.options(),
                    )
        except BaseException as error:  # handed to whoever reads the tokens
            failures.append(error)
        finally:
            written.put(None)

    check_cancelled(cancel)
    thread = threading.Thread(target=run, name="sensorium-generate", daemon=True)
    thread.start()
    try:
        while (token := written.get()) is not None:
            check_cancelled(cancel)
            yield token
    finally:
        halt.set()
        thread.join()
    if failures:
        raise failures[0]
    check_cancelled(cancel)


class _HandedOver(BaseStreamer):
    """Hands tokens over as they come; the first ones that ``generate`` puts are the prompt's."""

    def __init__(self, written: queue.SimpleQueue[int | None]) -> None:
        self._written = written
        self._prompt = True

    def put(self, value: torch.Tensor) -> None:
        if not self._prompt:
            for token in value.flatten().tolist():
                self._written.put(token)
        self._prompt = False

    def end(self) -> None:
        """Nothing: the thread says when it is through."""


def pieces_of_text(tokens: Iterable[int], text_of: Callable[[list[int]], str]) -> Iterator[str]:
    """Turn tokens into text as they come; a letter of several tokens waits for its last one, and is left out without.

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
    # A token may hold a whole letter and the beginning of the next one.
    rest = complete_text(text_of(kept))[len(text_of(kept[:said])) :]
    if rest:
        yield rest


def complete_text(text: str) -> str:
    """Return a text without a last letter that the longest answer cut in the middle, as in Chinese it may."""
    return text.rstrip(_REPLACEMENT)
