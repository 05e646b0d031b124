"""A fresh seed for CTranslate2's random numbers, which its own interface offers only with a fresh thread.

Each thread that draws has a ``std::mt19937`` of its own, seeded once, at its first number. A generator's thread lives
as long as its weights, so that the next answer would go on where the last one ended. The C++ library exports the
function that returns the thread's generator (``ctranslate2/random.h``), and GNU's C++ library lays it out as 624 words
and the number of those that were used, which is part of its binary interface. Both are checked before anything is
written: where they are otherwise, as on systems with another C++ library, `reseed` says so.
"""

from __future__ import annotations

import ctypes
import platform
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

_RETURN_GENERATOR = "_ZN11ctranslate220get_random_generatorEv"
_WORDS = 624
MOST_SEEDS = (1 << 32) - 1
"""Seeds are of 32 bits, and CTranslate2 takes the largest of them for none."""


class Seeds:
    """The random numbers of a loaded model with one thread of its own.

    Args:
        generator: A ``ctranslate2.Generator`` that has drawn nothing so far, opened after ``set_random_seed(first)``.
        first: That seed.
        prompt: Any token that it knows.
    """

    def __init__(self, generator: Any, first: int, prompt: str) -> None:
        self._generator = generator
        self._first: int | None = first
        self._prompt = prompt

    def reseed(self, seed: int) -> bool:
        """Let the model's thread draw anew from a seed below `MOST_SEEDS`; return False where that can't be done."""
        find = _generator_of_this_thread()
        done: list[bool] = []

        def in_its_thread(step: Any) -> bool:
            done.append(find is not None and self._write(find(), seed))
            return True

        if find is not None:
            self._generator.generate_batch(
                [[self._prompt]], max_length=1, include_prompt_in_result=False, callback=in_its_thread
            )
        return done == [True]

    def _write(self, address: int, seed: int) -> bool:
        state = np.ctypeslib.as_array((ctypes.c_uint64 * (_WORDS + 1)).from_address(address))
        if self._first is not None and not np.array_equal(state, _seeded(self._first)):
            return False
        self._first = None
        state[:] = _seeded(seed)
        return True


def _seeded(seed: int) -> npt.NDArray[np.uint64]:
    """Return what GNU's C++ library holds for a ``std::mt19937`` with this seed; numpy has the same generator."""
    words: Any = np.random.RandomState(seed).get_state(legacy=False)["state"]["key"]
    return np.append(words, _WORDS).astype(np.uint64)


@cache
def _generator_of_this_thread() -> Any:
    """Return the library's function that gives the address of the calling thread's generator, or None."""
    import ctranslate2

    if platform.system() != "Linux" or ctypes.sizeof(ctypes.c_ulong) != 8:
        return None
    try:
        found = ctypes.CDLL(ctranslate2._ext.__file__)[_RETURN_GENERATOR]
    except (OSError, AttributeError):
        return None
    found.restype, found.argtypes = ctypes.c_void_p, ()
    return found
