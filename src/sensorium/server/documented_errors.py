"""What /openapi.json says of errors: their form, and which statuses any endpoint may answer with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, Field


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
        503: "No memory for it, something it needs is away (disk, database, a model's server), or the server ends.",
        504: "The work ran longer than the server allows.",
    }.items()
}
"""For ``responses=`` of all endpoints together."""
