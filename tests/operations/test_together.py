"""Many operations in one pass: nobody pays for another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from sensorium.errors import CancelledError, InputError, InsufficientMemoryError, InternalError, ModelUnavailableError
from sensorium.operations.operation import Operation
from sensorium.operations.reporter import Reporter
from sensorium.operations.tasks import Tasks
from sensorium.operations.together import run_alone, run_in_one_pass
from sensorium.progress import Note, check_cancelled
from tests.operations.reporting import Listener

passes: list[list[int]] = []


class Double(Operation):
    """Double a number; 13 brings the whole pass down."""

    number: int
    """The number."""

    @classmethod
    def run_together(cls, operations: Sequence[Any], tasks: Tasks, reports: Sequence[Reporter]) -> list[Any]:
        return run_in_one_pass(operations, reports, double)


def double(operations: Sequence[Double], report: Reporter) -> list[Any]:
    passes.append([each.number for each in operations])
    report(Note("doubling"))
    for _ in range(10):
        check_cancelled(report)
    if any(each.number == 13 for each in operations):
        raise FAILURES[0]
    return [InputError("Zero stays", "Take one") if each.number == 0 else 2 * each.number for each in operations]


FAILURES: list[Exception] = []


def together(*numbers: int, reports: Sequence[Listener] = (), failure: Exception | None = None) -> list[Any]:
    passes.clear()
    FAILURES[:] = [failure] if failure else []
    operations = [Double(number=number) for number in numbers]
    return Double.run_together(operations, Tasks(), reports or [Listener() for _ in numbers])


def test_all_go_in_one_pass_and_hear_of_it() -> None:
    reports = [Listener(), Listener()]
    assert together(1, 2, reports=reports) == [2, 4]
    assert passes == [[1, 2]]
    assert [listener.events for listener in reports] == [[Note("doubling")]] * 2


def test_one_that_fails_costs_the_others_nothing() -> None:
    one, none, three = together(1, 0, 3)
    assert (one, three, type(none)) == (2, 6, InputError)
    assert passes == [[1, 0, 3]]


@pytest.mark.parametrize(
    ("failure", "kind"),
    [(InsufficientMemoryError("Too much", "Take less"), InsufficientMemoryError), (RuntimeError("oh"), InternalError)],
)
def test_a_pass_that_fails_is_run_for_each_alone(failure: Exception, kind: type[Exception]) -> None:
    one, unlucky, three = together(1, 13, 3, failure=failure)
    assert (one, three, type(unlucky)) == (2, 6, kind)
    assert passes == [[1, 13, 3], [1], [13], [3]]


def test_a_mistake_is_not_hidden_where_there_is_nobody_to_protect() -> None:
    with pytest.raises(RuntimeError):
        together(13, failure=RuntimeError("oh"))


def test_a_model_that_is_not_there_is_not_asked_for_again_and_again() -> None:
    outcomes = together(1, 13, failure=ModelUnavailableError("Gone", "Fetch it"))
    assert [type(outcome) for outcome in outcomes] == [ModelUnavailableError] * 2
    assert passes == [[1, 13]]


def test_whoever_cancelled_before_is_left_out() -> None:
    cancelled, two = together(1, 2, reports=[Listener(patience=0), Listener()])
    assert (type(cancelled), two) == (CancelledError, 4)
    assert passes == [[2]]


def test_whoever_cancels_meanwhile_stops_the_pass_and_the_others_begin_again() -> None:
    cancelled, two, three = together(1, 2, 3, reports=[Listener(patience=5), Listener(), Listener()])
    assert (type(cancelled), two, three) == (CancelledError, 4, 6)
    assert passes == [[1, 2, 3], [2, 3]]


def test_nothing_runs_if_all_have_cancelled() -> None:
    outcomes = together(1, 2, reports=[Listener(patience=0), Listener(patience=0)])
    assert [type(outcome) for outcome in outcomes] == [CancelledError] * 2
    assert passes == []


def test_one_alone_raises_what_went_wrong() -> None:
    assert run_alone(Double(number=4), Tasks(), Listener()) == 8
    with pytest.raises(InputError):
        run_alone(Double(number=0), Tasks(), Listener())
    with pytest.raises(CancelledError):
        run_alone(Double(number=4), Tasks(), Listener(patience=0))
