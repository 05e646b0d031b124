"""What tests of fetching share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.models.local_index import serving
from tests.models.model_hub import ModelHub

SMALL = {"config.json": b'{"model_type": "clip"}', "model.safetensors": bytes(1000), "tokenizer.json": b"{}"}


@pytest.fixture
def hub_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty hub cache, for this process and its children."""
    from huggingface_hub import constants

    folder = tmp_path / "hub"
    monkeypatch.setenv("HF_HUB_CACHE", str(folder))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(folder))
    return folder


@pytest.fixture
def hub(hub_cache: Path, sensorium_home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModelHub]:
    """A hub with the small repository ``org/model``, for clients that don't speak Xet."""
    with serving(ModelHub("org/model", SMALL)) as site:
        assert isinstance(site, ModelHub)
        monkeypatch.setenv("HF_ENDPOINT", site.address)
        monkeypatch.setenv("HF_HUB_DISABLE_XET", "1")
        monkeypatch.setenv("HF_TOKEN", "")
        yield site
