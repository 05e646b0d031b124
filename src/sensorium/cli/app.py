"""The ``sensorium`` command: its subcommands, and how each of them ends."""

from __future__ import annotations

import logging
import os
import sys
import warnings
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup
from typer.exceptions import TyperException
from typer.main import get_command

from sensorium import settings
from sensorium.cli import (
    batch,
    control,
    doctor,
    embedding,
    jobs,
    keys,
    mcp,
    models,
    painting,
    pictures,
    prompt,
    search,
    serve,
    speech,
    spoken_language,
    studio,
    tour,
    video,
    voices,
)
from sensorium.cli.exit_codes import ALL_GOOD, BAD_INPUT, CANCELLED, OUTPUT_CLOSED, exit_code, explain
from sensorium.cli.interrupt import end_cancelled_program, end_program, listen_to_signals
from sensorium.cli.options import examples
from sensorium.cli.streams import open_closed_streams
from sensorium.cli.terminal import Terminal, clear_screen_of_bars
from sensorium.errors import InputError
from sensorium.version import VERSION


class SensoriumGroup(TyperGroup):
    """Turns every error of a command into one sentence on stderr and an exit code."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> Any:
        """Run a command line and end with `SystemExit`."""
        arguments = list(sys.argv[1:] if args is None else args)
        options: dict[str, Any] = {"complete_var": complete_var, "windows_expand_args": windows_expand_args, **extra}
        try:
            code = self._run(arguments, prog_name or "sensorium", options)
        except BrokenPipeError:
            code = OUTPUT_CLOSED
        with suppress(OSError):  # the terminal was closed
            clear_screen_of_bars()
            if code == CANCELLED:
                print("Cancelled.", file=sys.stderr)
        if code == OUTPUT_CLOSED:
            _close_output()
        end_program(code)
        raise SystemExit(code)

    def invoke(self, ctx: Any) -> Any:
        """Run the subcommand that the context names."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            raise typer.Exit(OUTPUT_CLOSED) from None

    def _run(self, arguments: list[str], name: str, options: dict[str, Any]) -> int:
        terminal = Terminal(as_json="--json" in arguments)
        try:
            _require_current_folder()
            value = super().main(arguments, prog_name=name, standalone_mode=False, **options)
            sys.stdout.flush()
            return value if isinstance(value, int) else ALL_GOOD
        except TyperException as error:
            return _explain_usage(error, terminal)
        except typer.Abort:
            return CANCELLED
        except BrokenPipeError:
            raise
        except Exception as error:
            explained = explain(error)
            terminal.error(explained)
            return exit_code(explained)


_HELP = (
    "Pictures, speech and video: one command each. What has a starter model works offline.\n\n"
    "Results go to stdout, progress and notes to stderr. Exit codes: 0 all good, 1 some inputs failed and the others "
    "were done, 2 wrong usage or bad input, 3 a checkpoint or a package is missing, 130 cancelled."
)

app = typer.Typer(
    name="sensorium",
    cls=SensoriumGroup,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode="rich",
    epilog=examples(
        "sensorium classify cat.jpg --labels cat,dog,bird,car",
        "sensorium transcribe interview.mp3 --format srt -o interview.srt",
        "sensorium doctor",
    ),
)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"sensorium {VERSION}")
        raise typer.Exit


@app.callback(help=_HELP)
def main(
    version: Annotated[
        bool, typer.Option("--version", metavar="", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Take the options that stand before any command."""


for group in (
    pictures,
    search,
    embedding,
    embedding,
    speech,
    spoken_language,
    voices,
    video,
    painting,
    control,
    prompt,
    batch,
    tour,
    models,
    serve,
    studio,
    jobs,
    keys,
    mcp,
    doctor,
):
    group.register(app)


def run(arguments: Sequence[str] | None = None) -> None:
    """Run the command line, by default the program's own, and end with `SystemExit`."""
    open_closed_streams()
    _prepare_streams()
    settings.keep_numpy_on_one_thread()
    settings.send_no_telemetry()
    if not settings.debugging():
        _silence_libraries()
    listen_to_signals()
    try:
        get_command(app).main(arguments, prog_name="sensorium")
    except SystemExit as end:
        if end.code == CANCELLED:
            end_cancelled_program()
        raise


def _require_current_folder() -> None:
    """Refuse to run in a folder that isn't there any more: names of files mean nothing, and Intel's MKL ends us.

    Raises:
        InputError: It has been deleted.
    """
    try:
        Path.cwd()
    except FileNotFoundError:
        raise InputError("The current folder has been deleted", "Change to another folder") from None


def _prepare_streams() -> None:
    """Escape characters that the terminal's encoding can't show, so that no character can stop a command."""
    for stream, errors in ((sys.stdin, "replace"), (sys.stdout, "backslashreplace"), (sys.stderr, "backslashreplace")):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors=errors)


def _silence_libraries() -> None:
    """Keep warnings and logs of libraries off stderr: they are for developers. Commands tell users what matters."""
    warnings.simplefilter("ignore")
    logging.getLogger().addHandler(logging.NullHandler())
    settings.quiet_libraries()


def _explain_usage(error: TyperException, terminal: Terminal) -> int:
    context = getattr(error, "ctx", None)
    if type(error).__name__ == "NoArgsIsHelpError":
        return BAD_INPUT
    command = context.command_path if context is not None else "sensorium"
    message = error.format_message()
    quotes = "Put a text with spaces in quotes; " if "unexpected extra argument" in message else ""
    terminal.error(InputError(message, f"{quotes}'{command} --help' shows how to use it"))
    return BAD_INPUT


def _close_output() -> None:
    """Send stdout to the null device: its reader has gone, and Python would report an error at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
