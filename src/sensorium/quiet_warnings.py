"""Python's warnings, kept from the user while a library works."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

_before: list[warnings.catch_warnings[None]] = []
"""One entry for each thread in `without_warnings`: what puts the process's filters back."""
_guard = threading.Lock()


@contextmanager
def without_warnings() -> Iterator[None]:
    """Keep to ourselves what a library warns about.

    Filters belong to the whole process, and threads may be in here at the same time: the first one notes the filters,
    the last one puts them back.
    """
    with _guard:
        if not _before:
            filters = warnings.catch_warnings()
            filters.__enter__()
            warnings.simplefilter("ignore")
            _before.append(filters)
        else:
            _before.append(_before[0])
    try:
        yield
    finally:
        with _guard:
            filters = _before.pop()
            if not _before:
                filters.__exit__(None, None, None)
