"""What is added to a pipeline for one call, and taken off again afterwards."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sensorium.image_generation.diffusion.additions.ip_adapter import FoundAdapter, ImageEncoders, applied_ip_adapters
from sensorium.image_generation.diffusion.additions.lora import applied_loras

if TYPE_CHECKING:
    from sensorium.image_generation.painting_options import PaintingOptions


@contextmanager
def put_on(
    pipeline: Any, own: Any, options: PaintingOptions, adapters: Sequence[FoundAdapter], encoders: ImageEncoders
) -> Iterator[dict[str, Any]]:
    """Add what a call asks for to a pipeline, and take it off afterwards whatever happens.

    The components are shared with other pipelines, so nobody else may use them meanwhile.

    Args:
        pipeline: The one of diffusers that is to paint.
        own: The checkpoint's own around the same components, which takes LoRA files where one under control doesn't.
        options: LoRA files and the like.
        adapters: IP-Adapters.
        encoders: Opens what reads the pictures for these.

    Yields:
        Further arguments of the pipeline's call.

    Raises:
        InputError: A file was made for another family.
        UnsupportedError: The pipeline can't use one of them.
    """
    wearing = pipeline if hasattr(pipeline, "load_lora_weights") else own
    # LoRA files first: PEFT would look for their layers in those of an IP-Adapter, too.
    with applied_loras(wearing, options.loras), applied_ip_adapters(pipeline, adapters, encoders) as further:
        yield further
