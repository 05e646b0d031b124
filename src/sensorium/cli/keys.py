"""``sensorium keys``: the keys of those who may use a server."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sensorium.cli.call import Call
from sensorium.cli.interrupt import command
from sensorium.cli.options import AsJson, examples


def register(app: typer.Typer) -> None:
    """Add the group and its command."""
    line = "sensorium keys new anna keys.toml"
    group = typer.Typer(no_args_is_help=True, help="Make keys for those who may use a server.", epilog=examples(line))

    group.command("new", epilog=examples(line, "sensorium serve --keys keys.toml"))(new)
    app.add_typer(group, name="keys", rich_help_panel="Sensorium")


@command
def new(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="Who gets it; jobs and uploads are kept under this name.")
    ],
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="Where its digest is added; made if it isn't there yet.")
    ],
    admin: Annotated[
        bool,
        typer.Option(
            "--admin",
            metavar="",
            help="Let it pause the queue, load and unload models, and see what belongs to others.",
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Make a key, print it once, and add its digest to a file for 'sensorium serve --keys FILE'.

    The key itself is kept nowhere. A running server knows it after its next start.
    """
    from sensorium.server.keys import new_key

    with Call(as_json=as_json) as call:
        key = new_key(name, file, admin=admin)
        if as_json:
            call.document({"name": name, "key": key, "admin": admin})
        else:
            call.line(key)
