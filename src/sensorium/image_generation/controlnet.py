"""Painting under control: a pose, edges, depth, normals or segments say where things are: ``ControlNetGenerator``."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, Unpack

from sensorium.arguments import checked
from sensorium.errors import ClosedError, InputError, UnsupportedError
from sensorium.image_generation.control_again import recorded_controls, require_same
from sensorium.image_generation.control_checkpoints import USUAL_BASE, networks_for, profile_base, require_networks
from sensorium.image_generation.control_maps import ControlMaps
from sensorium.image_generation.control_plan import plan_controls, record_controls
from sensorium.image_generation.control_request import Control, read_controls, require_sources
from sensorium.image_generation.diffusion.control.control_fit import require_base
from sensorium.image_generation.diffusion.control.control_kinds import BASES
from sensorium.image_generation.diffusion.control.control_network import ControlNetwork
from sensorium.image_generation.generated_image import (
    GeneratedImage,
    GeneratedImages,
    as_data_uri,
    from_data_uri,
    part_of,
    pixel_sum,
)
from sensorium.image_generation.ip_adapter import IPAdapter
from sensorium.image_generation.painting import PaintingRequest
from sensorium.image_generation.painting_options import (
    CallKeywords,
    PaintingKeywords,
    check_side,
    options_of,
    painting_options,
)
from sensorium.image_generation.picture_settings import PictureSettings
from sensorium.image_generation.picture_size import fit_picture, fits_unstretched, size_like
from sensorium.image_generation.repainting_mask import read_repainting_mask
from sensorium.image_generation.text_to_image import TextToImage
from sensorium.media.image import read_image
from sensorium.progress import Cancellation, EventCallback, Finished, ProgressCallback, all_events, check_cancelled
from sensorium.task import Opening, TaskOptions

if TYPE_CHECKING:
    import PIL.Image

    from sensorium.image_generation.diffusion.additions.lora import LoraFiles
    from sensorium.image_generation.diffusion.additions.textual_inversion import EmbeddingFiles
    from sensorium.image_generation.diffusion.control.control_network import ControlNetBackend
    from sensorium.image_generation.diffusion.pipeline import DiffusionBackend
    from sensorium.media.image import ImageSource

_STEPS = 20
_CLASS_COLOURS = "seg"


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

    def to_dict(self, *, pixels: bool = True) -> dict[str, Any]:
        """Return all pictures, ready for ``json.dumps``.

        Args:
            pixels: Whether pictures and maps go along, as data: URIs; else only the settings do.
        """
        document = super().to_dict(pixels=pixels)
        return {**document, "control_images": list(map(as_data_uri, self.control_images))} if pixels else document

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Self:
        """Return the pictures that `to_dict` made a document of.

        Raises:
            InputError: It is no such document, or was made without the pixels.
        """
        images = super().from_dict(document)
        images.control_images = tuple(map(from_data_uri, part_of(document, "control_images", list)))
        return images


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
        options: How checkpoints are opened: see `sensorium.task.Task`. ``provide`` is asked for the base
            (`TextToImage`), the ControlNets (`ControlNetwork`) and what makes the maps.

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
        **options: Unpack[TaskOptions],
    ) -> None:
        self._opening, self._dtype = Opening.of(options), options.get("dtype", "auto")
        self._wanted = profile_base(self._opening.profile) if model is None else os.fspath(model)
        self._chosen = {**networks_for(self._wanted), **(controlnets or {})}
        for_maps: TaskOptions = {**options, "dtype": "auto"}
        self._maps = ControlMaps(models=annotators, **for_maps)
        self._networks: dict[str, ControlNetwork] = {}
        self._base = self._new_base()
        self._closed = False

    @property
    def model(self) -> str:
        """The name of the base checkpoint."""
        return self._base.model

    @checked
    def load(self, *, progress: ProgressCallback | None = None, cancel: Cancellation | None = None) -> Self:
        """Fetch and load the base checkpoint now, rather than at first use; return self.

        Opens a closed object again.
        """
        self._base.load(progress=progress, cancel=cancel)
        self._closed = False
        return self

    def close(self) -> None:
        """Let go of all checkpoints, once the calls in progress have ended. Only `load` opens the object again."""
        self._closed = True
        # Parts are let go of, not closed: those that were handed in belong to somebody else.
        self._networks = {}
        self._maps.close()
        self._base = self._new_base()

    @checked
    def generate_with_pose(
        self,
        reference_image: ImageSource,
        prompt: str,
        **options: Unpack[PaintingKeywords],
    ) -> tuple[GeneratedImage, PIL.Image.Image]:
        """Paint a picture in which people stand as in the reference. Arguments and errors are those of `generate`.

        Returns:
            The picture, and the pose map that it follows.
        """
        images = self.generate(reference_image, prompt, "openpose", **options)
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
        mask_image: ImageSource | None = None,
        strength: float = 0.75,
        **options: Unpack[PaintingKeywords],
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
            mask_image: White where ``init_image`` is to be repainted, black where it stays; None to repaint all.
            strength: How much of ``init_image`` is repainted, over 0 up to 1.
            options: See `PaintingKeywords`. There are 20 steps by default, and the picture has the aspect ratio of
                the reference, or else of the first control map.

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
        if options.get("steps") is None:
            options["steps"] = _STEPS
        limits, image, mask = self._opening.limits, self._read(init_image), self._mask(mask_image, init_image)
        how = painting_options(options, limits)
        request = PaintingRequest.asked(prompt, how, limits, image=image, mask=mask, strength=strength)
        require_networks([control] if isinstance(control, str) else control, self._chosen, self.model)
        timing = (control_weights, control_start, control_end)
        controls = read_controls(self._chosen, control, control_image, *timing, limits=self._opening.limits)
        return self._paint(request, controls, self._read(reference_image), None, options)

    @checked
    def paint_again(
        self,
        settings: PictureSettings,
        *,
        reference_image: ImageSource | None = None,
        control_image: ImageSource | Sequence[ImageSource | None] | None = None,
        init_image: ImageSource | None = None,
        mask_image: ImageSource | None = None,
        lora: LoraFiles = (),
        embeddings: EmbeddingFiles = (),
        ip_adapter: IPAdapter | Sequence[IPAdapter] = (),
        **call: Unpack[CallKeywords],
    ) -> GeneratedImage:
        """Paint a picture again: the same one, bit for bit, on the same device with the same library versions.

        Args:
            settings: What the picture says of itself: its ``settings``, or `read_settings` of its file.
            reference_image: The picture that its control maps were made from; or else
            control_image: its control maps, as they were saved.
            init_image: The picture that it was made from, if it was made from one.
            mask_image: The mask, if there was one.
            lora: The LoRA files, if there were any; their weights are in the settings.
            embeddings: The embeddings, if there were any; their words are in the settings.
            ip_adapter: The pictures that it was to look like, if there were any, with their adapters; their scales are
                in the settings.
            call: See `CallKeywords`.

        Raises:
            InputError: A picture or a file that it was made from is missing, or another one was given.
            UnsupportedError: It was painted without controls, or by another checkpoint.
        """
        recorded = recorded_controls(settings, self.model, from_picture=init_image is not None)
        strength = 0.75 if settings.strength is None else settings.strength
        options = options_of(settings, self._opening.limits, lora=lora, embeddings=embeddings, ip_adapter=ip_adapter)
        image, mask = self._read(init_image), self._mask(mask_image, init_image)
        request = PaintingRequest(settings.prompt, options, image, mask, strength)
        kinds, *timing = ([table[name] for table in recorded] for name in ("control", "weight", "start", "end"))
        controls = read_controls(self._chosen, kinds, control_image, *timing, limits=self._opening.limits)
        return self._paint(request, controls, self._read(reference_image), settings, call)[0]

    def _paint(
        self,
        request: PaintingRequest,
        controls: Sequence[Control],
        reference: PIL.Image.Image | None,
        same_as: PictureSettings | None,
        call: CallKeywords,
    ) -> ControlledImages:
        require_sources([each.kind for each in controls if each.given is None], reference=reference is not None)
        tell, cancel = all_events(call.get("progress"), call.get("report")), call.get("cancel")
        with ExitStack() as held:
            base = self._hold_base(held, tell, cancel)
            networks = [self._network(control.kind, base) for control in controls]
            for network in networks:
                require_base(network.model, network.checkpoint.family, base)
            known = [network.settings(progress=tell, cancel=cancel) for network in networks]
            plan = plan_controls(controls, known, request.kind, base)
            shape = next(image for image in (reference, *(control.given for control in controls)) if image is not None)
            sides = {"width": request.options.width, "height": request.options.height}
            for name, side in sides.items():
                check_side(name, side, plan.size_factor)
            size = size_like(shape, base.native_side, plan.size_factor, **sides)
            loaded = [self._hold_network(held, network, base, tell, cancel) for network in networks]
            maps = tuple(self._map(control, reference, size, plan.size_factor, tell, cancel) for control in controls)
            image = None if request.image is None else fit_picture(request.image, size)
            recorded = record_controls(controls, loaded, maps)
            if same_as is not None:
                require_same(same_as, recorded, pixel_sum(image), pixel_sum(request.mask))
            check_cancelled(cancel)
            if tell is not None:
                for drawn in maps:
                    tell(Finished(drawn))
            options = dataclasses.replace(request.options, width=size[0], height=size[1])
            painted = base.paint(
                dataclasses.replace(request, options=options, image=image),
                control=plan.for_pipeline(loaded, maps, recorded),
                tell=tell,
                cancel=cancel,
            )
        return ControlledImages(painted, withheld=painted.withheld, notes=painted.notes, control_images=maps)

    def _read(self, image: ImageSource | None) -> PIL.Image.Image | None:
        return None if image is None else read_image(image, limits=self._opening.limits)

    def _mask(self, mask: ImageSource | None, image: ImageSource | None) -> PIL.Image.Image | None:
        if mask is None:
            return None
        if image is None:
            raise InputError("There is a mask and no picture to repaint", "Give the picture too: init_image=…")
        return read_repainting_mask(mask, limits=self._opening.limits)

    def _new_base(self) -> TextToImage:
        return self._opening.part(TextToImage, self._wanted, dtype=self._dtype)

    def _hold_base(self, held: ExitStack, tell: EventCallback | None, cancel: Cancellation | None) -> DiffusionBackend:
        if self._closed:
            raise ClosedError(f"This {type(self).__name__} of {self.model!r} was closed", "Call load() to use it again")
        backend = held.enter_context(self._base.lease(progress=tell, cancel=cancel))
        # Only now: loading sets torch's threads before its import, and keeps back what libraries say at theirs.
        from sensorium.image_generation.diffusion.pipeline import DiffusionBackend

        if not isinstance(backend, DiffusionBackend) or backend.family not in BASES:
            raise UnsupportedError(
                f"The checkpoint {self.model!r} can't be controlled: it is no Stable Diffusion 1, 2, XL or 3, nor FLUX",
                f"Choose one of those as the base, such as {USUAL_BASE!r}",
            )
        return backend

    def _network(self, kind: str, base: DiffusionBackend) -> ControlNetwork:
        if kind not in self._networks:
            self._networks[kind] = self._opening.part(
                ControlNetwork,
                os.fspath(self._chosen[kind]),
                # Where the base's weights wait: in main memory if they are offloaded.
                device=str(base.denoiser.device),
                dtype=str(base.dtype).removeprefix("torch."),
            )
        return self._networks[kind]

    def _hold_network(
        self,
        held: ExitStack,
        network: ControlNetwork,
        base: DiffusionBackend,
        tell: EventCallback | None,
        cancel: Cancellation | None,
    ) -> ControlNetBackend:
        backend = held.enter_context(network.lease(progress=tell, cancel=cancel))
        wanted = (base.denoiser.device, base.dtype)
        if (backend.model.device, backend.model.dtype) != wanted:
            raise InputError(
                f"The ControlNet {network.model!r} was handed in on {backend.model.device} in {backend.model.dtype}, "
                f"and {self.model!r} is on {wanted[0]} in {wanted[1]}",
                "Open both with the same device and dtype",
            )
        return backend

    def _map(
        self,
        control: Control,
        reference: PIL.Image.Image | None,
        size: tuple[int, int],
        size_factor: int,
        tell: EventCallback | None,
        cancel: Cancellation | None,
    ) -> PIL.Image.Image:
        if control.given is None:
            assert reference is not None
            return self._maps.make(control.kind, fit_picture(reference, size), progress=tell, cancel=cancel)
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
