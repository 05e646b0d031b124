"""Reads damaged copies of a file, one after the other, and tells how that went.

Run as a program: ``python -m tests.media.mutated image|audio|video FILE COUNT``. Each number that it prints is an input
that it begins to read, so that whoever started it knows which one it died of; the last line is the report.
"""

from __future__ import annotations

import faulthandler
import json
import logging
import random
import resource
import sys
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from sensorium.errors import SensoriumError
from sensorium.media.audio import probe_audio, read_audio
from sensorium.media.image import read_image, read_mask
from sensorium.media.limits import Limits
from sensorium.media.video import probe_video, sample_frames
from tests.memory import PEAK_MEMORY

LIMITS = Limits(max_pixels=2_000_000, max_duration=600, max_frames=1000, allow_files=False, allow_urls=False)
_ADDRESS_SPACE = 16 << 30
_TELLING = (
    b"\x00",
    b"\xff",
    b"\x7f",
    b"\x80",
    b"\xff\xff\xff\xff",
    b"\x7f\xff\xff\xff",
    b"\x00\x00\x00\x00",
    b"\x80\0\0\0",
)
_HEAD = 400
_PNG = b"\x89PNG\r\n\x1a\n"

Read = Callable[[bytes], Any]

READERS: Mapping[str, Sequence[Read]] = {
    "image": (
        lambda data: read_image(data, limits=LIMITS),
        lambda data: read_image(data, minimum_side=16, limits=LIMITS),
        lambda data: read_mask(data, limits=LIMITS),
    ),
    "audio": (
        lambda data: probe_audio(data, limits=LIMITS),
        lambda data: read_audio(data, limits=LIMITS),
        lambda data: read_audio(data, start=0.1, limits=LIMITS),
    ),
    "video": (
        lambda data: probe_video(data, limits=LIMITS),
        lambda data: list(sample_frames(data, 3, limits=LIMITS)),
        lambda data: list(sample_frames(data, times=[0.2], limits=LIMITS)),
        lambda data: read_audio(data, limits=LIMITS),
    ),
}


def mutated(data: bytes, number: int) -> bytes:
    """Return a damaged copy of a file; the same number always makes the same one."""
    chance = random.Random(number)
    changed = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 4))):
        _CHANGES[chance.randrange(len(_CHANGES))](changed, chance)
    return _with_right_sums(changed) if number % 2 else bytes(changed)


def _with_right_sums(data: bytearray) -> bytes:
    """Correct the sums in a PNG file, for the reader looks no further where one is wrong."""
    place = len(_PNG)
    while data.startswith(_PNG) and place + 12 <= len(data):
        end = place + 8 + int.from_bytes(data[place : place + 4], "big")
        data[end : end + 4] = zlib.crc32(data[place + 4 : end]).to_bytes(4, "big")
        place = end + 4
    return bytes(data)


def _place(data: bytearray, chance: random.Random) -> int:
    """Return a place in a file: often at its beginning or end, where what describes it stands."""
    where = chance.randrange(4)
    if where == 0:
        return chance.randrange(max(1, min(len(data), _HEAD)))
    if where == 1:
        return max(0, len(data) - 1 - chance.randrange(2 * _HEAD))
    return chance.randrange(max(1, len(data)))


def _span(data: bytearray, chance: random.Random) -> slice:
    begin = _place(data, chance)
    return slice(begin, begin + chance.choice((1, 2, 4, 8, 64, 512, 4096)))


def _flip(data: bytearray, chance: random.Random) -> None:
    for _ in range(chance.choice((1, 2, 8, 32))):
        if data:
            data[_place(data, chance)] ^= 1 << chance.randrange(8)


def _overwrite(data: bytearray, chance: random.Random) -> None:
    begin = _place(data, chance)
    value = chance.choice((*_TELLING, chance.randbytes(4)))
    data[begin : begin + len(value)] = value


def _truncate(data: bytearray, chance: random.Random) -> None:
    del data[_place(data, chance) :]


def _remove(data: bytearray, chance: random.Random) -> None:
    del data[_span(data, chance)]


def _duplicate(data: bytearray, chance: random.Random) -> None:
    piece = data[_span(data, chance)]
    begin = _place(data, chance)
    data[begin:begin] = piece * chance.choice((1, 1, 2, 16))


def _insert(data: bytearray, chance: random.Random) -> None:
    begin = _place(data, chance)
    data[begin:begin] = chance.randbytes(chance.choice((1, 4, 64, 1024)))


_CHANGES = (_flip, _flip, _overwrite, _overwrite, _truncate, _remove, _duplicate, _insert)


def main() -> None:
    """Read the copies; print the report."""
    faulthandler.enable()
    logging.disable(logging.CRITICAL)
    resource.setrlimit(resource.RLIMIT_AS, (_ADDRESS_SPACE, _ADDRESS_SPACE))
    kind, data, count = sys.argv[1], Path(sys.argv[2]).read_bytes(), int(sys.argv[3])
    measuring: dict[str, Any] = {}
    exec(PEAK_MEMORY, measuring)
    for read in READERS[kind]:
        read(data)
    before = measuring["peak_memory"]()
    report: dict[str, Any] = {"decoded": 0, "refused": 0, "slowest": 0.0, "wrong": []}
    for number in range(count):
        print(number, flush=True)
        begun = time.process_time()
        outcomes = {_outcome(read, mutated(data, number)) for read in READERS[kind]}
        report["wrong"] += [f"input {number}: {each}" for each in outcomes - {"decoded", "refused"}]
        report["decoded" if "decoded" in outcomes else "refused"] += 1
        report["slowest"] = max(report["slowest"], time.process_time() - begun)
    print(json.dumps({**report, "growth": measuring["peak_memory"]() - before}))


def _outcome(read: Read, data: bytes) -> str:
    try:
        read(data)
    except SensoriumError as error:
        whole = bool(error.message and error.remedy) and "\n" not in str(error)
        return "refused" if whole else f"no sentence and remedy: {error!r}"
    except Exception as error:
        return repr(error)[:300]
    return "decoded"


if __name__ == "__main__":
    main()
