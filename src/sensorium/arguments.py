"""What callers pass to public methods, checked against the annotations: a wrong type is told before anything loads."""

from __future__ import annotations

import ast
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache, wraps
from inspect import signature
from numbers import Integral, Real
from typing import Any, ParamSpec, TypeVar

from sensorium.errors import InputError

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")

_LONGEST_VALUE = 60


@dataclass(frozen=True)
class _Kind:
    """What an annotation allows: a test, and the words for one and for several of it."""

    fits: Callable[[Any], bool]
    words: str
    plural: str = ""


def checked(function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Make a public function refuse arguments of another type than its annotations name.

    numpy's numbers pass for numbers, and any collection for a sequence; True is no number. What a list
    holds is looked at too; what an iterable yields is left to whoever reads it.

    Raises:
        InputError: By the function, with the argument's name, its value, and what is expected.
    """

    @wraps(function)
    def call(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        annotations = _annotations(function)
        for name, value in (*zip(annotations, args, strict=False), *kwargs.items()):
            annotation = annotations.get(name)
            if annotation is not None and not _kind(annotation).fits(value):
                raise InputError(
                    f"The argument {name} can't be {_shown(value)}, which is of type {type(value).__name__}",
                    f"Give {_kind(annotation).words}",
                )
        return function(*args, **kwargs)

    return call


@cache
def _annotations(function: Callable[..., Any]) -> dict[str, str | None]:
    """Return the annotation of each parameter in order; None for those without, such as ``self``."""
    parameters = signature(function).parameters.values()
    return {each.name: None if each.annotation is each.empty else each.annotation for each in parameters}


@cache
def _kind(annotation: str) -> _Kind:
    return _kind_of(ast.parse(annotation, mode="eval").body)


def _kind_of(node: ast.expr) -> _Kind:
    if isinstance(node, ast.BinOp):
        return _either(_members(node))
    text = ast.unparse(node)
    if text in _KINDS:
        return _KINDS[text]
    if text in _ALIASES:
        return _kind(_ALIASES[text])
    if isinstance(node, ast.Subscript):
        return _container(ast.unparse(node.value), node.slice)
    return _Kind(lambda value: any(text == each.__name__ for each in type(value).__mro__), f"an object of {text}")


def _members(node: ast.expr) -> list[_Kind]:
    if isinstance(node, ast.BinOp):
        return [*_members(node.left), *_members(node.right)]
    return [_kind_of(node)]


def _either(kinds: list[_Kind]) -> _Kind:
    words = list(dict.fromkeys(kind.words for kind in kinds))
    return _Kind(
        lambda value: any(kind.fits(value) for kind in kinds),
        " or ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else words[0],
        " or ".join(dict.fromkeys(kind.plural for kind in kinds if kind.plural)),
    )


def _container(name: str, inside: ast.expr) -> _Kind:
    if name == "Callable":
        return _KINDS["Callable"]
    if name == "Iterable":
        words = f"a list of {_kind_of(inside).plural or 'them'}"
        return _Kind(lambda value: isinstance(value, Iterable) and not isinstance(value, (str, bytes, Mapping)), words)
    if name == "Mapping" and isinstance(inside, ast.Tuple):
        key, item = (_kind_of(part) for part in inside.elts)
        return _Kind(
            lambda value: (
                isinstance(value, Mapping) and all(key.fits(name) and item.fits(held) for name, held in value.items())
            ),
            f"a dict of {item.plural or 'them'} by name",
            "dicts",
        )
    if name == "tuple" and isinstance(inside, ast.Tuple):
        parts = [_kind_of(part) for part in inside.elts]
        return _Kind(
            lambda value: (
                isinstance(value, (tuple, list))
                and len(value) == len(parts)
                and all(part.fits(held) for part, held in zip(parts, value, strict=True))
            ),
            "a pair",
            f"pairs of {' and '.join(part.words for part in parts)}",
        )
    item = _kind_of(inside)
    return _Kind(lambda value: _is_collection(value) and all(map(item.fits, value)), f"a list of {item.plural}")


def _is_collection(value: Any) -> bool:
    return (
        isinstance(value, Iterable)
        and hasattr(value, "__len__")
        and getattr(value, "ndim", 1) > 0  # an array without a length has the method all the same
        and not isinstance(value, (str, bytes, bytearray, memoryview, Mapping))
    )


def _is_media(value: Any) -> bool:
    return isinstance(value, (str, os.PathLike, bytes, bytearray, memoryview)) or callable(getattr(value, "read", None))


def _is_array(value: Any) -> bool:
    return any(each.__name__ == "ndarray" for each in type(value).__mro__)


def _is_picture(value: Any) -> bool:
    if _is_media(value) or _is_array(value):
        return True
    from PIL import Image

    return isinstance(value, Image.Image)


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


_MEDIA = "path, address, bytes or open file"

_FUNCTION = _Kind(callable, "a function")

_KINDS = {
    "None": _Kind(lambda value: value is None, "None"),
    "str": _Kind(lambda value: isinstance(value, str), "text", "texts"),
    "int": _Kind(lambda value: isinstance(value, Integral) and not isinstance(value, bool), "a whole number"),
    "float": _Kind(_is_number, "a number", "numbers"),
    # numpy's own truth values are called bool_ or bool, and are no bool.
    "bool": _Kind(lambda value: type(value).__name__ in ("bool", "bool_"), "True or False"),
    "Any": _Kind(lambda value: True, "anything", "values"),
    "os.PathLike[str]": _Kind(lambda value: isinstance(value, os.PathLike), "a path", "paths"),
    "Callable": _FUNCTION,
    "ProgressCallback": _FUNCTION,
    "PreviewCallback": _FUNCTION,
    "FinishedCallback": _FUNCTION,
    "Cancellation": _Kind(lambda value: callable(getattr(value, "is_set", None)), "a threading.Event"),
    "MediaSource": _Kind(_is_media, f"a {_MEDIA}", "files"),
    "Samples": _Kind(_is_array, "an array of samples"),
    "ImageSource": _Kind(_is_picture, f"a picture ({_MEDIA}, PIL image, array)", "pictures"),
}

_ALIASES = {
    "AudioSource": "MediaSource | Samples",
    "LoraFiles": "str | os.PathLike[str] | Iterable[tuple[str | os.PathLike[str], float]]",
    "Message": "Mapping[str, str]",
}


def _shown(value: Any) -> str:
    try:
        text = " ".join(repr(value).split())
    except Exception:  # a repr of the caller's own
        text = "this object"
    return text if len(text) <= _LONGEST_VALUE else f"{text[: _LONGEST_VALUE - 1]}…"
