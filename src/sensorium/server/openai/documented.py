"""What /openapi.json says of the endpoints of OpenAI's API: how requests look."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sensorium.server.openai.fields import Fields

WHOLE_OR_STREAM: Mapping[int | str, dict[str, Any]] = {
    200: {
        "description": "The whole answer; or a stream of events.",
        "content": {"application/json": {}, "text/event-stream": {}},
    }
}
"""For ``responses=`` of endpoints that answer in one of two ways."""


def described(fields: type[Fields], *, as_json: bool = True, files: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Return the ``openapi_extra=`` of an endpoint that reads its request itself.

    Args:
        fields: What it reads.
        as_json: Whether as JSON.
        files: The files of its form by name, with what each is; None if it takes no form. A ``*`` at the end of a name
            marks one that may be left out.
    """
    schema = fields.model_json_schema(ref_template="#/components/schemas/{model}")
    content: dict[str, Any] = {"application/json": {"schema": schema}} if as_json else {}
    if files is not None:
        sent = {
            name.rstrip("*"): {"type": "string", "format": "binary", "description": what}
            for name, what in files.items()
        }
        content["multipart/form-data"] = {
            "schema": {
                **schema,
                "properties": {**sent, **schema.get("properties", {})},
                "required": [*(name for name in files if not name.endswith("*")), *schema.get("required", [])],
            }
        }
    return {"requestBody": {"required": True, "content": content}}
