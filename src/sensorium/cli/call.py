"""One call of a command: its profile, its inputs, what it prints, and how it ends."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self, TypeVar

import typer

from sensorium.cli.exit_codes import SOME_FAILED, exit_code, explain
from sensorium.cli.inputs import Input
from sensorium.cli.interrupt import cancel
from sensorium.cli.terminal import Terminal
from sensorium.errors import CancelledError, MissingDependencyError, ModelUnavailableError, SensoriumError
from sensorium.progress import check_cancelled, report

Loadable = TypeVar("Loadable", bound=Any)


class Call(Terminal):
    """Use it as a context manager: it ends the command with the right exit code.

    Args:
        profile: The profile for this call, or None for the one in force: what a command opens is given it.
        as_json: Print one JSON document on one line for each result, rather than text.
        quiet: Print no progress and no notes.
    """

    def __init__(self, *, profile: str | None = None, as_json: bool = False, quiet: bool = False) -> None:
        super().__init__(as_json=as_json, quiet=quiet)
        self.profile = profile
        self._succeeded = 0
        self._failures: list[SensoriumError] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.clear_progress()
        if error is None and self._failures:
            raise typer.Exit(SOME_FAILED if self._succeeded else exit_code(self._failures[0]))

    def open(self, task: Loadable) -> Loadable:
        """Fetch and load a task's checkpoint, with progress; return the task."""
        task.load(progress=self.progress, cancel=cancel)
        return task

    def inputs(self, items: Sequence[Input]) -> Iterator[Input]:
        """Yield the inputs one by one, showing how far the call is; stop between two when cancelled."""
        for number, item in enumerate(items):
            check_cancelled(cancel)
            if len(items) > 1:
                self.prefix = f"[{number + 1}/{len(items)}] "
                report(self.progress, item.name, number, len(items), "files")
            yield item

    @contextmanager
    def attempt(self, item: Input) -> Iterator[None]:
        """Work on one input: its failure is printed and counted, and the call goes on with the next one.

        An error that every further input would meet (no checkpoint, no package) or a cancellation ends the call.
        """
        try:
            yield
        except (ModelUnavailableError, MissingDependencyError, CancelledError, BrokenPipeError):
            raise
        except Exception as error:
            explained = explain(error)
            self._failures.append(explained)
            self.error(explained, item.name)
        else:
            self._succeeded += 1

    def show(self, item: Input | None, result: Mapping[str, Any] | Any, text: str) -> None:
        """Print a result: its text, or as JSON with the name of its input."""
        if not self.as_json:
            self.line(text)
            return
        document = result.to_dict() if hasattr(result, "to_dict") else dict(result)
        self.document(document if item is None else {"input": item.name, **document})
