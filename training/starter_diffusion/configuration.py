"""The settings of a run: one TOML file for a scale."""

from __future__ import annotations

import hashlib
import json
import tomllib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class DataSettings:
    """What the data set holds; the shares of scenes are relative."""

    concepts: str
    side: int
    sprite_side: int
    webp_quality: int
    scenes_per_picture: int
    hidden_concepts: int
    hidden_style_pairs: float
    hidden_colour_pairs: float
    pack_text_encoder: bool
    styles: dict[str, list[str]]
    kinds: dict[str, float]


@dataclass(frozen=True)
class AutoencoderSettings:
    """Sizes of the autoencoder and its training."""

    channels: list[int]
    layers: int
    batch: int
    learning_rate: float
    steps: int


@dataclass(frozen=True)
class DecoderSettings:
    """The later training of the autoencoder's decoder alone."""

    batch: int
    learning_rate: float
    steps: int


@dataclass(frozen=True)
class DenoiserSettings:
    """Sizes of the denoiser and its training."""

    channels: list[int]
    cross_attention: list[bool]
    layers: int
    head_size: int
    batch: int
    learning_rate: float
    steps: int
    ema: float


@dataclass(frozen=True)
class ControlSettings:
    """Sizes of the ControlNet's entry and its training."""

    hint_channels: list[int]
    batch: int
    learning_rate: float
    steps: int
    ema: float


@dataclass(frozen=True)
class Settings:
    """All settings of a scale."""

    seed: int
    data: DataSettings
    autoencoder: AutoencoderSettings
    decoder: DecoderSettings
    denoiser: DenoiserSettings
    control: ControlSettings


def read_settings(path: Path) -> Settings:
    """Read a scale's file; an unknown or missing setting is an error."""
    return from_table(tomllib.loads(path.read_text(encoding="utf-8")))


def from_table(table: dict[str, Any]) -> Settings:
    """Turn a table with the file's layout into settings."""
    return Settings(
        seed=table["seed"],
        data=DataSettings(**table["data"]),
        autoencoder=AutoencoderSettings(**table["autoencoder"]),
        decoder=DecoderSettings(**table["decoder"]),
        denoiser=DenoiserSettings(**table["denoiser"]),
        control=ControlSettings(**table["control"]),
    )


def digest(*parts: Any) -> str:
    """Return a short sum of settings, by which a saved state is known to belong to them."""
    plain = [asdict(part) if hasattr(part, "__dataclass_fields__") else part for part in parts]
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()[:16]
