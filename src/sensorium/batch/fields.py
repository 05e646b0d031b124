"""Which field of an operation an input fills, and what texts of tables and options become as values of fields."""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from sensorium.errors import InputError
from sensorium.media.content import Kind
from sensorium.operations.operation import Operation

_MEDIA_FIELDS: dict[str, tuple[Kind, ...]] = {
    "image": ("image",),
    "images": ("image",),
    "picture": ("image",),
    "audio": ("audio", "video"),
    "film": ("video",),
    "sounds": ("audio",),
    "source": ("image", "video"),
    "files": ("image", "video", "audio", "text"),
    "sound": ("audio",),
}
"""Fields that an input that is a file fills, with the kinds of files; of two that take one kind, the
one that must be given, else the first."""
_MEDIA_FIELDS_OF: dict[str, dict[str, tuple[Kind, ...]]] = {"control": {"reference": ("image",)}, "chat": {}}
_TEXT_FIELDS = ("texts", "text", "prompt", "subject", "question", "messages")
"""Fields that a line of a text fills; of two, the first."""


@dataclass(frozen=True)
class OperationFields:
    """The fields of an operation as a batch fills them.

    Attributes:
        operation: The operation.
    """

    operation: type[Operation]

    @cached_property
    def media_fields(self) -> dict[Kind, str]:
        """The field that a file of each kind fills; kinds that the operation doesn't take are missing."""
        known = self.operation.model_fields
        candidates = _MEDIA_FIELDS_OF.get(self.operation.name, _MEDIA_FIELDS)
        found: dict[Kind, str] = {}
        for name in sorted(known.keys() & candidates.keys(), key=lambda each: _rank(candidates, each, known)):
            for kind in candidates[name]:
                found.setdefault(kind, name)
        return found

    @cached_property
    def text_field(self) -> str | None:
        """The field that a line of a text fills, or None."""
        return next((name for name in _TEXT_FIELDS if name in self.operation.model_fields), None)

    def filled(self, field: str, value: str) -> dict[str, Any]:
        """Return the field that an input fills, with the input as its value."""
        if field == "messages":
            return {field: [{"role": "user", "content": value}]}
        return {field: [value] if "array" in self._types(field) else value}

    def require(self, names: Iterable[str], where: str) -> None:
        """See that the operation has fields of these names.

        Raises:
            InputError: One is unknown.
        """
        for name in names:
            if name not in self.operation.model_fields:
                close = difflib.get_close_matches(name, self.operation.model_fields, n=1)
                known = ", ".join(self.operation.model_fields)
                remedy = f"Did you mean {close[0]!r}?" if close else f"It knows {known}"
                raise InputError(f"{self.operation.name} has no field {name!r}, which {where} names", remedy)

    def value(self, field: str, text: str) -> Any:
        """Return what a text, of an option or a cell, means as the value of a field: JSON, or the text itself."""
        types = self._types(field)
        try:
            value = json.loads(text)
        except ValueError:
            value = text
        kind = _kind_of(value)
        if kind in types or (kind == "integer" and "number" in types):
            return value
        if "string" in types:
            return text
        if "array" in types and isinstance(value, (str, int, float)):
            return [part.strip() for part in text.split(",") if part.strip()]
        return value

    def with_media(self, field: str, value: Any, replace: Callable[[str], str]) -> Any:
        """Return the value of a field with each reference to a medium in it replaced, however deep it lies."""
        return self._replaced(value, self._properties[field], replace)

    def _replaced(self, value: Any, schema: Mapping[str, Any], replace: Callable[[str], str]) -> Any:
        forms = list(self._forms(schema))
        if isinstance(value, str):
            return replace(value) if value and any(form.get("format") == "media" for form in forms) else value
        if isinstance(value, (list, tuple)):
            inside = [form["items"] for form in forms if "items" in form]
            return [self._replaced(each, {"anyOf": inside}, replace) for each in value]
        if isinstance(value, Mapping):
            return {name: self._replaced(each, _below(forms, name), replace) for name, each in value.items()}
        return value

    def _forms(self, schema: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
        """Yield what a schema allows, without references and alternatives."""
        if "$ref" in schema:
            schema = self._schema["$defs"][schema["$ref"].rpartition("/")[2]]
        alternatives = [*schema.get("anyOf", ()), *schema.get("oneOf", ()), *schema.get("allOf", ())]
        for each in alternatives:
            yield from self._forms(each)
        if not alternatives:
            yield schema

    def _types(self, field: str) -> set[str]:
        return {form.get("type", "object") for form in self._forms(self._properties[field])}

    @cached_property
    def _properties(self) -> dict[str, dict[str, Any]]:
        properties: dict[str, dict[str, Any]] = self._schema["properties"]
        return properties

    @cached_property
    def _schema(self) -> dict[str, Any]:
        return self.operation.model_json_schema()


def _rank(candidates: Mapping[str, object], name: str, known: Mapping[str, Any]) -> tuple[bool, int]:
    return not known[name].is_required(), list(candidates).index(name)


def _below(forms: list[Mapping[str, Any]], name: str) -> Mapping[str, Any]:
    found = [form.get("properties", {}).get(name) for form in forms]
    others = [form.get("additionalProperties") for form in forms]
    return {"anyOf": [each for each in (*found, *others) if isinstance(each, Mapping)]}


def _kind_of(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, (int, float)):
        return "integer" if isinstance(value, int) else "number"
    if isinstance(value, str):
        return "string"
    return "object" if isinstance(value, Mapping) else "array"
