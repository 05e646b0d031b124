"""Running a generator in a thread of its own, ahead of whoever takes its items."""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator
from contextlib import closing
from typing import Any, TypeVar

Item = TypeVar("Item")


def ahead(items: Generator[Item, None, None], count: int) -> Generator[Item, None, None]:
    """Run a generator in a thread, at most ``count`` items ahead."""
    waiting: queue.Queue[Any] = queue.Queue(maxsize=count)
    stopped = threading.Event()
    end = object()

    def put(item: Any) -> bool:
        while not stopped.is_set():
            try:
                waiting.put(item, timeout=0.1)
                return True
            except queue.Full:
                continue
        return False

    def fill() -> None:
        with closing(items):
            try:
                for item in items:
                    if not put((item, None)):
                        return
                put((end, None))
            except BaseException as error:
                put((end, error))

    thread = threading.Thread(target=fill, name="sensorium-look", daemon=True)
    thread.start()
    try:
        while True:
            item, error = waiting.get()
            if error is not None:
                raise error
            if item is end:
                return
            yield item
    finally:
        stopped.set()
        thread.join()
