"""``/v1/images``: pictures from words, from a picture and words, and once more otherwise."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeAlias

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BeforeValidator, Field

from sensorium.engine.interface import Engine
from sensorium.errors import InputError, UnsupportedError
from sensorium.image_generation.painting_options import MAXIMUM_SIDE, SIDE_FACTOR
from sensorium.operations.image_generation import Edit, Imagine, Vary
from sensorium.operations.media import Media
from sensorium.operations.operation import Operation
from sensorium.operations.pictures import PictureFormat
from sensorium.server.engine_of import TheEngine, TheOwner
from sensorium.server.openai.aliases import model_for
from sensorium.server.openai.answering import MODEL, answered, model_of, streamed
from sensorium.server.openai.documented import described
from sensorium.server.openai.fields import Fields, or_none, read_json
from sensorium.server.openai.painted import PictureStream, forget, images_document
from sensorium.server.openai.sent_pictures import TO_BE_SENT, read_with_pictures

MAKES_VARIATIONS = "kandinsky-2-2"
"""What paints variations if no checkpoint is named: the profiles' own painters don't."""

_MOST = 10
_SIZE = re.compile(r"(\d{1,6})\s*[xX×]\s*(\d{1,6})")
_ANSWERED_WITH_ADDRESSES = re.compile(r"dall-e-\d")
"""OpenAI's models that answer with addresses unless asked otherwise: programs that name them may read nothing else."""


def _known_size(size: Any) -> Any:
    if size in (None, "", "auto"):
        return None
    found = _SIZE.fullmatch(size.strip()) if isinstance(size, str) else None
    if found is None or not (int(found[1]) and int(found[2])):
        error = InputError(f"The size {str(size)[:60]!r} can't be", 'Write it like "1024x1024", or "auto"')
        error.param = "size"
        raise error
    return size


def _known_format(format: Any) -> Any:
    if format in ("gif", "svg"):
        error = UnsupportedError(f"Pictures can't be had as {format.upper()} here", "Choose png, jpeg or webp")
        error.param = "output_format"
        raise error
    if format in ("", None):
        return "png"
    return "jpeg" if format == "jpg" else format


def _known_background(background: Any) -> Any:
    if background == "transparent":
        error = UnsupportedError("Painters here fill the whole picture", "Leave background out, or ask for opaque")
        error.param = "background"
        raise error
    return background or "auto"


Text: TypeAlias = Annotated[str | None, BeforeValidator(or_none)]
Whole: TypeAlias = Annotated[int | None, BeforeValidator(or_none)]
Number: TypeAlias = Annotated[float | None, BeforeValidator(or_none)]
Size: TypeAlias = Annotated[str | None, BeforeValidator(_known_size)]
Count: TypeAlias = Annotated[
    int, BeforeValidator(lambda sent: 1 if sent in (None, "") else sent), Field(ge=1, le=_MOST)
]
Format: TypeAlias = Annotated[PictureFormat, BeforeValidator(_known_format)]
Background: TypeAlias = Annotated[Literal["auto", "opaque"], BeforeValidator(_known_background)]


class VariationFields(Fields):
    """What is asked of pictures."""

    model: Text = None
    """An alias, a catalog name or a hub id; the profile's own painter if left out."""
    n: Count = 1
    """How many pictures."""
    size: Size = None
    """Such as "1024x1024"; a wish: the answer's size says what was painted. "auto" is the painter's own."""
    response_format: Annotated[Literal["b64_json", "url"] | None, BeforeValidator(or_none)] = None
    """The pictures themselves, or addresses of them on this server."""
    seed: Whole = None
    """Makes pictures repeatable; picture number i has the seed + i."""
    steps: Whole = None
    """Denoising steps; by default what the painter was made for."""
    guidance_scale: Number = None
    """How closely to follow the prompt; by default what the painter was made for."""

    @property
    def forms(self) -> list[str]:
        """How the pictures are given."""
        if self.response_format is None and _ANSWERED_WITH_ADDRESSES.fullmatch(self.model or ""):
            return ["b64_json", "url"]
        return [self.response_format or "b64_json"]

    def painting(self, request: Request, task: str) -> dict[str, Any]:
        """Return the fields of an operation that paints."""
        width, height = painted_size(self.size)
        return {
            "model": model_for(request, self.model, task),
            "num_images": self.n,
            "width": width,
            "height": height,
            "nearest_size": True,
            "seed": self.seed,
            "steps": self.steps,
            "guidance_scale": self.guidance_scale,
        }


class PictureFields(VariationFields):
    """What is asked of pictures that a prompt describes."""

    prompt: str
    """What to paint."""
    output_format: Format = "png"
    """png, jpeg or webp."""
    output_compression: Annotated[Annotated[int, Field(ge=0, le=100)] | None, BeforeValidator(or_none)] = None
    """Of jpeg and webp: lower makes smaller files."""
    background: Background = "auto"
    """Pictures are opaque."""
    stream: Annotated[bool, BeforeValidator(lambda sent: sent or False)] = False
    """Tell each picture as soon as it is painted (SSE)."""
    partial_images: Annotated[int, BeforeValidator(lambda sent: sent or 0), Field(ge=0, le=3)] = 0
    """How often a stream shows each picture before it is finished, small and rough."""
    negative_prompt: Text = None
    """What not to paint."""
    scheduler: Text = None
    """Name of the sampler; by default the painter's own."""

    @property
    def ignored(self) -> list[str]:
        """The names of the fields that mean nothing here."""
        of_streams = ["partial_images"] if self.partial_images and not self.stream else []
        of_small_files = ["output_compression"] if self.output_format == "png" and self.output_compression else []
        return sorted([*super().ignored, *of_streams, *of_small_files])

    def painting(self, request: Request, task: str) -> dict[str, Any]:
        """Return the fields of an operation that paints."""
        quality = {} if self.output_compression is None else {"quality": self.output_compression}
        return {
            **super().painting(request, task),
            "prompt": self.prompt,
            "negative_prompt": self.negative_prompt or "",
            "scheduler": self.scheduler,
            "format": self.output_format,
            "previews": self.stream and self.partial_images > 0,
            **quality,
        }


