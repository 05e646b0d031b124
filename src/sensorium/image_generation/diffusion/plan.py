"""All numbers of one call, settled from the request and the checkpoint, and checked against both."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import PIL.Image

from sensorium.errors import InputError, UnsupportedError
from sensorium.image_generation.diffusion.call_signature import (
    AS_WRITTEN,
    call_parameters,
    picture_parameter,
    takes_several_pictures,
)
from sensorium.image_generation.diffusion.defaults import DiffusionDefaults
from sensorium.image_generation.diffusion.schedulers import check_steps
from sensorium.image_generation.generated_image import pixel_sum
from sensorium.image_generation.painting import PaintingRequest
from sensorium.image_generation.painting_options import check_side
from sensorium.image_generation.picture_size import fit_picture, size_like


@dataclass(frozen=True)
class DiffusionPlan:
    """The settled numbers of a call.

    Attributes:
        steps: Denoising steps.
        guidance_scale: How closely to follow the prompt, or None where the family doesn't know it.
        size: Width and height in pixels.
        strength: How much is repainted, or None.
        image: The first picture in that size, RGB, or None.
        mask: The mask in that size, grey, or None.
        arguments: Of the pipeline's call, for all of that.
        recorded: What else the settings of a picture tell.
        notes: What has no effect although it was asked for, in sentences.
    """

    steps: int
    guidance_scale: float | None
    size: tuple[int, int]
    strength: float | None
    image: PIL.Image.Image | None
    mask: PIL.Image.Image | None
    arguments: dict[str, Any]
    notes: tuple[str, ...]
    recorded: dict[str, Any] = field(default_factory=dict)


def make_plan(
    request: PaintingRequest, pipeline: Any, defaults: DiffusionDefaults, factor: int, native_side: int
) -> DiffusionPlan:
    """Settle the numbers of a call.

    Args:
        request: What is asked for.
        pipeline: Which is to do it.
        defaults: What the checkpoint was made for.
        factor: What widths and heights must be multiples of.
        native_side: Side of the square that the checkpoint was trained on.

    Raises:
        InputError: A number doesn't suit the checkpoint.
        UnsupportedError: It starts from one picture, and there are several.
    """
    parameters, options = call_parameters(pipeline), request.options
    if request.further_images and not takes_several_pictures(pipeline):
        raise UnsupportedError(
            f"{type(pipeline).__name__} starts from one picture, and {1 + len(request.further_images)} were given",
            "Give one, or use a checkpoint that follows instructions about several, such as 'flux.2-klein-4b'",
        )
    check_side("width", options.width, factor)
    check_side("height", options.height, factor)
    steps = defaults.steps if options.steps is None else options.steps
    check_steps(pipeline.scheduler, steps)
    guidance = None
    if defaults.guidance_argument:
        guidance = defaults.guidance_scale if options.guidance_scale is None else options.guidance_scale
    size = (options.width or native_side, options.height or native_side)
    arguments: dict[str, Any] = {"num_inference_steps": steps}
    arguments |= {name: value for name, value in AS_WRITTEN.items() if name in parameters}
    if "intermediate_timesteps" in parameters and steps != parameters["num_inference_steps"].default:
        arguments["intermediate_timesteps"] = None  # Sana Sprint has one for its two steps only
    if guidance is not None:
        arguments[defaults.guidance_argument] = guidance
    image, mask, strength = None, None, None
    if request.image is not None:
        size = size_like(request.image, native_side, factor, width=options.width, height=options.height)
        image = fit_picture(request.image.convert("RGB"), size)
        picture = picture_parameter(parameters)
        pictures = [image, *request.further_images]
        arguments[picture or "image"] = pictures if picture == "images" or request.further_images else image
        if "strength" in parameters:
            strength = request.strength
            _check_strength(steps, strength)
            arguments["strength"] = strength
    if request.mask is not None:
        mask = fit_picture(request.mask.convert("L"), size)
        arguments["mask_image"] = mask
    # Pipelines of two halves paint 512 pixels by default, whatever they were made for.
    combined = "prior_num_inference_steps" in parameters
    if request.image is not None or options.width or options.height or combined:
        # Else the pipeline knows better: some paint no square by default.
        arguments.update(
            {name: side for name, side in zip(("width", "height"), size, strict=True) if name in parameters}
        )
        if "max_area" in parameters:
            arguments["max_area"] = size[0] * size[1]  # Kontext would paint so many pixels whatever the sides
    recorded = _image_guidance(request, parameters)
    arguments.update(recorded)
    if request.further_images:
        recorded["further_images"] = [pixel_sum(each) for each in request.further_images]
    notes = []
    if options.guidance_scale is not None and guidance is None:
        notes.append("The guidance scale has no effect: this checkpoint doesn't know it")
    if options.negative_prompt and not (
        defaults.reads_negative_prompts and (guidance or 0) > defaults.without_guidance
    ):
        notes.append("The negative prompt has no effect: this checkpoint, or this guidance scale, doesn't read it")
    if request.image is not None and strength is None:
        notes.append("The strength has no effect: this checkpoint repaints as the prompt says")
    return DiffusionPlan(steps, guidance, size, strength, image, mask, arguments, tuple(notes), recorded)


def _image_guidance(request: PaintingRequest, parameters: Mapping[str, inspect.Parameter]) -> dict[str, Any]:
    """Return the argument for pipelines that follow instructions: how much of the picture stays."""
    asked, parameter = request.image_guidance_scale, parameters.get("image_guidance_scale")
    if parameter is not None:
        scale = parameter.default if asked is None else asked
        return {} if scale is None or request.image is None else {"image_guidance_scale": scale}
    if asked is not None:
        raise InputError(
            "image_guidance_scale is for checkpoints that follow instructions (InstructPix2Pix), and this is none",
            "Leave it out",
        )
    return {}


def _check_strength(steps: int, strength: float) -> None:
    if int(steps * strength) < 1:
        raise InputError(
            f"With a strength of {strength:g} none of the {steps} steps would be done",
            f"Use a strength of at least {1 / steps:.2g}, or more steps",
        )
