"""Running several operations in one pass of a model, so that none of them pays for another."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ParamSpec, TypeAlias, TypeVar

from sensorium.errors import CancelledError, MissingDependencyError, ModelUnavailableError, SensoriumError
from sensorium.explanation import explained
from sensorium.operations.artifact import Artifact
from sensorium.operations.operation import Operation
from sensorium.operations.reporter import Reporter
from sensorium.operations.tasks import Tasks
from sensorium.progress import Event

logger = logging.getLogger(__name__)

Asked = TypeVar("Asked", bound=Operation)
Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")

Pass: TypeAlias = Callable[[Sequence[Asked], "Everybody"], list[Any]]
"""Runs operations in one pass; returns for each its result, or the `SensoriumError` that says why there is none."""


def run_in_one_pass(operations: Sequence[Asked], reports: Sequence[Reporter], work: Pass[Asked]) -> list[Any]:
    """Run operations in one pass of a model, as `Operation.run_together` promises it.

    If one of them is cancelled, the pass stops and begins again without it. If the pass fails, each runs alone.

    Args:
        operations: The operations, all with the same `batch_key`.
        reports: Who asked for each.
        work: Runs some of them; what it raises ends the pass for all of them.

    Returns:
        For each operation its result, or the `SensoriumError` that says why there is none.

    Raises:
        Exception: There is only one operation, and a mistake in Sensorium or in a library ended it.
    """
    outcomes: dict[int, Any] = {}
    while True:
        for number, report in enumerate(reports):
            if number not in outcomes and report.is_set():
                outcomes[number] = CancelledError("The job was cancelled")
        waiting = [number for number in range(len(operations)) if number not in outcomes]
        if waiting:
            everybody = Everybody([reports[number] for number in waiting])
            found = _passed([operations[number] for number in waiting], everybody, work)
            if found is None:
                continue
            outcomes.update(zip(waiting, found, strict=True))
        return [outcomes[number] for number in range(len(operations))]


def run_alone(operation: Operation, tasks: Tasks, report: Reporter) -> Any:
    """Run an operation as a pass of its own.

    Raises:
        SensoriumError: It can't be done.
    """
    (outcome,) = type(operation).run_together([operation], tasks, [report])
    if isinstance(outcome, SensoriumError):
        raise outcome
    return outcome


def attempted(
    work: Callable[Parameters, Result], *args: Parameters.args, **kwargs: Parameters.kwargs
) -> Result | SensoriumError:
    """Return what ``work`` returns, or the `SensoriumError` that it raises; a cancellation is raised as it is."""
    try:
        return work(*args, **kwargs)
    except CancelledError:
        raise
    except SensoriumError as error:
        return error


def run_by_itself(operation: Operation, tasks: Tasks, report: Reporter) -> Any:
    """Return the result of an operation that can't go with others, or the `SensoriumError` that says why not."""
    try:
        return operation.run(tasks, report)
    except SensoriumError as error:
        return error
    except Exception as error:
        return _mistake(operation, error)


def _passed(operations: Sequence[Asked], everybody: Everybody, work: Pass[Asked]) -> list[Any] | None:
    """Return the outcomes of one pass, or None if it has to begin again because somebody cancelled."""
    try:
        return work(operations, everybody)
    except CancelledError as error:
        return None if everybody.is_set() else [error] * len(operations)
    except (ModelUnavailableError, MissingDependencyError) as error:
        return [error] * len(operations)
    except Exception as error:
        if len(operations) > 1:
            each = zip(operations, everybody.reports, strict=True)
            return [_alone(operation, report, work) for operation, report in each]
        if isinstance(error, SensoriumError):
            return [error]
        raise


def _alone(operation: Asked, report: Reporter, work: Pass[Asked]) -> Any:
    try:
        return run_in_one_pass([operation], [report], work)[0]
    except Exception as error:
        return _mistake(operation, error)


def _mistake(operation: Operation, error: Exception) -> SensoriumError:
    logger.error("%s failed", operation.name, exc_info=error)
    return explained(error, remedy="Report it, please")


class Everybody(Reporter):
    """Those who wait for one pass: all are told its events, and any of them stops it.

    Args:
        reports: Who they are, in the order of their operations.
    """

    def __init__(self, reports: Sequence[Reporter]) -> None:
        self.reports = reports

    def tell(self, event: Event) -> None:
        """Tell all of them."""
        for report in self.reports:
            report.tell(event)

    def is_set(self) -> bool:
        """Return whether one of them has cancelled."""
        return any(report.is_set() for report in self.reports)

    def keep(self, name: str, media_type: str, write: Callable[[Path], object]) -> Artifact:
        """Refuse: a file belongs to one operation."""
        raise ValueError(f"nobody knows whose file {name} is: the pass belongs to several operations")
