"""A folder of small pictures, films and recordings, broken ones among them."""

from __future__ import annotations

import io
import shutil
import tempfile
from functools import cache
from pathlib import Path

from PIL import Image

from tests import real_media
from tests.films import film

_KINDS = ("picture", "picture", "film", "picture", "recording", "picture", "picture", "broken", "film", "picture")
_BROKEN = ("truncated.jpg", "empty.jpg", "text.jpg", "truncated.mp4")


class MixedMedia:
    """A folder that grows.

    Args:
        folder: It is made.

    Attributes:
        folder: Where it lies.
        names: Of the pictures and films, broken ones among them: a batch that looks at them passes the others over.
        failing: Names of the broken ones.
        recordings: Names of the recordings.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        self.folder = folder
        self.names: list[str] = []
        self.failing: set[str] = set()
        self.recordings: list[str] = []

    def make(self, count: int) -> None:
        """Add so many files of all kinds."""
        begin = len(self.names) + len(self.recordings)
        for number in range(begin, begin + count):
            self._add(number)

    def add_picture(self, name: str) -> str:
        """Add a picture; return its name."""
        return self._write(name, _picture(0))

    def _add(self, number: int) -> None:
        kind = _KINDS[number % len(_KINDS)]
        if kind == "picture":
            self._write(f"{number:04}.jpg", _picture(number))
        elif kind == "film":
            self._write(f"{number:04}.mp4", _film())
        elif kind == "recording":
            clip = min((clip.path for clip in real_media.speech_clips("en")), key=lambda path: path.stat().st_size)
            self.recordings.append(f"{number:04}{clip.suffix}")
            shutil.copy(clip, self.folder / self.recordings[-1])
        else:
            broken = _BROKEN[number // len(_KINDS) % len(_BROKEN)]
            whole = _film() if broken.endswith(".mp4") else _picture(number)
            content = {"empty.jpg": b"", "text.jpg": b"This is no picture.\n" * 20}.get(
                broken, whole[: len(whole) // 2]
            )
            self.failing.add(self._write(f"{number:04}-{broken}", content))

    def _write(self, name: str, content: bytes) -> str:
        (self.folder / name).write_bytes(content)
        self.names.append(name)
        return name


@cache
def _picture(number: int) -> bytes:
    """Return a photo of about ten kilobytes."""
    paths = sorted(real_media.photos().values())
    file = io.BytesIO()
    with Image.open(paths[number % len(paths)]) as image:
        small = image.convert("RGB")
    small.thumbnail((256, 256))
    small.save(file, "JPEG", quality=80)
    return file.getvalue()


@cache
def _film() -> bytes:
    """Return a film of two seconds."""
    with tempfile.TemporaryDirectory() as folder:
        return film(Path(folder) / "film.mp4", count=50).read_bytes()
