"""What libraries would say on the user's terminal, kept to ourselves while they work."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import wraps
from typing import Any


def quiet(silence: Callable[[], Callable[[], None]]) -> Callable[[], AbstractContextManager[None]]:
    """Make a context in which a library is silent.

    Such settings belong to the whole process, and threads may be inside at the same time: the first one silences the
    library, the last one puts its settings back.

    Args:
        silence: Silences the library, and returns what puts its settings back.
    """
    guard = threading.Lock()
    inside = 0
    restore: Callable[[], object] = silence  # until somebody is inside

    @wraps(silence)
    @contextmanager
    def silently() -> Iterator[None]:
        nonlocal inside, restore
        with guard:
            if not inside:
                restore = silence()
            inside += 1
        try:
            yield
        finally:
            with guard:
                inside -= 1
                if not inside:
                    restore()

    return silently


@quiet
def without_warnings() -> Callable[[], None]:
    """Keep Python's warnings to ourselves."""
    filters = warnings.catch_warnings()
    filters.__enter__()
    warnings.simplefilter("ignore")
    return lambda: filters.__exit__(None, None, None)


@quiet
def quiet_transformers() -> Callable[[], None]:
    """Keep transformers' progress bars and reports to ourselves."""
    from transformers import utils

    logging: Any = utils.logging

    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()

    def restore() -> None:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    return restore


@quiet
def quiet_diffusers() -> Callable[[], None]:
    """Keep diffusers' progress bars and advice to ourselves."""
    from diffusers import utils

    logging: Any = utils.logging

    verbosity = logging.get_verbosity()

    def restore() -> None:
        logging.set_verbosity(verbosity)
        logging.enable_progress_bar()

    logging.set_verbosity(logging.CRITICAL)
    logging.disable_progress_bar()
    return restore
