"""Pictures from words: `TextToImage`, with image-to-image and inpainting on the same weights."""

from __future__ import annotations

import os
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Unpack

from sensorium.arguments import checked
from sensorium.errors import InputError, UnsupportedError
from sensorium.image_generation.generated_image import GeneratedImage as GeneratedImage
from sensorium.image_generation.generated_image import GeneratedImages as GeneratedImages
from sensorium.image_generation.generated_image import pixel_sum
from sensorium.image_generation.generated_image import read_settings as read_settings
from sensorium.image_generation.ip_adapter import IPAdapter as IPAdapter
from sensorium.image_generation.painter_parts import PainterKeywords, PainterParts, PartsKeywords, with_parts
from sensorium.image_generation.painting import Painter, PaintingRequest, PicturesToPaint, Sized
from sensorium.image_generation.painting_options import (
    CallKeywords,
    PaintingKeywords,
    SamplerKeywords,
    VariationKeywords,
    options_of,
    painting_options,
)
from sensorium.image_generation.picture_settings import PictureSettings as PictureSettings
from sensorium.image_generation.picture_size import nearest_size
from sensorium.image_generation.repainting_mask import read_repainting_mask
from sensorium.image_generation.variation import VARIATION, VariationRequest, Varier
from sensorium.media.image import ImageSource, read_image
from sensorium.models import catalog, store
from sensorium.models.loaded import Shared
from sensorium.models.single_file import SINGLE_FILE_PAINTERS
from sensorium.progress import Cancellation, ProgressCallback, all_events
from sensorium.task import Task, TaskOptions

if TYPE_CHECKING:
    import PIL.Image

    from sensorium.image_generation.diffusion.additions.lora import LoraFiles
    from sensorium.image_generation.diffusion.additions.textual_inversion import EmbeddingFiles

_DIFFUSERS = "diffusers"
_PARTS = ("base", "vae", "without")

_BY_DIFFUSERS = "sensorium.image_generation.diffusion.pipeline:DiffusionBackend"
_WHOLE = "only checkpoints of one pipeline in diffusers' layout, or in one file, are opened in parts"


