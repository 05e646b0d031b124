"""What a worker tells leaves it in order, never waits for a slow engine, and takes bounded memory."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import BinaryIO

import pytest

from sensorium.engine.outbox import Outbox
from sensorium.engine.wire import Done, FromWorker, Message, Pong, Told, message_of


class _Reader:
    """The engine's end, which reads when it is told to."""

    def __init__(self) -> None:
        reading, writing = os.pipe()
        self.connection: BinaryIO = os.fdopen(writing, "wb")
        self._lines: BinaryIO = os.fdopen(reading, "rb")

    def next(self) -> Message:
        return message_of(self._lines.readline())

    def until(self, last: FromWorker) -> list[Message]:
        found = [self.next()]
        while found[-1] != last:
            found.append(self.next())
        return found

    def close(self) -> None:
        self._lines.close()


@pytest.fixture
def reader() -> Iterator[_Reader]:
    with closing(_Reader()) as reader:
        yield reader


def progress(number: int) -> Callable[[], FromWorker]:
    return lambda: Told("a", {"type": "progress", "done": number})


def test_messages_keep_their_order(reader: _Reader) -> None:
    outbox = Outbox(reader.connection)
    for number in range(1000):
        outbox.send(Pong(number))
    assert [reader.next() for _ in range(1000)] == [Pong(number) for number in range(1000)]


def test_of_many_messages_that_replace_each_other_few_are_sent_and_the_last_before_the_end(reader: _Reader) -> None:
    outbox = Outbox(reader.connection)
    begun = time.monotonic()
    for number in range(2000):
        outbox.send_latest("a", "progress", progress(number))
    outbox.finish("a")
    outbox.send(Done("a"))
    seconds = time.monotonic() - begun
    found = reader.until(Done("a"))
    assert found[-2] == progress(1999)()
    assert len(found) <= 3 + 10 * seconds


def test_the_last_of_them_comes_by_itself(reader: _Reader) -> None:
    outbox = Outbox(reader.connection)
    outbox.send_latest("a", "progress", progress(1))
    assert reader.next() == progress(1)()
    outbox.send_latest("a", "progress", progress(2))
    assert reader.next() == progress(2)()


def test_what_cannot_be_told_stops_nothing(reader: _Reader) -> None:
    def broken() -> FromWorker:
        raise OSError

    outbox = Outbox(reader.connection)
    outbox.send_latest("a", "preview", broken)
    outbox.finish("a")
    with pytest.raises(ValueError):
        outbox.send(Done("a", float("nan")))
    outbox.send(Done("a"))
    assert reader.next() == Done("a")


def test_pieces_wait_for_an_engine_that_does_not_read_but_nothing_else_does(reader: _Reader) -> None:
    outbox = Outbox(reader.connection)
    megabyte = Told("a", {"type": "piece", "text": "x" * (1 << 20)})
    told = 0

    def tell() -> None:
        nonlocal told
        for _ in range(100):
            outbox.send(megabyte, patient=True)
            told += 1

    telling = threading.Thread(target=tell, daemon=True)
    telling.start()
    telling.join(1)
    assert telling.is_alive()
    assert told < 50
    outbox.send(Pong(1))  # doesn't wait
    found = [reader.next() for _ in range(101)]
    telling.join(60)
    assert not telling.is_alive()
    assert found.count(megabyte) == 100
    assert Pong(1) in found


def test_nobody_waits_for_an_engine_that_is_gone(reader: _Reader) -> None:
    outbox = Outbox(reader.connection)
    reader.close()
    for _ in range(100):
        outbox.send(Told("a", {"type": "piece", "text": "x" * (1 << 20)}), patient=True)
    outbox.close(60)


def test_closing_sends_what_is_there(reader: _Reader) -> None:
    outbox = Outbox(reader.connection)
    outbox.send_latest("a", "progress", progress(1))
    outbox.send_latest("a", "progress", progress(2))
    outbox.close(60)
    assert reader.next() in (progress(1)(), progress(2)())
