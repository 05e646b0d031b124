"""``sensorium serve``: the engine for other programs, other commands and other people's work."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sensorium.cli.options import AsJson, examples
from sensorium.cli.serving_options import ServingCommand
from sensorium.cli.terminal import Terminal
from sensorium.errors import InputError
from sensorium.models.extras import missing_packages_explained

if TYPE_CHECKING:
    from sensorium.server.options import ServerOptions


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        cls=ServingCommand,
        rich_help_panel="Sensorium",
        epilog=examples(
            "sensorium serve",
            "sensorium serve --port 9000 --time-to-live 60",
            "sensorium serve --config sensorium.toml",
        ),
    )(serve)


def serve(
    context: typer.Context,
    config: Annotated[
        Path | None,
        typer.Option("--config", metavar="FILE", help="A TOML file with the same names; options replace its lines."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Keep models loaded, and run what programs and commands ask for (--server) over HTTP.

    Only programs on this machine can reach it, unless there are keys (--keys) and an address (--host). Ctrl-C ends it;
    jobs that run then run again at the next start.
    """
    serve_with(config, context.obj, as_json=as_json, ready=lambda address: f"Sensorium serves at {address}")


def serve_with(
    config: Path | None,
    given: Mapping[str, Any],
    *,
    as_json: bool,
    ready: Callable[[str], str],
    page: bool = False,
) -> None:
    """Run the server until it is stopped.

    Args:
        config: The file with its options.
        given: The options of the command line.
        as_json: Whether its address is told as JSON.
        ready: Called with its address once it answers; returns what is told of that.
        page: Whether it is run for its page.
    """
    with missing_packages_explained("sensorium serve"):
        from sensorium.engine.engine import LocalEngine
        from sensorium.server.configuration import configured
        from sensorium.server.program import serve as serve_until_stopped
    options = configured(config, dict(given))
    _check_cluster(options, page)
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(name)s: %(message)s", force=True)
    terminal = Terminal(as_json=as_json)

    def say_where(address: str) -> None:
        told = ready(address)
        if as_json:
            terminal.document({"address": address})
        else:
            terminal.note(told)

    if options.cluster:
        from sensorium.cluster.serving.program import serve_on_cluster

        serve_on_cluster(options, say_where)
    else:
        serve_until_stopped(LocalEngine(options), options, say_where)


def _check_cluster(options: ServerOptions, page: bool) -> None:
    """Refuse options of a cluster without one, and a page that several processes would answer for."""
    given = {"--address": options.address is not None, "--ingress-replicas": options.ingress_replicas > 1}
    for name, is_given in given.items():
        if is_given and not options.cluster:
            raise InputError(f"{name} is for servers on a cluster", "Add --cluster, or leave it out")
    if page and options.ingress_replicas > 1:
        raise InputError(
            "The page isn't there where several processes answer: a visitor would meet another one each time",
            "Leave out --ingress-replicas, or run 'sensorium serve'",
        )
