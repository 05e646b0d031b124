"""The benchmarks of the server run, in small, and leave nothing behind."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from benchmarks import serving
from benchmarks.__main__ import names
from benchmarks.soak import soak
from benchmarks.soak_clients import KINDS
from benchmarks.watched_server import Sample, slope


def test_many_clients_in_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "MODELS", {"conse-starter": "the starter's encoder"})
    texts, images, classified = serving.many_clients(clients=4, requests=2)
    assert "requests/s" in texts["ours"]
    assert all(each["ratio"] > 0 for each in (texts, images, classified))
    assert "serving" in names()
    assert "soak" not in names()  # it takes twenty minutes


def test_no_text_comes_twice() -> None:
    once, again = (serving.bodies("embed-texts", 2, 2) for _ in range(2))
    assert len({body for bodies in (*once, *again) for body in bodies}) == 8


def test_a_soak_in_small(tmp_path: Path) -> None:
    quick = [kind for kind in KINDS if kind.operation in ("classify", "embed", "speak")]
    report = soak(4, clients=2, kinds=quick, every=1)
    assert report.is_well, (report.unexpected, report.left)
    assert report.samples[0].workers > 10
    assert report.after.workers == 0
    table = report.outcome_table().splitlines()
    assert table[-1].startswith("| all |")
    assert table[-1].endswith("| 0 |")
    assert "| health, ms |" in report.figure_table()
    report.draw(tmp_path / "soak.png")
    with Image.open(tmp_path / "soak.png") as picture:
        assert len(picture.getcolors(1 << 20) or ()) > 5


def test_growth_is_told_by_the_hour() -> None:
    def at(minute: float, workers: float) -> Sample:
        return Sample(minute, 50, 20, workers, 100, 3, 30, 20, 0, 5, 2, True)

    assert slope([at(0, 100), at(1, 101), at(2, 102)], "workers") == 60
    assert slope([at(0, 100)], "workers") == 0
