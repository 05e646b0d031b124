"""``sensorium tour``: the main job in one go, on real media, with a page about it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sensorium.cli.call import Call
from sensorium.cli.interrupt import command
from sensorium.cli.options import AsJson, Quiet, examples


def register(app: typer.Typer) -> None:
    """Add this group's command."""
    app.command(rich_help_panel="Sensorium", epilog=examples("sensorium tour", "sensorium tour -o my-tour --open"))(
        tour
    )


@command
def tour(
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FOLDER", help="Where the media and the page go.")
    ] = Path("tour"),
    open_browser: Annotated[
        bool, typer.Option("--open", metavar="", help="Show the page in the browser at the end.")
    ] = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """See everything at work on real pictures, speech and a film, and get a page about it."""
    with Call(as_json=as_json, quiet=quiet) as call:
        from sensorium.tour.tour import run_tour

        write = call.note if as_json else call.line
        page = run_tour(output, open_browser=open_browser, write=write, progress=call.progress)
        if as_json:
            call.document({"page": str(page)})
