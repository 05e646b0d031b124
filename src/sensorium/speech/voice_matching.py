"""Which voices are the same person's, by the cosine of their vectors."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Vector = NDArray[np.float32]

Heard = TypeVar("Heard", bound=Hashable)
Known = TypeVar("Known", bound=Hashable)

SAME_VOICE = 0.86
"""The cosine from which on two recordings are of one person, as in the example on the model card of
``microsoft/wavlm-base-plus-sv``, which also says that the best value depends on the recordings."""
LEAST_SPEECH = 1.0
"""Seconds of somebody's own speech from which on the vector tells who it is."""


def same_voices(heard: Mapping[Heard, Vector], known: Mapping[Known, Vector]) -> dict[Heard, Known]:
    """Return who of the people heard is who of those known: each at most one, the most alike first.

    Args:
        heard: Vectors of length 1.
        known: Vectors of length 1.
    """
    alike = [(float(one @ other), mine, theirs) for mine, one in heard.items() for theirs, other in known.items()]
    found: dict[Heard, Known] = {}
    for cosine, mine, theirs in sorted(alike, key=lambda pair: -pair[0]):
        if cosine >= SAME_VOICE and mine not in found and theirs not in found.values():
            found[mine] = theirs
    return found
