"""What callers pass to public methods, checked against the annotations: a wrong type is told before anything loads."""

from __future__ import annotations

import ast
import math
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache, wraps
from inspect import signature
from numbers import Integral, Real
from reprlib import Repr
from typing import Any, ParamSpec, TypeVar

from sensorium.errors import InputError

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")

_LONGEST_VALUE = 60


@dataclass(frozen=True)
class _Kind:
    """What an annotation allows: a test, and the words for one and for several of it.

    If it allows a list, there is also a test of what a list holds, and one of what may stand there without a list.
    """

    fits: Callable[[Any], bool]
    words: str
    plural: str = ""
    item: Callable[[Any], bool] | None = None
    single: Callable[[Any], bool] | None = None


def checked(function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Make a public function refuse arguments of another type than its annotations name.

    numpy's numbers pass for numbers, and come as Python's; True is no number. For a sequence any collection or
    iterator will do, and the function gets a list of it. What a list holds is looked at too; what an iterable yields
    is left to whoever reads it.

    Raises:
        InputError: By the function, with the argument's name, its value, and what is expected.
    """

    @wraps(function)
    def call(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        annotations = _annotations(function)
        read = [_read(name, annotations[name], value) for name, value in zip(_in_order(function), args, strict=False)]
        named = {name: _read(name, annotations.get(name), value) for name, value in kwargs.items()}
        # What no parameter takes goes along, for Python to tell.
        return function(*read, *args[len(read) :], **named)  # type: ignore[arg-type]

    return call


def _read(name: str, annotation: str | None, value: Any) -> Any:
    if annotation is None:
        return value
    kind = _kind(annotation)
    given = value
    if kind.single is not None and _is_several(value) and not kind.single(value):
        value = list(value)
    if kind.fits(value):
        if kind.item is not None and isinstance(value, (list, tuple)) and kind.item(0.5):
            return [_plain(each) for each in value]
        return _plain(value)
    held = ""
    if kind.item is not None and isinstance(value, (list, tuple)):
        wrong = next(each for each in value if not kind.item(each))
        held = f" and holds {_shown(wrong)} of type {type(wrong).__name__}"
    remedy = f"Give {kind.words}"
    if isinstance(value, Real) and not isinstance(value, Integral) and kind.fits(0) and math.isfinite(value):
        remedy += f", such as {round(value)}"
    raise InputError(
        f"The argument {name} can't be {_shown(given)}, which is of type {type(given).__name__}{held}", remedy
    )


@cache
def _in_order(function: Callable[..., Any]) -> list[str]:
    """Return the parameters that may be given without their names."""
    return [each.name for each in signature(function).parameters.values() if each.kind is not each.KEYWORD_ONLY]


@cache
def _annotations(function: Callable[..., Any]) -> dict[str, str | None]:
    """Return the annotation of each parameter; None for those without, such as ``self``."""
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
    # An object that stands in for another, such as a test's, says so by its __class__.
    return _Kind(
        lambda value: any(text == each.__name__ for kind in (type(value), value.__class__) for each in kind.__mro__),
        f"an object of {text}",
    )


def _members(node: ast.expr) -> list[_Kind]:
    if isinstance(node, ast.BinOp):
        return [*_members(node.left), *_members(node.right)]
    return [_kind_of(node)]


def _either(kinds: list[_Kind]) -> _Kind:
    words = list(dict.fromkeys(kind.words for kind in kinds))
    several = next((kind for kind in kinds if kind.item is not None), None)
    alone = [kind for kind in kinds if kind is not several]
    return _Kind(
        lambda value: any(kind.fits(value) for kind in kinds),
        " or ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else words[0],
        " or ".join(dict.fromkeys(kind.plural for kind in kinds if kind.plural)),
        several.item if several else None,
        (lambda value: any(kind.fits(value) for kind in alone)) if several else None,
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
    return _Kind(
        lambda value: isinstance(value, (list, tuple)) and all(map(item.fits, value)),
        f"a list of {item.plural}",
        item=item.fits,
        single=lambda value: False,
    )


def _is_several(value: Any) -> bool:
    """Return whether a value, other than a list, is a collection or an iterator."""
    return (
        isinstance(value, Iterable)
        and not isinstance(value, (list, tuple, str, bytes, bytearray, memoryview, Mapping))
        and getattr(value, "ndim", 1) > 0  # an array without a length has the methods all the same
    )


def _plain(value: Any) -> Any:
    """Return Python's own number for one of another kind: not everything that a number goes to takes those."""
    if _is_truth(value):
        return bool(value)
    if isinstance(value, Integral):
        return int(value)
    return float(value) if isinstance(value, Real) else value


def _is_truth(value: Any) -> bool:
    return type(value).__name__ in ("bool", "bool_")


def _is_media(value: Any) -> bool:
    return isinstance(value, (str, os.PathLike, bytes, bytearray, memoryview)) or callable(getattr(value, "read", None))


def _is_array(value: Any) -> bool:
    return any(each.__name__ == "ndarray" for each in type(value).__mro__)


def _is_picture(value: Any) -> bool:
    if _is_media(value) or _is_array(value):
        return True
    from PIL import Image

    return isinstance(value, Image.Image)


def _is_message(value: Any) -> bool:
    # What else a turn holds, as those do that came from a server, isn't read.
    return isinstance(value, Mapping) and all(isinstance(value.get(key, ""), str) for key in ("role", "content"))


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
    "bool": _Kind(_is_truth, "True or False"),
    "Any": _Kind(lambda value: True, "anything", "values"),
    "os.PathLike[str]": _Kind(lambda value: isinstance(value, os.PathLike), "a path", "paths"),
    "Callable": _FUNCTION,
    "ProgressCallback": _FUNCTION,
    "PreviewCallback": _FUNCTION,
    "FinishedCallback": _FUNCTION,
    "EventCallback": _FUNCTION,
    "Cancellation": _Kind(
        lambda value: callable(getattr(value, "is_set", None)), "an object with is_set(), such as a threading.Event"
    ),
    "MediaSource": _Kind(_is_media, f"a {_MEDIA}", "files"),
    "Samples": _Kind(_is_array, "an array of samples"),
    "Message": _Kind(_is_message, "a dict with role and content", "dicts such as {'role': 'user', 'content': '…'}"),
    "ImageSource": _Kind(_is_picture, f"a picture ({_MEDIA}, PIL image, array)", "pictures"),
}

_ALIASES = {
    "AudioSource": "MediaSource | Samples",
    "LoraFiles": "str | os.PathLike[str] | Iterable[tuple[str | os.PathLike[str], float]]",
}


def _shown(value: Any) -> str:
    text = " ".join(_words.repr(value).split())
    return text if len(text) <= _LONGEST_VALUE else f"{text[: _LONGEST_VALUE - 1]}…"


class _Words(Repr):
    """Shows the beginning of a value without making the words for all of it: a picture's bytes, a thousand arrays."""

    def repr_bytes(self, value: bytes, level: int) -> str:
        return repr(value[: self.maxother])

    def repr_bytearray(self, value: bytearray, level: int) -> str:
        return repr(value[: self.maxother])

    def repr_instance(self, value: Any, level: int) -> str:
        try:
            return repr(value)
        except Exception:  # a repr of the caller's own
            return "this object"


_words = _Words()
_words.maxstring = _words.maxother = _LONGEST_VALUE
