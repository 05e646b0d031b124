"""The thread that looks ahead while the encoder computes."""

from __future__ import annotations

import threading
import time
from collections.abc import Generator
from contextlib import closing

import pytest

from sensorium.retrieval.looking_ahead import ahead


def test_items_come_in_order_and_at_most_so_manyahead() -> None:
    made: list[int] = []

    def numbers() -> Generator[int, None, None]:
        for number in range(50):
            made.append(number)
            yield number

    for expected, number in enumerate(ahead(numbers(), 4)):
        assert number == expected
        time.sleep(0.001)
        # Four wait in the queue, one is being put there, one is in use.
        assert len(made) <= expected + 6
    assert len(made) == 50


def test_an_error_in_the_thread_reaches_the_caller() -> None:
    def failing() -> Generator[int, None, None]:
        yield 1
        raise ValueError("inside")

    items = ahead(failing(), 4)
    assert next(items) == 1
    with pytest.raises(ValueError, match="inside"):
        next(items)


def test_leaving_early_ends_the_thread_and_closes_what_it_read() -> None:
    closed = threading.Event()

    def endless() -> Generator[int, None, None]:
        try:
            while True:
                yield 1
        finally:
            closed.set()

    with closing(ahead(endless(), 2)) as items:
        next(items)
    assert closed.is_set()
    assert not [thread for thread in threading.enumerate() if thread.name == "sensorium-look"]
