"""Reading pictures and the like in threads while the network computes."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import Any, TypeVar

from sensorium.errors import SensoriumError
from sensorium.progress import Cancellation, check_cancelled
from sensorium.threads import thread_count

Source = TypeVar("Source")


def read_ahead(
    read: Callable[[Source], Any],
    sources: Iterable[Source],
    *,
    ahead: int,
    on_error: Callable[[int, SensoriumError], None] | None,
    cancel: Cancellation | None,
) -> Iterator[tuple[int, Any]]:
    """Read sources in threads while those before them are in use.

    Args:
        read: Reads one source.
        sources: Any number; taken as they are needed.
        ahead: How many are read at most before they are needed.
        on_error: Called with the index of a source that can't be read, which is then skipped; None to raise the error.
        cancel: Stops before the next source.

    Yields:
        The index of the source and what ``read`` returned, in order.

    Raises:
        SensoriumError: A source can't be read, and there is no ``on_error``.
        CancelledError: ``cancel`` was set.
    """
    pool = ThreadPoolExecutor(thread_count(), thread_name_prefix="sensorium-read")
    waiting: deque[tuple[int, Future[Any]]] = deque()
    numbered = enumerate(sources)
    try:
        while True:
            check_cancelled(cancel)
            for index, source in islice(numbered, ahead - len(waiting)):
                waiting.append((index, pool.submit(read, source)))
            if not waiting:
                return
            index, future = waiting.popleft()
            try:
                yield index, future.result()
            except SensoriumError as error:
                if on_error is None:
                    raise
                on_error(index, error)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
