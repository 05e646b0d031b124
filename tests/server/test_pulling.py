"""What a server's administrator allows when it fetches a checkpoint, it allows for that one and what it needs."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from sensorium.errors import InputError, ModelUnavailableError
from sensorium.models import store
from sensorium.server.pulling import Puller, known
from tests.refusals import refused


@pytest.mark.parametrize("allowed", [False, True])
def test_pickles_are_converted_where_it_is_allowed(allowed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, bool] = {}

    def locate(checkpoint: Any, *, convert_pickle: bool, **_: Any) -> Path:
        asked[checkpoint.name] = convert_pickle
        return Path()

    async def pull() -> list[dict[str, Any]]:
        return [dict(event.document) async for event in await Puller().begin("speecht5-tts", convert_pickle=allowed)]

    monkeypatch.setattr(store, "locate", locate)
    (ended,) = asyncio.run(pull())
    assert ended["models"] == ["speecht5-tts", "speecht5-hifigan", "wavlm-base-plus-sv"]
    assert asked == dict.fromkeys(ended["models"], allowed)


def test_a_file_of_an_adapter_is_pulled_by_the_name_that_a_refusal_gives() -> None:
    adapter, encoder = known("org/looks/ink.safetensors")
    assert (adapter.repository, adapter.hub_files) == ("org/looks", ("ink.safetensors",))
    assert encoder.name == "ip-adapter-image-encoder"
    ours, _ = known("h94/IP-Adapter/models/ip-adapter_sd15.safetensors")
    assert ours.name == "ip-adapter-sd15"
    with refused(ModelUnavailableError, "org/looks/ink.bin", "pickle"):
        known("org/looks/ink.bin")
    with refused(InputError, "org/looks/../ink.safetensors"):
        known("org/looks/../ink.safetensors")


def test_a_repository_of_several_entries_means_none_of_them() -> None:
    with refused(InputError, "h94/IP-Adapter", "ip-adapter-sd15", "ip-adapter-plus-face-sdxl"):
        known("h94/IP-Adapter")
