"""How high does the classifier for nudity score pictures that show none?

    python -m benchmarks.harmless_pictures PATH…

PATH is a folder of pictures that show no nudity. The figures on the card of ``open-nsfw`` are those of the Debian
packages gcompris-qt-data (3.1), mate-backgrounds (1.26), gnome-backgrounds (43.1) and tuxpaint-stamps-default
(2022.06.04), opened by ``dpkg-deb -x``. Of GCompris's ``.rcc`` files the WebP pictures inside are taken. Pictures
below 15 kB are left out.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import PIL.Image

from sensorium.errors import InputError
from sensorium.media.image import read_image
from sensorium.vision_language.nudity import NudityDetector

_SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}
_SMALLEST = 15_000


def main() -> None:
    """Print the distribution of the scores, and the pictures with the highest ones."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path, metavar="PATH")
    scores: dict[str, float] = {}
    with NudityDetector() as detector:
        for name, picture in _pictures(parser.parse_args().folders):
            scores[name] = detector.score(picture)
    values = np.array(list(scores.values()))
    middle, most, nearly_all = np.quantile(values, (0.5, 0.95, 0.99))
    print(f"{len(values)} pictures: median {middle:.4f}, 95 % below {most:.3f}, 99 % below {nearly_all:.3f}")
    print(", ".join(f"{(values >= limit).sum()} of {limit} or more" for limit in (0.2, 0.5, 0.8)))
    for name in sorted(scores, key=lambda name: -scores[name])[:12]:
        print(f"{scores[name]:.3f}  {name}")


def _pictures(folders: list[Path]) -> Iterator[tuple[str, PIL.Image.Image]]:
    for path in (path for folder in folders for path in sorted(folder.rglob("*"))):
        if path.suffix == ".rcc":
            content = path.read_bytes()
            for found in re.finditer(rb"RIFF(....)WEBP", content, re.DOTALL):
                end = found.start() + 8 + int.from_bytes(found[1], "little")
                if end - found.start() >= _SMALLEST:
                    yield f"{path.name} at {found.start()}", read_image(content[found.start() : end])
        elif path.suffix.lower() in _SUFFIXES and path.is_file() and path.stat().st_size >= _SMALLEST:
            try:
                yield str(path), read_image(path, minimum_side=256)
            except InputError as error:
                print(f"left out: {error}")


if __name__ == "__main__":
    main()
