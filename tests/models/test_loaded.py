"""Sharing of loaded checkpoints inside a process."""

from __future__ import annotations

import gc
import threading
import weakref

import pytest

from sensorium.models.loaded import Shared


class Weights:
    """Stands for something large."""


def test_one_key_is_loaded_once_and_freed_with_its_last_user() -> None:
    loaded = 0

    def load() -> Weights:
        nonlocal loaded
        loaded += 1
        return Weights()

    first, second = Shared("once", load), Shared("once", load)
    other = Shared("other", load)
    assert first.backend is second.backend
    assert other.backend is not first.backend
    assert loaded == 2
    alive = weakref.ref(first.backend)
    first.release()
    assert alive() is second.backend
    second.release()
    gc.collect()
    assert alive() is None
    again = Shared("once", load)
    assert loaded == 3
    again.release()
    other.release()


def test_threads_that_come_at_once_wait_for_the_first() -> None:
    started, proceed = threading.Event(), threading.Event()
    loads: list[int] = []

    def load() -> Weights:
        loads.append(1)
        started.set()
        assert proceed.wait(10)
        return Weights()

    results: list[Shared[Weights]] = []
    threads = [threading.Thread(target=lambda: results.append(Shared("threads", load))) for _ in range(8)]
    for thread in threads:
        thread.start()
    assert started.wait(10)
    proceed.set()
    for thread in threads:
        thread.join(10)
    assert len(loads) == 1
    assert len({id(result.backend) for result in results}) == 1
    for result in results:
        result.release()


def test_other_checkpoints_load_meanwhile() -> None:
    inside: list[Weights] = []

    def load() -> Weights:
        inner = Shared("inner", Weights)
        inside.append(inner.backend)
        inner.release()
        return Weights()

    outer = Shared("outer", load)
    assert [type(weights) for weights in inside] == [Weights]
    assert outer.backend is not inside[0]
    outer.release()


def test_a_second_reference_keeps_what_the_first_one_let_go() -> None:
    first = Shared("twice", Weights)
    alive = weakref.ref(first.backend)
    second = first.again()
    first.release()
    first.release()  # a second time does nothing
    gc.collect()
    assert second.backend is alive()
    second.release()
    gc.collect()
    assert alive() is None


def test_a_load_that_failed_can_be_tried_again() -> None:
    def fail() -> Weights:
        raise MemoryError

    with pytest.raises(MemoryError):
        Shared("failing", fail)
    shared = Shared("failing", Weights)
    assert isinstance(shared.backend, Weights)
    shared.release()
