"""A whole batch: what is done already is left out, what comes is kept at once, and the manifest is made at the end."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TypeAlias

from sensorium.batch.item import ItemOutcome
from sensorium.batch.item_worker import BatchWork, ItemProgress
from sensorium.batch.journal import Journal, journal_files
from sensorium.batch.listing import Listing
from sensorium.batch.lock import only_writer
from sensorium.batch.manifest import TRY_AGAIN, Manifest, ManifestKind
from sensorium.batch.pace import Pace
from sensorium.batch.planning import BatchPlan
from sensorium.batch.runner import BatchRunner
from sensorium.errors import InputError, SensoriumError
from sensorium.media.naming import display_name
from sensorium.progress import Cancellation
from sensorium.record import Record
from sensorium.storage.location import Location
from sensorium.unfinished import temporary_folder

_MOST_IN_A_ROW = 5
"""Errors that are no item's fault one after the other, until the batch ends instead of failing every item."""

OnOutcome: TypeAlias = Callable[[ItemOutcome, Pace, Listing], None]
"""Told each outcome once it is kept."""


@dataclass(frozen=True)
class BatchOptions:
    """How a batch is kept.

    Attributes:
        manifest: The kind of the table.
        retry_errors: Whether items that failed before are run again.
    """

    manifest: ManifestKind = "parquet"
    retry_errors: bool = False


@dataclass(frozen=True)
class BatchWatch:
    """Who is told of a batch, and who stops it.

    Attributes:
        cancel: Stops it.
        outcome: Told each outcome.
        item: Told how far the item at work is.
        note: Told sentences.
    """

    cancel: Cancellation
    outcome: OnOutcome
    item: ItemProgress | None = None
    note: Callable[[str], None] = lambda sentence: None


@dataclass(frozen=True, eq=False, repr=False)
class BatchSummary(Record):
    """What a batch did.

    Attributes:
        operation: Its name.
        output: The folder.
        manifest: The table.
        rows: Of the table, one for each item.
        errors: The rows that hold an error, of this run or of an earlier one.
        done: How many items this run has done.
        failed: How many it couldn't.
        skipped: How many were done before.
        seconds: How long it took.
        items_per_second: Of this run, failed ones too, without the time until the first one began.
    """

    operation: str
    output: str
    manifest: str
    rows: int
    errors: int
    done: int
    failed: int
    skipped: int
    seconds: float
    items_per_second: float


def run_batch(plan: BatchPlan, runner: BatchRunner, options: BatchOptions, watch: BatchWatch) -> BatchSummary:
    """Do what is not done yet.

    Args:
        plan: What is to be done; checked before.
        runner: Runs the items.
        options: How results are kept.
        watch: Who is told, and who stops it.

    Raises:
        InputError: Another batch writes there, or another operation has.
        CancelledError: It was stopped; what was finished is in the manifest.
        SensoriumError: It can't go on; what was finished is in the manifest.
    """
    manifest = Manifest(plan.output, options.manifest)
    _require_same_batch(plan, manifest)
    with only_writer(plan.output, watch.cancel, watch.note), temporary_folder("sensorium-batch-") as folder:
        _claim(plan, manifest)
        if journal_files(manifest.journal):  # of a batch that was killed
            manifest.compact()
        finished = manifest.finished(retry_errors=options.retry_errors, note=watch.note)
        pace = Pace()
        listing = Listing(plan.items(), finished, folder / "items.jsonl", watch.cancel)
        try:
            with _compacting(manifest):
                work = BatchWork(plan.operation, plan.output.address)
                _keep(runner.run(iter(listing), work, watch.cancel, watch.item), manifest, pace, listing, watch.outcome)
        finally:
            listing.close()
        return BatchSummary(
            operation=plan.operation,
            output=plan.output.address,
            manifest=manifest.table.address,
            rows=manifest.compact(),
            errors=manifest.errors(),
            done=pace.done - pace.failed,
            failed=pace.failed,
            skipped=listing.passed_over,
            seconds=round(pace.whole_seconds, 3),
            items_per_second=round(pace.items_a_second, 3),
        )


def _keep(outcomes: Iterator[ItemOutcome], manifest: Manifest, pace: Pace, listing: Listing, told: OnOutcome) -> None:
    """Note each outcome in the journal before anybody hears of it."""
    journal = Journal(manifest.journal)
    hopeless = 0
    try:
        for outcome in outcomes:
            journal.add(outcome)
            pace.note(outcome)
            told(outcome, pace, listing)
            hopeless = hopeless + 1 if outcome.error_type in TRY_AGAIN else 0
            if hopeless == _MOST_IN_A_ROW:
                raise TRY_AGAIN[outcome.error_type](outcome.error)
    finally:
        if isinstance(outcomes, Generator):
            outcomes.close()
        journal.close()


@contextmanager
def _compacting(manifest: Manifest) -> Iterator[None]:
    """Make what was finished part of the manifest also where the batch ends early."""
    try:
        yield
    except Exception:
        with suppress(SensoriumError):
            manifest.compact()
        raise


def _require_same_batch(plan: BatchPlan, manifest: Manifest) -> None:
    output = display_name(plan.output.address)
    claim = _claim_of(plan.output)
    if claim.info() is None:
        if manifest.exists():
            raise _unclaimed(
                plan, manifest, f"{output} holds a manifest, but not .batch/batch.json, which says of what"
            )
        return
    try:
        known = json.loads(claim.read())
    except ValueError:
        known = None
    if not isinstance(known, dict) or not {"operation", "manifest"} <= known.keys():
        raise _unclaimed(plan, manifest, f"{display_name(claim.address)} is damaged")
    if known["operation"] != plan.operation:
        raise InputError(
            f"{output} holds a batch of {known['operation']}, not of {plan.operation}", "Name another output"
        )
    if known["manifest"] != manifest.kind:
        raise InputError(
            f"The manifest in {output} is of the kind {known['manifest']}",
            f"Add --manifest {known['manifest']}, or name another output",
        )


def _claim(plan: BatchPlan, manifest: Manifest) -> None:
    _claim_of(plan.output).write_new(_claim_text(plan, manifest).encode())


def _claim_text(plan: BatchPlan, manifest: Manifest) -> str:
    return json.dumps({"operation": plan.operation, "manifest": manifest.kind})


def _unclaimed(plan: BatchPlan, manifest: Manifest, message: str) -> InputError:
    text, claim = _claim_text(plan, manifest), display_name(_claim_of(plan.output).address)
    return InputError(message, f"If it is of this batch, write {text} into {claim}; else name another output")


def _claim_of(output: Location) -> Location:
    return output.join(".batch", "batch.json")
