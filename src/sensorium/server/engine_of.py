"""How endpoints reach the engine of their application, and know for whom they work."""

from __future__ import annotations

from typing import Annotated, TypeAlias, cast

from fastapi import Depends, Request

from sensorium.engine.interface import Engine
from sensorium.errors import AccessError
from sensorium.server.caller import SCOPE, Caller
from sensorium.server.errors import RefusedRequest


def engine_of(request: Request) -> Engine:
    """Return the engine behind an application."""
    return cast(Engine, request.app.state.engine)


TheEngine: TypeAlias = Annotated[Engine, Depends(engine_of)]


def owner_of(request: Request) -> str:
    """Return for whom a request asks: who its key belongs to, or "" where there are no keys."""
    return _caller(request).owner


TheOwner: TypeAlias = Annotated[str, Depends(owner_of)]
"""Whose a new job or upload becomes."""


def reach_of(request: Request) -> str | None:
    """Return whose things a request finds: its owner's; None, which finds everybody's, for an administrator."""
    caller = _caller(request)
    return None if caller.administrator else caller.owner


TheReach: TypeAlias = Annotated[str | None, Depends(reach_of)]
"""Whose jobs and uploads are found."""


def require_administrator(request: Request) -> None:
    """Refuse a request of somebody who isn't an administrator.

    Raises:
        RefusedRequest: So it is.
    """
    if not _caller(request).administrator:
        reason = AccessError(
            f"{request.url.path} is for administrators", "Ask with a key that is marked as an administrator's"
        )
        raise RefusedRequest(403, reason)


FOR_ADMINISTRATORS = [Depends(require_administrator)]
"""The dependencies of an endpoint that concerns everybody."""


def _caller(request: Request) -> Caller:
    return cast(Caller, request.scope.get(SCOPE, Caller()))
