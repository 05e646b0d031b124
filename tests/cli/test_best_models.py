"""``sensorium models best``: the choice for a class of machines, its reason and figure."""

from __future__ import annotations

import pytest

from sensorium.models import catalog, device
from tests.cli.conftest import Run, documents


@pytest.mark.parametrize("machine", device.HARDWARE)
def test_it_names_what_the_profile_uses(machine: str, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = run("models", "best", "--hardware", machine, "--json")
    (document,) = documents(shown.stdout)
    assert document["hardware"] == machine
    first = {}
    for pick in document["picks"]:
        first.setdefault(pick["task"], pick)
    monkeypatch.setenv("SENSORIUM_HARDWARE", machine)
    device.hardware_class.cache_clear()
    for task, pick in first.items():
        if not pick["better_for"] and task != "image-control":
            assert catalog.resolve(None, task=task, profile="best").name == pick["name"]
    device.hardware_class.cache_clear()


def test_why_shows_the_figure_and_where_it_stands(run: Run) -> None:
    shown = run("models", "best", "speech-to-text", "--hardware", "gpu-16gb", "--why").stdout
    for name in ("whisper-large-v3", "parakeet-tdt-0.6b-v3"):
        entry = catalog.named(name)
        for text in (name, entry.reason, entry.figure, entry.figure_source, entry.licence, entry.better_for):
            assert text in shown
    assert shown.index("whisper-large-v3") < shown.index("parakeet-tdt")


@pytest.mark.parametrize(
    ("arguments", "named"),
    [(["telepathy"], ("telepathy", "speech-to-text")), (["--hardware", "gpu-1tb"], ("gpu-1tb", "gpu-80gb"))],
)
def test_what_there_is_not_is_refused(arguments: list[str], named: tuple[str, str], run: Run) -> None:
    refused = run("models", "best", *arguments)
    assert refused.exit_code == 2
    assert all(name in refused.stderr for name in named)
