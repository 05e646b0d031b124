"""Errors as clients of OpenAI's API read them: ``{"error": {"message", "type", "param", "code"}}`` and a status."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException

from sensorium.errors import (
    AccessError,
    BusyError,
    CancelledError,
    ClosedError,
    InputError,
    InsufficientMemoryError,
    InternalError,
    InterruptedJobError,
    MissingDependencyError,
    ModelServerError,
    ModelUnavailableError,
    NotFoundError,
    SensoriumError,
    StorageError,
    TimeLimitError,
    UnsupportedError,
    WorkerLostError,
)


@dataclass(frozen=True)
class _Answer:
    """How an error is answered.

    Attributes:
        status: The HTTP status.
        again: Whether the same request may succeed later; clients that see "no" don't send it again by themselves.
    """

    status: int
    again: bool = False


_ANSWERS: Mapping[type[SensoriumError], _Answer] = {
    InputError: _Answer(400),
    UnsupportedError: _Answer(400),
    AccessError: _Answer(403),
    NotFoundError: _Answer(404),
    ModelUnavailableError: _Answer(404),
    CancelledError: _Answer(409),
    BusyError: _Answer(429, again=True),
    WorkerLostError: _Answer(500),
    InternalError: _Answer(500),
    InterruptedJobError: _Answer(500),
    MissingDependencyError: _Answer(501),
    ClosedError: _Answer(503, again=True),
    InsufficientMemoryError: _Answer(503),
    ModelServerError: _Answer(503, again=True),
    TimeLimitError: _Answer(504),
    StorageError: _Answer(503, again=True),
}
_TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    409: "conflict_error",
    429: "rate_limit_error",
}


class RefusedRequest(HTTPException):
    """A request that is refused for how it comes, not for what it asks.

    Args:
        status: The HTTP status.
        error: Says why.
        close: Whether the connection is closed, because the rest of the request isn't read.
    """

    def __init__(self, status: int, error: SensoriumError, *, close: bool = False) -> None:
        super().__init__(status, str(error), {"connection": "close"} if close else None)
        self.error = error


def error_body(error: SensoriumError, status: int) -> dict[str, Any]:
    """Return the body for an error; under ``sensorium`` stands what `SensoriumError.from_dict` reads."""
    kind = _TYPES.get(status, "invalid_request_error" if status < 500 else "server_error")
    code = error.code or re.sub(r"(?<!^)(?=[A-Z])", "_", type(error).__name__.removesuffix("Error")).lower()
    param = error.param or ("model" if isinstance(error, ModelUnavailableError) else None)
    return {"error": {"message": str(error), "type": kind, "param": param, "code": code, "sensorium": error.to_dict()}}


@contextmanager
def blaming(param: str) -> Iterator[None]:
    """Say of an `InputError` or `NotFoundError` in the block which field of the request is to blame."""
    try:
        yield
    except (InputError, NotFoundError) as error:
        error.param = error.param or param
        raise


def error_status(error: SensoriumError) -> int:
    """Return the HTTP status for an error."""
    return _answer(error).status


def error_response(error: SensoriumError) -> JSONResponse:
    """Return the answer for an error."""
    answer = _answer(error)
    headers = {} if answer.again else {"x-should-retry": "false"}
    if answer.again:
        headers["retry-after"] = str(max(1, round(error.retry_after if isinstance(error, BusyError) else 5)))
    return JSONResponse(error_body(error, answer.status), answer.status, headers)


def refused_response(refusal: RefusedRequest) -> JSONResponse:
    """Return the answer for a request that is refused for how it comes."""
    headers = {"x-should-retry": "false", **(refusal.headers or {})}
    return JSONResponse(error_body(refusal.error, refusal.status_code), refusal.status_code, headers)


def unexpected() -> InternalError:
    """Return what clients are told of a mistake in the program: nothing of its inside."""
    return InternalError("Something went wrong inside the server", "Its log says what; report it, please")


def answer_errors(app: FastAPI) -> None:
    """Let an application answer every error in this form."""

    @app.exception_handler(SensoriumError)
    async def sensorium_error(request: Request, error: SensoriumError) -> JSONResponse:
        return error_response(error)

    @app.exception_handler(RequestValidationError)
    async def wrong_request(request: Request, error: RequestValidationError) -> JSONResponse:
        refused = _refusal(error)
        refused.param = next((str(part) for part in error.errors()[0]["loc"][1:2] if isinstance(part, str)), None)
        return error_response(refused)

    @app.exception_handler(HTTPException)
    async def refused(request: Request, error: HTTPException) -> JSONResponse:
        return refused_response(error if isinstance(error, RefusedRequest) else _known(request, error))


def _answer(error: SensoriumError) -> _Answer:
    return next((_ANSWERS[kind] for kind in type(error).__mro__ if kind in _ANSWERS), _Answer(500))


def _known(request: Request, error: HTTPException) -> RefusedRequest:
    """Return a refusal of the framework's in our words."""
    where = f"{request.method} {request.url.path}"
    reason: SensoriumError
    if error.status_code == 404:
        reason = NotFoundError(f"There is no {where}", "/openapi.json tells what there is")
    elif error.status_code == 405:
        reason = InputError(
            f"{where} is not possible", f"Allowed here: {Headers(error.headers).get('allow', 'nothing')}"
        )
    else:
        reason = InputError(f"{where} was refused: {error.detail}", "/openapi.json tells what it takes")
    refusal = RefusedRequest(error.status_code, reason)
    refusal.headers = error.headers
    return refusal


def _refusal(error: RequestValidationError) -> InputError:
    first = error.errors()[0]
    place = [str(part) for part in first["loc"]]
    if place[:1] == ["body"] and first["type"] == "json_invalid":
        return InputError("The body isn't JSON", f"Correct it at character {place[-1]}: {first['ctx']['error']}")
    if place == ["body"]:
        return InputError(
            "The request needs a JSON object", 'Send its fields like {"name": value}, as content-type application/json'
        )
    name = ".".join(place[1:]) or "the whole"
    if first["type"] == "missing":
        return InputError(f"The request needs {name!r}", "Give it")
    if first["type"] == "extra_forbidden":
        return InputError(f"The request has a field {name!r} that isn't known here", "Leave it out")
    message = first["msg"].removeprefix("Value error, ")
    return InputError(
        f"{name!r} can't be {str(first['input'])[:60]!r}: {message[:1].lower()}{message[1:]}", "Change it"
    )
