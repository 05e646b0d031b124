"""Questions to the job database, in threads of their own and for a while at most: it may hang, and others must not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

from sensorium.engine.database import SLOW
from sensorium.errors import StorageError

Question = ParamSpec("Question")
Answer = TypeVar("Answer")

_THREADS = 4
_SECONDS = 8.0
"""Longer than the wait for a lock that another program holds."""


class JobReader:
    """Asks the database."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="sensorium-job-reader")

    async def read(
        self, question: Callable[Question, Answer], *arguments: Question.args, **options: Question.kwargs
    ) -> Answer:
        """Return what a method of the store returns.

        Raises:
            StorageError: The database is away, or takes too long to answer.
        """
        asked = asyncio.get_running_loop().run_in_executor(self._threads, partial(question, *arguments, **options))
        try:
            return await asyncio.wait_for(asked, _SECONDS)
        except TimeoutError:
            raise StorageError(SLOW, "Ask again in a few seconds") from None

    def close(self) -> None:
        """End; who still waits for an answer gets none."""
        self._threads.shutdown(wait=False, cancel_futures=True)
