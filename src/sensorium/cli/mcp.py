"""``sensorium mcp``: every operation as a tool for an agent that starts it."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated

import typer

from sensorium import settings
from sensorium.cli.options import Profile, Server, examples
from sensorium.errors import InputError
from sensorium.models.extras import missing_packages_explained


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        rich_help_panel="Sensorium",
        epilog=examples("sensorium mcp", "sensorium mcp --server http://127.0.0.1:8756"),
    )(mcp)


def mcp(
    profile: Profile = None,
    server: Server = None,
    data: Annotated[
        Path | None,
        typer.Option(
            "--data", metavar="FOLDER", help="Where results are kept; by default a folder in the user's data folder."
        ),
    ] = None,
) -> None:
    """Give an agent every operation as a tool (Model Context Protocol over standard input and output).

    Agents start this themselves: name it in their settings. It works with the user's own files, and ends with the
    agent. A running server offers the same at /mcp to agents that speak HTTP.
    """
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(name)s: %(message)s", force=True)
    address = server or settings.server()
    with missing_packages_explained("sensorium mcp"):
        from sensorium.mcp.stdio import serve_with_engine, serve_with_server
    if address is not None:
        if data is not None or profile is not None:
            raise InputError(
                "With --server neither --data nor --profile has a use", "Leave them out; the server has its own"
            )
        serve_with_server(address)
        return
    from sensorium.engine.options import EngineOptions

    # An agent may wait for hours between two calls: nothing heavy is held in memory meanwhile.
    serve_with_engine(EngineOptions(data=data, profile=profile, preload=False))
