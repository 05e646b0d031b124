"""The operation that stands for "load this model": only which checkpoint it opens, where and how, counts of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sensorium.errors import InputError
from sensorium.operations.media import UPLOAD
from sensorium.operations.operation import ModelOperation
from sensorium.operations.registry import operation_named


def operation_for(name: str, fields: Mapping[str, Any]) -> ModelOperation:
    """Return an operation with some fields; those that it needs beside them say nothing, or are an example's.

    Args:
        name: Of the operation.
        fields: Such as ``model``, ``device``, ``dtype``, ``quantize``.

    Raises:
        InputError: There is no such operation, it opens no model, or the fields are wrong.
    """
    operation = operation_named(name)
    if not issubclass(operation, ModelOperation):
        raise InputError(f"{name} needs no model", "Run it at once")
    schema = operation.model_json_schema()
    example = schema.get("examples", [{}])[0]
    needed = {each: _anything(schema["properties"][each]) for each in schema.get("required", ()) if each not in example}
    return operation(**{**example, **needed, **fields})


def _anything(schema: Mapping[str, Any]) -> Any:
    """Return some value that fits a schema."""
    if "anyOf" in schema:
        return _anything(schema["anyOf"][0])
    if "enum" in schema:
        return schema["enum"][0]
    kind = schema.get("type", "string")
    if kind == "array":
        item = schema.get("items") or (schema.get("prefixItems") or [{}])[0]
        return [f"{_anything(item)}{number}" for number in range(max(2, schema.get("minItems", 0)))]
    if kind in ("integer", "number"):
        return schema.get("minimum", 1)
    if kind == "boolean":
        return False
    return f"{UPLOAD}none" if schema.get("format") == "media" else "text"
