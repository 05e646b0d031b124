"""The base of every result: a frozen dataclass that also reads like the chapter's dicts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any


class Record(Mapping[str, Any]):
    """Mix-in for frozen dataclasses: ``result.text`` and ``result["text"]`` are the same thing.

    Declare children with ``@dataclass(frozen=True, eq=False, repr=False)``, so that they print and
    compare like the dict they stand for. A field whose name starts with an underscore stays private.
    """

    def _names(self) -> list[str]:
        return [field.name for field in fields(self) if not field.name.startswith("_")]  # type: ignore[arg-type]

    def __getitem__(self, key: str) -> Any:
        if key not in self._names():
            raise KeyError(key)
        return getattr(self, key)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names())

    def __len__(self) -> int:
        return len(self._names())

    def __repr__(self) -> str:
        return repr(dict(self))

    def to_dict(self) -> dict[str, Any]:
        """Return the result as plain dicts, lists, strings and numbers, ready for ``json.dumps``."""
        return {name: plain(value) for name, value in self.items()}


def plain(value: Any) -> Any:
    """Turn results, paths, arrays and containers into values that ``json.dumps`` takes."""
    if hasattr(value, "to_dict"):
        return value.to_dict()
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, Path):
        return str(value)
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, Sequence) and not isinstance(value, (str, bytes)):
        return [plain(item) for item in value]
    return value
