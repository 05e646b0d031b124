"""``sensorium control``: pictures that follow the pose, edges, depth, normals or segments of another; their maps."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sensorium.cli.call import Call
from sensorium.cli.completion import complete_controls
from sensorium.cli.inputs import Input, media_of
from sensorium.cli.interrupt import command
from sensorium.cli.option_groups import CommonOptions, grouped
from sensorium.cli.options import examples
from sensorium.cli.outputs import is_stream, shown
from sensorium.cli.painted_files import paint, paint_again, painter_of, picture_files, picture_format, refuse_others
from sensorium.cli.painting_options import OF_IP_ADAPTERS, ControlledPainting, Output, Text, Texts
from sensorium.errors import InputError

if TYPE_CHECKING:
    from sensorium.operations.media import Media

_DEFAULT = "openpose"
_FOR_MAPS = ("map_only", "reference", "controls", "settings", "annotators", "output", "device", "dtype")
_FOR_PAINTING_AGAIN = (
    *("again", "reference", "maps", "init", "mask", "lora", "embedding", *OF_IP_ADAPTERS, "controlnets", "annotators"),
    *("output", "model", "device", "dtype"),
)


@dataclass(frozen=True)
class _Controls:
    """What a picture follows."""

    controls: Annotated[
        Texts,
        typer.Option(
            "--control",
            "-c",
            metavar="KIND",
            help="openpose (the default), canny, depth, normal or seg; several work together.",
            autocompletion=complete_controls,
        ),
    ] = None
    weights: Annotated[
        Texts,
        typer.Option("--weight", "-w", metavar="[KIND=]NUMBER", help="How strongly the control counts, 0 to 2 (1)."),
    ] = None
    maps: Annotated[
        Texts,
        typer.Option(
            "--map", metavar="KIND=FILE", help="A ready-made map; with one for each control, no REFERENCE is needed."
        ),
    ] = None
    map_only: Annotated[
        bool, typer.Option("--map-only", metavar="", help="Make the map of REFERENCE and paint nothing.")
    ] = False
    settings: Annotated[
        Texts,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="With --map-only: low_threshold and high_threshold of canny, threshold and detection_threshold of "
            "openpose, background, relief and axes of normal.",
        ),
    ] = None
    save_map: Annotated[
        Text, typer.Option("--save-map", metavar="FILE", help="Also save the map; several are named by their kinds.")
    ] = None
    annotators: Annotated[
        Texts, typer.Option("--annotator", metavar="KIND=NAME", help="The checkpoint that makes a map.")
    ] = None
    controlnets: Annotated[
        Texts, typer.Option("--controlnet", metavar="KIND=NAME", help="The ControlNet that follows a map.")
    ] = None

    def ready(self) -> dict[str, Media]:
        """Return ready-made maps by kind."""
        return {kind: Input(file).media for kind, file in _pairs("--map", self.maps, "canny=edges.png").items()}

    def networks(self) -> dict[str, str]:
        """Return the ControlNets that follow maps, by kind."""
        return _pairs("--controlnet", self.controlnets, "canny=NAME")

    def checkpoints(self) -> dict[str, str]:
        """Return the checkpoints that make maps, by kind."""
        return _pairs("--annotator", self.annotators, "depth=depth-anything-v2-small")


@dataclass(frozen=True)
class _Originals:
    """The pictures that others are painted from."""

    init: Annotated[
        Text, typer.Option("--init", metavar="FILE", help="A picture to repaint under control (image-to-image).")
    ] = None
    mask: Annotated[
        Text, typer.Option("--mask", metavar="FILE", help="With --init: a picture that is white where to repaint.")
    ] = None
    strength: Annotated[
        float, typer.Option("--strength", metavar="NUMBER", help="How much of --init may change, 0 to 1.")
    ] = 0.75
    again: Annotated[
        Text,
        typer.Option(
            "--again",
            metavar="PICTURE",
            help="Make a picture again, by what its file says, with its REFERENCE or its maps.",
        ),
    ] = None


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
@grouped
def control(
    context: typer.Context,
    reference: Annotated[
        Text, typer.Argument(metavar="REFERENCE", help="The picture to follow; - is standard input.")
    ] = None,
    prompt: Annotated[Text, typer.Argument(metavar="PROMPT", help="What to paint.")] = None,
    *,
    controls: _Controls,
    originals: _Originals,
    output: Output = "output.png",
    painting: ControlledPainting,
    common: CommonOptions,
) -> None:
    """Paint a picture that follows the layout of another, or only make the map that it would follow."""
    with common.call() as call:
        if controls.map_only:
            _refuse_what_paints(context, prompt, controls, common)
            _make_map(call, reference, controls, common, output)
        elif originals.again is not None:
            if prompt is not None:
                raise InputError("A picture that is made again has its prompt already", "Leave out the prompt")
            refuse_others(context, "--again", _FOR_PAINTING_AGAIN)
            _paint_again(call, originals.again, reference, controls, originals, painting, common, output)
        else:
            if controls.settings:
                raise InputError(
                    "--set is for --map-only", "Make the map first, then paint with it: --map canny=edges.png"
                )
            if originals.init is None:
                known = [name for name in context.params if name not in ("strength", "mask")]
                refuse_others(context, "a prompt but no --init", known)
            _paint(call, reference, prompt, controls, originals, painting, common, output)


def _paint(
    call: Call,
    reference: str | None,
    prompt: str | None,
    controls: _Controls,
    originals: _Originals,
    painting: ControlledPainting,
    common: CommonOptions,
    output: str,
) -> None:
    ready = controls.ready()
    kinds = list(dict.fromkeys([*(controls.controls or ()), *ready])) or [_DEFAULT]
    if prompt is None and not set(kinds) - set(ready):
        reference, prompt = None, reference
    _check_what_to_paint(reference, prompt, kinds, ready)
    files = picture_files(output, painting.num_images)
    map_files = _map_files(controls.save_map, kinds)
    from sensorium.operations.control import Control

    operation = Control(
        prompt=prompt or "",
        reference=media_of(reference),
        controls=tuple(kinds),
        maps=ready,
        weights=_weights(controls.weights, kinds),
        image=media_of(originals.init),
        mask=media_of(originals.mask),
        strength=originals.strength,
        controlnets=controls.networks(),
        annotators=controls.checkpoints(),
        format=picture_format(output),
        map_format=None if controls.save_map is None else picture_format(controls.save_map),
        **painting.how,
        **common.choice,
    )
    paint(call, operation, files, map_files=map_files)


def _paint_again(
    call: Call,
    again: str,
    reference: str | None,
    controls: _Controls,
    originals: _Originals,
    painting: ControlledPainting,
    common: CommonOptions,
    output: str,
) -> None:
    from sensorium.image_generation.generated_image import read_settings
    from sensorium.operations.paint_again import PaintAgain

    item = Input(again)
    settings = read_settings(call.resolved(item))
    (file,) = picture_files(output, 1)
    operation = PaintAgain(
        picture=item.media,
        controls=tuple(table["control"] for table in (settings.options or {}).get("controls", ())),
        reference=media_of(reference),
        maps=controls.ready(),
        image=media_of(originals.init),
        mask=media_of(originals.mask),
        lora=painting.loras,
        embedding=painting.embeddings,
        ip_adapter=painting.image_prompts,
        controlnets=controls.networks(),
        annotators=controls.checkpoints(),
        format=picture_format(output),
        **{**common.choice, "model": common.model or painter_of(settings)},
    )
    paint_again(call, operation, file)


def _make_map(call: Call, reference: str | None, controls: _Controls, common: CommonOptions, output: str) -> None:
    if reference is None:
        raise InputError("There is no picture to make a map of", "Name one: sensorium control photo.jpg --map-only")
    kind, *others = controls.controls or [_DEFAULT]
    if others:
        raise InputError("--map-only makes one map at a time", "Name one --control")
    (file,) = picture_files(output, 1)
    settings = _pairs("--set", controls.settings, "low_threshold=50")
    from sensorium.image_generation.control_maps import check_annotators
    from sensorium.operations.control import ControlMap

    check_annotators(controls.checkpoints())
    item = Input(reference)
    operation = ControlMap(
        image=item.media,
        control=kind,
        settings={name: _number(value) for name, value in settings.items()},
        format=picture_format(output),
        **{**common.choice, "model": controls.checkpoints().get(kind)},
    )
    drawn = call.run(operation, files=[file])
    if drawn.black:
        call.note(f"The {kind} map is as good as black. Make the picture smaller, or change --set")
    result = {
        "file": str(file),
        "control": kind,
        "model": drawn.model,
        "width": drawn.width,
        "height": drawn.height,
    }
    call.show(item, result, f"{shown(file)}: {kind} map, {drawn.width}×{drawn.height}, by {drawn.model}")


def _refuse_what_paints(context: typer.Context, prompt: str | None, controls: _Controls, common: CommonOptions) -> None:
    extra = {
        "prompt": prompt is not None,
        "ready-made map": bool(controls.ready()),
        "painting checkpoint": common.model is not None,
    }
    for name, given in extra.items():
        if given:
            raise InputError(
                f"With --map-only nothing is painted, so a {name} has no use", "Leave it out, or leave out --map-only"
            )
    refuse_others(context, "--map-only", _FOR_MAPS)


def _check_what_to_paint(
    reference: str | None, prompt: str | None, kinds: Sequence[str], ready: Collection[str]
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
    if len(kinds) > 1 and is_stream(save_map):
        raise InputError(f"{len(kinds)} maps can't go to {save_map!r}, which is no plain file", "Name a file")
    return [path] if len(kinds) == 1 else [path.with_stem(f"{path.stem}-{kind}") for kind in kinds]


def _weights(arguments: Sequence[str] | None, kinds: Sequence[str]) -> dict[str, float]:
    """Return weights by kind of control: a plain number is for all, one with a kind for that kind."""
    given: dict[str, float] = {}
    for argument in arguments or ():
        kind, sign, value = argument.rpartition("=")
        number = _number(value)
        if isinstance(number, str) or (sign and kind not in kinds):
            raise InputError(
                f"The weight {argument!r} can't be read", f"Write it like 0.5, or for one control like {kinds[0]}=0.5"
            )
        given.update({kind: number} if sign else dict.fromkeys(kinds, number))
    return given


def _pairs(option: str, arguments: Sequence[str] | None, example: str) -> dict[str, str]:
    """Return what was given as NAME=VALUE, as often as the user liked."""
    pairs = {}
    for argument in arguments or ():
        name, sign, value = argument.partition("=")
        if not (name and sign and value):
            raise InputError(f"{option} {argument!r} can't be read", f"Write it like {option} {example}")
        pairs[name] = value
    return pairs


def _number(value: str) -> float | str:
    try:
        return float(value)
    except ValueError:
        return value
