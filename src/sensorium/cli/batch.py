"""``sensorium batch``: one operation for many inputs."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from sensorium.cli.call import Call
from sensorium.cli.completion import complete_operations
from sensorium.cli.exit_codes import SOME_FAILED, exit_code
from sensorium.cli.interrupt import cancel, command_ending_within
from sensorium.cli.option_groups import CommonOptions, grouped
from sensorium.cli.options import examples
from sensorium.errors import InputError, SensoriumError, UnsupportedError
from sensorium.progress import Progress

if TYPE_CHECKING:
    from sensorium.batch.item import BatchItem, ItemOutcome
    from sensorium.batch.job import BatchSummary
    from sensorium.batch.listing import Listing
    from sensorium.batch.pace import Pace
    from sensorium.batch.runner import BatchRunner

_SECONDS_TO_KEEP = 600.0
_SECONDS_BETWEEN_LINES = 30.0
_MOST_ERRORS_TOLD = 20


def register(app: typer.Typer) -> None:
    """Add this group's command."""
    app.command(
        rich_help_panel="Batches",
        epilog=examples(
            "sensorium batch classify photos --set labels=cat,dog,bird --output classified",
            "sensorium batch transcribe recordings --output transcripts",
            "sensorium batch speak story.txt --output spoken --set format=mp3",
        ),
    )(batch)


@command_ending_within(_SECONDS_TO_KEEP)
@grouped
def batch(
    operation: Annotated[
        str,
        typer.Argument(
            metavar="OPERATION",
            help="What to do: classify, caption, transcribe, embed, … (docs/server.md lists them all).",
            autocompletion=complete_operations,
        ),
    ],
    inputs: Annotated[
        list[str],
        typer.Argument(
            metavar="INPUT",
            help="Files, folders, globs, addresses (s3://…, also with globs); .csv, .jsonl and .parquet tables with a "
            "column for each field; .txt files with a line for each item.",
        ),
    ],
    output: Annotated[
        str,
        typer.Option("--output", "-o", metavar="DIR", help="A folder, or s3://…, for files and the manifest."),
    ],
    fields: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            "-s",
            metavar="FIELD=VALUE",
            help="A field of the operation that is the same for all items, in JSON or as words; as often as you like.",
        ),
    ] = None,
    manifest: Annotated[
        str, typer.Option("--manifest", metavar="parquet|lance", help="The kind of the manifest.")
    ] = "parquet",
    retry_errors: Annotated[
        bool, typer.Option("--retry-errors", metavar="", help="Run items again that failed before.")
    ] = False,
    actors: Annotated[
        str | None,
        typer.Option(
            "--actors",
            metavar="NUMBER",
            help="So many processes, each with its own model, on Ray; 1-8 for as many as there is work for.",
            rich_help_panel="Ray",
        ),
    ] = None,
    address: Annotated[
        str | None,
        typer.Option(
            "--address",
            metavar="ADDRESS",
            help="A running Ray cluster, such as head:6379; without it, Ray runs on this machine as long as the batch.",
            rich_help_panel="Ray",
        ),
    ] = None,
    gpus: Annotated[
        float | None,
        typer.Option(
            "--gpus",
            metavar="NUMBER",
            help="GPUs for each process, such as 0.5; by default all share all.",
            rich_help_panel="Ray",
        ),
    ] = None,
    *,
    common: CommonOptions,
) -> None:
    """Run one operation for many inputs, and keep what comes of each in a manifest.

    Run the same command again after an interruption, or when there are more inputs: it does only what isn't done.
    """
    with common.call() as call:
        if call.server is not None:
            raise UnsupportedError("A batch doesn't run on a server", "Leave out --server, and unset SENSORIUM_SERVER")
        from sensorium.batch.job import BatchOptions, BatchWatch, run_batch
        from sensorium.batch.planning import BatchPlan
        from sensorium.storage.opening import location_of

        plan = BatchPlan(operation, tuple(inputs), location_of(output), _fields(operation, fields or (), common))
        plan.check()
        progress = _BatchProgress(call, operation)
        runner = _runner(call, address, actors, gpus)
        watch = BatchWatch(cancel, progress.outcome, progress.item, call.note)
        summary = run_batch(plan, runner, BatchOptions(_manifest(manifest), retry_errors), watch)
        call.clear_progress()
        if common.as_json:
            call.document(summary.to_dict())
        else:
            call.line(_in_words(summary))
    if progress.first_failure is not None and not (summary.done or summary.skipped):
        raise typer.Exit(exit_code(progress.first_failure))
    if summary.errors:
        raise typer.Exit(SOME_FAILED)


