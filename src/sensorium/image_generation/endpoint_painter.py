"""Painting systems behind an OpenAI-compatible server, which may be OpenAI's own: its images API."""

from __future__ import annotations

import base64
import binascii
import io
import threading
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import PIL.Image
import PIL.ImageChops
import PIL.ImageOps

from sensorium.errors import ModelUnavailableError, UnsupportedError
from sensorium.image_generation.generated_image import GeneratedImage, GeneratedImages
from sensorium.image_generation.painting import IMAGE_TO_IMAGE, INPAINTING, PaintingRequest
from sensorium.image_generation.picture_settings import PictureSettings
from sensorium.image_generation.variation import VARIATION, VariationRequest
from sensorium.media.image import read_image
from sensorium.media.limits import Limits
from sensorium.models.catalog import Checkpoint
from sensorium.models.endpoint import open_client
from sensorium.models.endpoint_errors import model_name, plain_endpoint_errors, server_of
from sensorium.progress import Cancellation, EventCallback, Finished, check_cancelled, report

_NOT_IN_THE_PROTOCOL = {
    "steps": "a number of steps",
    "guidance_scale": "a guidance scale",
    "seed": "a seed",
    "negative_prompt": "a negative prompt",
    "scheduler": "a choice of scheduler",
    "loras": "LoRA files",
    "embeddings": "embeddings (textual inversion)",
    "ip_adapters": "IP-Adapters",
    "safety": "a safety setting",
}
_FROM_SERVER = Limits(allow_files=False)
"""A server may answer with an address, but not with the name of a file of this machine."""
_DEFAULT_STRENGTH = {IMAGE_TO_IMAGE: 0.75, INPAINTING: 1.0}
"""What `TextToImage` asks for when its caller names no strength."""
_LARGEST_VARIED = 1024


