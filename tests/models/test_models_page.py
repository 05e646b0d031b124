"""``docs/models.md`` says what the catalog says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from sensorium import settings
from sensorium.cli.terminal import size
from sensorium.models import catalog
from sensorium.models.device import HARDWARE
from tests.models.test_catalog import CHAPTER

PAGE = (Path(__file__).parents[2] / "docs" / "models.md").read_text(encoding="utf-8")


def rows(heading: str) -> list[list[str]]:
    """Return the cells of the table under a heading, without its header."""
    section = re.split(r"^## ", PAGE.partition(f"## {heading}\n")[2], flags=re.MULTILINE)[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip(" `") for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_the_chapters_names_and_their_mirrors() -> None:
    table = {row[0]: row[1:] for row in rows("The chapter's names")}
    assert set(table) == set(CHAPTER)
    for name, task in CHAPTER.items():
        entry = catalog.resolve(name, task=task)
        assert table[name] == [entry.name, entry.repository, entry.licence, size(entry.size_bytes)]


def test_the_best_checkpoints() -> None:
    table = {row[0]: row[1:] for row in rows("The best checkpoint for your machine") if len(row) > 3}
    chosen = [entry for entry in catalog.entries(profile="best") if "best" not in entry.by_name]
    tasks = sorted({task for entry in chosen for task in (entry.task, *entry.also_for)})
    assert sorted(table) == tasks
    for task in tasks:
        choices = [
            next(entry.name for entry in catalog.defaults(task, "best") if machine in entry.hardware)
            for machine in HARDWARE
        ]
        assert [cell.replace("`", "") for cell in table[task]] == choices


def test_what_is_better_for_some_things() -> None:
    table = [row for row in rows("The best checkpoint for your machine") if len(row) == 3]
    better = [[entry.task, entry.name, entry.better_for] for entry in catalog.entries(profile="best")]
    assert table[2:] == [row for row in better if row[2]]


def test_what_may_not_be_used_commercially() -> None:
    restricted = {
        entry.name
        for entry in catalog.entries()
        if re.search(r"-NC-|non-commercial", entry.licence, flags=re.IGNORECASE)
    }
    assert {row[0] for row in rows("Licences")} == restricted
    assert restricted == {entry.name for entry in catalog.entries() if entry.commercial_use == "no"}
    for name, licence in rows("Licences"):
        assert catalog.named(name).licence == licence
        assert "Not for commercial use" in catalog.named(name).limits


@pytest.mark.parametrize("setting", [*settings.NAMES, "OPENAI_BASE_URL", "OPENAI_API_KEY", "HF_HOME", "HF_TOKEN"])
def test_every_setting_is_explained(setting: str) -> None:
    assert any(setting in row[0] for row in rows("Environment variables"))