class _BatchProgress:
    """Shows how far a batch is: on a terminal a bar, elsewhere a line now and then; and each failure at once."""

    def __init__(self, call: Call, operation: str) -> None:
        self.first_failure: SensoriumError | None = None
        self._call = call
        self._operation = operation
        self._line_at = time.monotonic()

    def outcome(self, outcome: ItemOutcome, pace: Pace, listing: Listing) -> None:
        """Show that an item has ended."""
        from sensorium.batch.outcomes import error_of

        if outcome.error:
            error = error_of(outcome)
            self.first_failure = self.first_failure or error
            if pace.failed <= _MOST_ERRORS_TOLD:
                self._call.error(error, outcome.input)
            if pace.failed == _MOST_ERRORS_TOLD:
                self._call.note("Further errors are only in the manifest.")
        total = listing.waiting if listing.complete else None
        failed = f", {pace.failed:,} failed" if pace.failed else ""
        stage = f"{self._operation}: {pace.done:,}{f' of {total:,}' if total else ''}{failed}, {_speed(pace)}"
        self._call.progress(Progress(stage, pace.weight, listing.weight if listing.complete else None, "units of work"))
        if not sys.stderr.isatty() and time.monotonic() - self._line_at >= _SECONDS_BETWEEN_LINES:
            from sensorium.batch.pace import in_words

            self._line_at = time.monotonic()
            left = pace.seconds_left(listing.weight) if listing.complete else None
            self._call.note(f"{stage}{'' if left is None else f', {in_words(left)} left'}")

    def item(self, item: BatchItem, progress: Progress) -> None:
        """Show what is fetched before the first item; inside an item nothing is shown."""
        if progress.stage.startswith("fetching"):
            self._call.progress(progress)


def _fields(operation: str, given: Sequence[str], common: CommonOptions) -> dict[str, str]:
    """Return the fields that are the same for all items, of ``--set`` and of the options that all commands share."""
    from sensorium.operations.registry import operation_named

    known = operation_named(operation).model_fields
    fields: dict[str, str] = {}
    for name, default in (
        ("model", None),
        ("profile", None),
        ("device", "auto"),
        ("dtype", "auto"),
        ("quantize", None),
    ):
        value = getattr(common, name)
        if value != default:
            if name not in known:
                raise InputError(f"{operation} takes no --{name}", "Leave it out")
            fields[name] = value
    for text in given:
        name, sign, value = text.partition("=")
        if not sign or not name:
            raise InputError(f"--set {text!r} names no field and value", "Write it like --set labels=cat,dog")
        if name in fields:
            raise InputError(f"The field {name!r} is given twice", "Give it once")
        fields[name] = value
    return fields


def _manifest(kind: str) -> Literal["parquet", "lance"]:
    if kind == "parquet":
        return "parquet"
    if kind == "lance":
        return "lance"
    raise InputError(f"There is no kind of manifest {kind!r}", "Choose parquet or lance")


def _runner(call: Call, address: str | None, actors: str | None, gpus: float | None) -> BatchRunner:
    """Return who runs the items: this process, as long as nobody says how many models the machine has room for."""
    if actors is None and (address is not None or gpus is not None):
        raise InputError("A batch on Ray needs a number of processes", "Add --actors, such as --actors 4")
    if actors is None:
        from sensorium.batch.runner import PlainRunner

        call.note("The items run in this process, one model for all; --actors NUMBER runs several on Ray.")
        return PlainRunner()
    from sensorium.cluster.batch.places import Actors
    from sensorium.cluster.batch.runner import RayBatchRunner

    return RayBatchRunner(Actors.of(actors, gpus=gpus), address)


def _speed(pace: Pace) -> str:
    rate = pace.items_a_second
    return f"{rate:,.1f} a second" if rate >= 1 else f"{rate * 60:,.1f} a minute"


def _in_words(summary: BatchSummary) -> str:
    failed = f", {summary.failed:,} failed" if summary.failed else ""
    skipped = f", {summary.skipped:,} had been done before" if summary.skipped else ""
    errors = f", {summary.errors:,} with an error" if summary.errors else ""
    if not (summary.done or summary.failed or summary.skipped):
        return f"nothing to do: no input fits the operation; {summary.rows:,} rows{errors} in {summary.manifest}"
    return f"{summary.done:,} done{failed}{skipped}; {summary.rows:,} rows{errors} in {summary.manifest}"
