"""Tokenizers and processors of transformers that threads may share, and the turns that loading weights takes."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Mapping
from functools import cache, wraps
from typing import Any
from weakref import WeakKeyDictionary

loading_weights = threading.RLock()
"""Held while a library puts a network together.

For that time transformers, diffusers and peft put other functions into torch and into their own classes: weights are
not drawn, not tied, or have no memory. A network that another thread makes meanwhile would get the same; and of two
that end in the order in which they began, the second leaves those functions in place for the rest of the process.
"""

_STEPS = ("__call__", "_encode_plus")
"""The methods that set something on the object and then compute with it."""
_PROCESSORS = {"transformers.processing_utils": "ProcessorMixin"}
_STATEFUL = {
    "transformers.tokenization_utils_base": "PreTrainedTokenizerBase",
    "transformers.feature_extraction_utils": "FeatureExtractionMixin",
    **_PROCESSORS,
}
_SAFE = "_sensorium_thread_safe"
_turns: WeakKeyDictionary[Any, Any] = WeakKeyDictionary()
_guard = threading.Lock()


def make_thread_safe(part: Any) -> Any:
    """Let threads take turns where a part of transformers would mix up their calls; return the same object.

    A tokenizer keeps how to pad and to truncate in one place for all callers: it sets that, and encodes in a second
    step. Some feature extractors, and a few processors, do likewise. Image processors keep nothing, and stay as they
    are: they may prepare pictures in several threads at once.

    Only the steps from setting to result are one call at a time, not what comes before and after. The object still is
    what it was to `isinstance`, by its class's name and in files; copies and pickles of it are as safe.

    Args:
        part: Any object; a processor's own tokenizer and feature extractor are seen to as well.
    """
    if _SAFE in vars(type(part)) or not any(isinstance(part, kind) for kind in _imported(_STATEFUL)):
        return part
    if any(isinstance(part, kind) for kind in _imported(_PROCESSORS)):
        for inner in vars(part).values():
            make_thread_safe(inner)
    plain: Any = type(part)
    part.__class__ = _in_turns(plain)
    return part


def _imported(classes: Mapping[str, str]) -> list[Any]:
    """Return the classes whose modules are imported: of the others there are no objects, and to import them is slow."""
    return [getattr(sys.modules[module], name) for module, name in classes.items() if module in sys.modules]


@cache
def _in_turns(plain: Any) -> Any:
    """Return a class that differs from a plain one in nothing but that threads take turns."""

    def reduce(self: Any, protocol: Any) -> Any:
        # By its name, pickle would find the class of transformers.
        _, (_, *arguments), *state = plain.__reduce_ex__(self, protocol)
        return (_make, (plain, *arguments), *state)

    steps = {name: _one_at_a_time(getattr(plain, name)) for name in _STEPS if hasattr(plain, name)}
    kept = {name: getattr(plain, name) for name in ("__module__", "__qualname__", "__doc__")}
    # No second base class: an object can't change to a class with one.
    return type(plain.__name__, (plain,), {**kept, **steps, _SAFE: True, "__reduce_ex__": reduce})


def _make(plain: Any, *arguments: Any) -> Any:
    made = _in_turns(plain)
    return made.__new__(made, *arguments)


def _one_at_a_time(method: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(method)
    def call(self: Any, *arguments: Any, **options: Any) -> Any:
        with _turn_of(self):
            return method(self, *arguments, **options)

    return call


def _forget_turns() -> None:
    """Begin anew in a process that was forked: whoever holds a lock is a thread that it doesn't have."""
    global _guard
    _guard = threading.Lock()
    _turns.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_turns)


def _turn_of(part: Any) -> Any:
    with _guard:
        # Re-entrant, because one step calls the other.
        return _turns.setdefault(part, threading.RLock())
