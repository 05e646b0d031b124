"""What a newcomer would write: CLIP behind FastAPI. The peer of `serving`; run by it in a process of its own."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel

from sensorium import CLIP

app = FastAPI()
clip = CLIP(sys.argv[1])


class Texts(BaseModel):
    """Some texts."""

    texts: list[str]


class Images(BaseModel):
    """Some pictures, as data URIs."""

    images: list[str]


class Labelled(BaseModel):
    """A picture and the labels to choose from."""

    image: str
    labels: list[str]


@app.post("/embed-texts")
def embed_texts(asked: Texts) -> dict[str, Any]:
    """Encode texts."""
    return {"vectors": clip.encode_text(asked.texts).tolist()}


@app.post("/embed-images")
def embed_images(asked: Images) -> dict[str, Any]:
    """Encode pictures."""
    return {"vectors": clip.encode_image(asked.images).tolist()}


@app.post("/classify")
def classify(asked: Labelled) -> dict[str, Any]:
    """Classify a picture."""
    return clip.zero_shot_classification(asked.image, asked.labels).to_dict()


class Server(uvicorn.Server):
    """Says where it listens once it does."""

    async def startup(self, sockets: Any = None) -> None:
        """Start."""
        await super().startup(sockets)
        port = self.servers[0].sockets[0].getsockname()[1]
        print(f"http://127.0.0.1:{port}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    clip.load()
    asyncio.run(Server(uvicorn.Config(app, port=0, log_level="warning", access_log=False)).serve())
