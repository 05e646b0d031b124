"""Diffusion checkpoints in diffusers' layout: one set of weights behind every kind of painting."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import PIL.Image
import torch

from sensorium.errors import InputError, UnsupportedError
from sensorium.image_generation.diffusion.additions.additions import put_on
from sensorium.image_generation.diffusion.additions.found_embeddings import with_fitting_embeddings
from sensorium.image_generation.diffusion.additions.ip_adapter import FoundAdapter, ImageEncoders, found_adapters
from sensorium.image_generation.diffusion.additions.ip_adapter_file import adaptable
from sensorium.image_generation.diffusion.additions.lora import describe_loras
from sensorium.image_generation.diffusion.additions.textual_inversion import (
    describe_embeddings,
    learned_words,
    refuse_embeddings,
    unused_notes,
    used_embeddings,
)
from sensorium.image_generation.diffusion.call_signature import call_parameters
from sensorium.image_generation.diffusion.checkpoints.checkpoint import hub_revision
from sensorium.image_generation.diffusion.checkpoints.painter_source import painter_source
from sensorium.image_generation.diffusion.component_pipeline import around_components
from sensorium.image_generation.diffusion.control.pipeline_control import (
    PipelineControl,
    borrowing,
    control_arguments,
    drawing_from,
)
from sensorium.image_generation.diffusion.defaults import (
    DiffusionDefaults,
    diffusion_defaults,
    native_side,
    size_factor,
)
from sensorium.image_generation.diffusion.latent_preview import LatentPreview
from sensorium.image_generation.diffusion.painting_device import describe_device
from sensorium.image_generation.diffusion.pipeline_classes import controlled_class, family_of, pipeline_classes
from sensorium.image_generation.diffusion.plan import DiffusionPlan, make_plan
from sensorium.image_generation.diffusion.safety_checker import SafetyChecker
from sensorium.image_generation.diffusion.schedulers import make_scheduler
from sensorium.image_generation.diffusion.steps import WatchedSteps
from sensorium.image_generation.generated_image import GeneratedImage, GeneratedImages, pixel_sum
from sensorium.image_generation.painter_parts import PainterParts
from sensorium.image_generation.painting import TEXT_TO_IMAGE, PaintingRequest
from sensorium.image_generation.picture_settings import NOT_CHECKED, PictureSettings
from sensorium.image_generation.prompts.embedding import can_embed, embed_prompts
from sensorium.image_generation.prompts.vocabulary import read_vocabulary
from sensorium.image_generation.prompts.window import check_prompt_window
from sensorium.models.catalog import Checkpoint
from sensorium.models.device import explain_out_of_memory, place
from sensorium.models.turns import holding
from sensorium.progress import Cancellation, EventCallback, Finished, Preview, check_cancelled
from sensorium.quiet import quiet_diffusers, quiet_transformers

_TILED_FROM = 2048 * 2048
"""From so many pixels on the autoencoder works in tiles: at once it would need several times the memory of the rest."""
_LARGEST_RANDOM_SEED = 2**32 - 1
_ALL_ITS_OWN = PainterParts()


class DiffusionBackend:
    """A loaded checkpoint of any family that diffusers paints with.

    Text-to-image, image-to-image, inpainting and ControlNet pipelines are made anew for each call from the same
    components: that takes milliseconds, copies nothing, and no call sees the settings of another.

    Args:
        folder: Holds ``model_index.json`` and a folder for each component, or a single file with all of them.
        checkpoint: Its catalog entry.
        device: Where it runs.
        dtype: ``"auto"`` or a precision.
        parts: What comes from elsewhere.

    Attributes:
        checkpoint: Its catalog entry.
        components: The modules by name (``unet``, ``vae``, ``text_encoder``, …): shared by all pipelines, never to be
            changed.
        device: Where they run.
        dtype: Their precision.
        size_factor: Widths and heights must be multiples of it.
        native_side: Side of the square that the checkpoint was trained on, in pixels.

    Raises:
        ModelUnavailableError: A component is missing, incomplete or damaged.
        UnsupportedError: Diffusers doesn't know the family, or it paints no pictures.
        InsufficientMemoryError: The weights don't fit into memory.
    """

    def __init__(
        self,
        folder: Path,
        *,
        checkpoint: Checkpoint,
        device: str,
        dtype: str,
        parts: PainterParts = _ALL_ITS_OWN,
    ) -> None:
        self.checkpoint = checkpoint
        self._parts = parts
        half = dtype == "float16" or device != "cpu"
        source = painter_source(folder, checkpoint, parts, half_precision=half)
        layout = source.layout
        self._classes = pipeline_classes(layout.pipeline_class, checkpoint)
        sizes = source.memory
        self._placement = place(
            device,
            dtype,
            memory_bytes=sum(sizes),
            largest_part_bytes=max(sizes, default=0),
            half="float16" if "unet" in layout.components else "bfloat16",
        )
        self.device, self.dtype = self._placement.device, self._placement.dtype
        with explain_out_of_memory(f"Loading {checkpoint.name!r}", "Choose a smaller checkpoint, or dtype='float16'"):
            where = "cpu" if self._placement.offload else self.device
            opened = source.open(device=where, dtype=self.dtype, runs_on=self.device)
        self._pipeline = opened.pipeline
        self.components = {name: part for name, part in self._pipeline.components.items() if part is not None}
        self._safety_checker = None
        if opened.safety_checker is not None:
            self._safety_checker = SafetyChecker(opened.safety_checker, self.components["feature_extractor"])
        self.size_factor, self.native_side = size_factor(self._pipeline), native_side(self._pipeline)
        self._revision = hub_revision(folder, checkpoint)
        self._vocabulary = read_vocabulary(folder, checkpoint)
        self._latent_preview: LatentPreview | None = None
        self._adaptable, self._image_encoders = adaptable(self.components.get("unet")), ImageEncoders()
        self._lock = threading.Lock()
        """Held while a call uses the components."""
        if self._placement.compiled and self.denoiser is not None:
            self.denoiser.compile()

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of painting that the family can do without control."""
        return tuple(self._classes)

    @property
    def family(self) -> str:
        """The name that diffusers' AutoPipelines have for its family; "" for none."""
        return family_of(self._classes.values())

    @property
    def denoiser(self) -> Any:
        """The component that takes the noise away; None for families that have several."""
        return self.components.get("unet") or self.components.get("transformer")

    def pipeline(
        self, kind: str = TEXT_TO_IMAGE, control: PipelineControl | None = None, *, scheduler: Any = None
    ) -> Any:
        """Return a diffusers pipeline around the shared components.

        Args:
            kind: ``"text-to-image"``, ``"image-to-image"`` or ``"inpainting"``.
            control: Control networks, on the same device and in the same precision.
            scheduler: By default a fresh one of the checkpoint's own kind.

        Raises:
            UnsupportedError: The family has no such pipeline.
        """
        pipeline_class = self._class_of(kind, control)
        # That of Würstchen can't be asked whether it is true: it has a length that it doesn't know.
        fresh = make_scheduler(self._pipeline.scheduler, None)[0] if scheduler is None else scheduler
        pipeline = around_components(pipeline_class, self._pipeline, fresh, control)
        if pipeline is None:
            raise self._unsupported(kind, control)
        return pipeline

    def paint(
        self,
        request: PaintingRequest,
        *,
        control: PipelineControl | None = None,
        tell: EventCallback | None = None,
        cancel: Cancellation | None = None,
    ) -> GeneratedImages:
        """Paint what ``request`` asks for: see `Painter.paint`.

        Pictures are painted one after the other, so that each comes out the same alone, bit for bit.

        Args:
            request: Its ``image`` and ``mask`` make it image-to-image or inpainting, with a ControlNet too.
            control: Control networks to paint under.
            tell: Told the steps done, previews if they are asked for, and each picture as soon as it is painted.
            cancel: Stops between two steps.

        Raises:
            InputError: A number doesn't suit this checkpoint, or the prompt is too long for it.
            UnsupportedError: The family can't do the kind of painting, or one of the settings.
            InsufficientMemoryError: The memory doesn't suffice.
            CancelledError: ``cancel`` was set.
        """
        asked = request.options.ip_adapters
        with found_adapters(asked, self.checkpoint, self._adaptable, progress=tell, cancel=cancel) as adapters:
            return self._paint(request, adapters, control, tell, cancel)

    def _paint(
        self,
        request: PaintingRequest,
        adapters: Sequence[FoundAdapter],
        control: PipelineControl | None,
        tell: EventCallback | None,
        cancel: Cancellation | None,
    ) -> GeneratedImages:
        options = request.options
        self._check_safety(options.safety)
        scheduler, scheduler_name = make_scheduler(self._pipeline.scheduler, options.scheduler)
        pipeline = self.pipeline(request.kind, control, scheduler=scheduler)
        request, unfitting = with_fitting_embeddings(pipeline, request)
        options = request.options
        defaults = diffusion_defaults(pipeline, self._pipeline, self.checkpoint)
        plan = make_plan(request, pipeline, defaults, self.size_factor, self.native_side)
        origin = self._settings(request, plan, scheduler_name, adapters, control.settings if control else None)
        seed = random.randint(0, _LARGEST_RANDOM_SEED) if options.seed is None else options.seed
        with holding(self._lock, cancel):
            show = self._preview_to(tell, plan.size) if options.previews and tell is not None else None
            with (
                put_on(pipeline, self._pipeline, options, adapters, self._image_encoders) as added,
                self._placed(pipeline, plan),
                WatchedSteps(pipeline, options.num_images, tell, cancel, show) as steps,
                borrowing(control, pipeline, cancel),
            ):
                with quiet_transformers():
                    embedded, further = self._read_prompts(pipeline, request, defaults)
                call = {**plan.arguments, **embedded, **added, **control_arguments(pipeline, control)}
                pictures: list[GeneratedImage] = []
                for number in range(options.num_images):
                    check_cancelled(cancel)
                    vae = self.components.get("vae") if control else None
                    with drawing_from(vae, torch.Generator().manual_seed(seed + number)):
                        image = self._run(pipeline, call, seed + number, steps, plan)
                    safety = self._look_at(image, options.safety)
                    if safety == "flagged" and options.safety == "block":
                        continue
                    made = replace(origin, seed=seed + number, width=image.width, height=image.height, safety=safety)
                    pictures.append(GeneratedImage.of(image, made))
                    if tell is not None:
                        tell(Finished(pictures[-1]))
        withheld = options.num_images - len(pictures)
        notes = self._notes(request, plan) + unfitting + self._surprises(request, plan, pictures)
        if withheld:
            notes += (f"The safety checker kept back {withheld} of {options.num_images} pictures",)
        return GeneratedImages(pictures, withheld=withheld, notes=notes + further)

    def _settings(
        self,
        request: PaintingRequest,
        plan: DiffusionPlan,
        scheduler: str,
        adapters: Sequence[FoundAdapter],
        options: Mapping[str, Any] | None,
    ) -> PictureSettings:
        """Return what all pictures of a call have in common."""
        return PictureSettings(
            kind=request.kind,
            prompt=request.prompt,
            negative_prompt=request.options.negative_prompt,
            seed=None,
            width=plan.size[0],
            height=plan.size[1],
            model=self.checkpoint.name,
            revision=self._revision,
            steps=plan.steps,
            guidance_scale=plan.guidance_scale,
            scheduler=scheduler,
            strength=plan.strength,
            image_sha256=pixel_sum(request.image),
            mask_sha256=pixel_sum(request.mask),
            loras=describe_loras(request.options.loras),
            embeddings=describe_embeddings(used_embeddings(request.options.embeddings, *request.prompts)),
            ip_adapters=tuple(adapter.described() for adapter in adapters),
            device=describe_device(self.device, self.dtype),
            options={**self._parts.recorded(self.checkpoint.without), **plan.recorded, **(options or {})} or None,
        )

    def _notes(self, request: PaintingRequest, plan: DiffusionPlan) -> tuple[str, ...]:
        notes = plan.notes + unused_notes(request.options.embeddings, *request.prompts)
        if self._vocabulary is None:
            return notes
        of_prompt = self._vocabulary.notes(request.prompt, self.checkpoint)
        return notes + of_prompt + self._vocabulary.size_notes(plan.size, self.native_side, self.checkpoint)

    def _surprises(
        self, request: PaintingRequest, plan: DiffusionPlan, pictures: Sequence[GeneratedImage]
    ) -> tuple[str, ...]:
        """Return what came out otherwise than asked for, in sentences."""
        notes = []
        if request.options.previews and self._latent_preview is not None and not self._latent_preview.shows:
            notes.append("There were no previews: the latents of this family aren't laid out as a picture")
        asked = request.options.width or request.options.height
        if asked and pictures and pictures[0].size != plan.size:
            notes.append("The width and height have no effect: this checkpoint paints in sizes of its own")
        return tuple(notes)

    def _read_prompts(
        self, pipeline: Any, request: PaintingRequest, defaults: DiffusionDefaults
    ) -> tuple[dict[str, Any], tuple[str, ...]]:
        """Return the pipeline's arguments for the prompts, and notes."""
        parameters = call_parameters(pipeline)
        negative = request.options.negative_prompt or None  # XL tells an empty negative prompt from none
        if can_embed(pipeline):
            learned = learned_words(pipeline, request.options.embeddings, self.checkpoint.name)
            embedded = embed_prompts(pipeline, request.prompt, negative, device=self.device, learned=learned)
            if embedded.dropped:
                raise InputError(
                    f"The prompt is too long: nothing from {embedded.dropped[:60]!r} on would be read", "Shorten it"
                )
            return {name: value for name, value in embedded.arguments().items() if name in parameters}, ()
        refuse_embeddings(self.checkpoint.name, request.options.embeddings)
        notes = check_prompt_window(pipeline, request.prompt)
        arguments: dict[str, Any] = {"prompt": request.prompt}
        if negative is None and defaults.guidance_argument == "true_cfg_scale":
            negative = " "  # without any, these pipelines leave guidance out
        if negative is not None and "negative_prompt" in parameters:
            arguments["negative_prompt"] = negative
        return arguments, notes

    def _run(
        self, pipeline: Any, call: dict[str, Any], seed: int, steps: WatchedSteps, plan: DiffusionPlan
    ) -> PIL.Image.Image:
        # Drawn on the processor, noise is the same on every device.
        generator = torch.Generator().manual_seed(seed)
        steps.begin()
        what = f"A picture of {plan.size[0]} × {plan.size[1]} pixels"
        with quiet_transformers(), quiet_diffusers(), explain_out_of_memory(what, "Choose a smaller width and height"):
            try:
                # Most call the field "images", some "image"; it comes first in all.
                image: PIL.Image.Image = pipeline(**call, generator=generator)[0][0]
            except ValueError as error:
                raise InputError(
                    f"{type(pipeline).__name__} of diffusers refuses what {self.checkpoint.name!r} was asked for: "
                    f"{' '.join(str(error).split())}",
                    "Change what it names",
                ) from error
        if self.dtype != torch.float32 and image.getbbox() is None:
            raise UnsupportedError(
                f"{self.checkpoint.name!r} overflows in {_plain(self.dtype)}, which gives a black picture",
                "Use dtype='bfloat16' or dtype='float32'",
            )
        if plan.mask is not None and plan.image is not None:
            # The autoencoder changes every pixel a little; what wasn't to be repainted stays as it was.
            image = PIL.Image.composite(image, plan.image, plan.mask)
        return image

    def _check_safety(self, safety: str) -> None:
        if safety == "block" and self._safety_checker is None:
            raise UnsupportedError(
                f"The checkpoint {self.checkpoint.name!r} has no safety checker, so nothing can be blocked",
                "Use safety='off', or a checkpoint with a safety checker",
            )

    def _look_at(self, image: PIL.Image.Image, safety: str) -> str:
        if self._safety_checker is None or safety == "off":
            return NOT_CHECKED
        return "flagged" if self._safety_checker.objects_to(image) else "ok"

    @contextmanager
    def _placed(self, pipeline: Any, plan: DiffusionPlan) -> Iterator[None]:
        """Set the components up for one call, offloading and tiling included, and restore them afterwards."""
        vae = self.components.get("vae")
        with ExitStack() as restore:
            if plan.size[0] * plan.size[1] >= _TILED_FROM and hasattr(vae, "enable_tiling"):
                assert vae is not None
                vae.enable_tiling()
                restore.callback(vae.disable_tiling)
            if self._placement.offload:
                restore.callback(pipeline.remove_all_hooks)
                if self._placement.offload == "model":
                    pipeline.enable_model_cpu_offload(device=self.device)
                else:
                    pipeline.enable_sequential_cpu_offload(device=self.device)
            yield

    def _preview_to(self, tell: EventCallback, size: tuple[int, int]) -> Callable[[torch.Tensor, int], None]:
        """Return what reports latents as small pictures."""
        if self._latent_preview is None:
            factor = int(getattr(self._pipeline, "vae_scale_factor", 0) or 8)
            self._latent_preview = LatentPreview(self.components.get("vae"), factor)
        latent_preview = self._latent_preview

        def show(latents: torch.Tensor, step: int) -> None:
            picture = latent_preview.picture(latents, size)
            if picture is not None:
                tell(Preview(picture, step))

        return show

    def _class_of(self, kind: str, control: PipelineControl | None) -> Any:
        found = controlled_class(kind, self.family, control.kind) if control else None
        if kind not in self._classes or (control and found is None):
            raise self._unsupported(kind, control)
        return found or self._classes[kind]

    def _unsupported(self, kind: str, control: PipelineControl | None) -> UnsupportedError:
        can = ", ".join(self._classes)
        return UnsupportedError(
            f"The checkpoint {self.checkpoint.name!r} ({type(self._pipeline).__name__}) can't do {kind}"
            + (f" with a {control.kind.name}" if control else ""),
            f"It can do {can}; for the rest choose a checkpoint of Stable Diffusion 1, 2 or XL",
        )


def _plain(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
