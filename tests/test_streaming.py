"""A stream gives its pieces, then the result; and it can be closed at any time."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from sensorium.errors import InputError, SensoriumError
from sensorium.streaming import ResultStream


def counted(log: list[str]) -> Generator[str, None, int]:
    try:
        yield "a"
        yield "b"
        return 2
    finally:
        log.append("ended")


def test_the_result_follows_the_last_piece() -> None:
    stream = ResultStream(counted([]))
    assert next(stream) == "a"
    with pytest.raises(InputError, match=r"finish\(\)"):
        _ = stream.result
    assert list(stream) == ["b"]
    assert stream.result == 2
    assert list(stream) == []
    assert stream.result == 2
    assert stream.finish() == 2


def test_finish_reads_what_is_left() -> None:
    stream = ResultStream(counted([]))
    next(stream)
    assert stream.finish() == 2


def test_a_generator_passes_pieces_on_and_gets_the_result() -> None:
    def doubled() -> Generator[str, None, int]:
        number = yield from ResultStream(counted([]))
        return 2 * number

    stream = ResultStream(doubled())
    assert list(stream) == ["a", "b"]
    assert stream.result == 4


def test_leaving_the_block_stops_what_makes_the_pieces() -> None:
    log: list[str] = []
    with ResultStream(counted(log)) as stream:
        next(stream)
        assert log == []
    assert log == ["ended"]
    stream.close()
    assert list(stream) == []
    with pytest.raises(InputError):
        _ = stream.result


def test_a_stream_that_failed_has_no_result() -> None:
    def failing() -> Generator[str, None, int]:
        yield "a"
        raise SensoriumError("It broke")

    stream = ResultStream(failing())
    with pytest.raises(SensoriumError, match="It broke"):
        list(stream)
    with pytest.raises(InputError):
        stream.finish()
