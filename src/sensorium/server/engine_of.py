"""How endpoints reach the engine of their application, and know for whom they work."""

from __future__ import annotations

from typing import Annotated, TypeAlias, cast

from fastapi import Depends, Request

from sensorium.engine.interface import Engine


def engine_of(request: Request) -> Engine:
    """Return the engine behind an application."""
    return cast(Engine, request.app.state.engine)


TheEngine: TypeAlias = Annotated[Engine, Depends(engine_of)]


def owner_of(request: Request) -> str:
    """Return for whom a request asks: who its key belongs to, or "" where there are no keys."""
    return str(request.scope.get("sensorium.owner", ""))


TheOwner: TypeAlias = Annotated[str, Depends(owner_of)]
