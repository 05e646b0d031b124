"""Old choices are found by the month in their cards."""

from __future__ import annotations

import datetime

import pytest

from maintenance import old_cards
from sensorium.models import catalog


def test_choices_grow_old(capsys: pytest.CaptureFixture[str]) -> None:
    best = catalog.entries(profile="best")
    first = min(entry.chosen for entry in best)
    year, month = map(int, first.split("-"))
    a_year_later = datetime.date(year + 1, month, 1)
    assert old_cards.main([], a_year_later) == 0
    assert "12 months" in capsys.readouterr().out
    assert old_cards.main(["--months", "11"], a_year_later) == 1
    lines = capsys.readouterr().out.splitlines()
    oldest = sorted(entry.name for entry in best if entry.chosen == first)
    assert [line.split()[:2] for line in lines] == [[first, name] for name in oldest]
