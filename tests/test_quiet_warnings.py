"""Warnings that are kept to ourselves, and the filters of the process, which stay as they were."""

from __future__ import annotations

import warnings

from sensorium.quiet_warnings import without_warnings


def test_threads_that_overlap_leave_the_filters_as_they_were() -> None:
    before = list(warnings.filters)
    first, second = without_warnings(), without_warnings()
    first.__enter__()
    second.__enter__()
    # As threads do: the one that came first goes first.
    first.__exit__(None, None, None)
    assert warnings.filters[0][:3] == ("ignore", None, Warning)
    second.__exit__(None, None, None)
    assert warnings.filters == before
