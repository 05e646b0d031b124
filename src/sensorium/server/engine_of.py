"""How endpoints reach the engine of their application."""

from __future__ import annotations

from typing import Annotated, TypeAlias, cast

from fastapi import Depends, Request

from sensorium.engine.interface import Engine


def engine_of(request: Request) -> Engine:
    """Return the engine behind an application."""
    return cast(Engine, request.app.state.engine)


TheEngine: TypeAlias = Annotated[Engine, Depends(engine_of)]
