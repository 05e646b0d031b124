"""The control networks of one call, as diffusers' pipelines take them."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from sensorium.models.turns import holding

if TYPE_CHECKING:
    import PIL.Image
    import torch

    from sensorium.image_generation.diffusion.control.control_kinds import ControlKind
    from sensorium.progress import Cancellation

Value = TypeVar("Value")

_BORROWING = threading.Lock()
"""Held while networks work with parts of a painter."""

_MAPS = ("control_image", "image")
"""Where nothing else goes in as a picture, a pipeline's call names the maps "image"."""
_WEIGHTS = ("controlnet_conditioning_scale", "adapter_conditioning_scale")
_STARTS = ("control_guidance_start",)
_ENDS = ("control_guidance_end",)
_COMMON_END = "adapter_conditioning_factor"
"""Up to which part of the steps all adapters of a call count."""


@dataclass(frozen=True)
class PipelineControl:
    """Control networks for one call: one for each map.

    Attributes:
        kind: Their class.
        networks: The models, on the device and in the precision of the painter; one may be there several times.
        maps: The control maps, in the size of the picture.
        weights: How strongly each map counts.
        starts: From which part of the steps on.
        ends: Up to which part of the steps.
        modes: The number by which a union knows the kind of control; None for other networks.
        settings: What the settings of the pictures say about it, ready for JSON.
    """

    kind: ControlKind
    networks: Sequence[Any]
    maps: Sequence[PIL.Image.Image] = ()
    weights: Sequence[float] = ()
    starts: Sequence[float] = ()
    ends: Sequence[float] = ()
    modes: Sequence[int | None] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def component(self) -> Any:
        """What a pipeline is made with."""
        import diffusers

        if len(self.networks) == 1:
            return self.networks[0]
        several = list(self.networks)
        if all(network is self.networks[0] for network in self.networks) and self.kind.for_several_maps != "repeated":
            if self.kind.for_several_maps == "itself":
                return self.networks[0]
            several = several[:1]
        return getattr(diffusers, self.kind.container)(several) if self.kind.container else several


def can_start_late(pipeline_class: Any) -> bool:
    """Return whether a control of such a pipeline can count from a later step on."""
    return any(name in _parameters(pipeline_class) for name in _STARTS)


def can_end_early(pipeline_class: Any) -> bool:
    """Return whether controls of such a pipeline can stop counting before the last step."""
    return any(name in _parameters(pipeline_class) for name in (*_ENDS, _COMMON_END))


def ends_together(pipeline_class: Any) -> bool:
    """Return whether all controls of such a pipeline end at the same step."""
    return _COMMON_END in _parameters(pipeline_class)


def control_arguments(pipeline: Any, control: PipelineControl | None) -> dict[str, Any]:
    """Return the arguments of a pipeline's call that are about control."""
    if control is None:
        return {}
    parameters = _parameters(type(pipeline))
    maps = [_as_read(drawn, network) for drawn, network in zip(control.maps, control.networks, strict=True)]
    arguments: dict[str, Any] = {}
    for names, values in (
        (_MAPS, maps),
        (_WEIGHTS, control.weights),
        (_STARTS, control.starts),
        (_ENDS, control.ends),
    ):
        name = next((name for name in names if name in parameters), None)
        if name is not None:
            arguments[name] = _one_or_list(list(values))
    if _COMMON_END in parameters:
        arguments[_COMMON_END] = control.ends[0]
    if "control_mode" in parameters and (len(maps) > 1 or control.modes[0] is not None):
        arguments["control_mode"] = _one_or_list(list(control.modes))
    return arguments


@contextmanager
def drawing_from(autoencoder: Any, generator: torch.Generator) -> Iterator[None]:
    """Let an autoencoder draw from a generator of the call's own where a pipeline names none.

    Stable Diffusion 3 under control encodes the maps with numbers that all threads of a process draw from: the same
    seed would give another picture each time. Nobody else may use the autoencoder meanwhile.

    Args:
        autoencoder: Its `encode` is watched; None for families that have none.
        generator: Seeded with the picture's seed. It is another one than that of the picture's noise.
    """
    if autoencoder is None or not hasattr(autoencoder, "encode"):
        yield
        return
    encode = autoencoder.encode

    def encode_and_draw(*args: Any, **kwargs: Any) -> Any:
        encoded = encode(*args, **kwargs)
        found = getattr(encoded, "latent_dist", None)
        if found is not None:
            found.sample = partial(_draw, found.sample, generator)
        return encoded

    autoencoder.encode = encode_and_draw
    try:
        yield
    finally:
        del autoencoder.encode


@contextmanager
def borrowing(control: PipelineControl | None, pipeline: Any, cancel: Cancellation | None) -> Iterator[None]:
    """Lend control networks the parts of a pipeline's denoiser that they work with, and take them back afterwards.

    A network is shared by painters: two of them can't lend it theirs at once.

    Args:
        control: The networks.
        pipeline: The pipeline that uses them.
        cancel: Stops the wait for another painter.
    """
    if control is None or not control.kind.borrows:
        yield
        return
    with holding(_BORROWING, cancel):
        for network in control.networks:
            network.from_transformer(network, pipeline.transformer)
        try:
            yield
        finally:
            for network in control.networks:
                for name in control.kind.borrows:
                    setattr(network, name, None)


def _parameters(pipeline_class: Any) -> Mapping[str, inspect.Parameter]:
    return inspect.signature(pipeline_class.__call__).parameters


def _draw(draw: Callable[[Any], Any], ours: torch.Generator, generator: Any = None) -> Any:
    return draw(ours if generator is None else generator)


def _as_read(drawn: PIL.Image.Image, network: Any) -> PIL.Image.Image:
    """Return a map with as many channels as its network reads: some adapters read grey ones."""
    return drawn.convert("L") if network.config.get("in_channels") == 1 else drawn


def _one_or_list(values: list[Value]) -> Value | list[Value]:
    return values[0] if len(values) == 1 else values
