"""Media for the page's examples: those of the tour, made or fetched when somebody first asks for them, and kept."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Sequence
from pathlib import Path

from sensorium.engine.interface import Engine
from sensorium.errors import InputError, SensoriumError
from sensorium.media.atomic_file import atomic_file
from sensorium.operations.text_to_speech import Speak
from sensorium.tour.material import NARRATION, collect_photos, draw_receipt, write_film

PHOTOS = ("cat.png", "coffee.png", "rocket.jpg", "astronaut.png", "temple.jpg", "flower.jpg")
"""The names of the photographs."""

SCENES = NARRATION[:3]
"""What the spoken example says, and the film shows and says: photographs with a sentence each."""

_SAMPLE_RATE = 24_000


class Examples:
    """Finds example media for the page. Whatever a model is needed for is made by the engine.

    Args:
        engine: Speaks.
        folder: Where they are kept; the page may show what lies there.
    """

    def __init__(self, engine: Engine, folder: Path) -> None:
        self._engine = engine
        self._folder = folder
        self._making = asyncio.Lock()

    async def photos(self, *names: str) -> list[Path]:
        """Return photographs.

        Args:
            names: Which of `PHOTOS`; all of them if none is named.

        Raises:
            ModelUnavailableError: They are not on this machine and can't be fetched.
        """
        folder = self._folder / "photos"
        async with self._making:
            if not all((folder / name).is_file() for name in PHOTOS):
                await asyncio.to_thread(collect_photos, folder)
        return [folder / name for name in names or PHOTOS]

    async def receipt(self) -> Path:
        """Return a picture with writing."""
        path = self._folder / "receipt.png"
        async with self._making:
            if not path.is_file():
                await asyncio.to_thread(_make_receipt, path)
        return path

    async def speech(self) -> Path:
        """Return a recording of a few sentences in English: those of `SCENES`.

        Raises:
            SensoriumError: It can't be spoken.
        """
        path = self._folder / "speech.mp3"
        async with self._making:
            if not path.is_file():
                await self._speak(" ".join(sentence for _, sentence in SCENES), path)
        return path

    async def film(self) -> Path:
        """Return a film of about ten seconds, with sound: `SCENES`.

        Raises:
            SensoriumError: It can't be made.
        """
        path = self._folder / "film.mp4"
        photos = {photo.stem: photo for photo in await self.photos()}
        async with self._making:
            if not path.is_file():
                spoken = [self._folder / f"{name}.wav" for name, _ in SCENES]
                for file, (_, sentence) in zip(spoken, SCENES, strict=True):
                    await self._speak(sentence, file)
                await asyncio.to_thread(_make_film, [photos[name] for name, _ in SCENES], spoken, path)
        return path

    async def _speak(self, text: str, path: Path) -> None:
        operation = Speak(text=text, seed=7, format=path.suffix.removeprefix("."))
        job = await self._engine.result((await self._engine.submit(operation, durable=False)).id)
        if job.state != "done":
            raise SensoriumError.from_dict(job.error) if job.error else InputError("The example was cancelled")
        file, _ = await self._engine.artifact(job.id, job.artifacts[0].name)
        await asyncio.to_thread(_copy, file, path)


def _copy(origin: Path, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(path) as temporary:
        shutil.copyfile(origin, temporary)


def _make_receipt(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(path) as temporary:
        draw_receipt(temporary)


def _make_film(photos: Sequence[Path], spoken: Sequence[Path], path: Path) -> None:
    from sensorium.media.audio import read_audio

    sounds = [read_audio(file, sample_rate=_SAMPLE_RATE) for file in spoken]
    write_film(list(zip(photos, sounds, strict=True)), _SAMPLE_RATE, path)
