"""What must not be lost is written when the database is back, in order; what asks now is told at once."""

from __future__ import annotations

import asyncio
import threading

import pytest

from sensorium.engine.job_writer import JobWriter
from sensorium.errors import StorageError


class Database:
    """Goes away and comes back."""

    def __init__(self) -> None:
        self.away = False
        self.written: list[str] = []
        self.refused = threading.Event()

    def check(self) -> None:
        if self.away:
            self.refused.set()
            raise StorageError("The database is away", "Bring it back")

    def write(self, text: str) -> str:
        self.check()
        self.written.append(text)
        return text


def test_nothing_is_lost_while_the_database_is_away() -> None:
    async def story() -> None:
        database = Database()
        writer = JobWriter(database.check)
        writer.start()
        try:
            assert await writer.write_now(lambda: database.write("first")) == "first"
            database.away = True
            writer.write(lambda: database.write("second"))
            writer.write(lambda: database.write("third"))
            assert await asyncio.to_thread(database.refused.wait, 10)
            while not writer.trouble:
                await asyncio.sleep(0.01)
            with pytest.raises(StorageError):
                await writer.write_now(lambda: database.write("asked meanwhile"))
            database.away = False
            while writer.trouble:
                await asyncio.sleep(0.01)
            assert await writer.write_now(lambda: database.write("fourth")) == "fourth"
        finally:
            writer.close(10)
        assert database.written == ["first", "second", "third", "fourth"]

    asyncio.run(story())


def test_who_asks_first_notices_it_and_the_writer_notices_its_return() -> None:
    async def story() -> None:
        database = Database()
        writer = JobWriter(database.check)
        writer.start()
        try:
            database.away = True
            with pytest.raises(StorageError):
                await writer.write_now(lambda: database.write("asked"))
            assert writer.trouble
            database.away = False
            while writer.trouble:
                await asyncio.sleep(0.01)
        finally:
            writer.close(10)

    asyncio.run(story())


def test_an_absent_database_does_not_keep_the_writer_from_ending() -> None:
    database = Database()
    database.away = True
    writer = JobWriter(database.check)
    writer.start()
    writer.write(lambda: database.write("lost"))
    assert database.refused.wait(10)
    writer.close(0.2)
    assert database.written == []
    assert "sensorium-job-writer" not in {thread.name for thread in threading.enumerate()}


def test_a_database_that_hangs_is_told_and_nobody_waits_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        monkeypatch.setattr("sensorium.engine.job_writer._LONG_SECONDS", 0.1)
        monkeypatch.setattr("sensorium.engine.job_writer._LONGEST_SECONDS", 0.3)
        database, answers = Database(), threading.Event()
        writer = JobWriter(database.check)
        writer.start()
        try:
            writer.write(answers.wait)
            with pytest.raises(StorageError, match="too long"):
                await writer.write_now(lambda: database.write("given up"))
            assert "too long" in writer.trouble
            answers.set()
            while writer.trouble:
                await asyncio.sleep(0.01)
            await writer.write_now(lambda: database.write("afterwards"))
        finally:
            answers.set()
            writer.close(10)
        assert database.written == ["afterwards"]

    asyncio.run(story())
