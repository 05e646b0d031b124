"""Scenes: what a training picture shows, drawn from the cut-out pictures, with captions that say exactly that.

Emoji alone have next to no attributes to combine. So a thing is shown on coloured backgrounds, in other colours, in
sizes and places, beside another thing, and several times.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import PIL.Image

from training.starter_diffusion import phrases
from training.starter_diffusion.configuration import DataSettings
from training.starter_diffusion.pictures import Manifest, Pictures

_STYLED, _UNSTYLED = 2, 1  # of three captions
_HUE_REACH = 38
_LIVELIER = 0.7
_PAIR_SIZE, _COUNT_SIZES = 0.47, {2: 0.46, 3: 0.44, 4: 0.42}
_COUNT_CENTRES = {
    2: ((0.26, 0.5), (0.74, 0.5)),
    3: ((0.5, 0.26), (0.26, 0.74), (0.74, 0.74)),
    4: ((0.26, 0.26), (0.74, 0.26), (0.26, 0.74), (0.74, 0.74)),
}


@dataclass(frozen=True)
class Placed:
    """A picture in a scene: its number, the middle and size in parts of the side, its new colour or "", mirrored."""

    picture: int
    x: float
    y: float
    size: float
    colour: str
    mirrored: bool


@dataclass(frozen=True)
class Scene:
    """Things on a background, and the captions that fit, the first ones naming the style."""

    kind: str
    objects: tuple[Placed, ...]
    background: str
    captions: tuple[str, ...]


def training_scenes(manifest: Manifest, settings: DataSettings, seed: int) -> list[Scene]:
    """Return all scenes of training, the same ones for a seed; none shows what is hidden."""
    visible = [index for index in range(len(manifest.pictures)) if not manifest.is_hidden(index)]
    drawing = Drawing(manifest, settings, visible, random.Random(seed))
    return [drawing.any_scene(index) for index in visible for _ in range(settings.scenes_per_picture)]


class Drawing:
    """Makes up scenes.

    Args:
        manifest: The pictures.
        settings: Styles and shares of kinds.
        partners: The pictures that may stand beside another.
        chance: Decides.
    """

    def __init__(
        self, manifest: Manifest, settings: DataSettings, partners: Sequence[int], chance: random.Random
    ) -> None:
        self._pictures, self._settings, self._chance = manifest.pictures, settings, chance
        self._hidden_colours = set(manifest.hidden_colour_pairs)
        self._of_style: dict[str, list[int]] = defaultdict(list)
        for index in partners:
            self._of_style[manifest.pictures[index].style].append(index)

    def any_scene(self, index: int) -> Scene:
        """Return a scene of any kind around a picture."""
        kinds = self._settings.kinds
        kind = self._chance.choices(list(kinds), list(kinds.values()))[0]
        picture = self._pictures[index]
        if kind == "colour" and picture.hue is not None:
            return self.coloured(index)
        if kind == "place":
            return self.at_place(index)
        if kind == "pair":
            others = [other for other in self._of_style[picture.style] if self._pictures[other].name != picture.name]
            if others:
                return self.pair(index, self._chance.choice(others))
        if kind == "count" and phrases.countable(picture.name):
            return self.several(index, self._chance.choice(list(phrases.COUNTS)))
        return self.alone(index, self._background() if kind == "background" else "white")

    def alone(self, index: int, background: str) -> Scene:
        """Return a scene with one thing; its own colour is said half the time if it has one."""
        picture = self._pictures[index]
        colour = picture.colour if self._chance.random() < 0.5 else ""
        words = phrases.with_article(f"{colour} {picture.name}".strip())
        kind = "plain" if background == "white" else "background"
        return self._scene(kind, picture.style, (self._placed(index),), words, background)

    def coloured(self, index: int, colour: str = "") -> Scene:
        """Return a scene with a thing in a colour that isn't its own; by default any that isn't hidden."""
        picture = self._pictures[index]
        free = [
            name for name in phrases.HUES if name != picture.colour and (picture.name, name) not in self._hidden_colours
        ]
        colour = colour or self._chance.choice(free)
        background = self._background(colour) if self._chance.random() < 0.3 else "white"
        words = phrases.with_article(f"{colour} {picture.name}")
        return self._scene("colour", picture.style, (self._placed(index, colour),), words, background)

    def at_place(self, index: int) -> Scene:
        """Return a scene with a small thing somewhere, or a big or small one in the middle."""
        picture = self._pictures[index]
        background = self._background() if self._chance.random() < 0.4 else "white"
        size = self._chance.choice(["small", "small", "big"])
        words = phrases.with_article(f"{size} {picture.name}")
        x, y = 0.5, 0.5
        if size == "small" and self._chance.random() < 0.75:
            place, (x, y) = self._chance.choice(list(phrases.PLACES.items()))
            words = f"{words} {place}"
        mirrored = self._chance.random() < 0.5
        thing = Placed(index, x, y, phrases.SIZES[size], "", mirrored)
        return self._scene("place", picture.style, (thing,), words, background)

    def pair(self, left: int, right: int) -> Scene:
        """Return a scene with one thing to the left of another."""
        names = [phrases.with_article(self._pictures[index].name) for index in (left, right)]
        background = self._background() if self._chance.random() < 0.3 else "white"
        things = tuple(
            Placed(index, x, 0.5, _PAIR_SIZE, "", self._chance.random() < 0.5)
            for index, x in ((left, 0.26), (right, 0.74))
        )
        return self._scene("pair", self._pictures[left].style, things, " and ".join(names), background)

    def several(self, index: int, count: int) -> Scene:
        """Return a scene with the same thing two to four times."""
        picture = self._pictures[index]
        background = self._background() if self._chance.random() < 0.3 else "white"
        mirrored = self._chance.random() < 0.5
        things = tuple(Placed(index, x, y, _COUNT_SIZES[count], "", mirrored) for x, y in _COUNT_CENTRES[count])
        words = f"{phrases.COUNTS[count]} {phrases.plural(picture.name)}"
        return self._scene("count", picture.style, things, words, background)

    def _placed(self, index: int, colour: str = "") -> Placed:
        x, y = (0.5 + self._chance.uniform(-0.03, 0.03) for _ in range(2))
        size = phrases.SIZES[""] + self._chance.uniform(-0.05, 0.05)
        return Placed(index, x, y, size, colour, self._chance.random() < 0.5)

    def _background(self, but: str = "") -> str:
        return self._chance.choice([name for name in phrases.BACKGROUNDS if name not in ("white", but)])

    def _scene(self, kind: str, style: str, things: tuple[Placed, ...], words: str, background: str) -> Scene:
        if background != "white":
            words = f"{words} on {phrases.with_article(f'{background} background')}"
        captions = [template.format(words) for template in self._settings.styles[style]]
        return Scene(kind, things, background, (*captions[:_STYLED], *[words] * _UNSTYLED))


def render(scene: Scene, pictures: Pictures, side: int) -> np.ndarray:
    """Return a scene as uint8 ``[side, side, 3]``."""
    canvas = PIL.Image.new("RGBA", (side, side), (*phrases.BACKGROUNDS[scene.background], 255))
    for thing in scene.objects:
        sprite = pictures.sprite(thing.picture)
        if thing.colour:
            sprite = recolour(sprite, pictures.manifest.pictures[thing.picture].hue or 0.0, thing.colour)
        if thing.mirrored:
            sprite = sprite.transpose(PIL.Image.Transpose.FLIP_LEFT_RIGHT)
        length = max(1, round(thing.size * side))
        sprite = sprite.resize((length, length), PIL.Image.Resampling.LANCZOS)
        layer = PIL.Image.new("RGBA", (side, side))
        layer.paste(sprite, (round(thing.x * side - length / 2), round(thing.y * side - length / 2)))
        canvas.alpha_composite(layer)
    return np.asarray(canvas.convert("RGB"))


def recolour(sprite: PIL.Image.Image, hue: float, colour: str) -> PIL.Image.Image:
    """Turn the pixels near ``hue`` to a colour's hue; a leaf beside a red apple stays green."""
    pixels = np.asarray(sprite.convert("RGB").convert("HSV")).astype(np.int32)
    degrees = pixels[..., 0] * (360 / 256)
    offset = (degrees - hue + 180) % 360 - 180
    near = np.abs(offset) <= _HUE_REACH
    # Shades of the thing stay shades, but less far apart: a blue with a green edge is no blue.
    target = (phrases.HUES[colour] + 0.5 * offset) % 360
    pixels[..., 0] = np.where(near, np.round(target * (256 / 360)), pixels[..., 0]) % 256
    # A pale or dark orange would be a beige or a brown.
    lively = np.round(255 * (pixels[..., 1:] / 255) ** _LIVELIER)
    pixels[..., 1:] = np.where(near[..., None], lively, pixels[..., 1:])
    turned = PIL.Image.fromarray(pixels.astype(np.uint8), mode="HSV").convert("RGB")
    turned.putalpha(sprite.getchannel("A"))
    return turned
