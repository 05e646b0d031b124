"""Builds the packed data set: ``python -m training.starter_diffusion.build_data --help``."""

from __future__ import annotations

import argparse
import json
import random
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import PIL.Image

from training.starter_diffusion import packages, phrases, pictures
from training.starter_diffusion.configuration import Settings, read_settings, tomllib
from training.starter_diffusion.packages import Drawings, Source
from training.starter_diffusion.pictures import Manifest, Picture

_HERE = Path(__file__).parent
_RENDERED_SIDE = 256
_GROUPS = {0, 3, 4, 5, 6, 7}  # emojibase's faces, animals and nature, food, travel, activities, objects
_FLAGS_AND_SIGNS = re.compile(
    r"o.clock|thirty|Japan|flag|speaker|index|banknote|map of|globe showing|moon face|quarter moon|gibbous|"
    r"medal$|suit$|mahjong|closed mailbox|open mailbox|tray|envelope|volume|button|symbol|sign$|with slash|"
    r"page |bookmark|chart|person|camping|Tokyo|Liberty|kaaba|fuji|cityscape|sunrise|sunset|foggy|building construction"
)


@dataclass(frozen=True)
class Wanted:
    """A picture to be made."""

    name: str
    style: str
    source: Source


def main() -> None:
    """Read the command line, build."""
    parser = argparse.ArgumentParser(description="Build the packed data set of a scale from npm packages.")
    parser.add_argument("settings", type=Path, help="narrow.toml or wide.toml")
    parser.add_argument("data", type=Path, help="the zip file to write")
    parser.add_argument("--cache", type=Path, required=True, help="folder for the npm packages")
    arguments = parser.parse_args()
    build(read_settings(arguments.settings), arguments.data, arguments.cache)


def build(settings: Settings, path: Path, cache: Path) -> None:
    """Fetch the packages, render their pictures, write the data set."""
    modules = packages.fetch(cache)
    drawings = Drawings(modules)
    named = _all_concepts(drawings) if settings.data.concepts == "all" else _concepts(_HERE / settings.data.concepts)
    wanted = [
        Wanted(name, style, source)
        for name, hexcode in sorted(named.items())
        for style in settings.data.styles
        if (source := drawings.find(hexcode, style)) is not None
    ]
    print(f"{len(wanted)} pictures of {len({item.name for item in wanted})} things", file=sys.stderr)
    described, sprites = [], []
    for item, image in zip(wanted, _open(wanted, modules), strict=True):
        if image is not None:
            sprites.append(pictures.cut_out(image, settings.data.sprite_side))
            described.append(_describe(item, sprites[-1]))
    manifest = hide(described, settings)
    others = {}
    if settings.data.pack_text_encoder:
        from training.starter_diffusion.text_states import pack_text_encoder

        others = pack_text_encoder(manifest, settings)
    path.parent.mkdir(parents=True, exist_ok=True)
    pictures.write(path, manifest, sprites, settings.data.webp_quality, others)
    print(f"{path}: {path.stat().st_size / 2**20:.1f} MiB, {len(manifest.vocabulary)} things to learn", file=sys.stderr)


def hide(described: Iterable[Picture], settings: Settings) -> Manifest:
    """Choose by the seed what training doesn't see: whole concepts, pairs with a style, pairs with a colour."""
    found = tuple(described)
    chance = random.Random(f"hide {settings.seed}")
    names = sorted({picture.name for picture in found})
    concepts = sorted(chance.sample(names, min(settings.data.hidden_concepts, len(names) // 2)))
    shown = [name for name in names if name not in concepts]
    styles_of = {name: sorted(picture.style for picture in found if picture.name == name) for name in shown}
    style_pairs = [(name, style) for name in shown if len(styles_of[name]) > 1 for style in styles_of[name]]
    chosen: dict[str, str] = {}
    for name, style in chance.sample(style_pairs, len(style_pairs)):
        # One style at most: a thing must be seen in the others to be painted in this one.
        if name not in chosen and len(chosen) < settings.data.hidden_style_pairs * len(style_pairs):
            chosen[name] = style
    colourful = sorted({picture.name for picture in found if picture.hue is not None and picture.name in shown})
    natural = {(picture.name, picture.colour) for picture in found}
    colour_pairs = [(name, colour) for name in colourful for colour in phrases.HUES if (name, colour) not in natural]
    hidden_colours = chance.sample(colour_pairs, round(settings.data.hidden_colour_pairs * len(colour_pairs)))
    return Manifest(
        pictures=found,
        hidden_concepts=tuple(concepts),
        hidden_style_pairs=tuple(sorted(chosen.items())),
        hidden_colour_pairs=tuple(sorted(hidden_colours)),
        vocabulary=tuple(shown),
    )


def _describe(item: Wanted, sprite: PIL.Image.Image) -> Picture:
    hue = pictures.single_hue(sprite)
    colour = ""
    if hue is not None:
        saturation, value = pictures.brightness(sprite)
        called = [name for name, (low, high) in phrases.NATURAL.items() if (hue - low) % 360 <= high - low]
        # A dark orange is a brown, a pale one is beige; a green stays green.
        if called and saturation > 0.5 and value > (0.45 if called[0] in ("green", "blue") else 0.65):
            colour = called[0]
    source = item.source
    return Picture(item.name, item.style, hue, colour, source.package, source.icon or source.file, source.licence)


def _concepts(path: Path) -> dict[str, str]:
    things = tomllib.loads(path.read_text(encoding="utf-8"))["things"]
    return {name: packages.hexcode_of(emoji) for name, emoji in things.items()}


def _all_concepts(drawings: Drawings) -> dict[str, str]:
    """Return emojibase's things, without people, flags, clocks and signs."""
    return {
        record["label"].replace("’", "'"): record["hexcode"]
        for record in drawings.emoji()
        if record.get("group") in _GROUPS and not _FLAGS_AND_SIGNS.search(record["label"])
    }


def _open(wanted: list[Wanted], modules: Path) -> Iterable[PIL.Image.Image | None]:
    """Render what is drawn in lines, and open what is there as a file; None for what can't be rendered."""
    with tempfile.TemporaryDirectory() as temporary:
        jobs = [
            {
                "collection": item.source.package.removeprefix("@iconify-json/").rpartition("@")[0],
                "icon": item.source.icon,
                "side": _RENDERED_SIDE,
                "file": str(Path(temporary) / f"{index}.png"),
            }
            for index, item in enumerate(wanted)
            if item.source.icon
        ]
        _render(jobs, modules)
        for index, item in enumerate(wanted):
            package = item.source.package.rpartition("@")[0]
            path = Path(temporary) / f"{index}.png" if item.source.icon else modules / package / item.source.file
            if not path.is_file():
                yield None
                continue
            with PIL.Image.open(path) as image:
                yield image.convert("RGBA")


def _render(jobs: list[dict[str, Any]], modules: Path) -> None:
    """Render icons; resvg aborts on a few with filters that it can't do, which are left out."""
    command = ["node", str(_HERE / "render.mjs"), str(modules.parent)]
    while jobs:
        done = subprocess.run(command, input=json.dumps(jobs), text=True, capture_output=True)
        left = [job for job in jobs if not Path(job["file"]).is_file()]
        if done.returncode == 0 and not left:
            return
        if done.returncode >= 0:
            raise SystemExit(f"The icons can't be rendered: {done.stderr}")
        print(f"left out: {left[0]['collection']} {left[0]['icon']}", file=sys.stderr)
        jobs = left[1:]


if __name__ == "__main__":
    main()
