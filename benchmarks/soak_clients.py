"""Clients of a soak: they ask for mixed jobs, cancel some, vanish in the middle of others, and send what is bad."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
from PIL import Image

from sensorium.media.video_writer import write_video
from tests.real_media import photo, speech_clips

API = "/v1/sensorium"


@dataclass(frozen=True)
class Kind:
    """Something that clients ask.

    Attributes:
        operation: Its name.
        fields: What they say; ``"@photo"`` and the like stand for uploads.
        share: How often it comes beside the others.
    """

    operation: str
    fields: Mapping[str, Any]
    share: int = 2


KINDS = (
    Kind("classify", {"image": "@photo", "labels": ["cat", "dog", "car"]}, 6),
    Kind("embed", {"texts": ["a cat on a sofa", "a street at night"], "images": ["@photo"]}, 6),
    Kind("caption", {"image": "@photo"}, 4),
    Kind("ask", {"image": "@photo", "question": "What is in the picture?"}),
    Kind("transcribe", {"audio": "@speech"}, 3),
    Kind("speak", {"text": "Good morning. The train leaves at ten.", "format": "wav"}, 3),
    Kind("imagine", {"prompt": "a red apple on a table", "steps": 4}),
    Kind("control-map", {"image": "@photo", "control": "canny"}, 3),
    Kind("describe-film", {"film": "@film"}, 1),
)
BAD = (
    Kind("classify", {"image": "@junk", "labels": ["cat", "dog"]}),
    Kind("classify", {"image": "upload:nobody", "labels": ["cat", "dog"]}),
    Kind("classify", {"image": "@photo", "labels": []}),
    Kind("caption", {"image": "@half"}),
    Kind("transcribe", {"audio": "@junk"}),
    Kind("describe-film", {"film": "@photo"}),
    Kind("embed", {}),
    Kind("imagine", {"prompt": "an apple", "steps": 0}),
    Kind("speak", {"text": "Hello", "format": "sculpture"}),
)
WAYS = {"answered": 5, "as a job": 4, "cancelled": 2, "vanished": 2, "bad input": 2}
"""How clients ask, and how often."""
EXPECTED = {
    "answered": {"done"},
    "as a job": {"done"},
    "cancelled": {"cancelled", "done"},
    "vanished": {"gone"},
    "bad input": {"refused"},
}
"""What may become of it."""


def inputs(folder: Path) -> dict[str, bytes]:
    """Return the files that clients send."""
    pictures = [np.full((120, 160, 3), 20 * number, np.uint8) for number in range(12)]
    write_video(folder / "film.mp4", (Image.fromarray(each) for each in pictures), 4)
    speech = min((clip.path for clip in speech_clips("en")), key=lambda path: path.stat().st_size)
    whole = photo("chelsea").read_bytes()
    return {
        "photo": whole,
        "half": whole[: len(whole) // 2],
        "junk": random.Random(0).randbytes(20_000),
        "speech": speech.read_bytes(),
        "film": (folder / "film.mp4").read_bytes(),
    }


Outcomes = Counter[tuple[str, str, str]]
"""How often an operation, asked for in a way, had an outcome."""


class Client:
    """Asks one thing after the other, each in a way of its own.

    Args:
        kinds: What it asks, if nothing is to be wrong.
        files: What it sends.
        seed: Of its choices.
        outcomes: What became of all that was asked; counted here.
        unexpected: What should not have happened; told here.
    """

    def __init__(
        self,
        kinds: Sequence[Kind],
        files: Mapping[str, bytes],
        seed: int,
        outcomes: Outcomes,
        unexpected: list[str],
    ) -> None:
        self._kinds = kinds
        self._files = files
        self._random = random.Random(seed)
        self._outcomes = outcomes
        self._unexpected = unexpected

    async def ask_until(self, end: float, http: httpx2.AsyncClient) -> None:
        """Ask a server until a moment of the monotonic clock."""
        self._http = http
        while time.monotonic() < end:
            (way,) = self._random.choices(list(WAYS), list(WAYS.values()))
            kinds = BAD if way == "bad input" else self._kinds
            (kind,) = self._random.choices(kinds, [each.share for each in kinds])
            try:
                outcome = await self._ask(kind, way)
            except Exception as error:
                outcome = f"{type(error).__name__}: {error}"
            if outcome not in EXPECTED[way]:
                self._unexpected.append(f"{kind.operation}, {way}: {outcome}")
                outcome = "unexpected"
            self._outcomes[kind.operation, way, outcome] += 1

    async def load(self, http: httpx2.AsyncClient) -> None:
        """Ask a server for each kind once, so that all models are loaded.

        Raises:
            RuntimeError: One isn't done.
        """
        self._http = http
        for kind in self._kinds:
            outcome = await self._ask(kind, "answered")
            if outcome != "done":
                raise RuntimeError(f"{kind.operation}: {outcome}")

    async def _ask(self, kind: Kind, way: str) -> str:
        uploads: list[str] = []
        fields = {name: await self._filled(value, uploads) for name, value in kind.fields.items()}
        try:
            match way:
                case "vanished":
                    return await self._vanish(kind.operation, fields)
                case "as a job":
                    return await self._run_as_job(kind.operation, fields)
                case "cancelled":
                    return await self._cancel(kind.operation, fields)
                case _:
                    answer = await self._http.post(f"{API}/{kind.operation}", json=fields)
                    return _outcome(answer)
        finally:
            if self._random.random() < 0.8:  # what the others leave, the server deletes by age
                for upload in uploads:
                    await self._http.delete(f"{API}/uploads/{upload}")

    async def _filled(self, value: Any, uploads: list[str]) -> Any:
        if isinstance(value, list):
            return [await self._filled(each, uploads) for each in value]
        if not isinstance(value, str) or not value.startswith("@"):
            return value
        answer = await self._http.post(f"{API}/uploads", content=self._files[value[1:]], params={"name": value[1:]})
        uploads.append(answer.raise_for_status().json()["id"])
        return f"upload:{uploads[-1]}"

    async def _vanish(self, operation: str, fields: Mapping[str, Any]) -> str:
        """Go away while the job is at work, or before; a quick one is done until then."""
        with contextlib.suppress(httpx2.TimeoutException, TimeoutError):
            async with (
                asyncio.timeout(self._random.uniform(0, 1.5)),
                self._http.stream("POST", f"{API}/{operation}", params={"stream": "true"}, json=fields) as answer,
            ):
                async for _ in answer.aiter_bytes():
                    pass
        return "gone"

    async def _run_as_job(self, operation: str, fields: Mapping[str, Any]) -> str:
        job = await self._submitted(operation, fields)
        async with self._http.stream("GET", f"{API}/jobs/{job}/events") as answer:
            ended = await _last(_documents(answer))
        for artifact in ended["job"]["artifacts"]:
            (await self._http.get(f"{API}/jobs/{job}/artifacts/{artifact['name']}")).raise_for_status()
        return str(ended["job"]["state"])

    async def _cancel(self, operation: str, fields: Mapping[str, Any]) -> str:
        job = await self._submitted(operation, fields)
        await asyncio.sleep(self._random.uniform(0, 1))
        answer = await self._http.post(f"{API}/jobs/{job}/cancel")
        return str(answer.raise_for_status().json()["state"])

    async def _submitted(self, operation: str, fields: Mapping[str, Any]) -> str:
        answer = await self._http.post(f"{API}/{operation}", params={"background": "true"}, json=fields)
        return str(answer.raise_for_status().json()["id"])


def _outcome(answer: httpx2.Response) -> str:
    if answer.status_code == 200:
        return "done"
    known = answer.status_code in (400, 404) and answer.json()["error"]["message"]
    return "refused" if known else f"{answer.status_code} {answer.text[:300]}"


async def _documents(answer: httpx2.Response) -> AsyncIterator[dict[str, Any]]:
    async for line in answer.aiter_lines():
        if line.startswith("data:"):
            yield json.loads(line.removeprefix("data:"))


async def _last(documents: AsyncIterator[dict[str, Any]]) -> dict[str, Any]:
    async for document in documents:
        if document["type"] == "ended":
            return document
    raise RuntimeError("the events of a job ended without its end")
