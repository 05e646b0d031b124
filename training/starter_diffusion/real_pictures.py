"""The real pictures that an evaluation compares with."""

from __future__ import annotations

import PIL.Image

from training.starter_diffusion import phrases
from training.starter_diffusion.configuration import Settings
from training.starter_diffusion.evaluation_prompts import JudgedPrompt
from training.starter_diffusion.pictures import Manifest, Pictures
from training.starter_diffusion.scenes import Placed, Scene, render


def number_of(prompt: JudgedPrompt, manifest: Manifest) -> int:
    """Return the number of the first picture that shows what a prompt asks for, hidden from training or not."""
    return next(
        index
        for index, picture in enumerate(manifest.pictures)
        if picture.name == prompt.concept
        and prompt.style in ("", picture.style)
        and (not prompt.colour or picture.hue is not None)
    )


def visible(manifest: Manifest) -> list[int]:
    """Return the numbers of the pictures that training shows."""
    return [index for index in range(len(manifest.pictures)) if not manifest.is_hidden(index)]


def drawn(
    index: int, settings: Settings, pictures: Pictures, colour: str = "", mirrored: bool = False
) -> PIL.Image.Image:
    """Return a picture alone on white, at the scale's side."""
    placed = Placed(index, 0.5, 0.5, phrases.SIZES[""], colour, mirrored)
    return PIL.Image.fromarray(render(Scene("plain", (placed,), "white", ("",)), pictures, settings.data.side))


def of_prompt(prompt: JudgedPrompt, settings: Settings, pictures: Pictures) -> PIL.Image.Image:
    """Return the real picture that shows what a prompt asks for."""
    return drawn(number_of(prompt, pictures.manifest), settings, pictures, prompt.colour)


def blurred(image: PIL.Image.Image, pixels: int) -> PIL.Image.Image:
    """Return a blob: a picture made ``pixels`` small and large again."""
    small = image.resize((pixels, pixels), PIL.Image.Resampling.BOX)
    return small.resize(image.size, PIL.Image.Resampling.BICUBIC)
