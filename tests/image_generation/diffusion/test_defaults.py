"""Steps and guidance come from a checkpoint's configuration, never from its name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sensorium import TextToImage
from sensorium.models import catalog
from tests.checkpoints import diffusion as tiny

TRAILING = {"timestep_spacing": "trailing"}


@pytest.mark.parametrize(
    ("settings", "steps", "guidance"),
    [
        ({}, 50, 7.5),
        ({"scheduler": "LCMScheduler"}, 4, 1.0),
        ({"scheduler": "LCMScheduler", "guidance_embedded": True}, 4, 8.0),
        ({"scheduler": "EulerAncestralDiscreteScheduler", "scheduler_settings": TRAILING}, 4, 0.0),
        ({"scheduler": "EulerDiscreteScheduler", "scheduler_settings": TRAILING}, 4, 0.0),
        ({"scheduler": "EulerDiscreteScheduler"}, 50, 7.5),
        (
            {
                "scheduler": "EulerDiscreteScheduler",
                "scheduler_settings": {**TRAILING, "rescale_betas_zero_snr": True, "prediction_type": "v_prediction"},
            },
            50,
            7.5,
        ),
    ],
)
def test_steps_and_guidance(tmp_path: Path, settings: dict[str, Any], steps: int, guidance: float) -> None:
    with TextToImage(tiny.tiny_stable_diffusion(tmp_path / "checkpoint", **settings)) as text_to_image:
        from sensorium.image_generation.diffusion.defaults import diffusion_defaults

        backend: Any = text_to_image.backend
        own = backend.pipeline()
        for kind in backend.kinds:
            defaults = diffusion_defaults(backend.pipeline(kind), own, text_to_image.checkpoint)
            assert (defaults.steps, defaults.guidance_scale) == (steps, guidance)
        picture = text_to_image.generate("a cat", steps=None if steps < 10 else 2, seed=1)[0]
        assert picture.settings.guidance_scale == guidance


@pytest.mark.parametrize(
    ("build", "factor", "native"),
    [
        (tiny.tiny_stable_diffusion, 8, 64),
        (tiny.tiny_stable_diffusion_xl, 8, 64),
        (tiny.tiny_stable_diffusion_3, 16, 64),
        (tiny.tiny_flux, 16, 1024),
    ],
)
def test_sizes(tmp_path: Path, build: Any, factor: int, native: int) -> None:
    with TextToImage(build(tmp_path / "checkpoint")) as text_to_image:
        backend: Any = text_to_image.backend
        assert (backend.size_factor, backend.native_side) == (factor, native)


def test_the_catalog_knows_what_a_configuration_does_not_tell(tmp_path: Path) -> None:
    from sensorium.image_generation.diffusion.defaults import diffusion_defaults

    with TextToImage(tiny.tiny_stable_diffusion(tmp_path / "checkpoint")) as text_to_image:
        backend: Any = text_to_image.backend
        own = backend.pipeline()
        turbo = diffusion_defaults(own, own, catalog.named("z-image-turbo"))
        assert (turbo.steps, turbo.guidance_scale) == (8, 0.0)


def test_a_scheduler_by_name_changes_the_defaults_only_where_it_must(tmp_path: Path) -> None:
    with TextToImage(tiny.tiny_stable_diffusion(tmp_path / "slow")) as slow:
        assert slow.generate("a cat", scheduler="lcm")[0].settings.steps == 4
    with TextToImage(tiny.tiny_stable_diffusion(tmp_path / "quick", scheduler="LCMScheduler")) as quick:
        settings = quick.generate("a cat", scheduler="ddim")[0].settings
        assert (settings.steps, settings.guidance_scale) == (4, 1.0)
