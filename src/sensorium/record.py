"""The base of every result: a frozen dataclass that also reads like a dict."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from functools import cache
from importlib import import_module
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Self, TypeVar, Union, get_args, get_origin

from sensorium.errors import InputError
from sensorium.stored_path import path_or_address


class Record(Mapping[str, Any]):
    """Mix-in for frozen dataclasses: ``result.text`` and ``result["text"]`` are the same thing.

    Declare children with ``@dataclass(frozen=True, eq=False, repr=False)``, so that they print and
    compare like the dict they stand for. A field whose name starts with an underscore stays private.
    """

    def __getitem__(self, key: str) -> Any:
        if key not in _names(type(self)):
            raise KeyError(key)
        return getattr(self, key)

    def __iter__(self) -> Iterator[str]:
        return iter(_names(type(self)))

    def __len__(self) -> int:
        return len(_names(type(self)))

    def __repr__(self) -> str:
        return repr(dict(self))

    def to_dict(self) -> dict[str, Any]:
        """Return the result as plain dicts, lists, strings and numbers, ready for ``json.dumps``."""
        return {name: plain(getattr(self, name)) for name in _names(type(self))}

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Self:
        """Return the result that `to_dict` made a document of, also after its way through JSON.

        Args:
            document: Its names may be more than this version of the class knows; those are left out.

        Raises:
            InputError: It is no such document.
        """
        kinds = _kinds(cls)
        try:
            return cls(**{name: _restored(kinds[name], value) for name, value in document.items() if name in kinds})
        except (TypeError, ValueError, KeyError, AttributeError, OverflowError):
            raise InputError(
                f"This document holds no {cls.__name__.strip('_')}", "Give one that was made by its to_dict, as it was"
            ) from None


_PLAIN = frozenset({str, int, float, bool, type(None)})


def plain(value: Any) -> Any:
    """Turn results, paths, arrays and containers into values that ``json.dumps`` takes."""
    if type(value) in _PLAIN:
        return value
    if hasattr(value, "to_dict"):
        return value.to_dict()
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, Path):
        return str(value)
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, Sequence) and not isinstance(value, (str, bytes)):
        # Vectors have hundreds of numbers: a call for each would take longer than all else.
        return [item if type(item) in _PLAIN else plain(item) for item in value]
    return value


class _Names(dict[str, Any]):
    """What annotations name; what a module imports for the type checker alone is imported when it is needed."""

    def __missing__(self, name: str) -> Any:
        if name not in _FOR_THE_TYPE_CHECKER:
            raise KeyError(name)
        module, _, item = _FOR_THE_TYPE_CHECKER[name].partition(":")
        return getattr(import_module(module), item) if item else import_module(module)


_FOR_THE_TYPE_CHECKER = {"np": "numpy", "npt": "numpy.typing", "NDArray": "numpy.typing:NDArray"}


@cache
def _names(record: type[Record]) -> tuple[str, ...]:
    """Return the names of the public fields."""
    return tuple(field.name for field in fields(record) if not field.name.startswith("_"))  # type: ignore[arg-type]


@cache
def _kinds(record: type[Record]) -> dict[str, Any]:
    """Return the type of each public field."""
    found = {}
    for each in record.__mro__:
        for name, annotation in vars(each).get("__annotations__", {}).items():
            if not name.startswith("_") and name not in found:
                names = _Names(vars(sys.modules[each.__module__]))
                found[name] = eval(annotation, {}, names) if isinstance(annotation, str) else annotation
    return found


def _restored(kind: Any, value: Any) -> Any:
    """Return the value of a type that plain values were made of."""
    if kind is Any:
        return value
    origin, inside = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        if value is None and type(None) in inside:
            return None
        fitting = [each for each in inside if each is not type(None)]
        return _restored(fitting[0], value) if len(fitting) == 1 else value
    if isinstance(kind, TypeVar):
        return _restored(kind.__bound__, value)
    if origin is tuple and inside[-1:] != (Ellipsis,):
        return tuple(_restored(each, item) for each, item in zip(inside, value, strict=True))
    if origin in (tuple, list):
        return origin(_restored(inside[0], item) for item in _several(value))
    if origin in (dict, Mapping):
        return {name: _restored(inside[1], item) for name, item in value.items()}
    if hasattr(origin or kind, "from_dict"):
        return (origin or kind).from_dict(value)
    if getattr(origin, "__name__", "") == "ndarray":
        return _array(value, *get_args(inside[1]))
    if kind is Path:
        return path_or_address(value)
    if kind is float and type(value) is int:
        return float(value)
    if (origin is Literal and value not in inside) or (isinstance(kind, type) and not isinstance(value, kind)):
        raise TypeError(kind)
    return value


def _several(value: Any) -> Any:
    if not isinstance(value, (list, tuple)):
        raise TypeError(value)
    return value


def _array(value: Any, kind: Any) -> Any:
    import numpy as np

    return np.asarray(value, dtype=kind)
