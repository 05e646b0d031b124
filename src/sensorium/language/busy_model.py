"""A model that writes one text at a time, in a thread that never waits for whoever reads it."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator

from sensorium.models.turns import holding
from sensorium.progress import Cancellation, check_cancelled


class Halt:
    """Whether the writing of a text is to stop: because nobody reads on, or because the caller cancelled it.

    Args:
        cancel: The caller's.
    """

    def __init__(self, cancel: Cancellation | None) -> None:
        self._halt = threading.Event()
        self._cancel = cancel

    def set(self) -> None:
        """Let the writing stop."""
        self._halt.set()

    def is_set(self) -> bool:
        """Return whether it is to stop."""
        return self._halt.is_set() or (self._cancel is not None and self._cancel.is_set())


def write_in_thread(
    write: Callable[[Callable[[int], None], Halt], None], *, busy: threading.Lock, cancel: Cancellation | None
) -> Generator[int, None, None]:
    """Give tokens as a model writes them in a thread of its own, which doesn't wait for whoever reads them.

    The thread starts with the first token asked for. So a stream that nobody reads keeps the model no longer than its
    text takes; closing the generator, or setting ``cancel``, ends it within a token.

    Args:
        write: Runs the model; hands over each token, and stops once the `Halt` is set.
        busy: Held while the model runs: two texts at once would share the same cores.
        cancel: Stops the writing, or the waiting for the model.

    Raises:
        CancelledError: ``cancel`` was set.
    """
    halt = Halt(cancel)
    written: queue.SimpleQueue[int | None] = queue.SimpleQueue()
    failures: list[BaseException] = []

    def run() -> None:
        try:
            with holding(busy, halt):
                write(written.put, halt)
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
