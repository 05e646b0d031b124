"""How quickly a text may be spoken, and which seeds there are."""

from __future__ import annotations

from sensorium.errors import InputError

MIN_SPEED = 0.5
MAX_SPEED = 2.0
MAX_SEED = 2**62 - 1


def require_speed(speed: float) -> float:
    """Return the speed.

    Raises:
        InputError: It is out of range.
    """
    if not MIN_SPEED <= speed <= MAX_SPEED:
        raise InputError(f"The speed {speed} is out of range", f"Choose from {MIN_SPEED:g} to {MAX_SPEED:g}")
    return speed


def require_seed(seed: int | None) -> int | None:
    """Return the seed.

    Raises:
        InputError: It is out of range.
    """
    if seed is not None and not 0 <= seed <= MAX_SEED:
        raise InputError(
            f"The seed {seed} is {'negative' if seed < 0 else 'too large'}", f"Choose from 0 to {MAX_SEED}"
        )
    return seed
