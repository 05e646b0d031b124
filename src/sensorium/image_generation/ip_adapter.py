"""Pictures that others are to look like: what a caller asks of an IP-Adapter, checked before anything is loaded.

Source: Ye et al. 2023, "IP-Adapter: Text Compatible Image Prompt Adapter for Text-to-Image Diffusion Models".
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from sensorium import settings as environment
from sensorium.arguments import checked
from sensorium.errors import InputError, ModelUnavailableError
from sensorium.media.limits import Limits
from sensorium.media.source import MediaSource, ResolvedMedia, is_path, resolve
from sensorium.models import catalog
from sensorium.models.catalog import Checkpoint
from sensorium.models.lora_names import LONGEST_NAME
from sensorium.models.single_file import SUFFIX, is_pickle, pickled
from sensorium.models.weight_files import PICKLES

if TYPE_CHECKING:
    import PIL.Image

    from sensorium.image_generation.picture_settings import PictureSettings
    from sensorium.media.image import ImageSource

IMAGE_PROMPT = "image-prompt"
"""The task of IP-Adapters and of their image encoders in the catalog."""
IP_ADAPTER = "IP-Adapter"
"""The family of IP-Adapters, as `sensorium.models.single_file` calls it too."""
USUAL_SCALE = 0.6
WHOLE, STYLE, LAYOUT = "all", "style", "layout"
PARTS = (WHOLE, STYLE, LAYOUT)
"""What is taken from a picture."""
MAXIMUM_PICTURES = 16
USUAL_ADAPTERS = {768: "ip-adapter-sd15", 2048: "ip-adapter-sdxl"}
"""From the width of the text features that a denoiser reads to the adapter that was made for it."""
_USUAL_ENCODER = "ip-adapter-image-encoder"

_FILE_ON_THE_HUB = re.compile(
    rf"(?P<repository>\w[\w.-]*/\w[\w.-]*)/(?P<path>[^\\\x00-\x1f]+({'|'.join(map(re.escape, (SUFFIX, *PICKLES)))}))"
)


@dataclass(frozen=True, init=False)
class IPAdapter:
    """Pictures that a painted one is to look like, and the adapter that reads them.

    Attributes:
        images: One picture or several: of a style, of a person's face, of a thing.
        model: A catalog name such as ``"ip-adapter-plus-face-sd15"``, a safetensors file by path or as it was sent, a
            folder that holds one, or a file on the hub such as
            ``"h94/IP-Adapter/models/ip-adapter-plus_sd15.safetensors"``. By default the plain one for the checkpoint.
        scale: How strongly the pictures count beside the prompt, 0 to 1.
        part: What is taken from them: ``"all"``, or of Stable Diffusion XL ``"style"`` or ``"layout"`` alone.
    """

    images: ImageSource | Sequence[ImageSource]
    model: MediaSource | None
    scale: float
    part: str

    @checked
    def __init__(
        self,
        images: ImageSource | Sequence[ImageSource],
        model: MediaSource | None = None,
        scale: float = USUAL_SCALE,
        part: str = WHOLE,
    ) -> None:
        for name, value in (("images", images), ("model", model), ("scale", scale), ("part", part)):
            object.__setattr__(self, name, value)


@dataclass(frozen=True)
class ImagePrompt:
    """An `IPAdapter`, read and checked.

    Attributes:
        adapter: The catalog entry, or what was sent; None for the one that suits the painter.
        images: The pictures, RGB.
        scale: How strongly they count.
        part: What is taken from them.
        may_fetch: Whether whoever asks may let checkpoints be fetched.
        same_as: What the settings of a picture that is painted again say of it; None for a new picture.
    """

    adapter: Checkpoint | ResolvedMedia | None
    images: tuple[PIL.Image.Image, ...]
    scale: float
    part: str = WHOLE
    may_fetch: bool = True
    same_as: Mapping[str, Any] | None = None


def read_image_prompts(given: IPAdapter | Iterable[IPAdapter], limits: Limits) -> tuple[ImagePrompt, ...]:
    """Return what a caller asks of IP-Adapters; nothing is fetched.

    Raises:
        InputError: A picture can't be read, a scale is not 0 to 1, or files on this machine may not be named.
        ModelUnavailableError: There is no such adapter, or it is a pickle.
    """
    return tuple(_read(each, limits) for each in ((given,) if isinstance(given, IPAdapter) else given))


def same_image_prompts(settings: PictureSettings, given: Sequence[ImagePrompt]) -> tuple[ImagePrompt, ...]:
    """Return what a picture was painted with, with its scales.

    Raises:
        InputError: Others were given.
    """
    from sensorium.image_generation.generated_image import pixel_sum
    from sensorium.image_generation.picture_settings import is_ip_adapter

    if not all(map(is_ip_adapter, settings.ip_adapters)):
        raise InputError(
            "What the picture's settings say of its IP-Adapters can't be read", "Take them as they were saved"
        )
    for table in settings.ip_adapters:
        check_scale(table["scale"])
    recorded = [tuple(table["images"]) for table in settings.ip_adapters]
    if recorded != [tuple(map(pixel_sum, each.images)) for each in given]:
        raise InputError(
            "The picture was painted like other pictures, by an IP-Adapter, and these are not those"
            if recorded
            else "The picture was painted without an IP-Adapter",
            "Give those very pictures, in their order: ip_adapter=IPAdapter(images)" if recorded else "Leave it out",
        )
    return tuple(
        replace(each, scale=table["scale"], part=table["part"], same_as=table)
        for each, table in zip(given, settings.ip_adapters, strict=True)
    )


def check_scale(scale: float) -> None:
    """Refuse a scale that an IP-Adapter can't have.

    Raises:
        InputError: It is not 0 to 1.
    """
    if not 0 <= scale <= 1:
        raise InputError(f"The scale of an IP-Adapter can't be {scale!r}", "Use 0 to 1, such as 0.6")


def check_part(part: str) -> None:
    """Refuse what can't be taken from a picture.

    Raises:
        InputError: There is no such part.
    """
    if part not in PARTS:
        raise InputError(f"An IP-Adapter takes no {part!r} from a picture", f"Choose {', '.join(PARTS)}")


def find_adapter(model: str | os.PathLike[str]) -> Checkpoint | None:
    """Return the IP-Adapter that somebody names; nothing is fetched.

    Args:
        model: Catalog name, safetensors file, folder, file on the hub, or the id of a repository of the catalog's, for
            which None is returned: the painter decides which of its files.

    Raises:
        ModelUnavailableError: There is no such adapter, or it is a pickle.
        InputError: It is named by a path where names alone count.
    """
    wanted = os.fspath(model)
    known = catalog.entries(IMAGE_PROMPT)
    if any(entry.repository == wanted for entry in known):
        return None
    path = environment.user_path(wanted)
    if catalog.files_may_be_named():
        if is_pickle(path):
            raise pickled(path)
        if os.path.exists(path):  # noqa: PTH110 - pathlib's raises an error for a long name
            return catalog.resolve(wanted, task=IMAGE_PROMPT)
    return adapter_on_the_hub(wanted) or _of_adapters(catalog.resolve(wanted, task=IMAGE_PROMPT))


def adapter_on_the_hub(name: str) -> Checkpoint | None:
    """Return the IP-Adapter that a repository and a file in it name, or None for any other name.

    Raises:
        ModelUnavailableError: It is a pickle.
    """
    parts = _FILE_ON_THE_HUB.fullmatch(name)
    if parts is None or len(name.encode()) > LONGEST_NAME or (catalog.files_may_be_named() and os.path.exists(name)):  # noqa: PTH110
        return None
    repository, file = parts["repository"], parts["path"]
    if file.endswith(PICKLES):
        raise ModelUnavailableError(
            f"The IP-Adapter {name!r} is a pickle, which could run code and is never fetched",
            "Name the .safetensors file that most publishers offer beside it",
        )
    for entry in catalog.entries(IMAGE_PROMPT):
        if entry.repository == repository and entry.hub_files == (file,):
            return entry
    return Checkpoint(
        name=name,
        task=IMAGE_PROMPT,
        family=IP_ADAPTER,
        repository=repository,
        hub_files=(file,),
        companions=(_USUAL_ENCODER,),
    )


def adapters_for(models: Iterable[str | None], painter: Checkpoint) -> tuple[Checkpoint, ...]:
    """Return the IP-Adapters that a painting needs, with their image encoders, as far as names alone tell.

    Args:
        models: How they are named; None for the one that suits the painter.
        painter: The checkpoint that paints.

    Raises:
        ModelUnavailableError: There is no such adapter, or it is a pickle.
    """
    needed: list[Checkpoint] = []
    for model in models:
        adapter = (find_adapter(model) if model else None) or _made_for(painter)
        if adapter is not None:
            needed += [adapter, *map(catalog.named, adapter.companions)]
    return tuple(dict.fromkeys(needed))


def _made_for(painter: Checkpoint) -> Checkpoint | None:
    usual = (catalog.named(name) for name in USUAL_ADAPTERS.values())
    return next((entry for entry in usual if entry.base == painter.name), None)


def _of_adapters(found: Checkpoint) -> Checkpoint:
    if found.repository and not found.hub_files:
        raise ModelUnavailableError(
            f"The repository {found.name!r} may hold several IP-Adapters, and it is not said which",
            f"Name the file too, such as {found.name + '/ip-adapter.safetensors'!r}",
        )
    return found


def _read(given: IPAdapter, limits: Limits) -> ImagePrompt:
    from sensorium.media.image import read_image

    if not isinstance(given, IPAdapter):
        raise InputError(f"{given!r} is no IPAdapter", "Write ip_adapter=IPAdapter('style.jpg', scale=0.6)")
    check_scale(given.scale)
    check_part(given.part)
    several: Any = given.images if isinstance(given.images, (list, tuple)) else [given.images]
    images = tuple(read_image(each, limits=limits) for each in several)
    if not 1 <= len(images) <= MAXIMUM_PICTURES:
        raise InputError(
            f"An IP-Adapter can't read {len(images) or 'no'} pictures", f"Give 1 to {MAXIMUM_PICTURES} pictures"
        )
    return ImagePrompt(_adapter(given.model, limits), images, given.scale, given.part, may_fetch=limits.allow_files)


def _adapter(model: MediaSource | None, limits: Limits) -> Checkpoint | ResolvedMedia | None:
    if model is None:
        return None
    if not is_path(model):
        return resolve(model, limits=limits)
    with nullcontext() if limits.allow_files else catalog.names_only():
        return find_adapter(model)  # type: ignore[arg-type]
