"""Sharing loaded checkpoints inside a process: ten task objects on the same checkpoint use one set of weights."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Hashable
from typing import Any, Generic, TypeVar

from sensorium.models.device import give_back_memory
from sensorium.models.turns import holding
from sensorium.progress import Cancellation

Backend = TypeVar("Backend")
Item = TypeVar("Item")
Result = TypeVar("Result")


class _Entry:
    """A loaded checkpoint, and the number of references to it."""

    def __init__(self, backend: Any) -> None:
        self.backend = backend
        self.references = 1


class Shared(Generic[Backend]):
    """A reference to a loaded checkpoint; releasing the last reference frees the memory.

    Args:
        key: Loader, folder, device, dtype, …: references with equal keys share one loaded checkpoint.
        load: Loads the checkpoint. Called only if no checkpoint with that key is loaded; other threads wait meanwhile.
        cancel: Stops the waiting for another thread that loads it.

    Raises:
        CancelledError: ``cancel`` was set.
    """

    _entries: dict[Hashable, _Entry] = {}  # noqa: RUF012 - one registry for the process, on purpose
    # Reentrant: Python can collect garbage at any time, so a finaliser may call `release` while the same thread already
    # holds the lock.
    _guard = threading.RLock()
    _loading: dict[Hashable, threading.Lock] = {}  # noqa: RUF012

    def __init__(self, key: Hashable, load: Callable[[], Backend], cancel: Cancellation | None = None) -> None:
        self._key = key
        with Shared._guard:
            loading = Shared._loading.setdefault(key, threading.Lock())
        with holding(loading, cancel):
            with Shared._guard:
                entry = Shared._entries.get(key)
                if entry is not None:
                    entry.references += 1
            if entry is None:
                entry = _Entry(load())
                with Shared._guard:
                    Shared._entries[key] = entry
        self._entry: _Entry | None = entry

    @property
    def backend(self) -> Backend:
        """The loaded checkpoint."""
        assert self._entry is not None, "it was released"
        backend: Backend = self._entry.backend
        return backend

    def again(self) -> Shared[Backend]:
        """Return one more reference to the same checkpoint; nothing is loaded."""
        other: Shared[Backend] = Shared.__new__(Shared)
        with Shared._guard:
            assert self._entry is not None, "it was released"
            self._entry.references += 1
            other._key, other._entry = self._key, self._entry
        return other

    def release(self) -> None:
        """Give the reference back; the object can't be used afterwards. Calling it again does nothing."""
        with Shared._guard:
            entry, self._entry = self._entry, None
            if entry is None:
                return
            entry.references -= 1
            last = not entry.references
            if last and Shared._entries.get(self._key) is entry:
                del Shared._entries[self._key]
        del entry
        if last:
            give_back_memory()


def held_until_read(shared: Shared[Any], pieces: Generator[Item, None, Result]) -> Generator[Item, None, Result]:
    """Wrap a generator so that a reference is released when the generator ends, is closed or is garbage-collected.

    Args:
        shared: The reference; the generator uses its checkpoint.
        pieces: The generator. It is closed together with the returned one.

    Returns:
        A generator that yields and returns the same as ``pieces``.
    """
    passing = _pass_on(shared, pieces)
    next(passing)  # start it: the ``finally`` of a generator that was never started doesn't run
    return passing


def _pass_on(shared: Shared[Any], pieces: Generator[Any, None, Any]) -> Generator[Any, None, Any]:
    try:
        yield None  # consumed by `held_until_read`
        return (yield from pieces)
    finally:
        pieces.close()
        shared.release()
