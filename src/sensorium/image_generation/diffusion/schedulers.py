"""Schedulers (samplers) by clear names, and which of them suit a checkpoint."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

from sensorium.errors import InputError, UnsupportedError
from sensorium.quiet import quiet_diffusers

SCHEDULERS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "ddim": ("DDIMScheduler", {"clip_sample": False}),
    "ddpm": ("DDPMScheduler", {"clip_sample": False}),
    "deis": ("DEISMultistepScheduler", {"algorithm_type": "deis"}),
    "dpm++-2m": ("DPMSolverMultistepScheduler", {"algorithm_type": "dpmsolver++", "use_karras_sigmas": False}),
    "dpm++-2m-karras": ("DPMSolverMultistepScheduler", {"algorithm_type": "dpmsolver++", "use_karras_sigmas": True}),
    "dpm++-2m-sde": ("DPMSolverMultistepScheduler", {"algorithm_type": "sde-dpmsolver++", "use_karras_sigmas": False}),
    "dpm++-2m-sde-karras": (
        "DPMSolverMultistepScheduler",
        {"algorithm_type": "sde-dpmsolver++", "use_karras_sigmas": True},
    ),
    "euler": ("EulerDiscreteScheduler", {"use_karras_sigmas": False}),
    "euler-karras": ("EulerDiscreteScheduler", {"use_karras_sigmas": True}),
    "euler-ancestral": ("EulerAncestralDiscreteScheduler", {}),
    "heun": ("HeunDiscreteScheduler", {}),
    "kdpm2": ("KDPM2DiscreteScheduler", {}),
    "kdpm2-ancestral": ("KDPM2AncestralDiscreteScheduler", {}),
    "lcm": ("LCMScheduler", {"clip_sample": False}),
    "lms": ("LMSDiscreteScheduler", {"use_karras_sigmas": False}),
    "pndm": ("PNDMScheduler", {"skip_prk_steps": True}),
    "unipc": ("UniPCMultistepScheduler", {"use_karras_sigmas": False}),
    "flow-euler": ("FlowMatchEulerDiscreteScheduler", {}),
}
"""From name to diffusers' class and the settings in which it differs from the checkpoint's."""

_UNFIT_FOR_COSINE = ("dpm++-2m-karras", "dpm++-2m-sde-karras", "heun", "kdpm2-ancestral")
"""What can't paint with a cosine schedule, which ends in next to nothing but noise. There, several of Karras's noise
levels are one timestep, and diffusers' solver fails; heun and kdpm2-ancestral go too far, and the picture is noise."""


def check_scheduler(name: str | None) -> None:
    """Refuse a name that no checkpoint could know; class names of diffusers pass, for a checkpoint's own.

    Raises:
        InputError: With the nearest name.
    """
    if name is not None and not isinstance(name, str):
        raise InputError(f"The scheduler {name!r} is no name", f"There are {', '.join(SCHEDULERS)}")
    if name is None or name in SCHEDULERS or name.endswith("Scheduler"):
        return
    near = difflib.get_close_matches(name.casefold().replace(" ", "-").replace("_", "-"), SCHEDULERS, n=1, cutoff=0.5)
    raise InputError(
        f"There is no scheduler {name!r}",
        (f"Did you mean {near[0]!r}? " if near else "") + f"There are {', '.join(SCHEDULERS)}",
    )


def schedulers_for(own: Any) -> list[str]:
    """Return the names of the schedulers that suit a checkpoint.

    Args:
        own: The scheduler that the checkpoint comes with. One made for flow matching and one made for noise
            prediction can't stand in for each other.
    """
    flow = _matches_flows(own)
    unfit = _UNFIT_FOR_COSINE if own.config.get("beta_schedule") == "squaredcos_cap_v2" else ()
    return [name for name, (class_name, _) in SCHEDULERS.items() if _suits(own, class_name, flow) and name not in unfit]


def make_scheduler(own: Any, name: str | None) -> tuple[Any, str]:
    """Return a fresh scheduler for one run, and the name by which it can be asked for again.

    Args:
        own: The scheduler that the checkpoint comes with; it is not changed.
        name: One of `schedulers_for`, the class name of ``own``, or None for the checkpoint's own.

    Raises:
        InputError: There is no such scheduler.
        UnsupportedError: It doesn't suit the checkpoint.
    """
    import diffusers

    own_name = type(own).__name__
    if name is None or name == own_name:
        return type(own).from_config(own.config), own_name
    check_scheduler(name)
    suitable = schedulers_for(own)
    if name not in suitable:
        raise UnsupportedError(
            f"The scheduler {name!r} doesn't suit this checkpoint, which was trained with {own_name}",
            f"Choose one of {', '.join(suitable)}" if suitable else "Leave out the scheduler to use its own",
        )
    class_name, settings = SCHEDULERS[name]
    # Latents have no limits, and diffusers' default is to clip; only a checkpoint that says so itself wants that.
    kept = {
        setting: value for setting, value in settings.items() if setting != "clip_sample" or setting not in own.config
    }
    with quiet_diffusers():
        return getattr(diffusers, class_name).from_config(own.config, **kept), name


def check_steps(scheduler: Any, steps: int) -> None:
    """Refuse a number of steps that a scheduler can't do, although it is a number of steps.

    Raises:
        InputError: With the highest number.
    """
    if not hasattr(scheduler, "alphas_cumprod"):
        return  # those for flow matching have no grid of training timesteps
    if not _can_do(scheduler, steps):
        most = next((number for number in range(steps - 1, 0, -1) if _can_do(scheduler, number)), 1)
        raise InputError(f"{type(scheduler).__name__} can't do {steps} steps", f"Use up to {most} steps")


def _can_do(scheduler: Any, steps: int) -> bool:
    """Try it: with nearly as many steps as training timesteps, several go beyond the last one, or never move."""
    with quiet_diffusers():
        trial = type(scheduler).from_config(scheduler.config)
    try:
        trial.set_timesteps(steps)
    except (ValueError, IndexError):
        return False
    timesteps = trial.timesteps
    inside = bool(timesteps.max() < scheduler.config.num_train_timesteps)
    return inside and (steps == 1 or timesteps.unique().numel() > 1)


def _suits(own: Any, class_name: str, flow: bool) -> bool:
    import diffusers

    if flow:
        return class_name == type(own).__name__ and class_name.startswith("FlowMatch")
    candidate, own_class = getattr(diffusers, class_name), type(own)
    if candidate is own_class:
        return True
    others = [each for each in own.compatibles if each is not own_class]
    # LCM predicts noise as the others do, though diffusers doesn't list it among them.
    if diffusers.LCMScheduler in (candidate, own_class):
        return bool(others) or own_class is diffusers.LCMScheduler
    return candidate in others


def _matches_flows(own: Any) -> bool:
    return (
        type(own).__name__.startswith("FlowMatch")
        or own.config.get("prediction_type") == "flow_prediction"
        or bool(own.config.get("use_flow_sigmas"))
    )
