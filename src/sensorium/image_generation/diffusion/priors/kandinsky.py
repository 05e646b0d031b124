"""Kandinsky 2.2, the unCLIP design of DALL·E 2: a prior turns words into an image embedding, a decoder paints that.

Source: Ramesh et al. 2022, "Hierarchical Text-Conditional Image Generation with CLIP Latents", and the model cards of
``kandinsky-community/kandinsky-2-2-prior`` and ``-decoder``.
"""

from __future__ import annotations

import math
import secrets
import threading
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import diffusers
import torch

from sensorium.errors import InputError, ModelUnavailableError, UnsupportedError
from sensorium.image_generation.diffusion.checkpoints.checkpoint import hub_revision, open_components, read_layout
from sensorium.image_generation.diffusion.painting_device import describe_device
from sensorium.image_generation.diffusion.priors.prior_repository import find_prior
from sensorium.image_generation.generated_image import GeneratedImage, GeneratedImages, pixel_sum
from sensorium.image_generation.painting import (
    INPAINTING,
    PaintingRequest,
)
from sensorium.image_generation.painting_options import SIDE_FACTOR, check_side
from sensorium.image_generation.picture_settings import PictureSettings
from sensorium.image_generation.picture_size import fit_picture, size_like
from sensorium.image_generation.prompts.window import check_prompt_window
from sensorium.image_generation.variation import VARIATION, VariationRequest
from sensorium.models import catalog, store
from sensorium.models.catalog import Checkpoint
from sensorium.models.device import explain_out_of_memory, place
from sensorium.models.memory import weights_memory
from sensorium.models.turns import holding
from sensorium.progress import Cancellation, EventCallback, Finished, check_cancelled, report

if TYPE_CHECKING:
    import PIL.Image

_USUAL_PRIOR = "kandinsky-community/kandinsky-2-2-prior"
_PRIOR_STEPS = 25
_PRIOR_GUIDANCE = 4.0
_STEPS = 50
_GUIDANCE = 4.0
_LATENT_SIDE = 64
_FULL_PRECISION_BYTES = 4
_RANDOM_SEEDS = 2**32

_StepCallback: TypeAlias = Callable[[Any, int, Any, dict[str, Any]], dict[str, Any]]


class Embeddings(NamedTuple):
    """What the decoder paints from, each of shape (1, size of the embedding)."""

    wanted: torch.Tensor
    unwanted: torch.Tensor


