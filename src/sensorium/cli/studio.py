"""``sensorium studio``: the page for people who don't write programs."""

from __future__ import annotations

import webbrowser
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from sensorium.cli.options import AsJson, examples
from sensorium.cli.serve import serve_with
from sensorium.cli.serving_options import ServingCommand
from sensorium.models.extras import missing_packages_explained


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        cls=ServingCommand,
        rich_help_panel="Sensorium",
        epilog=examples("sensorium studio", "sensorium studio --port 9000 --no-open"),
    )(studio)


def studio(
    context: typer.Context,
    config: Annotated[
        Path | None,
        typer.Option("--config", metavar="FILE", help="A TOML file with the same names; options replace its lines."),
    ] = None,
    open_page: Annotated[bool, typer.Option("--open/--no-open", help="Open the page in the browser.")] = True,
    as_json: AsJson = False,
) -> None:
    """Open the page: see, paint, hear, speak and watch in a browser.

    It is the page at /studio of 'sensorium serve', which this command runs: programs can use the same address. Ctrl-C
    ends it; jobs that run then run again at the next start.
    """
    with missing_packages_explained("sensorium studio"):
        # So that it is told now if it is missing, and not to the first visitor.
        if find_spec("gradio") is None:
            raise ModuleNotFoundError(name="gradio")

    def open_in_browser(address: str) -> str:
        if open_page:
            webbrowser.open(f"{address}/studio")
        return f"The studio is at {address}/studio"

    serve_with(config, context.obj, as_json=as_json, ready=open_in_browser, page=True)
