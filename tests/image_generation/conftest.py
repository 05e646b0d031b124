"""Tiny diffusion checkpoints, built once for all tests of painting."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import PIL.Image
import pytest

from sensorium import TextToImage
from tests import real_media
from tests.checkpoints.diffusion import tiny_stable_diffusion


@pytest.fixture(scope="session")
def stable_diffusion(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny Stable Diffusion 1.5 with a safety checker that flags nothing."""
    return tiny_stable_diffusion(
        tmp_path_factory.mktemp("diffusion") / "tiny-stable-diffusion", safety_checker=True, seed=1
    )


@pytest.fixture(scope="session")
def painter(stable_diffusion: Path) -> Iterator[TextToImage]:
    """It, loaded."""
    with TextToImage(stable_diffusion) as loaded:
        yield loaded


@pytest.fixture(scope="session")
def cat() -> PIL.Image.Image:
    """A photograph of 451 × 300 pixels."""
    return PIL.Image.open(real_media.photo("chelsea")).convert("RGB")


@pytest.fixture(scope="session")
def mask(cat: PIL.Image.Image) -> PIL.Image.Image:
    """White over the left half of the photograph."""
    half = PIL.Image.new("L", cat.size, 0)
    half.paste(255, (0, 0, cat.width // 2, cat.height))
    return half
