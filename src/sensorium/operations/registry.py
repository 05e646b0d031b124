"""All operations, found by walking this folder."""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from collections.abc import Iterator, Mapping
from functools import cache
from types import MappingProxyType

import sensorium.operations
from sensorium.errors import InputError
from sensorium.operations.operation import ModelOperation, Operation


@cache
def all_operations() -> Mapping[str, type[Operation]]:
    """Return every operation by its name, sorted."""
    for module in pkgutil.iter_modules(sensorium.operations.__path__):
        importlib.import_module(f"sensorium.operations.{module.name}")
    found = {each.name: each for each in _below(Operation) if each is not ModelOperation}
    return MappingProxyType({name: found[name] for name in sorted(found)})


def operation_named(name: str) -> type[Operation]:
    """Return an operation.

    Raises:
        InputError: There is none of that name.
    """
    found = all_operations().get(name)
    if found is None:
        close = difflib.get_close_matches(name, all_operations(), n=1)
        remedy = f"Did you mean {close[0]!r}?" if close else f"Choose one of {', '.join(all_operations())}"
        raise InputError(f"There is no operation {name!r}", remedy)
    return found


def _below(operation: type[Operation]) -> Iterator[type[Operation]]:
    for each in operation.__subclasses__():
        if "result" in vars(each):
            yield each
        yield from _below(each)
