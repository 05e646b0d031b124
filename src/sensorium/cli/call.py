"""One call of a command: its profile, its inputs, what it prints, and how it ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeVar, cast

import typer

from sensorium.cli.exit_codes import SOME_FAILED, exit_code, explain
from sensorium.cli.inputs import Input
from sensorium.cli.interrupt import cancel
from sensorium.cli.outputs import STANDARD_OUTPUT, inputs_of, require_room, shown
from sensorium.cli.terminal import Terminal
from sensorium.errors import CancelledError, MissingDependencyError, ModelUnavailableError, SensoriumError
from sensorium.progress import Event, check_cancelled, report

if TYPE_CHECKING:
    from sensorium.cli.remote import RemoteOperations
    from sensorium.cli.running import OwnMedia
    from sensorium.media.source import ResolvedMedia
    from sensorium.operations.operation import Operation
    from sensorium.operations.reporter import Reporter
    from sensorium.operations.tasks import Tasks
    from sensorium.retrieval.portions import Crew

Result_co = TypeVar("Result_co", covariant=True)


class Runnable(Protocol[Result_co]):
    """An operation, by the type of its result."""

    def run(self, tasks: Tasks, report: Reporter) -> Result_co:
        """Do it."""


class Call(Terminal):
    """One call of a command, used as a context manager: at the end it sets the command's exit code.

    Args:
        profile: The profile for the tasks that the command opens; None for ``SENSORIUM_PROFILE``, or ``starter``.
        as_json: Print each result as a JSON document on one line, instead of text.
        quiet: Print no progress and no notes.
        server: The address of the server that runs operations; None for this process.

    Attributes:
        crew: Several processes that encode what goes into a search index; None for this one alone.
    """

    def __init__(
        self, *, profile: str | None = None, as_json: bool = False, quiet: bool = False, server: str | None = None
    ) -> None:
        super().__init__(as_json=as_json, quiet=quiet)
        self.profile = profile
        self.server = server
        self.crew: Crew | None = None
        self._reads: list[str | Path] = []
        self._prints_a_file = False
        self._succeeded = 0
        self._failures: list[SensoriumError] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.clear_progress()
        if "_remote" in vars(self):
            self._remote.close()
        if error is None and self._failures:
            raise typer.Exit(SOME_FAILED if self._succeeded else exit_code(self._failures[0]))

    def reads(self, *files: str | Path | None) -> None:
        """Note files that the command reads besides the media of its operations: no output may replace them."""
        self._reads += [file for file in files if file is not None]

    def require_room(self, outputs: Sequence[Path], inputs: Sequence[Input] = ()) -> None:
        """See that files can be written, and that none of them is one that the command reads, or writes twice.

        `run` does that for the files and the media of its operation; this is for commands that run several.

        Raises:
            InputError: That would lose a file.
        """
        if outputs:
            require_room(outputs, [*self._reads, *(item.name for item in inputs)], as_json=self.as_json)
            self._prints_a_file = STANDARD_OUTPUT in outputs

    def load(self, operation: Operation) -> None:
        """Open what an operation needs, before the first input is looked at; a server does that by itself."""
        from sensorium.cli.running import TerminalReporter

        if self.server is None:
            operation.load(self._tasks, TerminalReporter(self, (), None))

    def run(
        self,
        operation: Runnable[Result_co],
        *,
        files: Sequence[Path] = (),
        told: Callable[[Event], None] | None = None,
    ) -> Result_co:
        """Run an operation, here or on the server, showing progress, notes and warnings; return its result.

        Args:
            operation: What to do.
            files: Where the files that it makes go to, in their order.
            told: Called with each event that is neither progress nor a note: previews, pieces, finished parts.
        """
        from sensorium.cli.running import TerminalReporter

        self.require_room(files, [Input(name) for name in inputs_of(cast("Operation", operation))] if files else ())
        result: Result_co
        if self.server is not None:
            result = self._remote.run(cast("Operation", operation), files, told)
        else:
            result = operation.run(self._tasks, TerminalReporter(self, files, told))
        self.warnings(getattr(result, "warnings", ()))
        return result

    def run_together(self, operations: Sequence[Operation]) -> Iterator[Any]:
        """Run operations of one kind and with one `batch_key`, as many in one pass as go through the model at once.

        Yields:
            For each operation, in order, its result, or the error that says why there is none.
        """
        from sensorium.cli.running import TerminalReporter

        if self.server is not None:
            for outcome in self._remote.run_together(operations):
                self.warnings(getattr(outcome, "warnings", ()))
                yield outcome
            return
        reporter = TerminalReporter(self, (), None)
        size = operations[0].at_once(self._tasks, reporter) if operations else 1
        for start in range(0, len(operations), size):
            group = operations[start : start + size]
            try:
                if size == 1:
                    outcomes = [group[0].run(self._tasks, reporter)]
                else:
                    outcomes = type(group[0]).run_together(group, self._tasks, [reporter] * len(group))
            except Exception as error:
                outcomes = [error] * len(group)
            for outcome in outcomes:
                self.warnings(getattr(outcome, "warnings", ()))
                yield outcome

    def resolved(self, item: Input) -> ResolvedMedia:
        """Return an input found and checked, for its kind; an operation that refers to it doesn't find it once more.

        Raises:
            SensoriumError: The input can't be used.
        """
        return self._media.resolved(item.media)

    @cached_property
    def _remote(self) -> RemoteOperations:
        from sensorium.cli.remote import RemoteOperations

        assert self.server is not None
        return RemoteOperations(self, self.server, self._media)

    @cached_property
    def _media(self) -> OwnMedia:
        from sensorium.cli.running import OwnMedia

        return OwnMedia()

    @cached_property
    def _tasks(self) -> Tasks:
        from sensorium.operations.tasks import Tasks

        return Tasks(find_media=self._media, crew=self.crew)

    def inputs(self, items: Sequence[Input]) -> Iterator[Input]:
        """Yield the inputs one by one, showing progress; if cancelled, stop before the next one."""
        for number, item in enumerate(items):
            check_cancelled(cancel)
            if len(items) > 1:
                self.prefix = f"[{number + 1}/{len(items)}] "
                report(self.progress, item.name, number, len(items), "files")
            yield item

    @contextmanager
    def attempt(self, item: Input) -> Iterator[None]:
        """Work on one input inside a ``with`` block. An error is printed and counted, and the call continues.

        Three things end the call: a cancellation, a missing checkpoint, and a missing package. The latter two would
        stop all further inputs too.
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
        """Print a result: as text, or as JSON together with the name of its input.

        Where the command's file goes to standard output, what is said of it is a note.
        """
        if self._prints_a_file:
            if text != shown(STANDARD_OUTPUT):
                self.note(text)
            return
        if not self.as_json:
            self.line(text)
            return
        document = result.to_dict() if hasattr(result, "to_dict") else dict(result)
        self.document(document if item is None else {"input": item.name, **document})
