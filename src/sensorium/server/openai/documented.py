"""What /openapi.json says of the endpoints of OpenAI's API: how requests look, and which errors come back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, Field

from sensorium.server.openai.fields import Fields


class ErrorDetails(BaseModel):
    """What went wrong."""

    message: Annotated[str, Field(description="One or two plain sentences: what, why, and what to do about it.")]
    type: Annotated[str, Field(description="The kind of error, as OpenAI names it.")]
    param: Annotated[str | None, Field(description="The field that is to blame, where that is known.")]
    code: Annotated[str | None, Field(description="The kind of error, as Sensorium names it.")]


class ErrorAnswer(BaseModel):
    """An error."""

    error: ErrorDetails


ERRORS: Mapping[int | str, dict[str, Any]] = {
    status: {"model": ErrorAnswer, "description": meaning}
    for status, meaning in {
        400: "The request can't be done as it is.",
        401: "No key that this server knows was sent.",
        403: "The key, or the page that asks, may not do this.",
        404: "There is no such thing, or the model isn't on this machine.",
        408: "The request came too slowly.",
        409: "The work was cancelled.",
        413: "The request is too large.",
        415: "The request has a form that isn't read here.",
        421: "The server isn't called what the request calls it.",
        422: "The request can't be done as it is.",
        429: "Too much is waiting; Retry-After says when to ask again.",
        500: "The work failed inside the server.",
        501: "A package that the request needs isn't installed.",
        503: "There is no memory for it, the disk or the database can't be used at the moment, or the server ends.",
        504: "The work ran longer than the server allows.",
    }.items()
}
"""For ``responses=`` of every endpoint."""


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
