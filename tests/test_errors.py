"""One sentence, and one for the remedy."""

from __future__ import annotations

import pickle
import threading

import pytest

import sensorium
from sensorium import errors
from sensorium.errors import CancelledError, InputError, SensoriumError, UnsupportedError
from sensorium.progress import Progress, check_cancelled, report


def test_reads_as_sentences() -> None:
    assert str(InputError("The file is empty", "Choose another")) == "The file is empty. Choose another."
    assert str(InputError("The file is empty.", "Choose another.")) == "The file is empty. Choose another."
    assert str(InputError("The file is empty")) == "The file is empty."
    assert str(InputError("Did you mean this?", "Take it")) == "Did you mean this? Take it."


def test_message_and_remedy_survive_pickling() -> None:
    error = pickle.loads(pickle.dumps(UnsupportedError("It can't sing", "Let it speak")))
    assert isinstance(error, UnsupportedError)
    assert (error.message, error.remedy, str(error)) == (
        "It can't sing",
        "Let it speak",
        "It can't sing. Let it speak.",
    )


def test_one_name_catches_all() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and kind.__module__ == errors.__name__]
    assert len(kinds) > 4
    assert all(issubclass(kind, SensoriumError) for kind in kinds)
    assert sensorium.SensoriumError is SensoriumError


def test_unknown_names() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Nonsense'"):
        sensorium.Nonsense  # noqa: B018


def test_cancelling_and_reporting() -> None:
    cancel = threading.Event()
    check_cancelled(None)
    check_cancelled(cancel)
    cancel.set()
    with pytest.raises(CancelledError):
        check_cancelled(cancel)
    heard: list[Progress] = []
    report(None, "nobody listens", 1, 2, "steps")
    report(heard.append, "loading", 1, None, "files")
    assert heard == [Progress("loading", 1, None, "files")]
