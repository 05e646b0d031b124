"""The task objects that operations call, opened once and kept for the next operation."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

from sensorium import settings
from sensorium.media.limits import DEFAULT_LIMITS, Limits
from sensorium.media.source import MediaSource
from sensorium.operations.media import Media, Origin
from sensorium.operations.reporter import Reporter

if TYPE_CHECKING:
    from sensorium.retrieval.portions import Crew

Loadable = TypeVar("Loadable", bound=Any)


def _own_index(name: str | None) -> str:
    return name or str(settings.default_index())


def _own_file(path: Path) -> Origin:
    return Origin(Media(path), str(path))


class Tasks:
    """Opens task objects and finds media for the operations that run in this process.

    Args:
        limits: How large inputs may be and where they may come from.
        find_media: Returns what a reference stands for; by default the reference itself, a path or an address.
        find_index: Returns the folder or address of the search index that a name stands for, or None; by default the
            name, or the user's own index.
        find_origin: Returns what a file that a search index knows is called outside, or None if it is gone or not the
            caller's; by default its path.
        crew: Several processes that encode what goes into a search index; None for this one alone.
        sharing: Others whose task objects these share; those others close them.
    """

    def __init__(
        self,
        *,
        limits: Limits = DEFAULT_LIMITS,
        find_media: Callable[[Media], MediaSource] = str,
        find_index: Callable[[str | None], str] = _own_index,
        find_origin: Callable[[Path], Origin | None] = _own_file,
        crew: Crew | None = None,
        sharing: Tasks | None = None,
    ) -> None:
        self.limits = limits
        self.media = find_media
        self.index = find_index
        self.origin = find_origin
        self.crew = crew
        self._opened: dict[Any, Any] = {} if sharing is None else sharing._opened
        self._guard: threading.Lock = threading.Lock() if sharing is None else sharing._guard

    def open(self, key: object, make: Callable[[], Loadable], report: Reporter, *, load: bool = True) -> Loadable:
        """Return a task object, made and loaded at the first call with this key.

        Args:
            key: Whatever tells such objects apart: the class, the model, device, …
            make: Makes the object.
            report: Told what is fetched and loaded; stops it.
            load: Whether it has a ``load`` method that is to be called.
        """
        with self._guard:
            task = self._opened.get(key)
            if task is None:
                task = self._opened[key] = make()
        if load:
            task.load(progress=report, cancel=report)
        return cast(Loadable, task)

    def close(self) -> None:
        """Close all task objects."""
        with self._guard:
            opened = list(self._opened.values())
            self._opened.clear()
        for task in opened:
            if hasattr(task, "close"):
                task.close()
