"""Refusals of operations in plain sentences: pydantic finds what is wrong, this says it as the whole house does."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from sensorium.errors import InputError

if TYPE_CHECKING:
    from pydantic import ValidationError
    from pydantic_core import ErrorDetails


def refusal(what: str, error: ValidationError, known: Iterable[str]) -> InputError:
    """Return the first thing that is wrong with an operation, as one sentence with a remedy.

    An `InputError` that a validator raises never comes here: pydantic lets it through as it is.

    Args:
        what: Name of the operation.
        error: What pydantic says of it.
        known: The names of its fields.
    """
    first = error.errors(include_url=False)[0]
    place = _place(first)
    if first["type"] == "extra_forbidden" and len(first["loc"]) > 1:
        return InputError(f"{what} has no field {place!r}", "Leave it out")
    if first["type"] == "extra_forbidden":
        close = difflib.get_close_matches(place, known, n=1)
        remedy = f"Did you mean {close[0]!r}?" if close else f"It knows {', '.join(known)}"
        return InputError(f"{what} has no field {place!r}", remedy)
    if first["type"] == "missing":
        return InputError(f"{what} needs {place!r}", "Give it")
    if first["type"] == "string_unicode":
        return InputError(
            f"The {place.replace('_', ' ')} holds a character that is not valid Unicode", "Write it again without it"
        )
    message = first["msg"].removeprefix("Value error, ").replace("a valid tuple", "a list")
    return InputError(
        f"{place!r} of {what} can't be {_shown(first['input'])}: {message[:1].lower()}{message[1:]}", "Change it"
    )


def require_unicode(what: str, value: Any) -> None:
    """Refuse what holds half a character: JSON can write one down, but no file and no answer can hold it.

    Args:
        what: Name of the operation.
        value: Its fields, as `json.dumps` takes them.

    Raises:
        InputError: A text is not valid Unicode.
    """
    if isinstance(value, str):
        try:
            value.isascii() or value.encode()
        except UnicodeEncodeError:
            raise InputError(
                f"A text of {what} holds a character that is not valid Unicode", "Write it again without it"
            ) from None
    elif isinstance(value, Mapping):
        for name, item in value.items():
            require_unicode(what, name)
            require_unicode(what, item)
    elif isinstance(value, (tuple, list)):
        for item in value:
            require_unicode(what, item)


def _place(error: ErrorDetails) -> str:
    return ".".join(str(part) for part in error["loc"]) or "the whole"


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"
