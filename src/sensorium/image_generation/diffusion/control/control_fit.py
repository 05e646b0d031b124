"""Whether control networks fit a painter, and one another; told by their settings, before any weights are loaded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sensorium.errors import UnsupportedError
from sensorium.image_generation.diffusion.control.control_kinds import BASES, CONTROL_KINDS, XL_ADAPTER, ControlKind

if TYPE_CHECKING:
    from sensorium.image_generation.diffusion.pipeline import DiffusionBackend


@dataclass(frozen=True)
class NetworkSettings:
    """What a control network says of itself.

    Attributes:
        name: Its name, for messages.
        family: Its class in diffusers.
        config: The settings of its ``config.json``, with diffusers' defaults for those that aren't there.
    """

    name: str
    family: str
    config: Mapping[str, Any]

    @property
    def kind(self) -> ControlKind:
        """What is known of its class."""
        return CONTROL_KINDS[self.family]

    @property
    def size_factor(self) -> int:
        """What the sides of its maps must be multiples of, in pixels."""
        return int(self.config.get("downscale_factor") or 1)

    @property
    def called(self) -> str:
        """Its kind and name."""
        return f"{self.kind.name} {self.name!r}"


def require_base(name: str, family: str, base: DiffusionBackend) -> None:
    """Refuse a class of networks that was made for other painters; a catalog tells it before anything is fetched.

    Args:
        name: The network's, for messages.
        family: Its class in diffusers; any other word passes.
        base: The painter.

    Raises:
        UnsupportedError: The class was made for others.
    """
    kind = CONTROL_KINDS.get(family)
    if kind is not None and base.family not in kind.bases:
        raise UnsupportedError(
            f"The {kind.name} {name!r} was made for {kind.of_bases}, and {base.checkpoint.name!r} is a "
            f"{BASES[base.family]}",
            _other(base),
        )


def require_fit(network: NetworkSettings, base: DiffusionBackend) -> None:
    """Refuse a network that was made for another painter than this one.

    Raises:
        UnsupportedError: The two don't fit.
    """
    require_base(network.name, network.family, base)
    kind, name, other = network.kind, base.checkpoint.name, _other(base)
    mine, its = network.config.get(kind.text_width), base.denoiser.config.get(kind.text_width)
    if mine is not None and mine != its:
        raise UnsupportedError(
            f"The {network.called} was made for text features of width {mine}, and {name!r} has {its}: it belongs to "
            "another kind of painter",
            other,
        )
    for size in kind.sizes:
        if _plain(network.config[size]) != _plain(base.denoiser.config[size]):
            raise UnsupportedError(
                f"The {network.called} was made for another denoiser than that of {name!r}: their {size} differ", other
            )
    if "adapter_type" in network.config:
        _require_features(network, base)
    if network.config.get("extra_conditioning_channels") or network.config.get("extra_condition_channels"):
        raise UnsupportedError(
            f"The {network.called} was made to fill in a part of a picture: it reads a mask, and follows no map",
            "Choose one that was made for a kind of control, such as canny or depth",
        )


def require_together(networks: Sequence[NetworkSettings]) -> None:
    """Refuse networks that no pipeline uses at once.

    Raises:
        UnsupportedError: They are of different kinds, or too different.
    """
    first, *others = networks
    for network in others:
        one = {"nothing": "map", "maps": "network"}.get(first.kind.several, "")
        if network.kind is first.kind and one and (one == "map" or network.name != first.name):
            raise UnsupportedError(
                f"The {first.called} can't be used with another {one}: diffusers' pipeline for {first.kind.of_bases} "
                f"takes one {one}",
                "Paint with one control" if one == "map" else f"Use {first.name!r} for all controls",
            )
    for network in others:
        pair = f"The {first.called} and the {network.called} can't be used at once"
        if network.kind is not first.kind:
            raise UnsupportedError(
                f"{pair}: all networks of a picture must be of one class, and these are {first.kind.family} and "
                f"{network.kind.family}",
                f"Use a {first.kind.name} for each, or paint with one of the two",
            )
        for setting in first.kind.together:
            if _plain(first.config[setting]) != _plain(network.config[setting]):
                raise UnsupportedError(
                    f"{pair}: their {setting} differ", "Use networks of one maker, or paint with one of the two"
                )


def mode_of(control: str, network: NetworkSettings) -> int | None:
    """Return the number by which a union knows a kind of control; None for a network that isn't told.

    Raises:
        UnsupportedError: The union wasn't made for that kind.
    """
    if not network.kind.knows_modes(network.config):
        return None
    modes = network.kind.modes_of(network.config)
    if control not in modes:
        raise UnsupportedError(
            f"The {network.called} doesn't know the control {control!r}",
            f"Choose {', '.join(modes)}, or a network that was made for {control!r}",
        )
    return modes[control]


def require_timing(network: NetworkSettings, timings: Sequence[tuple[float, float]], pipeline_class: Any) -> None:
    """Refuse starts and ends that a pipeline can't keep.

    Args:
        network: One of those that it uses, for messages.
        timings: Start and end of each control, as parts of the steps.
        pipeline_class: The pipeline.

    Raises:
        UnsupportedError: A control is to start late or end early, and can't there.
    """
    from sensorium.image_generation.diffusion.control.pipeline_control import (
        can_end_early,
        can_start_late,
        ends_together,
    )

    starts, ends = zip(*timings, strict=True)
    if any(starts) and not can_start_late(pipeline_class):
        raise UnsupportedError(
            f"The {network.called} counts from the first step on: a {network.kind.name} can't start later",
            "Leave out the start, or choose a ControlNet",
        )
    if any(end < 1 for end in ends) and not can_end_early(pipeline_class):
        raise UnsupportedError(
            f"The {network.called} counts up to the last step: diffusers' {pipeline_class.__name__} can't end earlier",
            "Leave out the end, or choose a ControlNet",
        )
    if len(set(ends)) > 1 and ends_together(pipeline_class):
        raise UnsupportedError(
            f"Several {network.kind.name}s end at the same step, and these are to end at {', '.join(map(str, ends))}",
            "Give all controls the same end, or choose ControlNets",
        )


def _other(base: DiffusionBackend) -> str:
    return f"Choose a control network that was made for {base.checkpoint.name!r}, or another base checkpoint"


def _require_features(network: NetworkSettings, base: DiffusionBackend) -> None:
    """See that an adapter's features have the sizes of the denoiser's blocks."""
    config, name, other = network.config, base.checkpoint.name, _other(base)
    of = "stable-diffusion-xl" if config["adapter_type"] == XL_ADAPTER else "stable-diffusion"
    if base.family != of:
        raise UnsupportedError(
            f"The {network.called} was made for {BASES[of]}, and {name!r} is a {BASES[base.family]}", other
        )
    # Light ones end with a block more than they name channels.
    channels, blocks = [*config["channels"], config["channels"][-1]], list(base.denoiser.config["block_out_channels"])
    if channels[: len(blocks)] != blocks:
        raise UnsupportedError(
            f"The {network.called} was made for another denoiser than that of {name!r}: their channels differ", other
        )


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
