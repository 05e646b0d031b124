"""Sharing inside a process: ten task objects on the same checkpoint are one set of weights."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Hashable
from typing import Any, Generic, TypeVar

from sensorium.models.device import give_back_memory

Backend = TypeVar("Backend")
Item = TypeVar("Item")
Result = TypeVar("Result")


class _Entry:
    """A loaded checkpoint, and how many references there are to it."""

    def __init__(self, backend: Any) -> None:
        self.backend = backend
        self.references = 1


class Shared(Generic[Backend]):
    """A reference to a loaded checkpoint; the last `release` lets the memory go.

    Args:
        key: What makes two loaded checkpoints the same: loader, folder, device, dtype.
        load: Called once, by whoever comes first; others wait for it.
    """

    _entries: dict[Hashable, _Entry] = {}  # noqa: RUF012 - one registry for the process, on purpose
    # A finaliser may release while the same thread is inside the registry: Python collects garbage when it likes.
    _guard = threading.RLock()
    _loading: dict[Hashable, threading.Lock] = {}  # noqa: RUF012

    def __init__(self, key: Hashable, load: Callable[[], Backend]) -> None:
        self._key = key
        with Shared._guard:
            loading = Shared._loading.setdefault(key, threading.Lock())
        with loading:
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
        """Give the reference back; the object can't be used afterwards. A second time does nothing."""
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
    """Pass on what a generator gives, and release a reference when it ends, is closed or is thrown away.

    Args:
        shared: Held for as long as the iterator may use the checkpoint.
        pieces: Closed too; what it returns is returned.
    """
    passing = _pass_on(shared, pieces)
    next(passing)  # a generator that never began would never come to its end
    return passing


def _pass_on(shared: Shared[Any], pieces: Generator[Any, None, Any]) -> Generator[Any, None, Any]:
    try:
        yield None  # taken by `held_until_read`
        return (yield from pieces)
    finally:
        pieces.close()
        shared.release()
