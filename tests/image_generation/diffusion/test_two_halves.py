"""Painters in two repositories: the same pixels as diffusers' combined pipelines."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch

from sensorium import TextToImage
from sensorium.errors import CancelledError, InputError, UnsupportedError
from tests.checkpoints import two_halves
from tests.refusals import refused

Parity = Callable[[str, str, str], None]

PROMPT, SEED, SIZE = "a red cat", 5, {"width": 128, "height": 128}
FAMILIES: dict[str, tuple[Callable[[Path], Path], str]] = {
    "Stable Cascade": (two_halves.tiny_stable_cascade, "StableCascade"),
    "Würstchen": (two_halves.tiny_wuerstchen, "Wuerstchen"),
    "Kandinsky 2.1": (two_halves.tiny_kandinsky_2_1, "Kandinsky"),
}


_LAST_BITS = 1
"""Weights in their file's own memory can lie at odd addresses, where products round otherwise."""


def _components(folder: Path) -> dict[str, Any]:
    """Open them one by one: diffusers 0.42 has moved what the published files name, and no longer finds it itself."""
    import diffusers
    import transformers
    from diffusers.pipelines import kandinsky
    from diffusers.pipelines.deprecated import wuerstchen

    libraries = {
        "diffusers": diffusers,
        "transformers": transformers,
        "kandinsky": kandinsky,
        "wuerstchen": wuerstchen,
    }
    index = json.loads((folder / "model_index.json").read_text())
    named = {name: entry for name, entry in index.items() if isinstance(entry, list) and entry[0]}
    return {
        name: getattr(
            libraries[library], class_name.replace("CLIPImageProcessor", "CLIPImageProcessorPil")
        ).from_pretrained(folder / name)
        for name, (library, class_name) in named.items()
    }


@pytest.fixture(scope="module", params=FAMILIES)
def family(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    return request.param, FAMILIES[request.param][0](tmp_path_factory.mktemp("halves"))


def test_the_pixels_are_those_of_diffusers(family: tuple[str, Path], parity: Parity) -> None:
    import diffusers

    name, decoder = family
    beginning = FAMILIES[name][1]
    combined = getattr(diffusers, f"{beginning}CombinedPipeline")
    prior = _components(decoder.with_name("prior-repository"))
    pipeline = combined(**_components(decoder), **{f"prior_{part}": value for part, value in prior.items()})
    pipeline.set_progress_bar_config(disable=True)
    generator = torch.Generator().manual_seed(SEED)
    guidance = {"guidance_scale": 4.0} if beginning == "Kandinsky" else {"prior_guidance_scale": 3.0}
    expected: Any = pipeline(PROMPT, num_inference_steps=2, generator=generator, **guidance, **SIZE).images[0]
    with TextToImage(decoder) as painter:
        scale = next(iter(guidance.values()))
        mine = painter.generate(PROMPT, steps=2, guidance_scale=scale, seed=SEED, **SIZE)[0]
        assert mine.size == expected.size == (128, 128)
        assert int(numpy.abs(numpy.asarray(mine, int) - numpy.asarray(expected, int)).max()) <= _LAST_BITS
        assert numpy.asarray(expected).std() > 4
        assert mine.settings.guidance_scale == scale
        with refused(UnsupportedError, "image-to-image", "text-to-image"):
            painter.img2img(mine, PROMPT)
        with refused(InputError, "width"):
            painter.generate(PROMPT, width=72)
        stopped = threading.Event()
        stopped.set()
        with pytest.raises(CancelledError):
            painter.generate(PROMPT, steps=2, cancel=stopped, **SIZE)
    parity(f"{name}, prior and decoder", f"{beginning}CombinedPipeline", "largest difference 1 of 255")


def test_another_prior_is_refused(tmp_path: Path) -> None:
    decoder = two_halves.tiny_stable_cascade(tmp_path)
    shutil.copytree(decoder, decoder / "prior")
    with refused(UnsupportedError, "decoder", "StableCascadePriorPipeline"):
        TextToImage(decoder).load()
