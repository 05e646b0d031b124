"""What callers pass to public methods, checked against the annotations: a wrong type is told before anything loads."""

from __future__ import annotations

import ast
import builtins
import inspect
import math
import os
from collections import ChainMap
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import wraps
from inspect import signature
from numbers import Integral, Real
from reprlib import Repr
from typing import Any, ParamSpec, TypeVar, is_typeddict

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
    is left to whoever reads it. For ``**options: Unpack[SomeTypedDict]`` each key is looked at like an argument.

    Raises:
        InputError: By the function, with the argument's name, its value, and what is expected.
        TypeError: At once, if the function has an annotation that nobody here can hold a value against.
    """
    names = ChainMap(getattr(function, "__globals__", {}), vars(builtins))
    kinds = {name: _kind(text, names) for name, text in annotations_of(function).items() if text}
    parameters = signature(function).parameters.values()
    in_order = [each.name for each in parameters if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)]
    takes_options = any(each.kind is each.VAR_KEYWORD for each in parameters)

    @wraps(function)
    def call(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        for name in kwargs if takes_options else ():
            if name not in kinds:
                # The function would find out somewhere inside, or never.
                raise TypeError(f"{function.__qualname__}() got an unexpected keyword argument {name!r}")
        read = [_read(name, kinds.get(name), value) for name, value in zip(in_order, args, strict=False)]
        named = {name: _read(name, kinds.get(name), value) for name, value in kwargs.items()}
        # Arguments too many go along, for Python to refuse.
        return function(*read, *args[len(read) :], **named)  # type: ignore[arg-type]

    return call


def annotations_of(function: Callable[..., Any]) -> dict[str, str | None]:
    """Return the annotation of each argument that a function can be given; None for one without, such as ``self``.

    The keys of ``**options: Unpack[SomeTypedDict]`` are arguments like the others.

    Raises:
        TypeError: It has parameters or annotations that `checked` can't do anything with.
    """
    found: dict[str, str | None] = {}
    for each in signature(function).parameters.values():
        if each.annotation is each.empty:
            found[each.name] = None
        elif not isinstance(each.annotation, str):
            raise TypeError(f"The module of {function.__qualname__} lacks 'from __future__ import annotations'")
        elif each.kind is each.VAR_KEYWORD:
            found.update(_options(function, each.annotation))
        elif each.kind is each.VAR_POSITIONAL:
            raise TypeError(f"@checked can't look at *{each.name} of {function.__qualname__}")
        else:
            found[each.name] = each.annotation
    return found


def _options(function: Callable[..., Any], annotation: str) -> dict[str, str]:
    """Return the annotations in a TypedDict, of which the annotation is ``Unpack[…]``."""
    options = getattr(function, "__globals__", {}).get(annotation.removeprefix("Unpack[").removesuffix("]"))
    if not annotation.startswith("Unpack[") or not is_typeddict(options):
        raise TypeError(
            f"@checked can't look at the options of {function.__qualname__}: {annotation} is no Unpack[…] of a "
            "TypedDict that its module imports, also when it runs"
        )
    return {name: each.__forward_arg__ for name, each in options.__annotations__.items()}


def _read(name: str, kind: _Kind | None, value: Any) -> Any:
    if kind is None:
        return value
    given = value
    if kind.single is not None and _is_several(value) and not kind.single(value):
        value = list(value)
    if kind.fits(value):
        if kind.item is not None and isinstance(value, (list, tuple)) and kind.item(1):
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


def _kind(annotation: str, names: Mapping[str, Any]) -> _Kind:
    return _kind_of(ast.parse(annotation, mode="eval").body, names)


def _kind_of(node: ast.expr, names: Mapping[str, Any]) -> _Kind:
    if isinstance(node, ast.BinOp):
        return _either(_members(node, names))
    text = ast.unparse(node)
    if text in _KINDS:
        return _KINDS[text]
    if text in _ALIASES:
        return _kind(_ALIASES[text], names)
    if isinstance(node, ast.Subscript):
        inside = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        return _subscript(ast.unparse(node.value), inside, names)
    # What a module imports for the type checker alone isn't there to look at; a test does.
    item = names.get(text)
    if item is not None and (not inspect.isclass(item) or getattr(item, "_is_protocol", False)):
        raise TypeError(f"@checked doesn't know what {text} allows")
    name = text.rpartition(".")[2]
    # An object that stands in for another, such as a test's, says so by its __class__.
    return _Kind(
        lambda value: any(name == each.__name__ for kind in (type(value), value.__class__) for each in kind.__mro__),
        f"an object of {name}",
        f"objects of {name}",
    )


def _members(node: ast.expr, names: Mapping[str, Any]) -> list[_Kind]:
    if isinstance(node, ast.BinOp):
        return [*_members(node.left, names), *_members(node.right, names)]
    return [_kind_of(node, names)]


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


def _subscript(name: str, inside: list[ast.expr], names: Mapping[str, Any]) -> _Kind:
    if name == "Callable":
        return _KINDS["Callable"]
    if name == "Literal":
        return _literal([ast.literal_eval(each) for each in inside])
    parts = [_kind_of(each, names) for each in inside]
    several = parts[-1].plural or "them"
    if name == "Iterable":
        return _Kind(
            lambda value: isinstance(value, Iterable) and not isinstance(value, (str, bytes, Mapping)),
            f"a list of {several}",
        )
    if name in ("Mapping", "dict"):
        key, item = parts
        return _Kind(
            lambda value: (
                isinstance(value, Mapping) and all(key.fits(name) and item.fits(held) for name, held in value.items())
            ),
            f"a dict of {several} by {'name' if key is _KINDS['str'] else key.words}",
            "dicts",
        )
    if name == "tuple":
        return _Kind(
            lambda value: (
                isinstance(value, (tuple, list))
                and len(value) == len(parts)
                and all(part.fits(held) for part, held in zip(parts, value, strict=True))
            ),
            f"a list of {' and '.join(part.words for part in parts)}",
            f"pairs of {' and '.join(part.words for part in parts)}",
        )
    if name not in ("Sequence", "list"):
        raise TypeError(f"@checked doesn't know what {name}[…] allows")
    fits = parts[0].fits
    return _Kind(
        lambda value: isinstance(value, (list, tuple)) and all(map(fits, value)),
        f"a list of {several}",
        item=fits,
        single=lambda value: False,
    )


def _literal(values: list[Any]) -> _Kind:
    words = [repr(value) for value in values]
    return _Kind(
        lambda value: any(type(value) is type(each) and value == each for each in values),
        " or ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else words[0],
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
    if not isinstance(value, Mapping):
        return type(value).__name__ == "Turn"
    # What else a turn holds, as those do that came from a server, isn't read.
    return isinstance(value.get("role", ""), str) and isinstance(value.get("content", ""), (str, list, tuple))


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


_MEDIA = "path, address, bytes or open file"

_FUNCTION = _Kind(callable, "a function")

_KINDS = {
    "None": _Kind(lambda value: value is None, "None"),
    "str": _Kind(lambda value: isinstance(value, str), "text", "texts"),
    "int": _Kind(
        lambda value: isinstance(value, Integral) and not isinstance(value, bool), "a whole number", "whole numbers"
    ),
    "float": _Kind(_is_number, "a number", "numbers"),
    # numpy's own truth values are called bool_ or bool, and are no bool.
    "bool": _Kind(_is_truth, "True or False"),
    "Any": _Kind(lambda value: True, "anything", "values"),
    "os.PathLike[str]": _Kind(lambda value: isinstance(value, os.PathLike), "a path", "paths"),
    "Callable": _FUNCTION,
    "ProgressCallback": _FUNCTION,
    "WarningCallback": _FUNCTION,
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
    "LoraFiles": "MediaSource | Iterable[tuple[MediaSource, float]]",
    "EmbeddingFiles": "MediaSource | Iterable[MediaSource | tuple[MediaSource, str]]",
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
