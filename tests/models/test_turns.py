"""Waiting for a model that another call is using."""

from __future__ import annotations

import threading

import pytest

from sensorium.errors import CancelledError
from sensorium.models.turns import holding


def test_one_call_at_a_time_and_the_lock_is_free_afterwards() -> None:
    lock = threading.Lock()
    with pytest.raises(ZeroDivisionError), holding(lock, None):
        1 / (0 if lock.locked() else 1)
    assert not lock.locked()


def test_whoever_waits_can_be_cancelled_and_leaves_the_lock_to_its_holder() -> None:
    lock, cancel = threading.Lock(), threading.Event()
    refused: list[BaseException] = []

    def wait() -> None:
        try:
            with holding(lock, cancel):
                pass
        except CancelledError as error:
            refused.append(error)

    with lock:
        waiting = threading.Thread(target=wait)
        waiting.start()
        waiting.join(0.3)
        assert waiting.is_alive()
        cancel.set()
        waiting.join(10)
        assert lock.locked()
    assert len(refused) == 1
