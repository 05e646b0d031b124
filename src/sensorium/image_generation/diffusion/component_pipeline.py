"""Further pipelines of diffusers around components that are loaded already."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from sensorium.image_generation.diffusion.checkpoints.checkpoint import SAFETY_CHECKER
from sensorium.quiet import quiet_diffusers

if TYPE_CHECKING:
    from sensorium.image_generation.diffusion.control.pipeline_control import PipelineControl


def around_components(pipeline_class: Any, own: Any, scheduler: Any, control: PipelineControl | None) -> Any | None:
    """Return a pipeline that shares the components of another, in milliseconds; None if it needs others.

    Args:
        pipeline_class: Its class.
        own: The pipeline whose components and settings it takes.
        scheduler: Its own.
        control: Control networks for it.
    """
    given: dict[str, Any] = {
        "scheduler": scheduler,
        **({control.kind.component: control.component} if control else {}),
        SAFETY_CHECKER: None,
        "feature_extractor": None,
        "requires_safety_checker": False,
    }
    # Not from_pipe: it casts what is shared to float32 unless told otherwise, and all parts to one precision then.
    arguments = {}
    for name, parameter in inspect.signature(pipeline_class.__init__).parameters.items():
        if name == "self" or parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        if name in given and (name != "feature_extractor" or name not in own.components):
            arguments[name] = given[name]
        elif name in own.components:
            arguments[name] = own.components[name]
        elif name in own.config:
            arguments[name] = own.config[name]
        elif parameter.default is parameter.empty:
            return None
    with quiet_diffusers():
        pipeline = pipeline_class(**arguments)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline
