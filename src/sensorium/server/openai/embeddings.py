"""``/v1/embeddings``: texts, pictures and recordings as vectors of one space."""

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
from sensorium.server.openai.references import address_in, sound_in
from sensorium.vision_language.shortening import is_about_length

_REMEDY = (
    'Send a text, a list of texts, pictures as {"type": "image_url", "image_url": {"url": "data:…"}}, or recordings as '
    '{"type": "input_audio", "input_audio": {"data": "…", "format": "wav"}}'
)


class EmbeddingFields(Fields):
    """What to embed."""

    input: str | list[Any]
    """A text, or a list of texts; pictures too, as {"type": "image_url", "image_url": {"url": …}} or {"image": …}, and
    recordings, as {"type": "input_audio", "input_audio": {"data": …, "format": "wav"}}."""
    model: str | None = None
    """Which encoder; by default the profile's choice."""
    encoding_format: Literal["float", "base64"] | None = None
    """Numbers, or float32 in base64, little-endian."""
    dimensions: Annotated[int | None, Field(json_schema_extra={"minimum": 1})] = None
    """How many numbers vectors have; by default all. Only encoders that are made for it have shorter ones."""
    input_type: Literal["query", "document"] | None = None
    """What the texts are, for encoders that want to be told: what is looked for, or what is to be found."""


def embeddings_router() -> APIRouter:
    """Return the endpoint of embeddings."""
    router = APIRouter(prefix="/v1", tags=["openai"])

    @router.post("/embeddings", response_class=JSONResponse)
    async def embed(fields: EmbeddingFields, request: Request, engine: TheEngine, owner: TheOwner) -> Response:
        """Return one vector of length 1 for each text, picture and recording, in their order."""
        with blaming("input"):
            items = [_item(each) for each in _listed(fields.input)]
            named: dict[str, list[str]] = {"text": [], "image": [], "sound": []}
            for kind, value in items:
                named[kind].append(value)
            operation = Embed.of(
                {
                    "texts": named["text"],
                    "images": named["image"],
                    "sounds": named["sound"],
                    "role": fields.input_type,
                    "dimensions": fields.dimensions,
                    "model": model_for(request, fields.model, Embed.task),
                }
            )
        try:
            job = await answered(request, engine, operation, owner)
        except InputError as error:
            error.param = error.param or ("dimensions" if is_about_length(error, fields.dimensions) else None)
            raise
        result = job.result or {}
        rest = iter(result["vectors"])
        rows = {kind: iter([next(rest) for _ in values]) for kind, values in named.items()}
        data = [
            {"object": "embedding", "index": number, "embedding": _encoded(next(rows[kind]), fields.encoding_format)}
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
    """Return whether an item is a text, a picture or a sound, and the text or the reference."""
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
        if given.get("input_audio"):
            return "sound", sound_in(given)
    raise InputError("An item of the input is neither a text nor a picture nor a recording", _REMEDY)


def _encoded(vector: Sequence[float], form: str | None) -> Sequence[float] | str:
    if form != "base64":
        return vector
    numbers = array("f", vector)
    if sys.byteorder == "big":
        numbers.byteswap()
    return base64.b64encode(numbers.tobytes()).decode("ascii")
