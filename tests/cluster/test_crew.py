"""An index that Ray actors build: killed ones cost nothing, and a file that kills costs itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from sensorium.cluster.crew import RayCrew, _Attempt
from sensorium.errors import InputError
from sensorium.progress import Event, Progress
from sensorium.retrieval import portions
from sensorium.retrieval.index import SearchIndex
from sensorium.retrieval.portions import Portion
from sensorium.retrieval.scan import FoundFile
from tests.refusals import refused
from tests.retrieval.album import SHOWN, save_photo


def encoders() -> list[psutil.Process]:
    """Return the actors of this process's cluster."""
    found = []
    for each in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):  # some end while they are looked at
            found += [each] if "ray::_Encoder" in " ".join(each.cmdline()) else []
    return found


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    import ray

    ray.init(
        address="local",
        num_cpus=2,
        include_dashboard=False,
        object_store_memory=100 << 20,
        log_to_driver=False,
        logging_level="ERROR",
    )
    try:
        yield
    finally:
        ray.shutdown()


def test_an_actor_that_is_killed_costs_nothing(cluster: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(portions, "_LEAST_FILES", 2)
    (tmp_path / "album").mkdir()
    for number in range(24):
        save_photo(list(SHOWN)[number % 8], tmp_path / "album" / f"{number}.jpg", 200 + number)
    one = SearchIndex(tmp_path / "one")
    one.add(tmp_path / "album")
    killed: list[int] = []

    def kill_one(event: Event) -> None:
        if isinstance(event, Progress) and event.stage == "indexing" and event.done and not killed:
            victim = encoders()[0]
            victim.kill()
            killed.append(victim.pid)

    several = SearchIndex(tmp_path / "several")
    report = several.add(tmp_path / "album", crew=RayCrew(2), progress=kill_one)
    assert killed
    assert (report.added, report.skipped) == (24, ())
    assert several.files() == one.files()
    assert several.search("a cat", limit=30) == one.search("a cat", limit=30)
    again = several.add(tmp_path / "album", crew=RayCrew(2))
    assert (again.added, again.unchanged) == (0, 24)
    assert encoders() == [], "no process stays behind"


def test_a_file_that_kills_is_found_by_halving() -> None:
    files = tuple(FoundFile(f"/{number}", None) for number in range(16))
    bad, waiting, lost, done, kills = files[11], [_Attempt(Portion(files))], [], [], 0
    while waiting:
        attempt = waiting.pop(0)
        if bad in attempt.portion.files:
            kills += 1
            again = attempt.after_kill()
            lost += [] if again else attempt.portion.files
            waiting += again
        else:
            done += attempt.portion.files
    assert lost == [bad]
    assert sorted(done, key=lambda file: file.path) == sorted(set(files) - {bad}, key=lambda file: file.path)
    assert kills == 6, "twice the whole, then once each half, quarter, eighth and the file itself"


def test_no_actors_are_refused() -> None:
    with refused(InputError, "0"):
        RayCrew(0)
