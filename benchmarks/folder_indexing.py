"""How much of the encoder's speed is left when a folder of 2,000 photos is indexed from end to end?

The photos are JPEG files of 640×480, cut at random (seeded) from the real photos that the tests use, and kept in
the cache folder. The peer is the same encoder on the same files, with nothing stored.

    python -m benchmarks.folder_indexing [--count 2000]
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image, ImageEnhance

from benchmarks.__main__ import table as as_table
from benchmarks.measure import ProcessTime, cache_folder, row, seconds
from sensorium.retrieval.index import SearchIndex
from sensorium.vision_language.clip import CLIP
from tests.real_media import photos

SIZE = (640, 480)


def make_photos(count: int) -> Path:
    """Return the folder with the photos, made at the first call, then kept."""
    folder = cache_folder(f"photos-{count}")
    if len(list(folder.glob("*.jpg"))) < count:
        originals = []
        for _, path in sorted(photos().items()):
            with Image.open(path) as image:
                originals.append(image.convert("RGB"))
        chance = random.Random(0)
        for number in range(count):
            picture = cut(originals[number % len(originals)], chance)
            picture.save(folder / f"{number:05d}.jpg", quality=88)
    return folder


def cut(original: Image.Image, chance: random.Random) -> Image.Image:
    """Return a random piece of a photo, sometimes mirrored, a little brighter or darker."""
    largest = min(original.width / SIZE[0], original.height / SIZE[1])
    scale = largest * chance.uniform(0.4, 1.0)
    width, height = scale * SIZE[0], scale * SIZE[1]
    left, top = chance.uniform(0, original.width - width), chance.uniform(0, original.height - height)
    piece = original.resize(SIZE, Image.Resampling.BICUBIC, (left, top, left + width, top + height))
    if chance.random() < 0.5:
        piece = piece.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    return ImageEnhance.Brightness(piece).enhance(chance.uniform(0.7, 1.3))


def timed(call: Callable[[], None]) -> ProcessTime:
    """Return how long a call takes, on the clock and of the processors."""
    start = time.process_time()
    wall = seconds(call)
    return ProcessTime(wall, time.process_time() - start)


def run(count: int = 2000) -> list[dict[str, Any]]:
    """Measure."""
    files = sorted(make_photos(count).glob("*.jpg"))
    folder = files[0].parent
    with CLIP() as clip, tempfile.TemporaryDirectory() as place:

        def encode() -> None:
            for _ in clip.encode_images(files):
                pass

        def index() -> None:
            report = SearchIndex(Path(place) / "index").add(folder)
            assert report.added + report.unchanged == count, report

        # Both once before, on a few files: loading libraries is no part of the question.
        SearchIndex(Path(place) / "warm").add(files[:64])
        before, index_time, after = timed(encode), timed(index), timed(encode)
        again = seconds(index)
    alone, took = (before.wall + after.wall) / 2, index_time.wall
    return [
        row(
            f"indexing a folder of {count:,} photos",
            f"{count / took:.1f} photos/s",
            f"encoding alone: {count / alone:.1f} photos/s",
            alone / took,
            f"{clip.model}; encoding before: {before}, indexing: {index_time}, encoding after: {after}",
        ),
        row(
            f"indexing the same {count:,} photos again, nothing changed",
            f"{again:.2f} s",
            f"encoding alone: {alone:.1f} s",
            alone / again,
            "every file is looked at, none is read whole",
        ),
    ]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.folder_indexing")
    parser.add_argument("--count", type=int, default=2000)
    print(as_table(run(parser.parse_args().count)))
