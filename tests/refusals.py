"""What tests hold of an error: its type, what it names, and that it has a remedy; never the words around that."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from sensorium.errors import SensoriumError


@contextmanager
def refused(kind: type[SensoriumError], *names: str) -> Iterator[pytest.ExceptionInfo[SensoriumError]]:
    """Expect that a call is refused: ``with refused(InputError, "film.mp4"): …``.

    Args:
        kind: The type of the error, exactly.
        names: What the error must name: the argument, the value or file, what there is instead.

    Yields:
        The error, once the block has ended.
    """
    with pytest.raises(kind) as refusal:
        yield refusal
    error = refusal.value
    assert type(error) is kind
    assert error.message
    assert error.remedy, f"no remedy: {error}"
    unnamed = [name for name in names if name not in str(error)]
    assert not unnamed, f"{unnamed} not named: {error}"
