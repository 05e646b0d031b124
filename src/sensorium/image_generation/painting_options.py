"""The options of calls that paint: as keyword arguments of public methods, and as one checked object inside."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, TypedDict

from sensorium.errors import InputError
from sensorium.image_generation.diffusion.additions.lora import Lora, check_loras, read_loras, same_loras
from sensorium.image_generation.diffusion.additions.textual_inversion import (
    Embedding,
    check_embeddings,
    read_embeddings,
    same_embeddings,
)
from sensorium.image_generation.diffusion.schedulers import check_scheduler
from sensorium.image_generation.ip_adapter import ImagePrompt, read_image_prompts, same_image_prompts
from sensorium.image_generation.picture_settings import NOT_CHECKED
from sensorium.language.written_language import require_characters
from sensorium.media.limits import Limits
from sensorium.progress import all_events

if TYPE_CHECKING:
    from sensorium.image_generation.diffusion.additions.lora import LoraFiles
    from sensorium.image_generation.diffusion.additions.textual_inversion import EmbeddingFiles
    from sensorium.image_generation.ip_adapter import IPAdapter
    from sensorium.image_generation.picture_settings import PictureSettings
    from sensorium.progress import Cancellation, EventCallback, ProgressCallback

MAXIMUM_STEPS = 1000
"""The training steps of all common schedulers; more can't be told apart."""
MAXIMUM_IMAGES = 100
MAXIMUM_SIDE = 4096
SMALLEST_SIDE = 8
MAXIMUM_SEED = 2**63 - 1
SIDE_FACTOR = 8
"""No known family paints sides that are not multiples of it; many want more."""
SAFETY = ("flag", "block", "off")


class CallKeywords(TypedDict, total=False):
    """How a call reports and is stopped.

    Attributes:
        progress: Told the steps done.
        report: Told everything: the steps done, each picture as soon as it is painted (`Finished`), and previews. Of
            pictures that are painted under control, it is told the control maps first (`Finished` too).
        cancel: Stops between two steps.
    """

    progress: ProgressCallback | None
    report: EventCallback | None
    cancel: Cancellation | None


class SizeKeywords(TypedDict, total=False):
    """How large and how fine pictures become.

    Attributes:
        steps: Denoising steps: more are finer and slower. By default what the checkpoint was made for: 50 for Stable
            Diffusion, a few for LCM and Turbo checkpoints.
        guidance_scale: How closely to follow the prompt; by default what the checkpoint was made for: 7.5 for Stable
            Diffusion, none for Turbo checkpoints.
        width: In pixels; by default the checkpoint's own. Where pictures are made from another one: that one's size,
            made smaller if the checkpoint was trained on smaller ones, in the same aspect ratio.
        height: In pixels, by default as for the width.
        seed: Decides the noise; a random one by default. The settings of each picture tell it.
    """

    steps: int | None
    guidance_scale: float | None
    width: int | None
    height: int | None
    seed: int | None


class SamplerKeywords(CallKeywords, total=False):
    """What a call of `TextToImage.generate` takes by name only.

    Attributes:
        scheduler: Name of the sampler (``"euler"``, ``"dpm++-2m-karras"``, …); the checkpoint's own by default.
        lora: A LoRA file (safetensors) by path or as it was sent, or a LoRA of the hub (``"owner/repository"``, or a
            file behind that), or pairs of one of these and a weight. A prompt may
            name them, and those of the folder ``SENSORIUM_LORAS``: ``<lora:NAME:WEIGHT>``, with the file's name without
            its suffix. The weight there counts.
        embeddings: Files of learned words (textual inversion, safetensors) for Stable Diffusion 1, 2 and XL: one, or
            several, alone or in pairs with a word. The word, by default the file's name without its suffix, stands in
            the prompt or the negative prompt for what the file holds. So do the names of files in the folder
            ``SENSORIUM_EMBEDDINGS``.
        ip_adapter: Pictures that the new ones are to look like, in style or in a face: an `IPAdapter`, or several.
        safety: ``"flag"`` says in the result what the checkpoint's safety checker objects to, ``"block"`` keeps such
            pictures back, ``"off"`` doesn't look.
        previews: Whether ``report`` is shown a small, rough picture after each step (`Preview`).
    """

    scheduler: str | None
    lora: LoraFiles
    embeddings: EmbeddingFiles
    ip_adapter: IPAdapter | Sequence[IPAdapter]
    safety: str
    previews: bool


class VariationKeywords(SizeKeywords, CallKeywords, total=False):
    """What `TextToImage.variations` takes by name."""


class PaintingKeywords(SizeKeywords, SamplerKeywords, total=False):
    """What every call that paints with a prompt takes by name.

    Attributes:
        negative_prompt: What not to paint.
        num_images: How many. Picture number i has the seed ``seed + i``, and comes out the same alone.
    """

    negative_prompt: str
    num_images: int


