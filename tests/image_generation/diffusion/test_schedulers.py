"""Schedulers by name: which of them suit a checkpoint, and what they do."""

from __future__ import annotations

from contextlib import suppress

import diffusers
import pytest

from sensorium import TextToImage
from sensorium.errors import InputError, UnsupportedError
from sensorium.image_generation.diffusion.schedulers import (
    SCHEDULERS,
    check_scheduler,
    check_steps,
    make_scheduler,
    schedulers_for,
)


def test_every_name_paints(painter: TextToImage) -> None:
    suitable = schedulers_for(painter.backend.pipeline().scheduler)  # type: ignore[attr-defined]
    assert set(suitable) == set(SCHEDULERS) - {"flow-euler"}
    pictures = [painter.generate("a cat", steps=2, seed=1, scheduler=name)[0] for name in suitable]
    assert [picture.settings.scheduler for picture in pictures] == suitable
    noisy = pictures[suitable.index("dpm++-2m-sde")]
    assert painter.paint_again(noisy.settings).tobytes() == noisy.tobytes()


def test_names_stand_for_what_they_say() -> None:
    own = diffusers.PNDMScheduler(beta_schedule="scaled_linear", prediction_type="v_prediction")
    made, name = make_scheduler(own, "dpm++-2m-sde-karras")
    assert (type(made), name) == (diffusers.DPMSolverMultistepScheduler, "dpm++-2m-sde-karras")
    assert made.config.algorithm_type == "sde-dpmsolver++"
    assert made.config.use_karras_sigmas
    assert (made.config.prediction_type, made.config.beta_schedule) == ("v_prediction", "scaled_linear")
    assert not make_scheduler(own, "ddim")[0].config.clip_sample
    again, name = make_scheduler(own, "PNDMScheduler")
    assert (type(again), name) == (diffusers.PNDMScheduler, "PNDMScheduler")
    assert again is not own


@pytest.mark.parametrize(("name", "algorithm"), [("deis", "deis"), ("dpm++-2m", "dpmsolver++")])
def test_a_name_does_not_take_over_the_algorithm_of_the_checkpoint_s_own(name: str, algorithm: str) -> None:
    own = diffusers.DPMSolverMultistepScheduler(algorithm_type="sde-dpmsolver++")
    assert make_scheduler(own, name)[0].config.algorithm_type == algorithm


def test_flow_matching_and_noise_prediction_do_not_mix() -> None:
    flow = diffusers.FlowMatchEulerDiscreteScheduler(shift=3.0)
    assert schedulers_for(flow) == ["flow-euler"]
    with pytest.raises(UnsupportedError, match="'ddim' doesn't suit"):
        make_scheduler(flow, "ddim")
    with pytest.raises(UnsupportedError, match="'flow-euler' doesn't suit"):
        make_scheduler(diffusers.DDIMScheduler(), "flow-euler")
    sana = diffusers.DPMSolverMultistepScheduler(prediction_type="flow_prediction", use_flow_sigmas=True)
    with pytest.raises(UnsupportedError, match="Leave out the scheduler"):
        make_scheduler(sana, "euler")


def test_consistency_models_take_other_schedulers_and_the_other_way_round() -> None:
    assert "ddim" in schedulers_for(diffusers.LCMScheduler())
    assert "lcm" in schedulers_for(diffusers.DDIMScheduler())
    assert "lcm" not in schedulers_for(diffusers.EDMEulerScheduler())


def test_an_unknown_name_gets_the_nearest() -> None:
    check_scheduler(None)
    check_scheduler("PNDMScheduler")
    with pytest.raises(InputError) as caught:
        check_scheduler("DPM++ 2M Karras")
    assert caught.value.remedy.startswith("Did you mean 'dpm++-2m-karras'?")


def test_numbers_of_steps_at_the_edges(painter: TextToImage) -> None:
    own = painter.backend.pipeline().scheduler  # type: ignore[attr-defined]
    for name in schedulers_for(own):
        assert painter.generate("a cat", steps=1, scheduler=name)[0].settings.steps == 1
        scheduler, _ = make_scheduler(own, name)
        check_steps(scheduler, 50)
        with suppress(InputError):
            check_steps(scheduler, 1000)
            scheduler.set_timesteps(1000)
            assert 1 < len(scheduler.timesteps.unique()) <= scheduler.timesteps.max() + 1 <= 1000
    check_steps(own, 999)
    with pytest.raises(InputError, match="PNDMScheduler can't do 1000 steps") as caught:
        painter.generate("a cat", steps=1000)
    assert caught.value.remedy == "Use up to 999 steps"
    with pytest.raises(InputError, match="LCMScheduler can't do 51 steps") as caught:
        painter.generate("a cat", steps=51, scheduler="lcm")
    assert caught.value.remedy == "Use up to 50 steps"
