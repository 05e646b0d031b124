"""Steps and guidance come from a checkpoint's configuration, never from its name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sensorium import TextToImage
from sensorium.models import catalog
from tests.checkpoints import diffusion as tiny
from tests.checkpoints.painters import tiny_painter

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


@pytest.mark.parametrize(
    ("build", "steps", "guidance"),
    [
        (tiny.tiny_z_image, 50, 5.0),
        (lambda folder: tiny.tiny_z_image(folder, shift=3.0), 8, 0.0),
        (lambda folder: tiny_painter(folder, "Krea2Pipeline"), 28, 4.5),
        (lambda folder: tiny_painter(folder, "Krea2Pipeline", is_distilled=True), 8, 0.0),
        (lambda folder: tiny_painter(folder, "Flux2KleinPipeline"), 50, 4.0),
        (lambda folder: tiny_painter(folder, "Flux2KleinPipeline", is_distilled=True), 4, 1.0),
        (lambda folder: tiny_painter(folder, "SanaSprintPipeline"), 2, 4.5),
        (lambda folder: tiny_painter(folder, "DreamLiteMobilePipeline"), 4, None),
    ],
)
def test_distilled_checkpoints_under_any_name(tmp_path: Path, build: Any, steps: int, guidance: float | None) -> None:
    from sensorium.image_generation.diffusion.defaults import diffusion_defaults

    with TextToImage(build(tmp_path / "checkpoint")) as text_to_image:
        own = text_to_image.backend.pipeline()  # type: ignore[attr-defined]
        defaults = diffusion_defaults(own, own, text_to_image.checkpoint)
    assert (defaults.steps, defaults.guidance_scale) == (steps, guidance)


def test_distillation_is_read_from_transformer_and_scheduler() -> None:
    from types import SimpleNamespace

    from diffusers import FlowMatchEulerDiscreteScheduler, FlowMatchLCMScheduler

    from sensorium.image_generation.diffusion.few_steps import FewSteps, few_steps

    def told(name: str, scheduler: Any, **transformer: Any) -> FewSteps | None:
        parts = {"transformer": SimpleNamespace(config=transformer)}
        own = type(name, (), {"scheduler": scheduler, "components": parts, "config": {}})()
        return few_steps(own, embedded=False, flux_like=False)

    euler = FlowMatchEulerDiscreteScheduler()
    assert told("HiDreamImagePipeline", FlowMatchLCMScheduler(shift=6.0)) == FewSteps(28, 0.0)
    assert told("HiDreamImagePipeline", FlowMatchLCMScheduler(shift=3.0)) == FewSteps(16, 0.0)
    assert told("HiDreamImagePipeline", euler) is None
    assert told("HunyuanImagePipeline", euler, use_meanflow=True) == FewSteps(8, None)
    assert told("HunyuanImagePipeline", euler, use_meanflow=False) is None


def test_a_scheduler_by_name_changes_the_defaults_only_where_it_must(tmp_path: Path) -> None:
    with TextToImage(tiny.tiny_stable_diffusion(tmp_path / "slow")) as slow:
        assert slow.generate("a cat", scheduler="lcm")[0].settings.steps == 4
    with TextToImage(tiny.tiny_stable_diffusion(tmp_path / "quick", scheduler="LCMScheduler")) as quick:
        settings = quick.generate("a cat", scheduler="ddim")[0].settings
        assert (settings.steps, settings.guidance_scale) == (4, 1.0)
