"""What all tests share."""

from __future__ import annotations

from pathlib import Path

import pytest

_SETTINGS = ("SENSORIUM_PROFILE", "SENSORIUM_SUBSTITUTE", "SENSORIUM_MIRROR", "SENSORIUM_OFFLINE", "HF_HUB_OFFLINE")


@pytest.fixture(autouse=True)
def plain_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the settings of whoever runs the tests out of them; the fetched starter weights stay in use."""
    for name in _SETTINGS:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def sensorium_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder in place of the one that holds fetched checkpoints."""
    folder = tmp_path / "sensorium-home"
    monkeypatch.setenv("SENSORIUM_HOME", str(folder))
    return folder