class TextToImage(Task[Painter]):
    """Paint pictures from words.

    Args:
        model_id: Catalog name, hub id (such as ``"stabilityai/stable-diffusion-2-1"``), local folder,
            ``.safetensors`` file with a whole checkpoint, ``"openai:NAME"``, or None for the profile's default.
        options: How the checkpoint is opened: see `sensorium.task.Task`; and which of its parts come from elsewhere or
            are left out: see `PartsKeywords`.

    Raises:
        ModelUnavailableError: No checkpoint of that name is known, or the profile has none.
        InputError: A part can't be left out.
    """

    _parts = PainterParts()

    task = "text-to-image"
    families: ClassVar = {
        _DIFFUSERS: _BY_DIFFUSERS,
        **dict.fromkeys(SINGLE_FILE_PAINTERS, _BY_DIFFUSERS),
        "KandinskyV22Pipeline": "sensorium.image_generation.diffusion.priors.kandinsky:KandinskyPainter",
        "openai": "sensorium.image_generation.endpoint_painter:EndpointPainter",
    }
    """``"diffusers"`` stands for every pipeline of diffusers that paints. Others are found by the ``_class_name`` of
    their ``model_index.json``, or by the catalog's family."""

    @checked
    def __init__(self, model_id: str | os.PathLike[str] | None = None, **options: Unpack[PainterKeywords]) -> None:
        parts: PartsKeywords = {
            "base": options.pop("base", None),
            "vae": options.pop("vae", None),
            "without": options.pop("without", ()),
        }
        opening: TaskOptions = options
        super().__init__(model_id, **opening)
        self.checkpoint, self._parts = with_parts(self.checkpoint, parts)

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
        **more: Unpack[SamplerKeywords],
    ) -> GeneratedImages:
        """Paint pictures.

        Args:
            prompt: What to paint. ``<lora:NAME:WEIGHT>`` in it puts on a LoRA file by its name, as `SamplerKeywords`
                says.
            negative_prompt: What not to paint. This and all further arguments are explained at `PaintingKeywords`.
            num_images: How many.
            steps: Denoising steps.
            guidance_scale: How closely to follow the prompt.
            width: In pixels.
            height: In pixels.
            seed: Decides the noise.
            more: Scheduler, LoRA files, embeddings, pictures to look like, safety checker, progress and so on: see
                `SamplerKeywords`.

        Returns:
            The pictures: a list of PIL images with their settings. Saved, they carry these in the file.

        Raises:
            InputError: The prompt is empty, or a number or a name can't be.
            UnsupportedError: The checkpoint can't do it.
            ModelUnavailableError: The checkpoint isn't here and can't be fetched, or is damaged.
            InsufficientMemoryError: Memory doesn't suffice.
            CancelledError: ``cancel`` was set.
        """
        options: PaintingKeywords = {
            "negative_prompt": negative_prompt,
            "num_images": num_images,
            "steps": steps,
            "guidance_scale": guidance_scale,
            "width": width,
            "height": height,
            "seed": seed,
            **more,
        }
        how = painting_options(options, self.limits)
        return self._paint(PaintingRequest.asked(prompt, how, self.limits), more)

    @checked
    def img2img(
        self,
        init_image: ImageSource,
        prompt: str,
        strength: float = 0.75,
        *,
        image_guidance_scale: float | None = None,
        further_images: Sequence[ImageSource] = (),
        **options: Unpack[PaintingKeywords],
    ) -> GeneratedImages:
        """Repaint a picture. Result and errors are those of `generate`.

        Args:
            init_image: The picture to start from.
            prompt: What it shall become.
            strength: How much may change: over 0 to 1, where nothing of the picture stays.
            image_guidance_scale: How much of the picture stays, for checkpoints whose prompt is an instruction
                (InstructPix2Pix); 1.5 by default, more keeps more.
            further_images: More pictures that the prompt speaks of ("put the hat of picture 2 on the cat"), for
                checkpoints that follow instructions about several: FLUX.2, Qwen-Image-Edit 2509 and later.
            options: See `PaintingKeywords`.
        """
        how = painting_options(options, self.limits)
        pictures: PicturesToPaint = {
            "image": self._read(init_image),
            "strength": strength,
            "image_guidance_scale": image_guidance_scale,
            "further_images": self._read_all(further_images),
        }
        return self._paint(PaintingRequest.asked(prompt, how, self.limits, **pictures), options)

    @checked
    def inpaint(
        self,
        init_image: ImageSource,
        mask_image: ImageSource,
        prompt: str,
        strength: float = 1.0,
        **options: Unpack[PaintingKeywords],
    ) -> GeneratedImages:
        """Repaint part of a picture; all else stays as it is. Result and errors are those of `generate`.

        Args:
            init_image: The picture.
            mask_image: White where it is to be repainted, black where it stays; of any size. It is refused if it is
                white nowhere.
            prompt: What the part shall show.
            strength: How much of the part may change.
            options: See `PaintingKeywords`.
        """
        how = painting_options(options, self.limits)
        image, mask = self._read(init_image), read_repainting_mask(mask_image, limits=self.limits)
        request = PaintingRequest.asked(prompt, how, self.limits, image=image, mask=mask, strength=strength)
        return self._paint(request, options)

    @checked
    def variations(
        self,
        image: ImageSource,
        num_images: int = 1,
        *,
        prompt: str = "",
        prompt_weight: float = 0.5,
        **options: Unpack[VariationKeywords],
    ) -> GeneratedImages:
        """Paint what a picture shows once more, otherwise: the speciality of unCLIP checkpoints such as Kandinsky.

        Result and errors are those of `generate`.

        Args:
            image: The picture. Only what it shows is taken from it, not where it shows it.
            num_images: How many variations.
            prompt: Words to mix into what the picture shows.
            prompt_weight: The share of the words in the mixture, 0 to 1.
            options: See `VariationKeywords`.

        Raises:
            UnsupportedError: The checkpoint makes no variations.
        """
        how = painting_options({"num_images": num_images, **options}, self.limits)
        return self._vary(VariationRequest(self._read(image), prompt, prompt_weight, how), options)

    @checked
    def nearest_size(self, width: int, height: int, **call: Unpack[CallKeywords]) -> tuple[int, int]:
        """Return the size nearest to a wish that the checkpoint paints well; where a server paints, the wish itself.

        Args:
            width: In pixels.
            height: In pixels.
            call: See `CallKeywords`.

        Raises:
            InputError: It is so long and thin that no checkpoint could paint it.
        """
        tell, cancel = all_events(call.get("progress"), call.get("report")), call.get("cancel")
        with self.lease(progress=tell, cancel=cancel) as backend:
            if not isinstance(backend, Sized):
                return width, height
            return nearest_size(width, height, backend.native_side, backend.size_factor)

    @checked
    def paint_again(
        self,
        settings: PictureSettings,
        *,
        init_image: ImageSource | None = None,
        mask_image: ImageSource | None = None,
        further_images: Sequence[ImageSource] = (),
        lora: LoraFiles = (),
        embeddings: EmbeddingFiles = (),
        ip_adapter: IPAdapter | Sequence[IPAdapter] = (),
        **call: Unpack[CallKeywords],
    ) -> GeneratedImage:
        """Paint a picture again: the same one, bit for bit, on the same device with the same library versions.

        Args:
            settings: What the picture says of itself: its ``settings``, or `read_settings` of its file.
            init_image: The picture that it was made from, if it was made from one.
            mask_image: The mask, if there was one.
            further_images: The further pictures that its prompt speaks of, if there were any, in their order.
            lora: The LoRA files, if there were any; their weights are in the settings.
            embeddings: The embeddings, if there were any; their words are in the settings.
            ip_adapter: The pictures that it was to look like, if there were any, with their adapters; their scales are
                in the settings.
            call: See `CallKeywords`.

        Raises:
            InputError: A picture or file that it was made from is missing, or another one was given.
            UnsupportedError: It was painted under control maps, or by another checkpoint.
        """
        self._check_repeatable(settings)
        image = None if init_image is None else self._read(init_image)
        mask = None if mask_image is None else self._read(mask_image).convert("L")
        _check_same("picture", settings.image_sha256, pixel_sum(image))
        _check_same("mask", settings.mask_sha256, pixel_sum(mask))
        options = options_of(settings, self.limits, lora=lora, embeddings=embeddings, ip_adapter=ip_adapter)
        if settings.kind == VARIATION and image is not None:
            prompt_weight = (settings.options or {}).get("prompt_weight", 0.5)
            return self._vary(VariationRequest(image, settings.prompt, prompt_weight, options), call)[0]
        strength = 0.75 if settings.strength is None else settings.strength
        by_picture = (settings.options or {}).get("image_guidance_scale")
        further = self._read_all(further_images)
        if [pixel_sum(each) for each in further] != (settings.options or {}).get("further_images", []):
            raise InputError(
                "The further pictures are not those that the picture was made from", "Give those, in their order"
            )
        request = PaintingRequest(settings.prompt, options, image, mask, strength, by_picture, further)
        return self._paint(request, call)[0]

    def _check_repeatable(self, settings: PictureSettings) -> None:
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
        mine = self._parts.recorded(self.checkpoint.without)
        for name in _PARTS:
            if (painted := (settings.options or {}).get(name)) != mine.get(name):
                raise UnsupportedError(
                    f"The picture was painted with {name}={painted!r}, and this is opened with {mine.get(name)!r}",
                    f"Open the painter with {name}={painted!r}" if painted else f"Leave out {name}",
                )

    def _read(self, image: ImageSource) -> PIL.Image.Image:
        return read_image(image, limits=self.limits)

    def _read_all(self, images: Sequence[ImageSource]) -> tuple[PIL.Image.Image, ...]:
        return tuple(self._read(each).convert("RGB") for each in images)

    def _paint(self, request: PaintingRequest, call: CallKeywords) -> GeneratedImages:
        tell, cancel = all_events(call.get("progress"), call.get("report")), call.get("cancel")
        with self.lease(progress=tell, cancel=cancel) as backend:
            return backend.paint(request, tell=tell, cancel=cancel)

    def _vary(self, request: VariationRequest, call: CallKeywords) -> GeneratedImages:
        tell, cancel = all_events(call.get("progress"), call.get("report")), call.get("cancel")
        with self.lease(progress=tell, cancel=cancel) as backend:
            if not isinstance(backend, Varier):
                raise UnsupportedError(
                    f"The checkpoint {self.model!r} makes no variations",
                    "Use img2img, or an unCLIP checkpoint such as 'kandinsky-2-2'",
                )
            return backend.vary(request, tell=tell, cancel=cancel)

    def _options(self) -> Mapping[str, Hashable]:
        return {"parts": self._parts} if self._parts.checkpoints else {}

    def _open_shared(self, progress: ProgressCallback | None, cancel: Cancellation | None) -> Shared[Painter]:
        for part in self._parts.checkpoints:
            store.locate(part, progress=progress, cancel=cancel)
        return super()._open_shared(progress, cancel)

    def _family(self, folder: Path) -> str:
        family = self.checkpoint.family or catalog.family_of(folder)
        known = family in self.families or not (folder / "model_index.json").is_file()
        family = family if known else _DIFFUSERS
        if (self._parts.checkpoints or self.checkpoint.without) and self.families.get(family) not in (
            None,
            _BY_DIFFUSERS,
        ):
            raise UnsupportedError(
                f"The parts of {self.checkpoint.name!r} can't be replaced or left out: {_WHOLE}", "Use it as it is"
            )
        return family

    def _opens(self, folder: Path) -> bool:
        family = self._family(folder)
        if family != _DIFFUSERS:
            return super()._opens(folder)
        pipelines: Any = self._import("sensorium.image_generation.diffusion.pipeline_classes")
        return bool(pipelines.paints(catalog.family_of(folder)))


def _check_same(what: str, expected: str, found: str) -> None:
    if expected and not found:
        raise InputError(f"The picture was made from another {what}, which its file doesn't hold", f"Give that {what}")
    if found != expected:
        raise InputError(
            f"The {what} is not the one that the picture was made from" if expected else f"No {what} is needed",
            f"Give the {what} that it was made from" if expected else f"Leave out the {what}",
        )
