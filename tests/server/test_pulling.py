"""What a server's administrator allows when it fetches a checkpoint, it allows for that one and what it needs."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from sensorium.models import store
from sensorium.server.pulling import Puller


@pytest.mark.parametrize("allowed", [False, True])
def test_pickles_are_converted_where_it_is_allowed(allowed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, bool] = {}

    def locate(checkpoint: Any, *, convert_pickle: bool, **_: Any) -> Path:
        asked[checkpoint.name] = convert_pickle
        return Path()

    async def pull() -> list[dict[str, Any]]:
        return [dict(event.document) async for event in Puller().begin("speecht5-tts", convert_pickle=allowed)]

    monkeypatch.setattr(store, "locate", locate)
    (ended,) = asyncio.run(pull())
    assert ended["models"] == ["speecht5-tts", "speecht5-hifigan", "wavlm-base-plus-sv"]
    assert asked == dict.fromkeys(ended["models"], allowed)
