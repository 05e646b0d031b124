"""Which pipelines of diffusers paint with the components of a checkpoint."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import diffusers
from diffusers import StableDiffusionAdapterPipeline, StableDiffusionXLAdapterPipeline
from diffusers.pipelines import auto_pipeline

from sensorium.errors import UnsupportedError
from sensorium.image_generation.diffusion.call_signature import kinds_by_call
from sensorium.image_generation.diffusion.control.control_kinds import ControlKind
from sensorium.image_generation.diffusion.other_pipelines import COMBINED, has_a_reason, without_use
from sensorium.image_generation.painting import IMAGE_TO_IMAGE, INPAINTING, TEXT_TO_IMAGE
from sensorium.models.catalog import Checkpoint

_PIPELINES: Mapping[str, Mapping[str, Any]] = {
    TEXT_TO_IMAGE: auto_pipeline.AUTO_TEXT2IMAGE_PIPELINES_MAPPING,
    IMAGE_TO_IMAGE: auto_pipeline.AUTO_IMAGE2IMAGE_PIPELINES_MAPPING,
    INPAINTING: auto_pipeline.AUTO_INPAINT_PIPELINES_MAPPING,
}
_ADAPTED: Mapping[str, Mapping[str, Any]] = {
    TEXT_TO_IMAGE: {
        "stable-diffusion-adapter": StableDiffusionAdapterPipeline,
        "stable-diffusion-xl-adapter": StableDiffusionXLAdapterPipeline,
    }
}
"""AutoPipelines know none of those for T2I-Adapters."""
_COUNTERPARTS = {IMAGE_TO_IMAGE: "Img2Img", INPAINTING: "Inpaint"}
"""What diffusers adds to the name of a pipeline for those that do the other kinds with the same components."""


def paints(class_name: str) -> bool:
    """Return whether pipelines of that class paint pictures."""
    return bool(_kinds_of(class_name))


def pipeline_classes(class_name: str, checkpoint: Checkpoint) -> dict[str, Any]:
    """Return the pipeline for each kind of painting that a checkpoint is made for.

    Args:
        class_name: The pipeline that the checkpoint names.
        checkpoint: Its catalog entry, for messages.

    Raises:
        UnsupportedError: It paints no pictures.
    """
    found = _kinds_of(class_name)
    if not found:
        reason, remedy = without_use(class_name)
        raise UnsupportedError(
            f"The checkpoint {checkpoint.name!r} can't paint pictures here: its family is {class_name!r}, and {reason}",
            remedy,
        )
    return found


def family_of(classes: Iterable[Any]) -> str:
    """Return the name that diffusers' AutoPipelines have for a family, such as ``"stable-diffusion-xl"``; "" for none.

    Args:
        classes: The pipelines of its kinds of painting.
    """
    for pipeline_class in classes:
        for table in _PIPELINES.values():
            for family, of_family in table.items():
                if of_family is pipeline_class:
                    return family
    return ""


def controlled_class(kind: str, family: str, control: ControlKind) -> Any | None:
    """Return the pipeline that paints under control networks of a class; None if diffusers has none.

    Args:
        kind: ``"text-to-image"``, ``"image-to-image"`` or ``"inpainting"``.
        family: From `family_of`.
        control: The class of the networks.
    """
    if kind not in control.paintings:
        return None
    return {**_PIPELINES[kind], **_ADAPTED.get(kind, {})}.get(f"{family}-{control.pipelines}")


def _kinds_of(class_name: str) -> dict[str, Any]:
    if class_name in COMBINED:
        return {TEXT_TO_IMAGE: getattr(diffusers, COMBINED[class_name].pipeline)}
    known = _known_to_auto_pipelines(class_name)
    if has_a_reason(class_name) and not _saved_with_control(class_name, known):
        return {}
    own = getattr(diffusers, class_name, None)
    if not (isinstance(own, type) and issubclass(own, diffusers.DiffusionPipeline)):
        return known
    further = dict.fromkeys(kinds_by_call(own), own)
    for kind, addition in _COUNTERPARTS.items():
        name = f"{class_name.removesuffix('Pipeline')}{addition}Pipeline"
        found = None if has_a_reason(name) else getattr(diffusers, name, None)
        if found is not None and kinds_by_call(found) == (kind,):
            further.setdefault(kind, found)
    return {kind: known.get(kind) or further[kind] for kind in _PIPELINES if kind in known or kind in further}


def _saved_with_control(class_name: str, known: Mapping[str, Any]) -> bool:
    """Return whether a checkpoint was saved together with a ControlNet: it paints without it as its family does."""
    return "ControlNet" in class_name and bool(known)


def _known_to_auto_pipelines(class_name: str) -> dict[str, Any]:
    for kind in (TEXT_TO_IMAGE, IMAGE_TO_IMAGE, INPAINTING):
        for family, pipeline_class in _PIPELINES[kind].items():
            if pipeline_class.__name__ == class_name:
                family = family.partition("-controlnet")[0]
                # One that was made for inpainting only (its U-Net also takes a mask) can't do the rest.
                kinds = _PIPELINES if kind == TEXT_TO_IMAGE else (kind,)
                return {each: _PIPELINES[each][family] for each in kinds if family in _PIPELINES[each]}
    return {}
