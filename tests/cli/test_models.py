"""``sensorium models``: list, cards, fetching and removing, without touching the starter that is here."""

from __future__ import annotations

from pathlib import Path

import pytest

from sensorium.models import catalog, store
from tests.cli.conftest import Run, documents


def test_list_shows_the_whole_catalog(run: Run) -> None:
    header, *rows = run("models", "list").stdout.splitlines()
    assert header.split() == ["NAME", "TASK", "PROFILES", "SIZE", "LICENCE", "HERE"]
    assert {row.split()[0] for row in rows} == {entry.name for entry in catalog.entries()}
    whisper = next(row for row in rows if row.startswith("whisper-base "))
    assert whisper.split()[-3:] == ["MB", "MIT", "yes"]


def test_list_of_one_task_and_profile(run: Run) -> None:
    rows = run("models", "list", "--task", "speech-to-text", "--profile", "starter").stdout.splitlines()[1:]
    assert [row.split()[0] for row in rows] == ["whisper-base"]
    (document,) = documents(run("models", "list", "--profile", "starter", "--json").stdout)
    assert {entry["name"] for entry in document["checkpoints"]} == {
        entry.name for entry in catalog.entries(profile="starter")
    }
    nothing = run("models", "list", "--task", "cooking")
    assert nothing.exit_code == 2
    assert "speech-to-text" in nothing.stderr


def test_a_card_tells_all(run: Run) -> None:
    card = run("models", "info", "openai/whisper-base").stdout
    entry = catalog.named("whisper-base")
    for fact in (entry.name, entry.description, entry.limits, entry.licence, entry.citation, entry.revision):
        assert fact in card
    for file in entry.files:
        assert file.sha256 in card
    (document,) = documents(run("models", "info", "whisper-base", "--json").stdout)
    assert document["present"] is True
    assert document["files"][0]["sha256"] == entry.files[0].sha256


def test_an_unknown_name_gets_a_suggestion(run: Run) -> None:
    result = run("models", "info", "whisper-bas", "hibari")
    assert result.exit_code == 3
    assert "whisper-bas" in result.stderr


def test_pull_and_remove_through_a_mirror(
    run: Run, sensorium_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = catalog.named("blazepose")
    monkeypatch.delenv("SENSORIUM_HOME")
    folder = store.locate(entry)
    (tmp_path / "mirror").mkdir()
    (tmp_path / "mirror" / "blazepose").symlink_to(folder)
    monkeypatch.setenv("SENSORIUM_HOME", str(sensorium_home))
    monkeypatch.setenv("SENSORIUM_MIRROR", str(tmp_path / "mirror"))
    monkeypatch.setenv("SENSORIUM_OFFLINE", "1")

    here = sensorium_home / "checkpoints" / "blazepose"
    assert run("models", "path").stdout == f"{sensorium_home}\n"
    absent = run("models", "path", "blazepose")
    assert absent.exit_code == 3
    assert "'sensorium models pull blazepose' fetches it" in absent.stderr

    pulled = run("models", "pull", "blazepose")
    assert (pulled.exit_code, pulled.stdout) == (0, f"blazepose: fetched, {here}\n")
    assert "Fetching blazepose from the mirror folder" in pulled.stderr
    assert run("models", "pull", "blazepose").stdout == f"blazepose: already here, {here}\n"
    assert run("models", "path", "blazepose").stdout == f"{here}\n"

    removed = run("models", "remove", "blazepose", "--json")
    assert documents(removed.stdout) == [{"name": "blazepose", "freed_bytes": entry.size_bytes}]
    assert not here.exists()
    assert run("models", "remove", "blazepose").stdout == "blazepose: nothing to remove\n"


def test_pull_without_network_says_what_to_do(run: Run, sensorium_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SENSORIUM_OFFLINE", "1")
    result = run("models", "pull", "starter")
    assert result.exit_code == 3
    assert "offline mode is set" in result.stderr
    assert not list(sensorium_home.rglob("*.bin"))


def test_pull_of_what_is_here_is_quick_and_silent_with_q(run: Run) -> None:
    result = run("models", "pull", "starter", "-q")
    assert (result.exit_code, result.stderr) == (0, "")
    assert {line.partition(":")[0] for line in result.stdout.splitlines()} == {
        entry.name for entry in catalog.entries(profile="starter")
    }
