"""``sensorium tour``: shows what Sensorium does on real media, and writes a page about it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from sensorium.cli.call import Call
from sensorium.cli.exit_codes import ALL_GOOD, CANCELLED
from sensorium.cli.interrupt import command
from sensorium.cli.options import AsJson, Quiet, examples
from sensorium.errors import CancelledError


def register(app: typer.Typer) -> None:
    """Add this group's command."""
    app.command(rich_help_panel="Sensorium", epilog=examples("sensorium tour", "sensorium tour -o my-tour --open"))(
        tour
    )


@command
def tour(
    context: typer.Context,
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
        run = command_runner(context.find_root().command)
        page = run_tour(output, run=run, open_browser=open_browser, write=write, progress=call.progress)
        if as_json:
            call.document({"page": str(page)})


def command_runner(program: Any) -> Callable[[Sequence[str]], bool]:
    """Return a function that runs a command line of a program, and returns whether the command succeeded."""

    def run(arguments: Sequence[str]) -> bool:
        try:
            program.main(list(arguments), prog_name="sensorium")
        except SystemExit as end:
            if end.code == CANCELLED:
                raise CancelledError("The tour was cancelled") from None
            return end.code == ALL_GOOD
        return True

    return run