@dataclass(frozen=True)
class PaintingOptions:
    """`PaintingKeywords`, checked: all that can be known without the checkpoint.

    Attributes:
        loras: LoRA files with their weights.
        embeddings: Files of learned words.
        found_embeddings: Those of the user's own folder whose words stand in the prompts. Checkpoints that they don't
            fit leave them out.
        ip_adapters: Pictures that the new ones are to look like.

    Raises:
        InputError: One of them can't be.
    """

    negative_prompt: str = ""
    num_images: int = 1
    steps: int | None = None
    guidance_scale: float | None = None
    width: int | None = None
    height: int | None = None
    seed: int | None = None
    scheduler: str | None = None
    loras: tuple[Lora, ...] = ()
    embeddings: tuple[Embedding, ...] = ()
    found_embeddings: tuple[Embedding, ...] = ()
    ip_adapters: tuple[ImagePrompt, ...] = ()
    safety: str = "flag"
    previews: bool = False

    def __post_init__(self) -> None:
        require_characters(self.negative_prompt, what="negative prompt")
        check_number("The number of images", self.num_images, 1, MAXIMUM_IMAGES)
        check_number("The number of steps", self.steps, 1, MAXIMUM_STEPS)
        check_number("The seed", self.seed, 0, MAXIMUM_SEED - MAXIMUM_IMAGES)
        check_number("The guidance scale", self.guidance_scale, 0, 100)
        check_side("width", self.width, SIDE_FACTOR)
        check_side("height", self.height, SIDE_FACTOR)
        if self.safety not in SAFETY:
            raise InputError(f"There is no safety setting {self.safety!r}", f"Choose {', '.join(SAFETY)}")
        check_scheduler(self.scheduler)
        check_loras(self.loras)
        check_embeddings(self.embeddings)


def painting_options(keywords: Mapping[str, Any], limits: Limits) -> PaintingOptions:
    """Return the options among the keyword arguments of a call.

    Args:
        keywords: The arguments.
        limits: Whether files on this machine may be named.

    Raises:
        InputError: One of them can't be.
        ModelUnavailableError: A LoRA of the hub can't be fetched.
    """
    known = {field.name for field in fields(PaintingOptions)}
    given = {name: value for name, value in keywords.items() if name in known}
    tell, cancel = all_events(keywords.get("progress"), keywords.get("report")), keywords.get("cancel")
    given["loras"] = read_loras(keywords.get("lora", ()), limits, progress=tell, cancel=cancel)
    given["embeddings"] = read_embeddings(keywords.get("embeddings", ()), limits)
    given["ip_adapters"] = read_image_prompts(keywords.get("ip_adapter", ()), limits)
    return PaintingOptions(**given)


def options_of(
    settings: PictureSettings,
    limits: Limits,
    *,
    lora: LoraFiles = (),
    embeddings: EmbeddingFiles = (),
    ip_adapter: IPAdapter | Iterable[IPAdapter] = (),
) -> PaintingOptions:
    """Return the options by which a picture is painted again.

    Args:
        settings: What it says of itself.
        limits: Whether files on this machine may be named.
        lora: The LoRA files that it was made with; their weights are in the settings.
        embeddings: The embeddings that it was made with; their words are in the settings.
        ip_adapter: The pictures that it was to look like, with their adapters; their scales are in the settings.

    Raises:
        InputError: A file or a picture is missing.
    """
    return PaintingOptions(
        negative_prompt=settings.negative_prompt,
        steps=settings.steps,
        guidance_scale=settings.guidance_scale,
        width=settings.width,
        height=settings.height,
        seed=settings.seed,
        scheduler=settings.scheduler or None,
        loras=same_loras(settings, read_loras(lora, limits)),
        embeddings=same_embeddings(settings, read_embeddings(embeddings, limits)),
        ip_adapters=same_image_prompts(settings, read_image_prompts(ip_adapter, limits)),
        safety="off" if settings.safety == NOT_CHECKED else "flag",
    )


def check_side(name: str, side: int | None, factor: int) -> None:
    """Refuse a width or height that isn't a multiple of ``factor`` or out of range; None passes.

    Raises:
        InputError: With the nearest values that would do.
    """
    check_number(f"The {name}", side, SMALLEST_SIDE, MAXIMUM_SIDE)
    if side is not None and side % factor:
        below, above = side // factor * factor, math.ceil(side / factor) * factor
        choices = [str(value) for value in (below, above) if factor <= value <= MAXIMUM_SIDE]
        raise InputError(f"The {name} {side} is not divisible by {factor}", f"Use {' or '.join(choices)}")


def check_number(name: str, value: float | None, lowest: float, highest: float) -> None:
    """Refuse a number that is out of range, or NaN; None passes.

    Raises:
        InputError: With the range.
    """
    if value is not None and not lowest <= value <= highest:
        raise InputError(f"{name} can't be {value!r}", f"Use {lowest} to {highest}")