class EndpointPainter:
    """Paints through a server: text-to-image by its generations, the rest by its edits and variations.

    Args:
        folder: Not used: the weights are elsewhere.
        checkpoint: Names the model and the server.
        device: Not used.
        dtype: Not used.

    Raises:
        MissingDependencyError: The ``openai`` package isn't installed.
        ModelUnavailableError: A key is needed and not set, or offline mode is set and the server is elsewhere.
    """

    def __init__(self, folder: Path, *, checkpoint: Checkpoint, device: str, dtype: str) -> None:
        self._checkpoint = checkpoint
        open_client(checkpoint).close()  # so that a missing key is told at once

    def paint(
        self,
        request: PaintingRequest,
        *,
        tell: EventCallback | None = None,
        cancel: Cancellation | None = None,
    ) -> GeneratedImages:
        """Ask the server for pictures. It shows no previews.

        Raises:
            UnsupportedError: The request has a setting that the protocol doesn't know, or the server doesn't do it.
            InputError: The server refuses the request: the prompt, say, or the size.
            ModelUnavailableError: The server can't be reached or refuses the key.
            CancelledError: ``cancel`` was set; the connection is closed.
        """
        self._refuse_unknown(request)
        if request.strength != _DEFAULT_STRENGTH.get(request.kind, request.strength):
            raise self._not_taken("a strength", "strength")
        width, height = request.options.width, request.options.height
        asked: dict[str, Any] = {"prompt": request.prompt, "n": request.options.num_images, **self._format()}
        if width is not None and height is not None:
            asked["size"] = f"{width}x{height}"
        elif (width, height) != (None, None):
            raise UnsupportedError(
                f"The server of {self._checkpoint.name!r} takes a width and a height only together", "Give both"
            )
        if request.image is not None:
            files = [_as_file("image.png", each) for each in (request.image, *request.further_images)]
            asked["image"] = files if request.further_images else files[0]
            if request.mask is not None:
                asked["mask"] = _as_file("mask.png", _transparent_where_white(request.mask, request.image.size))
        pictures = self._ask("generate" if request.image is None else "edit", asked, tell, cancel)
        return self._finished(pictures, request.kind, request.prompt, tell)

    def vary(
        self,
        request: VariationRequest,
        *,
        tell: EventCallback | None = None,
        cancel: Cancellation | None = None,
    ) -> GeneratedImages:
        """Ask the server for variations of a picture, of which it takes the square middle.

        OpenAI itself has ended this service with DALL·E 2; other servers still offer it.

        Raises:
            UnsupportedError: The request has a setting that the protocol doesn't know, or the server doesn't do it.
            InputError: The server refuses the request.
            ModelUnavailableError: The server can't be reached or refuses the key.
            CancelledError: ``cancel`` was set; the connection is closed.
        """
        self._refuse_unknown(request)
        if request.prompt:
            raise UnsupportedError(
                f"The server of {self._checkpoint.name!r} mixes no prompt into a variation",
                "Leave the prompt out, or use img2img",
            )
        side = min(*request.image.size, _LARGEST_VARIED)
        square = PIL.ImageOps.fit(request.image, (side, side), PIL.Image.Resampling.LANCZOS)
        width, height = request.options.width, request.options.height
        asked: dict[str, Any] = {
            "image": _as_file("image.png", square),
            "n": request.options.num_images,
            "response_format": "b64_json",
        }
        if width is not None or height is not None:
            asked["size"] = f"{width or height}x{height or width}"
        return self._finished(self._ask("create_variation", asked, tell, cancel), VARIATION, "", tell)

    def _finished(
        self, pictures: list[PIL.Image.Image], kind: str, prompt: str, tell: EventCallback | None
    ) -> GeneratedImages:
        painted = GeneratedImages(GeneratedImage.of(each, self._settings(each, kind, prompt)) for each in pictures)
        if tell is not None:
            for picture in painted:
                tell(Finished(picture))
        return painted

    def _refuse_unknown(self, request: PaintingRequest | VariationRequest) -> None:
        """Refuse what the server would ignore, rather than ignore it too."""
        for setting in fields(request.options):
            asked = getattr(request.options, setting.name)
            if setting.name in _NOT_IN_THE_PROTOCOL and asked != setting.default:
                raise self._not_taken(_NOT_IN_THE_PROTOCOL[setting.name], setting.name)

    def _not_taken(self, what: str, setting: str) -> UnsupportedError:
        return UnsupportedError(
            f"The server of {self._checkpoint.name!r} doesn't take {what}",
            f"Leave {setting} out, or choose a local checkpoint",
        )

    def _format(self) -> dict[str, str]:
        """OpenAI always answers with the pictures themselves and refuses to be asked; others send addresses if not."""
        host = urlparse(self._checkpoint.endpoint).hostname or ""
        return {} if host.endswith((".openai.com", ".azure.com")) else {"response_format": "b64_json"}

    def _ask(
        self, method: str, asked: dict[str, Any], tell: EventCallback | None, cancel: Cancellation | None
    ) -> list[PIL.Image.Image]:
        report(tell, "painting", 0, asked["n"], "pictures")
        with open_client(self._checkpoint) as client, plain_endpoint_errors(self._checkpoint):
            ask = getattr(client.images, method)
            answer = _wait(lambda: ask(model=model_name(self._checkpoint), **asked), client.close, cancel)
        pictures = [self._picture(item) for item in answer.data or ()]
        if not pictures:
            raise ModelUnavailableError(f"The {server_of(self._checkpoint)} answered without a picture", "Ask again")
        report(tell, "painting", len(pictures), len(pictures), "pictures")
        return pictures

    def _picture(self, item: Any) -> PIL.Image.Image:
        if item.url:
            return read_image(item.url, limits=_FROM_SERVER)
        try:
            return read_image(base64.b64decode(item.b64_json or "", validate=True), limits=_FROM_SERVER)
        except binascii.Error:
            raise ModelUnavailableError(
                f"The {server_of(self._checkpoint)} answered with a picture that can't be read", "Ask again"
            ) from None

    def _settings(self, picture: PIL.Image.Image, kind: str, prompt: str) -> PictureSettings:
        return PictureSettings(
            kind=kind,
            prompt=prompt,
            negative_prompt="",
            seed=None,
            width=picture.width,
            height=picture.height,
            model=self._checkpoint.name,
        )


def _wait(ask: Callable[[], Any], hang_up: Callable[[], None], cancel: Cancellation | None) -> Any:
    """Make a request that may take a minute, and hang up as soon as ``cancel`` is set."""
    if cancel is None:
        return ask()
    answers: list[Any] = []
    failures: list[BaseException] = []

    def run() -> None:
        try:
            answers.append(ask())
        except BaseException as error:  # it is raised again in the thread that asked
            failures.append(error)

    asking = threading.Thread(target=run, daemon=True)
    asking.start()
    while asking.is_alive():
        asking.join(0.05)
        if cancel.is_set():
            hang_up()
            check_cancelled(cancel)
    if failures:
        raise failures[0]
    return answers[0]


def _as_file(name: str, image: PIL.Image.Image) -> tuple[str, bytes, str]:
    file = io.BytesIO()
    image.save(file, "PNG")
    return name, file.getvalue(), "image/png"


def _transparent_where_white(mask: PIL.Image.Image, size: tuple[int, int]) -> PIL.Image.Image:
    """Return the mask as the protocol wants it: of the picture's size, transparent where it is to be repainted."""
    marked = mask.convert("L").resize(size, PIL.Image.Resampling.NEAREST)
    transparent = PIL.Image.new("RGBA", size)
    transparent.putalpha(PIL.ImageChops.invert(marked))
    return transparent