class KandinskyPainter:
    """A Kandinsky 2.2 decoder with its prior.

    The prior is a repository of its own on the hub. Its name stands in the decoder's model card, as ``prior``; if the
    card isn't there, it is ``kandinsky-community/kandinsky-2-2-prior``. A folder ``prior`` inside the decoder's wins.

    Args:
        folder: The decoder's.
        checkpoint: Its catalog entry; one made of components names the prior's entry and the decoder's.
        device: Where it runs.
        dtype: ``"auto"`` or a precision.

    Raises:
        ModelUnavailableError: One of the two isn't here and can't be fetched, or is damaged, or they don't fit.
        InsufficientMemoryError: Memory doesn't suffice for both.
    """

    def __init__(self, folder: Path, *, checkpoint: Checkpoint, device: str, dtype: str) -> None:
        library: Any = diffusers
        self._checkpoint = checkpoint
        (prior_folder, prior_checkpoint), (folder, checkpoint) = _halves(folder, checkpoint)
        self._prior_checkpoint = prior_checkpoint
        self._revision = hub_revision(folder, checkpoint)
        needed = weights_memory(folder) + (0 if folder in prior_folder.parents else weights_memory(prior_folder))
        self._placement = place(device, dtype, memory_bytes=needed, half="float16")
        with explain_out_of_memory(f"Loading {checkpoint.name!r}", "Use dtype='float16', or a smaller checkpoint"):
            prior = self._open(prior_folder, prior_checkpoint, "KandinskyV22PriorPipeline")
            components = self._open(folder, checkpoint, "KandinskyV22Pipeline")
        if self._placement.compiled:
            components["unet"].compile()
        self._prior = self._ready(library.KandinskyV22PriorPipeline(**prior))
        size, wanted = self._prior.prior.config.embedding_dim, components["unet"].config.encoder_hid_dim
        if size != wanted:
            raise ModelUnavailableError(
                f"The decoder {checkpoint.name!r} paints from embeddings of size {wanted}, and its prior "
                f"{prior_checkpoint.name!r} makes them of size {size}",
                "Fetch both of the same version",
            )
        self._from_noise = self._ready(library.KandinskyV22Pipeline(**components))
        self._from_picture = self._ready(library.KandinskyV22Img2ImgPipeline(**components))
        # Pictures go in with the right size. Diffusers 0.42 mistakes their width for their height when it resizes them.
        self._from_picture.image_processor.register_to_config(do_resize=False)
        self._lock = threading.Lock()
        """Held while a call uses the schedulers, which count its steps."""
        scale = self._from_noise.movq_scale_factor
        self.size_factor = math.lcm(scale**2, SIDE_FACTOR)
        self.native_side: int = (components["unet"].config.sample_size or _LATENT_SIDE) * scale

    def paint(
        self,
        request: PaintingRequest,
        *,
        tell: EventCallback | None = None,
        cancel: Cancellation | None = None,
    ) -> GeneratedImages:
        """Paint from words, or repaint a picture: see `Painter.paint`. No previews: the decoder is too slow for them.

        Raises:
            InputError: A number doesn't suit this checkpoint.
            UnsupportedError: It is asked to inpaint, or for a scheduler, LoRA files, embeddings or IP-Adapters.
            InsufficientMemoryError: The memory doesn't suffice.
            CancelledError: ``cancel`` was set.
        """
        options = request.options
        refused = (
            (options.scheduler, "other schedulers"),
            (options.loras, "LoRA files"),
            (options.embeddings, "embeddings"),
            (options.ip_adapters, "IP-Adapters"),
        )
        for asked, what in refused:
            if asked:
                raise self._unsupported(what, "Leave that out")
        if options.safety == "block":
            raise self._unsupported("blocking: it has no safety checker", "Use safety='off'")
        if request.kind == INPAINTING:
            raise self._unsupported("inpainting", "Use a Stable Diffusion checkpoint for it")
        plan = self._plan(request)
        notes = self._read(request.prompt) + self._read(options.negative_prompt)
        inputs: dict[str, Any] = {}
        if request.image is not None:
            inputs = {"image": fit_picture(request.image, plan.size), "strength": request.strength}
        decoder = self._from_noise if request.image is None else self._from_picture
        shares = 1.0 if request.image is None else request.strength

        def paint_one(generator: torch.Generator, on_step: _StepCallback) -> PIL.Image.Image:
            embeddings = self._embed(request.prompt, options.negative_prompt, generator, on_step)
            return self._decode(decoder, embeddings, plan, generator, on_step, **inputs)

        steps = _PRIOR_STEPS + _steps_taken(plan.steps, shares)
        about: dict[str, Any] = {
            "kind": request.kind,
            "prompt": request.prompt,
            "negative_prompt": options.negative_prompt,
        }
        if request.image is not None:
            about.update(strength=request.strength, image_sha256=pixel_sum(request.image))
        pictures: list[GeneratedImage] = []
        # If ``tell`` fails, the generator is closed at once: the next call needs the schedulers that it holds.
        with closing(self._paint_all(plan, paint_one, steps, tell, cancel)) as painted:
            for picture in painted:
                pictures.append(self._finished(picture, plan, len(pictures), about))
                if tell is not None:
                    tell(Finished(pictures[-1]))
        return GeneratedImages(pictures, notes=notes)

    def vary(
        self,
        request: VariationRequest,
        *,
        tell: EventCallback | None = None,
        cancel: Cancellation | None = None,
    ) -> GeneratedImages:
        """Paint what a picture shows once more, mixed with words if there are any: see `Varier.vary`.

        Raises:
            InputError: A number doesn't suit this checkpoint.
            InsufficientMemoryError: The memory doesn't suffice.
            CancelledError: ``cancel`` was set.
        """
        plan = self._plan(request)
        notes = self._read(request.prompt)

        def paint_one(generator: torch.Generator, on_step: _StepCallback) -> PIL.Image.Image:
            embeddings = self._embed_picture(request.image)
            if request.prompt:
                said, share = self._embed(request.prompt, "", generator, on_step), request.prompt_weight
                mixed = (1 - share) * embeddings.wanted + share * said.wanted
                embeddings = Embeddings(mixed, embeddings.unwanted)
            return self._decode(self._from_noise, embeddings, plan, generator, on_step)

        steps = plan.steps + (_PRIOR_STEPS if request.prompt else 0)
        about: dict[str, Any] = {
            "kind": VARIATION,
            "prompt": request.prompt,
            "negative_prompt": "",
            "image_sha256": pixel_sum(request.image),
        }
        options = {"prompt_weight": request.prompt_weight} if request.prompt else {}
        pictures: list[GeneratedImage] = []
        with closing(self._paint_all(plan, paint_one, steps, tell, cancel)) as painted:
            for picture in painted:
                pictures.append(self._finished(picture, plan, len(pictures), about, **options))
                if tell is not None:
                    tell(Finished(pictures[-1]))
        return GeneratedImages(pictures, notes=notes)

    def _plan(self, request: PaintingRequest | VariationRequest) -> _Plan:
        """Settle what the request leaves open, and refuse what doesn't suit the checkpoint."""
        options = request.options
        check_side("width", options.width, self.size_factor)
        check_side("height", options.height, self.size_factor)
        width, height = self.native_side, self.native_side
        if isinstance(request, PaintingRequest) and request.image is not None:
            given = {"width": options.width, "height": options.height}
            width, height = size_like(request.image, self.native_side, self.size_factor, **given)
            if _steps_taken(options.steps or _STEPS, request.strength) < 1:
                raise InputError(
                    f"With {options.steps or _STEPS} steps and a strength of {request.strength} nothing is painted",
                    "Use more of either",
                )
        return _Plan(
            size=(options.width or width, options.height or height),
            steps=options.steps or _STEPS,
            guidance=_GUIDANCE if options.guidance_scale is None else options.guidance_scale,
            first_seed=secrets.randbelow(_RANDOM_SEEDS) if options.seed is None else options.seed,
            count=options.num_images,
        )

    def _paint_all(
        self,
        plan: _Plan,
        paint_one: Callable[[torch.Generator, _StepCallback], PIL.Image.Image],
        steps: int,
        tell: EventCallback | None,
        cancel: Cancellation | None,
    ) -> Generator[PIL.Image.Image, None, None]:
        """Paint one picture after the other: each is the same as it would be alone, and memory stays flat."""
        done = 0

        def on_step(pipeline: Any, step: int, timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
            nonlocal done
            check_cancelled(cancel)
            done += 1
            report(tell, "painting", done, plan.count * steps, "steps")
            return tensors

        width, height = plan.size
        what = f"A picture of {width}×{height} pixels"
        with holding(self._lock, cancel), explain_out_of_memory(what, "Choose a smaller width and height"):
            for number in range(plan.count):
                check_cancelled(cancel)
                generator = torch.Generator("cpu").manual_seed(plan.first_seed + number)
                yield paint_one(generator, on_step)

    def _embed(
        self, prompt: str, negative_prompt: str, generator: torch.Generator, on_step: _StepCallback
    ) -> Embeddings:
        made = self._prior(
            prompt,
            negative_prompt=negative_prompt or None,
            num_inference_steps=_PRIOR_STEPS,
            guidance_scale=_PRIOR_GUIDANCE,
            generator=generator,
            callback_on_step_end=on_step,
        )
        return Embeddings(made.image_embeds, made.negative_image_embeds)

    def _embed_picture(self, image: PIL.Image.Image) -> Embeddings:
        encoder = self._prior.image_encoder
        pixels = self._prior.image_processor(image, return_tensors="pt").pixel_values
        with torch.no_grad():
            shown = encoder(pixels.to(self._placement.device, encoder.dtype)).image_embeds
            nothing = self._prior.get_zero_embed(device=self._placement.device)
        self._prior.maybe_free_model_hooks()
        return Embeddings(shown, nothing)

    def _decode(
        self,
        decoder: Any,
        embeddings: Embeddings,
        plan: _Plan,
        generator: torch.Generator,
        on_step: _StepCallback,
        **inputs: Any,
    ) -> PIL.Image.Image:
        width, height = plan.size
        picture: PIL.Image.Image = decoder(
            image_embeds=embeddings.wanted,
            negative_image_embeds=embeddings.unwanted,
            width=width,
            height=height,
            num_inference_steps=plan.steps,
            guidance_scale=plan.guidance,
            generator=generator,
            callback_on_step_end=on_step,
            **inputs,
        ).images[0]
        return picture

    def _finished(
        self, picture: PIL.Image.Image, plan: _Plan, number: int, about: dict[str, Any], **options: Any
    ) -> GeneratedImage:
        settings = PictureSettings(
            **about,
            seed=plan.first_seed + number,
            steps=plan.steps,
            guidance_scale=plan.guidance,
            width=picture.width,
            height=picture.height,
            model=self._checkpoint.name,
            revision=self._revision,
            device=describe_device(self._placement.device, self._placement.dtype),
            options={"prior": self._prior_checkpoint.name, **options},
        )
        return GeneratedImage.of(picture, settings)

    def _read(self, prompt: str) -> tuple[str, ...]:
        """Refuse a prompt that the prior would cut off."""
        return check_prompt_window(self._prior, prompt) if prompt else ()

    def _unsupported(self, what: str, remedy: str) -> UnsupportedError:
        return UnsupportedError(f"The checkpoint {self._checkpoint.name!r} doesn't do {what}", remedy)

    def _ready(self, pipeline: Any) -> Any:
        pipeline.set_progress_bar_config(disable=True)
        if self._placement.offload == "model":
            pipeline.enable_model_cpu_offload(device=self._placement.device)
        elif self._placement.offload == "sequential":
            pipeline.enable_sequential_cpu_offload(device=self._placement.device)
        return pipeline

    def _open(self, folder: Path, checkpoint: Checkpoint, pipeline: str) -> dict[str, Any]:
        half = self._placement.dtype.itemsize < _FULL_PRECISION_BYTES
        layout = read_layout(folder, checkpoint, half_precision=half)
        if layout.pipeline_class != pipeline:
            raise UnsupportedError(
                f"The checkpoint {checkpoint.name!r} is a {layout.pipeline_class}, where a {pipeline} is needed",
                "Name the decoder of Kandinsky 2.2 as the model, and its prior in the decoder's model card",
            )
        where = "cpu" if self._placement.offload else self._placement.device
        return open_components(
            folder, layout, checkpoint, device=where, dtype=self._placement.dtype, runs_on=self._placement.device
        )


@dataclass(frozen=True)
class _Plan:
    """A request with nothing left open."""

    size: tuple[int, int]
    steps: int
    guidance: float
    first_seed: int
    count: int


def _steps_taken(steps: int, strength: float) -> int:
    """Return how many of the steps image-to-image takes, as diffusers counts them."""
    return min(int(steps * strength), steps)


def _halves(folder: Path, checkpoint: Checkpoint) -> tuple[tuple[Path, Checkpoint], tuple[Path, Checkpoint]]:
    """Return where the prior and the decoder are, and what they are called; what isn't here is fetched."""
    if checkpoint.components:
        prior, decoder = (catalog.named(name) for name in checkpoint.components)
        return (store.locate(prior), prior), (store.locate(decoder), decoder)
    return find_prior(folder, checkpoint, _USUAL_PRIOR), (folder, checkpoint)
