from __future__ import annotations

import pytest

from sensorium.errors import InputError, SensoriumError, UnsupportedError
from tests.refusals import refused

ERROR = InputError("The file 'film.mp4' is empty", "Choose another file")


def test_a_refusal_of_the_type_that_names_all_and_has_a_remedy_passes() -> None:
    with refused(InputError, "film.mp4", "another") as refusal:
        raise ERROR
    assert refusal.value is ERROR


@pytest.mark.parametrize(
    ("error", "names"),
    [
        (ERROR, ["speech.wav"]),
        (InputError("The file 'film.mp4' is empty"), ["film.mp4"]),
        (type("Special", (InputError,), {})("The file 'film.mp4' is empty", "Choose another"), ["film.mp4"]),
    ],
    ids=["not named", "no remedy", "another type"],
)
def test_anything_less_fails(error: SensoriumError, names: list[str]) -> None:
    with pytest.raises(AssertionError), refused(InputError, *names):
        raise error


def test_another_error_and_none_at_all_fail() -> None:
    with pytest.raises(UnsupportedError), refused(InputError):
        raise UnsupportedError("It can't sing", "Let it speak")
    with pytest.raises(pytest.fail.Exception), refused(InputError):
        pass
