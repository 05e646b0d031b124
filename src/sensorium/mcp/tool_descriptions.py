"""What an agent is told of each tool: what it does, what it takes, and whether it changes anything."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from mcp_types import Tool, ToolAnnotations

from sensorium.operations.operation import Operation

_OF_THE_MACHINE = ("profile", "device", "dtype", "quantize")
"""Fields that whoever runs the machine decides; an agent may still send them."""


def described(operation: type[Operation], media: str) -> Tool:
    """Return an operation as a tool.

    Args:
        operation: What it does.
        media: How an agent names a picture, a recording or a film.
    """
    return Tool(
        name=operation.name,
        title=operation.name.replace("-", " ").capitalize(),
        description=inspect.cleandoc(operation.__doc__ or ""),
        input_schema=_schema(operation.model_json_schema(), media),
        annotations=ToolAnnotations(
            read_only_hint=not _changes_an_index(operation),
            destructive_hint=operation.takes_out_of_index,
            idempotent_hint=_changes_an_index(operation),
            open_world_hint=False,
        ),
    )


def _changes_an_index(operation: type[Operation]) -> bool:
    return operation.index_of_media is not Operation.index_of_media


def _schema(schema: dict[str, Any], media: str) -> dict[str, Any]:
    """Return the schema of the fields without what costs an agent reading and tells it nothing."""
    fields = {name: each for name, each in schema["properties"].items() if name not in _OF_THE_MACHINE}
    short: dict[str, Any] = _shortened({**schema, "properties": fields}, media)
    return {name: each for name, each in short.items() if name != "description"}


def _shortened(schema: Any, media: str, *, names: bool = False) -> Any:
    """Return a part of a schema without the titles that pydantic makes of the names.

    Args:
        schema: The part.
        media: How an agent names a medium.
        names: Whether the keys are names of fields, of which one may be called "title".
    """
    if isinstance(schema, Mapping):
        if schema.get("format") == "media":
            told = schema["description"]
            own = "" if told.startswith("upload:ID") else f"{told} "
            return {"type": "string", "description": f"{own}{media}"}
        return {
            key: _shortened(value, media, names=key in ("properties", "$defs") and not names)
            for key, value in schema.items()
            if names or key != "title"
        }
    if isinstance(schema, list):
        return [_shortened(each, media) for each in schema]
    return schema
