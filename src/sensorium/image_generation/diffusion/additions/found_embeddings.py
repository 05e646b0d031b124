"""Which embeddings of the user's own folder a pipeline uses."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sensorium.image_generation.diffusion.additions.textual_inversion import Embedding, fits
from sensorium.image_generation.painting import PaintingRequest
from sensorium.image_generation.prompts.embedding import can_embed


def with_fitting_embeddings(pipeline: Any, request: PaintingRequest) -> tuple[PaintingRequest, tuple[str, ...]]:
    """Let a request use what its pipeline can use of the embeddings that its prompts name in the user's own folder.

    Args:
        pipeline: One of diffusers.
        request: What to paint.

    Returns:
        The request, and sentences about those that it can't use.
    """
    options = request.options
    if not options.found_embeddings:
        return request, ()
    usable = can_embed(pipeline)
    fitting = tuple(each for each in options.found_embeddings if usable and fits(pipeline, each))
    notes = tuple(
        f"The embedding {each.name!r} {_why_not(each)}, so its word is read as any other"
        for each in options.found_embeddings
        if each not in fitting
    )
    return replace(request, options=replace(options, embeddings=(*options.embeddings, *fitting))), notes


def _why_not(embedding: Embedding) -> str:
    if not embedding.shapes:
        return "is not a safetensors file, or it is cut off or damaged"
    return "was made for another family"
