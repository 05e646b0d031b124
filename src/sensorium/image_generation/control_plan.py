"""What pipelines and settings make of the controls of one call, settled before a control network is loaded."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sensorium.errors import UnsupportedError
from sensorium.image_generation.diffusion.control.control_fit import (
    NetworkSettings,
    mode_of,
    require_fit,
    require_timing,
    require_together,
)
from sensorium.image_generation.diffusion.control.control_kinds import BASES, ControlKind
from sensorium.image_generation.generated_image import pixel_sum

if TYPE_CHECKING:
    import PIL.Image

    from sensorium.image_generation.control_request import Control
    from sensorium.image_generation.diffusion.control.control_network import ControlNetBackend
    from sensorium.image_generation.diffusion.control.pipeline_control import PipelineControl
    from sensorium.image_generation.diffusion.pipeline import DiffusionBackend


@dataclass(frozen=True)
class ControlPlan:
    """The controls of a call, with what their networks need.

    Attributes:
        controls: The controls.
        kind: The class of all their networks.
        modes: The number by which a union knows each kind of control; None for other networks.
        size_factor: What the sides of the picture must be multiples of, in pixels.
    """

    controls: Sequence[Control]
    kind: ControlKind
    modes: tuple[int | None, ...]
    size_factor: int

    def for_pipeline(
        self, networks: Sequence[ControlNetBackend], maps: Sequence[PIL.Image.Image], recorded: list[dict[str, Any]]
    ) -> PipelineControl:
        """Return what a pipeline takes to paint under the controls.

        Args:
            networks: One for each control.
            maps: The control maps, in the size of the picture.
            recorded: From `record_controls`.
        """
        from sensorium.image_generation.diffusion.control.pipeline_control import PipelineControl

        return PipelineControl(
            kind=self.kind,
            networks=[network.model for network in networks],
            maps=maps,
            weights=[control.weight for control in self.controls],
            starts=[control.start for control in self.controls],
            ends=[control.end for control in self.controls],
            modes=self.modes,
            settings={"controls": recorded},
        )


def plan_controls(
    controls: Sequence[Control], networks: Sequence[NetworkSettings], painting: str, base: DiffusionBackend
) -> ControlPlan:
    """See that a painter can paint under all controls at once, and settle how.

    Args:
        controls: What is asked for.
        networks: What the network of each says of itself.
        painting: ``"text-to-image"``, ``"image-to-image"`` or ``"inpainting"``.
        base: The painter.

    Raises:
        UnsupportedError: A network was made for another painter, two can't be used at once, or there is no pipeline
            for what is asked for.
    """
    from sensorium.image_generation.diffusion.pipeline_classes import controlled_class

    for network in networks:
        require_fit(network, base)
    require_together(networks)
    kind = networks[0].kind
    modes = tuple(mode_of(control.kind, network) for control, network in zip(controls, networks, strict=True))
    pipeline_class = controlled_class(painting, base.family, kind)
    if pipeline_class is None or painting not in base.kinds:
        possible = [each for each in base.kinds if controlled_class(each, base.family, kind)]
        raise UnsupportedError(
            f"{base.checkpoint.name!r} can't do {painting} under a {kind.name}: there is no pipeline for it with "
            f"{BASES[base.family]}",
            f"Under a {kind.name} it can do {', '.join(possible)}" if possible else "Choose another base checkpoint",
        )
    require_timing(networks[0], [(control.start, control.end) for control in controls], pipeline_class)
    factor = math.lcm(base.size_factor, *(network.size_factor for network in networks))
    return ControlPlan(controls, kind, modes, factor)


def record_controls(
    controls: Sequence[Control], networks: Sequence[ControlNetBackend], maps: Sequence[PIL.Image.Image]
) -> list[dict[str, Any]]:
    """Return what the settings of a picture say about its controls."""
    return [
        {
            "control": control.kind,
            "model": network.checkpoint.name,
            "revision": network.revision,
            "weight": control.weight,
            "start": control.start,
            "end": control.end,
            "image_sha256": pixel_sum(drawn),
        }
        for control, network, drawn in zip(controls, networks, maps, strict=True)
    ]
