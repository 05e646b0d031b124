"""``sensorium control``: pictures that follow the pose, edges, depth, normals or segments of another; their maps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import typer

from sensorium.cli.call import Call
from sensorium.cli.completion import complete_controls
from sensorium.cli.inputs import Input
from sensorium.cli.interrupt import cancel, command
from sensorium.cli.options import AsJson, Device, Dtype, Model, Profile, Quiet, examples
from sensorium.cli.painting import (
    Count,
    Guidance,
    Height,
    Lora,
    Negative,
    Output,
    Safety,
    Scheduler,
    Seed,
    Width,
    lora_pairs,
    painter_of,
    picture_files,
    refuse_others,
    save_again,
    saving_pictures,
    show_notes,
)
from sensorium.errors import InputError

_DEFAULT = "openpose"
_NEARLY_ALL = 0.999
_FOR_MAPS = ("map_only", "reference", "controls", "settings", "annotators", "output", "device", "dtype")
_FOR_PAINTING_AGAIN = (
    "again",
    "reference",
    "maps",
    "init",
    "lora",
    "controlnets",
    "annotators",
    "output",
    "model",
    "device",
    "dtype",
)

Text: TypeAlias = str | None
Texts: TypeAlias = list[str] | None


def register(app: typer.Typer) -> None:
    """Add this group's command."""
    app.command(
        rich_help_panel="Image generation",
        epilog=examples(
            "sensorium control scene.jpg 'a superhero, comic style' --control openpose -o hero.png",
            "sensorium control scene.jpg 'a bronze statue' -c depth -c canny --weight canny=0.5 --save-map map.png",
            "sensorium control scene.jpg --map-only --control canny -o edges.png",
            "sensorium control scene.jpg --map-only -c canny --set low_threshold=50 -o more-edges.png",
            "sensorium control 'a cartoon of a castle' --map canny=edges.png -o castle.png",
        ),
    )(control)


@command
def control(
    context: typer.Context,
    reference: Annotated[
        Text, typer.Argument(metavar="REFERENCE", help="The picture to follow; - is standard input.")
    ] = None,
    prompt: Annotated[Text, typer.Argument(metavar="PROMPT", help="What to paint.")] = None,
    controls: Annotated[
        Texts,
        typer.Option(
            "--control",
            "-c",
            metavar="KIND",
            help="openpose (the default), canny, depth, normal or seg; several work together.",
            autocompletion=complete_controls,
        ),
    ] = None,
    weights: Annotated[
        Texts,
        typer.Option("--weight", "-w", metavar="[KIND=]NUMBER", help="How strongly the control counts, 0 to 2 (1)."),
    ] = None,
    maps: Annotated[
        Texts,
        typer.Option(
            "--map", metavar="KIND=FILE", help="A ready-made map; with one for each control, no REFERENCE is needed."
        ),
    ] = None,
    map_only: Annotated[
        bool, typer.Option("--map-only", metavar="", help="Make the map of REFERENCE and paint nothing.")
    ] = False,
    settings: Annotated[
        Texts,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="With --map-only: low_threshold and high_threshold of canny, threshold and detection_threshold of "
            "openpose, background, relief and axes of normal.",
        ),
    ] = None,
    save_map: Annotated[
        Text, typer.Option("--save-map", metavar="FILE", help="Also save the map; several are named by their kinds.")
    ] = None,
    annotators: Annotated[
        Texts, typer.Option("--annotator", metavar="KIND=NAME", help="The checkpoint that makes a map.")
    ] = None,
    controlnets: Annotated[
        Texts, typer.Option("--controlnet", metavar="KIND=NAME", help="The ControlNet that follows a map.")
    ] = None,
    init: Annotated[
        Text, typer.Option("--init", metavar="FILE", help="A picture to repaint under control (image-to-image).")
    ] = None,
    strength: Annotated[
        float, typer.Option("--strength", metavar="NUMBER", help="How much of --init may change, 0 to 1.")
    ] = 0.75,
    again: Annotated[
        Text,
        typer.Option(
            "--again",
            metavar="PICTURE",
            help="Make a picture again, by what its file says, with its REFERENCE or its maps.",
        ),
    ] = None,
    output: Output = "output.png",
    negative_prompt: Negative = "",
    num_images: Count = 1,
    steps: Annotated[int, typer.Option("--steps", metavar="NUMBER", help="Denoising steps.")] = 20,
    guidance_scale: Guidance = None,
    width: Width = None,
    height: Height = None,
    seed: Seed = None,
    scheduler: Scheduler = None,
    lora: Lora = None,
    safety: Safety = "flag",
    model: Model = None,
    profile: Profile = None,
    device: Device = "auto",
    dtype: Dtype = "auto",
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Paint a picture that follows the layout of another, or only make the map that it would follow."""
    with Call(profile=profile, as_json=as_json, quiet=quiet) as call:
        ready = dict(_pair("--map", argument, "canny=edges.png") for argument in maps or ())
        checkpoints = dict(
            _pair("--annotator", argument, "depth=depth-anything-v2-small") for argument in annotators or ()
        )
        if map_only:
            if prompt is not None or ready or model is not None:
                extra = "prompt" if prompt is not None else "ready-made map" if ready else "painting checkpoint"
                raise InputError(
                    f"With --map-only nothing is painted, so a {extra} has no use",
                    "Leave it out, or leave out --map-only",
                )
            refuse_others(context, "--map-only", _FOR_MAPS)
            _make_map(call, reference, controls or [_DEFAULT], settings, checkpoints, device, dtype, output)
            return
        generating: dict[str, Any] = {
            "model": model,
            "controlnets": dict(_pair("--controlnet", argument, "canny=NAME") for argument in controlnets or ()),
            "annotators": checkpoints,
            "device": device,
            "dtype": dtype,
        }
        if again is not None:
            if prompt is not None:
                raise InputError("A picture that is made again has its prompt already", "Leave out the prompt")
            refuse_others(context, "--again", _FOR_PAINTING_AGAIN)
            _paint_again(call, again, reference, ready, init, lora_pairs(lora), generating, output)
            return
        if settings:
            raise InputError("--set is for --map-only", "Make the map first, then paint with it: --map canny=edges.png")
        if init is None:
            refuse_others(context, "a prompt but no --init", [name for name in context.params if name != "strength"])
        kinds = list(dict.fromkeys([*(controls or ()), *ready])) or [_DEFAULT]
        if prompt is None and not set(kinds) - set(ready):
            reference, prompt = None, reference
        _check_what_to_paint(reference, prompt, kinds, ready)
        files = picture_files(output, num_images)
        map_files = _map_files(save_map, kinds)
        control_weights = _weights(weights, kinds)
        from sensorium.image_generation.controlnet import ControlNetGenerator
        from sensorium.media.image import write_image

        with ControlNetGenerator(**generating) as generator:
            pictures = generator.generate(
                None if reference is None else Input(reference).source,
                prompt or "",
                kinds,
                control_image=[ready.get(kind) for kind in kinds],
                control_weights=control_weights,
                init_image=init,
                strength=strength,
                negative_prompt=negative_prompt,
                num_images=num_images,
                steps=steps,
                guidance_scale=guidance_scale,
                width=width,
                height=height,
                seed=seed,
                scheduler=scheduler,
                lora=lora_pairs(lora),
                safety=safety,
                progress=call.progress,
                cancel=cancel,
                finished=saving_pictures(call, files),
            )
        for file, drawn in zip(map_files, pictures.control_images, strict=False):
            write_image(drawn, file)
            call.note(f"{file}: the map")
        show_notes(call, pictures)


def _paint_again(
    call: Call,
    again: str,
    reference: str | None,
    ready: Mapping[str, str],
    init: str | None,
    lora: list[tuple[str, float]],
    generating: dict[str, Any],
    output: str,
) -> None:
    from sensorium.image_generation.controlnet import ControlNetGenerator
    from sensorium.image_generation.generated_image import read_settings

    source = Input(again).source
    settings = read_settings(source)
    kinds = [table["control"] for table in (settings.options or {}).get("controls", ())]
    (file,) = picture_files(output, 1)
    generating["model"] = generating["model"] or painter_of(settings)
    with ControlNetGenerator(**generating) as generator:
        made = generator.paint_again(
            settings,
            reference_image=None if reference is None else Input(reference).source,
            control_image=[ready.get(kind) for kind in kinds],
            init_image=init,
            lora=lora,
            progress=call.progress,
            cancel=cancel,
        )
    save_again(call, made, file, source, settings)


def _make_map(
    call: Call,
    reference: str | None,
    controls: Sequence[str],
    settings: Sequence[str] | None,
    checkpoints: Mapping[str, str],
    device: str,
    dtype: str,
    output: str,
) -> None:
    if reference is None:
        raise InputError("There is no picture to make a map of", "Name one: sensorium control photo.jpg --map-only")
    if len(controls) > 1:
        raise InputError("--map-only makes one map at a time", "Name one --control")
    (file,) = picture_files(output, 1)
    (kind,) = controls
    options = dict(_pair("--set", argument, "low_threshold=50") for argument in settings or ())
    from sensorium.image_generation.control_maps import ControlMaps
    from sensorium.media.image import write_image

    item = Input(reference)
    with ControlMaps(models=checkpoints, device=device, dtype=dtype) as maps:
        drawn = maps.make(
            kind,
            item.source,
            progress=call.progress,
            cancel=cancel,
            **{name: _number(value) for name, value in options.items()},
        )
    write_image(drawn, file)
    dark = drawn.convert("L").histogram()[0]
    if dark > _NEARLY_ALL * drawn.width * drawn.height:
        call.note(f"The {kind} map is as good as black. Make the picture smaller, or change --set")
    result = {
        "file": str(file),
        "control": kind,
        "model": drawn.info["model"],
        "width": drawn.width,
        "height": drawn.height,
    }
    call.show(item, result, f"{file}: {kind} map, {drawn.width}×{drawn.height}, by {drawn.info['model']}")


def _check_what_to_paint(
    reference: str | None, prompt: str | None, kinds: Sequence[str], ready: Mapping[str, str]
) -> None:
    missing = [kind for kind in kinds if kind not in ready]
    if prompt is None:
        raise InputError(
            "There is no prompt",
            "Say what to paint: sensorium control photo.jpg 'a castle', or add --map-only to only make the map",
        )
    if missing and reference is None:
        raise InputError(
            f"There is no picture to make the {missing[0]} map of", f"Name one, or give --map {missing[0]}=FILE"
        )


def _map_files(save_map: str | None, kinds: Sequence[str]) -> list[Path]:
    if save_map is None:
        return []
    (path,) = picture_files(save_map, 1)
    return [path] if len(kinds) == 1 else [path.with_stem(f"{path.stem}-{kind}") for kind in kinds]


def _weights(arguments: Sequence[str] | None, kinds: Sequence[str]) -> list[float]:
    """Return a weight for each control: a plain number is for all, one with a kind for that kind."""
    given: dict[str, float] = {}
    for argument in arguments or ():
        kind, sign, value = argument.rpartition("=")
        number = _number(value)
        if isinstance(number, str) or (sign and kind not in kinds):
            raise InputError(
                f"The weight {argument!r} can't be read", f"Write it like 0.5, or for one control like {kinds[0]}=0.5"
            )
        given.update({kind: number} if sign else dict.fromkeys(kinds, number))
    return [given.get(kind, 1.0) for kind in kinds]


def _pair(option: str, argument: str, example: str) -> tuple[str, str]:
    name, sign, value = argument.partition("=")
    if not (name and sign and value):
        raise InputError(f"{option} {argument!r} can't be read", f"Write it like {option} {example}")
    return name, value


def _number(value: str) -> float | str:
    try:
        return float(value)
    except ValueError:
        return value
