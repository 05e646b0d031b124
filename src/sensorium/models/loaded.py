"""Sharing inside a process: ten task objects on the same checkpoint are one set of weights."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from typing import Any, Generic, TypeVar

Backend = TypeVar("Backend")


class Shared(Generic[Backend]):
    """A reference to a loaded checkpoint; the last `release` lets the memory go.

    Args:
        key: What makes two loaded checkpoints the same: loader, folder, device, dtype.
        load: Called once, by whoever comes first; others wait for it.
    """

    _references: dict[Hashable, list[Any]] = {}  # noqa: RUF012 - one registry for the process, on purpose
    _guard = threading.Lock()
    _loading: dict[Hashable, threading.Lock] = {}  # noqa: RUF012

    def __init__(self, key: Hashable, load: Callable[[], Backend]) -> None:
        self._key = key
        with Shared._guard:
            loading = Shared._loading.setdefault(key, threading.Lock())
        with loading:
            with Shared._guard:
                entry = Shared._references.get(key)
                if entry is not None:
                    entry[1] += 1
            if entry is None:
                entry = [load(), 1]
                with Shared._guard:
                    Shared._references[key] = entry
        self.backend: Backend = entry[0]

    def release(self) -> None:
        """Give the reference back; the object can't be used afterwards."""
        with Shared._guard:
            entry = Shared._references.get(self._key)
            if entry is not None:
                entry[1] -= 1
                if entry[1] <= 0:
                    del Shared._references[self._key]
        del self.backend
