"""``sensorium doctor``: what works here, and what it says where something is missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from sensorium import threads
from sensorium.cli import checkup
from sensorium.models import catalog, device
from tests.cli.conftest import Run, documents


@pytest.fixture(autouse=True)
def without_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SENSORIUM_OFFLINE", "1")


def test_a_machine_with_the_starter(run: Run) -> None:
    result = run("doctor")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    for name in ("Python", "Memory", "torch", "diffusers", "peft", "av", "whisper-base", "hibari", "Offline"):
        assert any(line.split()[:2] == ["ok", name] for line in lines), name
    assert lines[-1] == "The starter profile works on this machine."


def test_where_models_run_and_which_are_the_best_here(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "_has_no_accelerator", lambda: True)
    device.hardware_class.cache_clear()
    assert "on cpu in float32; the best checkpoints are those for cpu" in run("doctor").stdout
    device.hardware_class.cache_clear()
    monkeypatch.setenv("SENSORIUM_HARDWARE", "gpu-99gb")
    unclear = run("doctor").stdout
    assert "SENSORIUM_HARDWARE='gpu-99gb' is no class of machines" in unclear
    assert "Set it to one of cpu, gpu-8gb" in unclear


def test_standard_checkpoints_in_the_hubs_cache_are_told(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    entry = catalog.named("mms-tts-eng")
    folder = tmp_path / f"models--{entry.repository.replace('/', '--')}" / "snapshots" / entry.revision
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    before = next(check for check in checkup.checks() if check.name == "standard")
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(b"weights")
    after = next(check for check in checkup.checks() if check.name == "standard")
    assert "mms-tts-eng" not in before.found
    assert "mms-tts-eng" in after.found
    assert "'sensorium models pull standard' fetches the rest" in after.found


def test_a_machine_without_checkpoints(run: Run, sensorium_home: Path) -> None:
    result = run("doctor", "--json")
    assert result.exit_code == 3
    (document,) = documents(result.stdout)
    assert document["starter_works"] is False
    missing = {check["name"]: check["remedy"] for check in document["checks"] if not check["ok"]}
    assert missing["whisper-base"] == "sensorium models pull whisper-base"
    assert "hibari" not in missing


def test_a_missing_and_a_broken_package_are_told_apart(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "brokenpackage.py").write_text("raise RuntimeError('wrong build')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(
        checkup, "_PACKAGES", {"brokenpackage": ("typer", "nothing"), "nowhere": ("no-such", "nothing")}
    )
    result = run("doctor")
    assert result.exit_code == 3
    assert "but it does not load (RuntimeError)" in result.stdout
    assert "not installed" in result.stdout
    assert "pip install --force-reinstall no-such" in result.stdout
    assert result.stdout.splitlines()[-1] == "The starter profile can't work yet: typer, no-such."


def test_settings_are_shown(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SENSORIUM_THREADS", "1")
    assert "SENSORIUM_OFFLINE=1, SENSORIUM_THREADS=1" in run("doctor").stdout


def test_the_network_is_asked_only_if_it_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(checkup, "_index_answers", lambda: bool(asked.append("index")))
    monkeypatch.setattr(checkup, "_hub_answers", lambda: bool(asked.append("hub")))
    assert [check.name for check in checkup._network()] == ["Settings", "Offline"]
    assert asked == []
    monkeypatch.delenv("SENSORIUM_OFFLINE")
    index, hub = list(checkup._network())[1:]
    assert asked == ["index", "hub"]
    assert (index.ok, index.needed, hub.ok, hub.needed) == (False, False, False, False)


def test_a_setting_that_means_nothing_does_not_end_the_report(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SENSORIUM_THREADS", "many")
    threads.thread_count.cache_clear()
    result = run("doctor")
    assert result.exit_code == 3
    assert "SENSORIUM_THREADS='many' is not a number of threads" in result.stdout
    assert result.stdout.splitlines()[-1] == "The starter profile can't work yet: Processor."


def test_an_environment_without_pip_is_told_from_one_without_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SENSORIUM_OFFLINE")
    monkeypatch.setattr(checkup, "_hub_answers", lambda: True)
    monkeypatch.setattr(checkup.importlib.util, "find_spec", lambda name: None if name == "pip" else object())
    (index,) = [check for check in checkup._network() if check.name == "Package index"]
    assert (index.ok, "pip is missing" in index.found, index.remedy.endswith("-m ensurepip")) == (False, True, True)
