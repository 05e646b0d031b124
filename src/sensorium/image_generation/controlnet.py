"""Painting under control: a pose, edges, depth, normals or segments say where things are: ``ControlNetGenerator``."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from sensorium.arguments import checked
from sensorium.errors import InputError, ModelUnavailableError, UnsupportedError
from sensorium.image_generation.control_checkpoints import USUAL_BASE, networks_for, profile_base
from sensorium.image_generation.control_maps import CONTROL_KINDS, ControlMaps
from sensorium.image_generation.control_request import Control, read_controls, require_sources
from sensorium.image_generation.diffusion.control_network import ControlNetwork
from sensorium.image_generation.diffusion.lora import check_loras, read_loras, same_loras
from sensorium.image_generation.diffusion.schedulers import check_scheduler
from sensorium.image_generation.generated_image import GeneratedImage, GeneratedImages, PictureSettings, pixel_sum
from sensorium.image_generation.painting import FinishedCallback, PaintingRequest, PreviewCallback
from sensorium.image_generation.picture_size import fit_picture, fits_unstretched, size_like
from sensorium.image_generation.text_to_image import TextToImage
from sensorium.media.image import read_image
from sensorium.media.limits import DEFAULT_LIMITS, Limits
from sensorium.models import catalog
from sensorium.progress import Cancellation, ProgressCallback, check_cancelled

if TYPE_CHECKING:
    import PIL.Image

    from sensorium.image_generation.diffusion.lora import LoraFiles
    from sensorium.image_generation.diffusion.pipeline import DiffusionBackend
    from sensorium.media.image import ImageSource

_STEPS = 20
_CLASS_COLOURS = "seg"

Value = TypeVar("Value")


class ControlledImages(GeneratedImages):
    """The pictures of one call: a list of PIL images with their settings.

    Attributes:
        control_images: The control maps that they follow, one per control, in the size of the pictures.
    """

    def __init__(
        self,
        pictures: Iterable[GeneratedImage] = (),
        *,
        withheld: int = 0,
        notes: tuple[str, ...] = (),
        control_images: tuple[PIL.Image.Image, ...] = (),
    ) -> None:
        super().__init__(pictures, withheld=withheld, notes=notes)
        self.control_images = control_images


class ControlNetGenerator:
    """Paints pictures whose layout follows a reference picture.

    The base checkpoint's weights are those of `TextToImage` for the same checkpoint: in memory once. ControlNets and
    the checkpoints that make the maps are loaded at first use.

    Args:
        model: The Stable Diffusion base: catalog name, hub id, local folder, or None for the one that the profile's
            ControlNets were made for: Stable Diffusion 1.5, or the starter.
        controlnets: From kind of control to ControlNet, for those that shall differ from the default: catalog name,
            hub id or local folder. By default they are those that were made for the base, and for a base that the
            catalog has none for, those for Stable Diffusion 1.5. A kind of your own is possible; its maps must be
            given ready-made.
        annotators: From kind of control to the checkpoint that makes its map; see `ControlMaps`.
        profile: ``"starter"``, ``"standard"``, ``"best"``; by default ``SENSORIUM_PROFILE``.
        device: ``"auto"``, ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ``"mps"``.
        dtype: ``"auto"``, ``"float32"``, ``"float16"``, ``"bfloat16"``.
        limits: What pictures may cost and where they may come from; by default what suits a person's own files.

    Raises:
        ModelUnavailableError: No checkpoint of that name is known, or the profile has none for this task.
        InputError: ``annotators`` names an unknown kind.
    """

    @checked
    def __init__(
        self,
        model: str | os.PathLike[str] | None = None,
        *,
        controlnets: Mapping[str, str | os.PathLike[str]] | None = None,
        annotators: Mapping[str, str | os.PathLike[str]] | None = None,
        profile: str | None = None,
        device: str = "auto",
        dtype: str = "auto",
        limits: Limits | None = None,
    ) -> None:
        chosen = catalog.current_profile() if profile is None else catalog.known_profile(profile)
        wanted = profile_base(chosen) if model is None else os.fspath(model)
        self._limits = limits or DEFAULT_LIMITS
        self._base = TextToImage(wanted, profile=chosen, device=device, dtype=dtype, limits=limits)
        self._chosen = {**networks_for(wanted), **(controlnets or {})}
        self._networks: dict[str, ControlNetwork] = {}
        self._maps = ControlMaps(models=annotators, profile=chosen, device=device, limits=limits)

    @property
    def model(self) -> str:
        """The name of the base checkpoint."""
        return self._base.model

    @checked
    def generate_with_pose(
        self,
        reference_image: ImageSource,
        prompt: str,
        *,
        seed: int | None = None,
        progress: ProgressCallback | None = None,
        cancel: Cancellation | None = None,
    ) -> tuple[GeneratedImage, PIL.Image.Image]:
        """Paint a picture in which people stand as in the reference. Arguments and errors are those of `generate`.

        Returns:
            The picture, and the pose map that it follows.
        """
        images = self.generate(reference_image, prompt, "openpose", seed=seed, progress=progress, cancel=cancel)
        return images[0], images.control_images[0]

    @checked
    def generate(
        self,
        reference_image: ImageSource | None,
        prompt: str,
        control: str | Sequence[str] = "openpose",
        *,
        control_image: ImageSource | Sequence[ImageSource | None] | None = None,
        control_weights: float | Sequence[float] = 1.0,
        control_start: float | Sequence[float] = 0.0,
        control_end: float | Sequence[float] = 1.0,
        init_image: ImageSource | None = None,
        strength: float = 0.75,
        negative_prompt: str = "",
        num_images: int = 1,
        steps: int = _STEPS,
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
    ) -> ControlledImages:
        """Paint pictures whose layout follows a reference picture.

        Args:
            reference_image: The picture that the control maps are made from. If a width and a height of another
                shape are given, its middle counts. None if all maps are given.
            prompt: What to paint.
            control: One kind of control or several: openpose, canny, depth, normal, seg, or one of your own.
            control_image: A ready-made control map, or a list with one per control (None for those to be made). It
                is scaled to the size of the picture; a map of another shape is refused, for it would be distorted.
            control_weights: How strongly each control counts, 0 to 2; one number for all, or one per control.
            control_start: From which part of the steps on each control counts, 0 to 1.
            control_end: Up to which part of the steps, 0 to 1.
            init_image: A picture to repaint (image-to-image); the control decides what stays where it is.
            strength: How much of ``init_image`` is repainted, over 0 up to 1.
            negative_prompt: What not to paint.
            num_images: How many. Picture number i has the seed ``seed + i``, and comes out the same alone.
            steps: Denoising steps.
            guidance_scale: How closely to follow the prompt; by default what the checkpoint was made for.
            width: In pixels, a multiple of 8. By default the picture has the aspect ratio of the reference (or else
                of the first control map) and as many pixels as the checkpoint was trained on.
            height: Likewise.
            seed: Decides the noise; a random one by default. The settings of each picture tell it.
            scheduler: Name of the sampler, as in `TextToImage.generate`; the checkpoint's own by default.
            lora: A LoRA file (safetensors) for the base checkpoint, or pairs of file and weight.
            safety: ``"flag"``, ``"block"`` or ``"off"``, as in `TextToImage.generate`.
            progress: Told the steps done.
            cancel: Stops between two steps.
            preview: Shown rough pictures on the way, with the number of the step.
            finished: Given each picture as soon as it is painted.

        Returns:
            The pictures, and in ``control_images`` the maps that they follow.

        Raises:
            InputError: The prompt is empty, a kind of control is unknown, a number can't be or there are too many of
                them, or the reference shows nobody whose pose could be followed.
            UnsupportedError: A ControlNet wasn't made for this base checkpoint.
            ModelUnavailableError: A checkpoint isn't here and can't be fetched, or is damaged; or no ControlNet
                was made for this kind and base.
            InsufficientMemoryError: Memory doesn't suffice.
            CancelledError: ``cancel`` was set.
        """
        request = PaintingRequest(
            prompt=prompt,
            negative_prompt=negative_prompt,
            num_images=num_images,
            steps=steps,
            guidance_scale=guidance_scale,
            width=width,
            height=height,
            seed=seed,
            scheduler=scheduler,
            image=None if init_image is None else read_image(init_image, limits=self._limits),
            strength=strength,
            loras=read_loras(lora),
            safety=safety,
            finished=finished,
        )
        self._require_networks([control] if isinstance(control, str) else control)
        controls = read_controls(
            self._chosen,
            control,
            control_image,
            control_weights,
            control_start,
            control_end,
            limits=self._limits,
        )
        reference = None if reference_image is None else read_image(reference_image, limits=self._limits)
        return self._paint(request, controls, reference, None, progress, cancel, preview)

    @checked
    def paint_again(
        self,
        settings: PictureSettings,
        *,
        reference_image: ImageSource | None = None,
        control_image: ImageSource | Sequence[ImageSource | None] | None = None,
        init_image: ImageSource | None = None,
        lora: LoraFiles = (),
        progress: ProgressCallback | None = None,
        cancel: Cancellation | None = None,
        preview: PreviewCallback | None = None,
    ) -> GeneratedImage:
        """Paint a picture again: the same one, bit for bit, on the same device with the same library versions.

        Args:
            settings: What the picture says of itself: its ``settings``, or `read_settings` of its file.
            reference_image: The picture that its control maps were made from; or else
            control_image: its control maps, as they were saved.
            init_image: The picture that it was made from, if it was made from one.
            lora: The LoRA files, if there were any; their weights are in the settings.
            progress: Told the steps done.
            cancel: Stops between two steps.
            preview: Shown rough pictures on the way.

        Raises:
            InputError: A picture or a file that it was made from is missing, or another one was given.
            UnsupportedError: It was painted without controls, or by another checkpoint.
        """
        recorded = list((settings.options or {}).get("controls", ()))
        if not recorded:
            raise UnsupportedError("The picture was painted without controls", "Use TextToImage.paint_again")
        if settings.model != self.model:
            raise UnsupportedError(
                f"The picture was painted by {settings.model!r}, and this is {self.model!r}",
                f"Use model={settings.model!r}",
            )
        if bool(settings.image_sha256) != (init_image is not None):
            raise InputError(
                "The picture was made from another one, which its file doesn't hold"
                if settings.image_sha256
                else "The picture was not made from another one",
                "Give that one: init_image=…" if settings.image_sha256 else "Leave out init_image",
            )
        request = PaintingRequest(
            settings.prompt,
            settings.negative_prompt,
            steps=settings.steps,
            guidance_scale=settings.guidance_scale,
            width=settings.width,
            height=settings.height,
            seed=settings.seed,
            scheduler=settings.scheduler or None,
            image=None if init_image is None else read_image(init_image, limits=self._limits),
            strength=0.75 if settings.strength is None else settings.strength,
            loras=same_loras(settings, read_loras(lora)),
            safety="off" if settings.safety == "not checked" else "flag",
        )
        controls = read_controls(
            self._chosen,
            [table["control"] for table in recorded],
            control_image,
            [table["weight"] for table in recorded],
            [table["start"] for table in recorded],
            [table["end"] for table in recorded],
            limits=self._limits,
        )
        reference = None if reference_image is None else read_image(reference_image, limits=self._limits)
        return self._paint(request, controls, reference, settings, progress, cancel, preview)[0]

    def _paint(
        self,
        request: PaintingRequest,
        controls: Sequence[Control],
        reference: PIL.Image.Image | None,
        same_as: PictureSettings | None,
        progress: ProgressCallback | None,
        cancel: Cancellation | None,
        preview: PreviewCallback | None,
    ) -> ControlledImages:
        check_scheduler(request.scheduler)
        check_loras(request.loras)
        require_sources(controls, reference)
        backend = self._load_base(progress, cancel)
        networks = [self._network(control.kind, backend, progress, cancel) for control in controls]
        shape = next(image for image in (reference, *(control.given for control in controls)) if image is not None)
        size = size_like(shape, backend.native_side, backend.size_factor, width=request.width, height=request.height)
        maps = tuple(self._map(control, reference, size, backend.size_factor, progress, cancel) for control in controls)
        image = None if request.image is None else fit_picture(request.image, size)
        recorded = [
            {
                "control": control.kind,
                "model": network.checkpoint.name,
                "revision": network.backend.revision,
                "weight": control.weight,
                "start": control.start,
                "end": control.end,
                "image_sha256": pixel_sum(drawn),
            }
            for control, network, drawn in zip(controls, networks, maps, strict=True)
        ]
        if same_as is not None:
            _check_same(same_as, recorded, pixel_sum(image))
        check_cancelled(cancel)
        painted = backend.paint(
            dataclasses.replace(request, width=size[0], height=size[1], image=image),
            controlnet=_one_or_list([network.backend.model for network in networks]),
            inputs={
                "control_image": _one_or_list(list(maps)),
                "controlnet_conditioning_scale": _one_or_list([control.weight for control in controls]),
                "control_guidance_start": _one_or_list([control.start for control in controls]),
                "control_guidance_end": _one_or_list([control.end for control in controls]),
            },
            options={"controls": recorded},
            progress=progress,
            cancel=cancel,
            preview=preview,
        )
        return ControlledImages(painted, withheld=painted.withheld, notes=painted.notes, control_images=maps)

    def _require_networks(self, kinds: Sequence[str]) -> None:
        for kind in kinds:
            if kind in CONTROL_KINDS and kind not in self._chosen:
                raise ModelUnavailableError(
                    f"There is no ControlNet for {kind!r} that was made for {self.model!r}",
                    f"Choose {', '.join(self._chosen)}, or pull larger checkpoints: "
                    f"'sensorium models pull {USUAL_BASE}' and 'sensorium models pull sd-controlnet-{kind}', "
                    "then use --profile standard, or "
                    "SENSORIUM_PROFILE=standard",
                )

    def close(self) -> None:
        """Let go of all checkpoints; their memory is freed with their last users. The object loads again if used."""
        self._base.close()
        for network in self._networks.values():
            network.close()
        self._networks = {}
        self._maps.close()

    def _load_base(self, progress: ProgressCallback | None, cancel: Cancellation | None) -> DiffusionBackend:
        backend = self._base.load(progress=progress, cancel=cancel).backend
        # Only now: loading sets torch's threads before its import, and keeps back what libraries say at theirs.
        from sensorium.image_generation.diffusion.pipeline import DiffusionBackend

        if not isinstance(backend, DiffusionBackend):
            raise _uncontrollable(self._base.model)
        return backend

    def _network(
        self, kind: str, base: DiffusionBackend, progress: ProgressCallback | None, cancel: Cancellation | None
    ) -> ControlNetwork:
        network = self._networks.get(kind)
        if network is None:
            unet = base.components.get("unet")
            if unet is None:
                raise _uncontrollable(base.checkpoint.name)
            # Where the base's weights wait: in main memory if they are offloaded.
            network = ControlNetwork(
                self._chosen[kind], device=str(unet.device), dtype=str(unet.dtype).removeprefix("torch.")
            )
            network.check_fits(base.checkpoint, unet, progress=progress, cancel=cancel)
            network.load(progress=progress, cancel=cancel)
            self._networks[kind] = network
        return network

    def _map(
        self,
        control: Control,
        reference: PIL.Image.Image | None,
        size: tuple[int, int],
        size_factor: int,
        progress: ProgressCallback | None,
        cancel: Cancellation | None,
    ) -> PIL.Image.Image:
        if control.given is None:
            assert reference is not None
            return self._maps.make(control.kind, fit_picture(reference, size), progress=progress, cancel=cancel)
        if not fits_unstretched(control.given.size, size, size_factor):
            given = f"{control.given.width}×{control.given.height}"
            raise InputError(
                f"The map for the control {control.kind!r} measures {given} pixels, and the picture {size[0]}×{size[1]}"
                ", which is another shape",
                "Give a map of the picture's shape, or a width and a height of the map's",
            )
        # Blending the colours of two classes gives the colour of a third.
        return fit_picture(control.given, size, blend=control.kind != _CLASS_COLOURS)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _uncontrollable(name: str) -> UnsupportedError:
    return UnsupportedError(
        f"The checkpoint {name!r} can't be controlled: it is no Stable Diffusion 1, 2 or XL",
        f"Choose one of those as the base, such as {USUAL_BASE!r}",
    )


def _check_same(settings: PictureSettings, recorded: Sequence[Mapping[str, Any]], image_sha256: str) -> None:
    if image_sha256 != settings.image_sha256:
        raise InputError("The init_image is not the one that the picture was made from", "Give that one")
    for before, now in zip((settings.options or {})["controls"], recorded, strict=True):
        if before["model"] != now["model"]:
            raise UnsupportedError(
                f"The picture was painted with the ControlNet {before['model']!r}, and this is {now['model']!r}",
                f"Use controlnets={{{before['control']!r}: {before['model']!r}}}",
            )
        if before["image_sha256"] != now["image_sha256"]:
            raise InputError(
                f"The map for the control {now['control']!r} is not the one that the picture was painted under",
                "Give that map, as it was saved, or the reference picture that it was made from",
            )


def _one_or_list(values: list[Value]) -> Value | list[Value]:
    return values[0] if len(values) == 1 else values
