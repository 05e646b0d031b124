"""Keeping a file that arrives in pieces: whole or not at all, and without holding up the event loop."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO, TypeVar

from sensorium.engine.job_files import JobFiles
from sensorium.errors import InputError
from sensorium.media.naming import display_name, size_in_words

Value = TypeVar("Value")

_PIECE = 1 << 20


@dataclass(frozen=True)
class Received:
    """A file that has arrived.

    Attributes:
        id: Its id as an upload.
        name: What its sender calls it; safe to print and to store.
        size: In bytes.
    """

    id: str
    name: str
    size: int


async def receive(files: JobFiles, chunks: AsyncIterator[bytes], *, name: str, largest: int) -> Received:
    """Write what arrives into the folder of uploads.

    Args:
        files: Where it goes.
        chunks: What arrives.
        name: What the sender calls it.
        largest: How many bytes it may have.

    Raises:
        InputError: It is empty or too large.
        StorageError: It can't be written.
    """
    upload, shown = secrets.token_hex(16), display_name(name or "the file")
    temporary = files.uploads / f".{upload}"
    file = await _on_disk(files, lambda: temporary.open("xb"))
    try:
        size = await _write(files, file, chunks, shown, largest)
        await _on_disk(files, file.close)
        await _on_disk(files, lambda: files.complete_upload(temporary, upload))
    finally:
        await _on_disk(files, lambda: _clean_up(file, temporary))
    return Received(upload, shown, size)


async def _write(files: JobFiles, file: BinaryIO, chunks: AsyncIterator[bytes], name: str, largest: int) -> int:
    size, waiting = 0, bytearray()
    async for chunk in chunks:
        size += len(chunk)
        if size > largest:
            raise InputError(f"{name} is larger than the {size_in_words(largest)} allowed", "Send a smaller file")
        waiting += chunk
        if len(waiting) >= _PIECE:
            piece, waiting = waiting, bytearray()
            await _on_disk(files, partial(file.write, piece))
    if size == 0:
        raise InputError(f"{name} is empty", "Send a file with something in it")
    await _on_disk(files, partial(file.write, waiting))
    return size


async def _on_disk(files: JobFiles, action: Callable[[], Value]) -> Value:
    """Do something in a thread; if the wait for it is cancelled, it is completed all the same: nothing runs on."""
    work = asyncio.ensure_future(asyncio.to_thread(action))
    try:
        with files.explained():
            return await asyncio.shield(work)
    except asyncio.CancelledError:
        while not work.done():
            with suppress(asyncio.CancelledError):
                await asyncio.wait([work])
        raise


def _clean_up(file: BinaryIO, temporary: Path) -> None:
    with suppress(OSError):  # what was not written yet can't be written now either
        file.close()
    temporary.unlink(missing_ok=True)
