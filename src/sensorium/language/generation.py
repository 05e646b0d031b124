"""Text from a generating model of transformers: cancelled within a token, streamed, sampled repeatably."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from transformers import LogitsProcessor, LogitsProcessorList, StoppingCriteria, StoppingCriteriaList
from transformers.generation.streamers import BaseStreamer

from sensorium.language.sampling import Sampling
from sensorium.models.pretrained import quiet_transformers
from sensorium.progress import Cancellation, ProgressCallback, check_cancelled, report

_PATIENCE_SECONDS = 0.05


def generation_options(sampling: Sampling) -> dict[str, Any]:
    """Return arguments of ``generate``; they replace what the checkpoint recommends about sampling."""
    chosen: dict[str, Any] = {
        "max_new_tokens": sampling.max_new_tokens,
        "do_sample": False,
        "num_beams": 1,
        "temperature": None,
        "top_p": None,
        "top_k": None,
    }
    if sampling.repetition_penalty is not None:
        chosen["repetition_penalty"] = sampling.repetition_penalty
    if sampling.temperature:
        chosen["logits_processor"] = LogitsProcessorList([_Choice(sampling)])
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
        tokens = generate(stopping_criteria=StoppingCriteriaList([halted]), **generation_options(sampling))
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
                        **generation_options(sampling),
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
