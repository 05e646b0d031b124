"""Pictures from words: `TextToImage`, with image-to-image and inpainting on the same weights."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Unpack

from sensorium.arguments import checked
from sensorium.errors import InputError, UnsupportedError
from sensorium.image_generation.diffusion.lora import check_loras, read_loras, same_loras
from sensorium.image_generation.diffusion.schedulers import check_scheduler
from sensorium.image_generation.generated_image import GeneratedImage as GeneratedImage
from sensorium.image_generation.generated_image import GeneratedImages as GeneratedImages
from sensorium.image_generation.generated_image import PictureSettings as PictureSettings
from sensorium.image_generation.generated_image import pixel_sum
from sensorium.image_generation.generated_image import read_settings as read_settings
from sensorium.image_generation.painting import FinishedCallback, Painter, PaintingRequest, PreviewCallback
from sensorium.image_generation.variation import VARIATION, VariationRequest, Varier
from sensorium.media.image import ImageSource, read_image
from sensorium.models import catalog
from sensorium.progress import Cancellation, ProgressCallback
from sensorium.task import Task, TaskOptions

if TYPE_CHECKING:
    from sensorium.image_generation.diffusion.lora import LoraFiles

_DIFFUSERS = "diffusers"


class TextToImage(Task[Painter]):
    """Paint pictures from words.

    Args:
        model_id: Catalog name, hub id (such as the chapter's ``"stabilityai/stable-diffusion-2-1"``), local folder,
            ``"openai:NAME"``, or None for the profile's default.
        device: ``"auto"``, ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ``"mps"``.
        dtype: ``"auto"``, ``"float32"``, ``"float16"``, ``"bfloat16"``.

    Raises:
        ModelUnavailableError: No checkpoint of that name is known, or the profile has none.
    """

    task = "text-to-image"
    families: ClassVar = {
        _DIFFUSERS: "sensorium.image_generation.diffusion.pipeline:DiffusionBackend",
        "KandinskyV22Pipeline": "sensorium.image_generation.diffusion.kandinsky:KandinskyPainter",
        "openai": "sensorium.image_generation.endpoint_painter:EndpointPainter",
    }
    """``"diffusers"`` stands for every family of AutoPipeline. Others are found by the ``_class_name`` of their
    ``model_index.json``, or by the catalog's family."""

    @checked
    def __init__(self, model_id: str | os.PathLike[str] | None = None, **options: Unpack[TaskOptions]) -> None:
        super().__init__(model_id, **options)

    @checked
    def generate(
        self,
        prompt: str,
        negative_prompt: str = "",
        num_images: int = 1,
        steps: int | None = None,
        guidance_scale: float | None = None,
        width: int | None = None,
        height: int | None = None,
        seed: int | None = None,
        *,
        scheduler: str | None = None,
        lora: LoraFiles = (),
        safety: str = "flag",
        progress: ProgressCallback | None = None,
        cancel: Cancellation | None = None,
        preview: PreviewCallback | None = None,
        finished: FinishedCallback | None = None,
    ) -> GeneratedImages:
        """Paint pictures.

        Args:
            prompt: What to paint.
            negative_prompt: What not to paint.
            num_images: How many. Picture number i has the seed ``seed + i``, and comes out the same alone.
            steps: Denoising steps: more are finer and slower. By default what the checkpoint was made for: 50 for
                Stable Diffusion, a few for LCM and Turbo checkpoints.
            guidance_scale: How closely to follow the prompt; by default what the checkpoint was made for: 7.5 for
                Stable Diffusion, none for Turbo checkpoints.
            width: In pixels; by default the checkpoint's own.
            height: Likewise.
            seed: Decides the noise; a random one by default. The settings of each picture tell it.
            scheduler: Name of the sampler (``"euler"``, ``"dpm++-2m-karras"``, …); the checkpoint's own by default.
            lora: A LoRA file (safetensors), or pairs of file and weight.
            safety: ``"flag"`` says in the result what the checkpoint's safety checker objects to, ``"block"`` keeps
                such pictures back, ``"off"`` doesn't look.
            progress: Told the steps done.
            cancel: Stops between two steps.
            preview: Shown rough pictures on the way, with the number of the step.
            finished: Given each picture as soon as it is painted.

        Returns:
            The pictures: a list of PIL images with their settings. Saved, they carry these in the file.

        Raises:
            InputError: The prompt is empty, or a number or a name can't be.
            UnsupportedError: The checkpoint can't do it.
            ModelUnavailableError: The checkpoint isn't here and can't be fetched, or is damaged.
            InsufficientMemoryError: Memory doesn't suffice.
            CancelledError: ``cancel`` was set.
        """
        request = PaintingRequest(
            prompt,
            negative_prompt=negative_prompt,
            num_images=num_images,
            steps=steps,
            guidance_scale=guidance_scale,
            width=width,
            height=height,
            seed=seed,
            scheduler=scheduler,
            loras=read_loras(lora),
            safety=safety,
            finished=finished,
        )
        return self._paint(request, progress, cancel, preview)

    @checked
    def img2img(
        self,
        init_image: ImageSource,
        prompt: str,
        strength: float = 0.75,
        *,
        negative_prompt: str = "",
        num_images: int = 1,
        steps: int | None = None,
        guidance_scale: float | None = None,
        width: int | None = None,
        height: int | None = None,
        seed: int | None = None,
        scheduler: str | None = None,
        lora: LoraFiles = (),
        safety: str = "flag",
        progress: ProgressCallback | None = None,
        cancel: Cancellation | None = None,
        preview: PreviewCallback | None = None,
        finished: FinishedCallback | None = None,
    ) -> GeneratedImages:
        """Repaint a picture. Arguments that are not named here, result and errors are those of `generate`.

        Args:
            init_image: The picture to start from.
            prompt: What it shall become.
            strength: How much may change: over 0 to 1, where nothing of the picture stays.
            width: In pixels; by default the picture's own size, made smaller if the checkpoint was trained on smaller
                ones, in the same aspect ratio.
        """
        request = PaintingRequest(
            prompt,
            image=read_image(init_image, limits=self.limits),
            strength=strength,
            negative_prompt=negative_prompt,
            num_images=num_images,
            steps=steps,
            guidance_scale=guidance_scale,
            width=width,
            height=height,
            seed=seed,
            scheduler=scheduler,
            loras=read_loras(lora),
            safety=safety,
            finished=finished,
        )
        return self._paint(request, progress, cancel, preview)

    @checked
    def inpaint(
        self,
        init_image: ImageSource,
        mask_image: ImageSource,
        prompt: str,
        strength: float = 1.0,
        *,
        negative_prompt: str = "",
        num_images: int = 1,
        steps: int | None = None,
        guidance_scale: float | None = None,
        width: int | None = None,
        height: int | None = None,
        seed: int | None = None,
        scheduler: str | None = None,
        lora: LoraFiles = (),
        safety: str = "flag",
        progress: ProgressCallback | None = None,
        cancel: Cancellation | None = None,
        preview: PreviewCallback | None = None,
        finished: FinishedCallback | None = None,
    ) -> GeneratedImages:
        """Repaint part of a picture; all else stays as it is. Arguments, result and errors are those of `img2img`.

        Args:
            init_image: The picture.
            mask_image: White where it is to be repainted, black where it stays; of any size.
            prompt: What the part shall show.
            strength: How much of the part may change.
        """
        request = PaintingRequest(
            prompt,
            image=read_image(init_image, limits=self.limits),
            mask=read_image(mask_image, limits=self.limits).convert("L"),
            strength=strength,
            negative_prompt=negative_prompt,
            num_images=num_images,
            steps=steps,
            guidance_scale=guidance_scale,
            width=width,
            height=height,
            seed=seed,
            scheduler=scheduler,
            loras=read_loras(lora),
            safety=safety,
            finished=finished,
        )
        return self._paint(request, progress, cancel, preview)

    @checked
    def variations(
        self,
        image: ImageSource,
        num_images: int = 1,
        *,
        prompt: str = "",
        prompt_weight: float = 0.5,
        steps: int | None = None,
        guidance_scale: float | None = None,
        width: int | None = None,
        height: int | None = None,
        seed: int | None = None,
        progress: ProgressCallback | None = None,
        cancel: Cancellation | None = None,
    ) -> GeneratedImages:
        """Paint what a picture shows once more, otherwise: the speciality of unCLIP checkpoints such as Kandinsky.

        Arguments that are not named here, result and errors are those of `generate`.

        Args:
            image: The picture. Only what it shows is taken from it, not where it shows it.
            num_images: How many variations.
            prompt: Words to mix into what the picture shows.
            prompt_weight: The share of the words in the mixture, 0 to 1.

        Raises:
            UnsupportedError: The checkpoint makes no variations.
        """
        request = VariationRequest(
            read_image(image, limits=self.limits),
            prompt,
            prompt_weight,
            num_images,
            steps=steps,
            guidance_scale=guidance_scale,
            width=width,
            height=height,
            seed=seed,
        )
        return self._vary(request, progress, cancel)

    @checked
    def paint_again(
        self,
        settings: PictureSettings,
        *,
        init_image: ImageSource | None = None,
        mask_image: ImageSource | None = None,
        lora: LoraFiles = (),
        progress: ProgressCallback | None = None,
        cancel: Cancellation | None = None,
        preview: PreviewCallback | None = None,
    ) -> GeneratedImage:
        """Paint a picture again: the same one, bit for bit, on the same device with the same library versions.

        Args:
            settings: What the picture says of itself: its ``settings``, or `read_settings` of its file.
            init_image: The picture that it was made from, if it was made from one.
            mask_image: The mask, if there was one.
            lora: The LoRA files, if there were any; their weights are in the settings.
            progress: Told the steps done.
            cancel: Stops between two steps.
            preview: Shown rough pictures on the way.

        Raises:
            InputError: A picture or file that it was made from is missing, or another one was given.
            UnsupportedError: It was painted under control maps, or by another checkpoint.
        """
        if "controls" in (settings.options or {}):
            raise UnsupportedError(
                "The picture was painted under control maps, which its file doesn't hold",
                "Use 'sensorium control --again', or ControlNetGenerator.paint_again, with its control maps",
            )
        if settings.seed is None:
            raise UnsupportedError(
                f"The picture can't be painted again: {settings.model!r} takes no seed", "Paint another with its prompt"
            )
        if settings.model != self.model:
            raise UnsupportedError(
                f"The picture was painted by {settings.model!r}, and this is {self.model!r}",
                f"Use model={settings.model!r}",
            )
        image = None if init_image is None else read_image(init_image, limits=self.limits)
        mask = None if mask_image is None else read_image(mask_image, limits=self.limits).convert("L")
        _check_same("picture", settings.image_sha256, pixel_sum(image))
        _check_same("mask", settings.mask_sha256, pixel_sum(mask))
        if settings.kind == VARIATION and image is not None:
            varied = VariationRequest(
                image,
                settings.prompt,
                (settings.options or {}).get("prompt_weight", 0.5),
                steps=settings.steps,
                guidance_scale=settings.guidance_scale,
                width=settings.width,
                height=settings.height,
                seed=settings.seed,
            )
            return self._vary(varied, progress, cancel)[0]
        request = PaintingRequest(
            settings.prompt,
            settings.negative_prompt,
            steps=settings.steps,
            guidance_scale=settings.guidance_scale,
            width=settings.width,
            height=settings.height,
            seed=settings.seed,
            scheduler=settings.scheduler or None,
            image=image,
            mask=mask,
            strength=0.75 if settings.strength is None else settings.strength,
            loras=same_loras(settings, read_loras(lora)),
            safety="off" if settings.safety == "not checked" else "flag",
        )
        return self._paint(request, progress, cancel, preview)[0]

    def _paint(
        self,
        request: PaintingRequest,
        progress: ProgressCallback | None,
        cancel: Cancellation | None,
        preview: PreviewCallback | None,
    ) -> GeneratedImages:
        check_scheduler(request.scheduler)
        check_loras(request.loras)
        with self.lease(progress=progress, cancel=cancel) as backend:
            return backend.paint(request, progress=progress, cancel=cancel, preview=preview)

    def _vary(
        self, request: VariationRequest, progress: ProgressCallback | None, cancel: Cancellation | None
    ) -> GeneratedImages:
        with self.lease(progress=progress, cancel=cancel) as backend:
            if not isinstance(backend, Varier):
                raise UnsupportedError(
                    f"The checkpoint {self.model!r} makes no variations",
                    "Use img2img, or an unCLIP checkpoint such as 'kandinsky-2-2'",
                )
            return backend.vary(request, progress=progress, cancel=cancel)

    def _family(self, folder: Path) -> str:
        family = self.checkpoint.family or catalog.family_of(folder)
        known = family in self.families or not (folder / "model_index.json").is_file()
        return family if known else _DIFFUSERS

    def _opens(self, folder: Path) -> bool:
        family = self._family(folder)
        if family != _DIFFUSERS:
            return super()._opens(folder)
        pipelines: Any = self._import("sensorium.image_generation.diffusion.pipeline")
        return bool(pipelines.paints(catalog.family_of(folder)))


def _check_same(what: str, expected: str, found: str) -> None:
    if expected and not found:
        raise InputError(f"The picture was made from another {what}, which its file doesn't hold", f"Give that {what}")
    if found != expected:
        raise InputError(
            f"The {what} is not the one that the picture was made from" if expected else f"No {what} is needed",
            f"Give the {what} that it was made from" if expected else f"Leave out the {what}",
        )
