"""What libraries say, kept to ourselves, and the settings of the process, which stay as they were."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import diffusers.utils
import pytest
import transformers.utils

from sensorium.quiet import quiet_diffusers, quiet_transformers, without_warnings


def levels(logging: Any) -> tuple[int, bool]:
    return logging.get_verbosity(), logging.is_progress_bar_enabled()


SETTINGS = {
    "warnings": (without_warnings, lambda: list(warnings.filters)),
    "transformers": (quiet_transformers, lambda: levels(transformers.utils.logging)),
    "diffusers": (quiet_diffusers, lambda: levels(diffusers.utils.logging)),
}


@pytest.fixture(autouse=True)
def _talkative() -> Iterator[None]:
    before = []
    for library in (transformers, diffusers):
        logging: Any = library.utils.logging
        before.append((logging, *levels(logging)))
        logging.set_verbosity_info()
        logging.enable_progress_bar()
    yield
    for logging, verbosity, bars in before:
        logging.set_verbosity(verbosity)
        if not bars:
            logging.disable_progress_bar()


@pytest.mark.parametrize(("context", "settings"), SETTINGS.values(), ids=SETTINGS.keys())
def test_threads_that_overlap_leave_the_settings_as_they_were(
    context: Callable[[], AbstractContextManager[None]], settings: Callable[[], Any]
) -> None:
    before = settings()
    first, second = context(), context()
    first.__enter__()
    silent = settings()
    assert silent != before
    second.__enter__()
    # As threads do: the one that came first goes first.
    first.__exit__(None, None, None)
    assert settings() == silent
    second.__exit__(None, None, None)
    assert settings() == before


def test_inside_nothing_is_said() -> None:
    with without_warnings():
        assert warnings.filters[0][:3] == ("ignore", None, Warning)
    with quiet_transformers():
        assert levels(transformers.utils.logging) == (transformers.utils.logging.ERROR, False)
    with quiet_diffusers():
        assert levels(diffusers.utils.logging) == (diffusers.utils.logging.CRITICAL, False)