class EditFields(PictureFields):
    """What is asked of a picture that is repainted."""

    strength: Number = None
    """How much may change: over 0 to 1; by default 0.75, with a mask 1."""

    def painting(self, request: Request, task: str) -> dict[str, Any]:
        """Return the fields of an operation that repaints."""
        return {**super().painting(request, task), "strength": self.strength}


def painted_size(size: str | None) -> tuple[int | None, int | None]:
    """Return width and height for a size, as near as any painter could paint it; None for the painter's own."""
    found = _SIZE.fullmatch(size.strip()) if size else None
    if found is None:
        return None, None
    width, height = int(found[1]), int(found[2])
    scale = min(1.0, MAXIMUM_SIDE / max(width, height))
    return _side(width * scale), _side(height * scale)


def _side(side: float) -> int:
    return max(SIDE_FACTOR, round(side / SIDE_FACTOR) * SIDE_FACTOR)


def images_router() -> APIRouter:
    """Return the endpoints of pictures."""
    router = APIRouter(prefix="/v1/images", tags=["images"])
    answers: Mapping[int | str, dict[str, Any]] = {
        200: {
            "description": "The pictures; or a stream that tells them one by one.",
            "content": {"application/json": {}, "text/event-stream": {}},
        },
    }
    picture = "A picture, in any usual format."
    files = {"image": picture, "mask*": "A picture that is transparent where to repaint."}

    @router.post(
        "/generations",
        response_class=Response,
        responses=dict(answers),
        openapi_extra=described(PictureFields),
    )
    async def generate(request: Request, engine: TheEngine, owner: TheOwner) -> Response:
        """Paint pictures from words."""
        fields = PictureFields.of(await read_json(request), "A picture")
        operation = Imagine.of(fields.painting(request, Imagine.task))
        return await _answer(request, engine, owner, fields, operation, "image_generation")

    @router.post(
        "/edits",
        response_class=Response,
        responses=dict(answers),
        openapi_extra=described(EditFields, files=files),
    )
    async def edit(request: Request, engine: TheEngine, owner: TheOwner) -> Response:
        """Repaint a picture as a prompt says, or the part of it where a mask is transparent.

        Several pictures, as `image[]` or in `images`, are for painters that follow instructions about several (FLUX.2).
        In JSON, `image` and `mask` are data: URIs, ids of files, or objects with `image_url` or `file_id`.
        """
        document, sent = await read_with_pictures(request, several=True)
        fields = EditFields.of(document, "An edit")
        pictures: dict[str, Any] = {"image": TO_BE_SENT, "further_images": [TO_BE_SENT] * len(sent.further)}
        if sent.mask is not None:
            pictures |= {"mask": TO_BE_SENT, "mask_marks": "transparent"}
        operation = Edit.of({**fields.painting(request, Edit.task), **pictures})
        operation, passing = await sent.put_into(operation, engine, owner)
        return await _answer(request, engine, owner, fields, operation, "image_edit", passing)

    @router.post(
        "/variations",
        response_class=JSONResponse,
        openapi_extra=described(VariationFields, files={"image": picture}),
    )
    async def vary(request: Request, engine: TheEngine, owner: TheOwner) -> Response:
        """Paint what a picture shows once more, otherwise; only unCLIP checkpoints such as Kandinsky do that."""
        document, sent = await read_with_pictures(request)
        fields = VariationFields.of(document, "A variation")
        painting = fields.painting(request, Vary.task)
        operation = Vary.of({**painting, "model": painting["model"] or MAKES_VARIATIONS, "image": TO_BE_SENT})
        operation, passing = await sent.put_into(operation, engine, owner)
        return await _answer(request, engine, owner, fields, operation, "", passing)

    return router


async def _answer(
    request: Request,
    engine: Engine,
    owner: str,
    fields: VariationFields,
    operation: Operation,
    kind: str,
    passing: list[Media] | None = None,
) -> Response:
    """Run an operation that paints, and answer with the pictures."""
    format = fields.output_format if isinstance(fields, PictureFields) else "png"
    if isinstance(fields, PictureFields) and fields.stream:
        stream = PictureStream(engine, kind, format, fields.partial_images, fields.n)
        return await streamed(
            engine,
            operation,
            owner,
            stream.written,
            media_type="text/event-stream",
            headers=fields.headers,
            passing=passing or (),
        )
    with_addresses = "url" in fields.forms
    job = await answered(request, engine, operation, owner, passing=passing or (), durable=with_addresses)
    document = await images_document(engine, job, fields.forms, format, request)
    if not with_addresses:
        await forget(engine, job)
    return JSONResponse(document, headers={MODEL: model_of(job), **fields.headers})
