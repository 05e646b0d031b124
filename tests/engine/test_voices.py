"""Voices and the statements on which they rest: kept until their owner deletes them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

from sensorium.engine.engine import LocalEngine
from sensorium.engine.retention import sweep
from sensorium.errors import InputError, NotFoundError
from sensorium.operations.media import UPLOAD, Media
from tests.engine.engines import running_engine
from tests.refusals import refused


async def recording(engine: LocalEngine) -> Media:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"sound"

    return Media(UPLOAD + (await engine.receive(pieces(), name="voice.wav", owner="ann")).id)


def test_neither_age_nor_room_costs_a_voice_its_recording(tmp_path: Path) -> None:
    async def story() -> None:
        async with running_engine(tmp_path) as engine:
            said, spoken, other = [await recording(engine) for _ in range(3)]
            consent = await engine.voices.add_consent(
                owner="ann", name="Ann", language="en", statement="I agree", recording=said
            )
            voice = await engine.voices.add_voice(
                owner="ann", name="Mine", consent=consent.id, recording=spoken, text="Hello", seconds=4.0
            )
            sweep(engine.store, engine.files, time.time() + 1e9, 1.0, 1)
            kept = {Media(UPLOAD + each) for each in engine.files.upload_sizes()}
            assert kept == {said, spoken}
            assert other not in kept
            with refused(InputError, spoken.upload or ""):
                await engine.discard(spoken.upload or "")
            for missing in (engine.voices.voice(voice.id, "bob"), engine.voices.delete_consent(consent.id, "bob")):
                with refused(NotFoundError):
                    await missing
            with refused(NotFoundError, consent.id):
                await engine.voices.add_voice(
                    owner="bob", name="Hers", consent=consent.id, recording=spoken, text="", seconds=4.0
                )
        async with running_engine(tmp_path) as engine:
            assert [each.name for each in await engine.voices.voices("ann")] == ["Mine"]
            assert not await engine.voices.voices("bob")
            await engine.voices.delete_consent(consent.id, "ann")
            assert not await engine.voices.voices("ann")
            assert not engine.files.upload_sizes()

    asyncio.run(story())
