"""``/v1/embeddings``: texts and pictures as vectors of one space."""

from __future__ import annotations

import base64
import sys
from array import array
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from pydantic import Field

from sensorium.errors import InputError
from sensorium.operations.vision_language import Embed
from sensorium.server.engine_of import TheEngine, TheOwner
from sensorium.server.errors import blaming
from sensorium.server.openai.aliases import model_for
from sensorium.server.openai.answering import MODEL, answered, model_of
from sensorium.server.openai.fields import Fields
from sensorium.server.openai.references import address_in

_REMEDY = 'Send a text, a list of texts, or pictures as {"type": "image_url", "image_url": {"url": "data:…"}}'


class EmbeddingFields(Fields):
    """What to embed."""

    input: str | list[Any]
    """A text, or a list of texts; pictures too, as {"type": "image_url", "image_url": {"url": …}} or {"image": …}."""
    model: str | None = None
    """Which encoder; by default the profile's choice."""
    encoding_format: Literal["float", "base64"] | None = None
    """Numbers, or float32 in base64, little-endian."""
    dimensions: Annotated[int | None, Field(json_schema_extra={"minimum": 1})] = None
    """How long vectors must be: encoders here have one length each."""


def embeddings_router() -> APIRouter:
    """Return the endpoint of embeddings."""
    router = APIRouter(prefix="/v1", tags=["openai"])

    @router.post("/embeddings", response_class=JSONResponse)
    async def embed(fields: EmbeddingFields, request: Request, engine: TheEngine, owner: TheOwner) -> Response:
        """Return one vector of length 1 for each text and picture, in their order."""
        with blaming("input"):
            items = [_item(each) for each in _listed(fields.input)]
            texts = [value for kind, value in items if kind == "text"]
            images = [value for kind, value in items if kind == "image"]
            operation = Embed.of(
                {"texts": texts, "images": images, "model": model_for(request, fields.model, Embed.task)}
            )
        job = await answered(request, engine, operation, owner)
        result = job.result or {}
        vectors = result["vectors"]
        _require_length(fields.dimensions, len(vectors[0]), result["model"])
        of_texts, of_images = iter(vectors[: len(texts)]), iter(vectors[len(texts) :])
        data = [
            {
                "object": "embedding",
                "index": number,
                "embedding": _encoded(next(of_texts if kind == "text" else of_images), fields.encoding_format),
            }
            for number, (kind, _) in enumerate(items)
        ]
        model = model_of(job)
        tokens = {"prompt_tokens": result["tokens"], "total_tokens": result["tokens"]}
        answer = {"object": "list", "data": data, "model": model, "usage": tokens}
        return JSONResponse(answer, headers={MODEL: model, **fields.headers})

    return router


def _listed(given: str | Sequence[Any]) -> Sequence[Any]:
    return [given] if isinstance(given, str) else given


def _item(given: Any) -> tuple[str, str]:
    """Return whether an item is a text or a picture, and the text or the reference."""
    if isinstance(given, str):
        return "text", given
    if isinstance(given, (int, list)) and not isinstance(given, bool):
        raise InputError(
            "The input is numbers of tokens, which mean nothing to the encoders here",
            "Send texts; LangChain's OpenAIEmbeddings does so with check_embedding_ctx_length=False",
        )
    if isinstance(given, Mapping):
        if isinstance(given.get("text"), str):
            return "text", given["text"]
        name = next((name for name in ("image", "image_url") if given.get(name)), None)
        if name is not None:
            return "image", address_in(given, name)
    raise InputError("An item of the input is neither a text nor a picture", _REMEDY)


def _require_length(wanted: int | None, length: int, model: str) -> None:
    if wanted not in (None, length):
        with blaming("dimensions"):
            raise InputError(
                f"Vectors of {wanted} numbers can't be had of {model!r}, which makes {length}", "Leave dimensions out"
            )


def _encoded(vector: Sequence[float], form: str | None) -> Sequence[float] | str:
    if form != "base64":
        return vector
    numbers = array("f", vector)
    if sys.byteorder == "big":
        numbers.byteswap()
    return base64.b64encode(numbers.tobytes()).decode("ascii")
