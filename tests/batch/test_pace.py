"""How long a batch will take."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from sensorium.batch import pace as pace_module
from sensorium.batch.item import ItemOutcome, item_id
from sensorium.batch.pace import Pace, in_words


def outcome(ago: float, seconds: float, weight: float, error: str = "") -> ItemOutcome:
    started = (datetime.now(UTC) - timedelta(seconds=ago)).isoformat()
    id = item_id("caption", {}, {})
    return ItemOutcome(id, "a.png", started=started, seconds=seconds, weight=weight, error=error)


def test_time_left_goes_by_weight_and_begins_with_the_first_item(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(pace_module.time, "monotonic", lambda: now)
    pace = Pace()
    assert (pace.items_a_second, pace.seconds_left(100.0)) == (0.0, None)
    now += 100.0  # the model is loaded
    pace.note(outcome(10.0, 5.0, 30.0))
    pace.note(outcome(5.0, 5.0, 10.0, error="It is broken."))
    assert pace.seconds_left(100.0) is None  # two are no measure
    pace.note(outcome(0.0, 0.0, 10.0))
    assert (pace.done, pace.failed) == (3, 1)
    assert pace.seconds == pytest.approx(10.0, abs=0.5)
    assert pace.seconds_left(100.0) == pytest.approx(10.0, abs=0.5)
    assert pace.items_a_second == pytest.approx(0.3, abs=0.02)
    assert pace.whole_seconds == 100.0


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.2, "some seconds"),
        (20, "about 20 seconds"),
        (60, "about a minute"),
        (600, "about 10 minutes"),
        (10_000, "about 3 hours"),
        (300_000, "about 3 days"),
    ],
)
def test_time_is_told_as_roughly_as_it_is_known(seconds: float, words: str) -> None:
    assert in_words(seconds) == words
