"""What is added to a pipeline for one call, and taken off again afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sensorium.image_generation.diffusion.lora import applied_loras

if TYPE_CHECKING:
    from sensorium.image_generation.painting_options import PaintingOptions


@contextmanager
def put_on(pipeline: Any, options: PaintingOptions) -> Iterator[dict[str, Any]]:
    """Add what a call asks for to a pipeline, and take it off afterwards whatever happens.

    The components are shared with other pipelines, so nobody else may use them meanwhile.

    Args:
        pipeline: One of diffusers.
        options: LoRA files and the like.

    Yields:
        Further arguments of the pipeline's call.

    Raises:
        InputError: A file was made for another family.
        UnsupportedError: The pipeline can't use one of them.
    """
    with applied_loras(pipeline, options.loras):
        yield {}
