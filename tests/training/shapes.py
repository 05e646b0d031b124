"""A data set of simple shapes with a tiny text encoder: what the recipe needs, without npm and without network."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import PIL.Image
import PIL.ImageDraw

from training.starter_diffusion import pictures
from training.starter_diffusion.build_data import hide
from training.starter_diffusion.configuration import Settings, from_table
from training.starter_diffusion.pictures import Picture

SHAPES = ("ball", "box", "cross", "kite", "moon", "star")
STYLES = {"flat": "#e02020", "soft": "#f09090"}

TABLE: dict[str, Any] = {
    "seed": 1,
    "data": {
        "concepts": "",
        "side": 16,
        "sprite_side": 24,
        "webp_quality": 100,
        "scenes_per_picture": 6,
        "hidden_concepts": 1,
        "hidden_style_pairs": 0.2,
        "hidden_colour_pairs": 0.2,
        "pack_text_encoder": True,
        "styles": {style: [f"a {style} drawing of {{}}", f"{{}}, {style} style"] for style in STYLES},
        "kinds": {"plain": 1, "background": 1, "colour": 1, "place": 1, "pair": 1, "count": 1},
    },
    "autoencoder": {"channels": [16, 16], "layers": 1, "batch": 4, "learning_rate": 2e-3, "steps": 6},
    "decoder": {"batch": 4, "learning_rate": 1e-3, "steps": 3},
    "denoiser": {
        "channels": [16, 32],
        "cross_attention": [False, True],
        "layers": 1,
        "head_size": 16,
        "batch": 4,
        "learning_rate": 1e-3,
        "steps": 6,
        "ema": 0.9,
    },
    "control": {"hint_channels": [8, 8], "batch": 4, "learning_rate": 1e-3, "steps": 3, "ema": 0.9},
}


def shape_settings(**changed: dict[str, Any]) -> Settings:
    """Return the settings, with some of a section's changed."""
    return from_table(
        {name: {**part, **changed.get(name, {})} if isinstance(part, dict) else part for name, part in TABLE.items()}
    )


def draw(name: str, style: str) -> PIL.Image.Image:
    """Return a shape on nothing."""
    image = PIL.Image.new("RGBA", (48, 48))
    pencil = PIL.ImageDraw.Draw(image)
    outlines = {
        "box": [(6, 6), (42, 6), (42, 42), (6, 42)],
        "cross": [
            (18, 4),
            (30, 4),
            (30, 18),
            (44, 18),
            (44, 30),
            (30, 30),
            (30, 44),
            (18, 44),
            (18, 30),
            (4, 30),
            (4, 18),
            (18, 18),
        ],
        "kite": [(24, 2), (40, 18), (24, 46), (8, 18)],
        "star": [(24, 2), (29, 18), (46, 18), (32, 28), (38, 45), (24, 34), (10, 45), (16, 28), (2, 18), (19, 18)],
    }
    if name in outlines:
        pencil.polygon(outlines[name], fill=STYLES[style])
    else:
        pencil.ellipse((4, 4, 44, 44), fill=STYLES[style])
    if name == "moon":
        pencil.ellipse((18, 0, 50, 36), fill=(0, 0, 0, 0))
    return image


def write_shapes(path: Path, settings: Settings) -> Path:
    """Write the data set with a tiny text encoder inside."""
    sprites = [pictures.cut_out(draw(name, style), settings.data.sprite_side) for name in SHAPES for style in STYLES]
    described = [
        Picture(name, style, pictures.single_hue(sprite), "red", "shapes@1.0.0", name, "Apache-2.0")
        for (name, style), sprite in zip(((n, s) for n in SHAPES for s in STYLES), sprites, strict=True)
    ]
    manifest = hide(described, settings)
    pictures.write(path, manifest, sprites, settings.data.webp_quality, _text_encoder(path.with_suffix("")))
    return path


def with_steps(settings: Settings, stage: str, steps: int) -> Settings:
    """Return settings with another number of steps for a stage."""
    return dataclasses.replace(settings, **{stage: dataclasses.replace(getattr(settings, stage), steps=steps)})


def _text_encoder(folder: Path) -> dict[str, bytes]:
    import torch
    from transformers import BertConfig, BertModel, BertTokenizerFast

    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "an", "of", "drawing", "style", *SHAPES, *STYLES]
    folder.mkdir(parents=True)
    (folder / "vocab.txt").write_text("\n".join(words), encoding="utf-8")
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(words), hidden_size=384, num_hidden_layers=1, num_attention_heads=4, intermediate_size=32
    )
    BertModel(config).save_pretrained(folder)
    BertTokenizerFast(vocab=str(folder / "vocab.txt"), do_lower_case=True).save_pretrained(folder)
    (folder / "config.json").write_text(json.dumps(config.to_dict()), encoding="utf-8")
    return {f"text/{file.name}": file.read_bytes() for file in sorted(folder.iterdir())}
