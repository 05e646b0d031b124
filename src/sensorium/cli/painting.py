"""``sensorium imagine`` and ``edit``: pictures from words, and from pictures and words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer

from sensorium.cli.call import Call
from sensorium.cli.inputs import Input, media_of
from sensorium.cli.interrupt import command
from sensorium.cli.option_groups import CommonOptions, grouped
from sensorium.cli.options import examples
from sensorium.cli.painted_files import paint, paint_again, painter_of, picture_files, picture_format, refuse_others
from sensorium.cli.painting_options import OF_IP_ADAPTERS, Number, Output, PainterParts, StyledPainting, Text, Texts
from sensorium.errors import InputError

_OF_A_VARIATION = ("num_images", "steps", "guidance_scale", "width", "height", "seed", "style")
_FOR_VARIATIONS = ("like", "prompt", "prompt_weight", "output", "model", "device", "dtype", *_OF_A_VARIATION)
_FOR_PAINTING_AGAIN = (
    *("again", "output", "image", "mask", "further_image", "lora", "embedding", *OF_IP_ADAPTERS),
    *("model", "device", "dtype", "base", "vae", "without"),
)


@dataclass(frozen=True)
class _Originals:
    """The pictures that others are painted from."""

    like: Annotated[
        Text,
        typer.Option(
            "--like", metavar="PICTURE", help="Paint what a picture shows, otherwise (Kandinsky); - is standard input."
        ),
    ] = None
    prompt_weight: Annotated[
        Number,
        typer.Option("--prompt-weight", metavar="NUMBER", help="With --like: the share of the prompt, 0 to 1 (0.5)."),
    ] = None
    again: Annotated[
        Text, typer.Option("--again", metavar="PICTURE", help="Make a picture again, by what its file says.")
    ] = None
    image: Annotated[
        Text, typer.Option("--image", metavar="FILE", help="With --again: the picture that it was made from.")
    ] = None
    mask: Annotated[Text, typer.Option("--mask", metavar="FILE", help="With --again: the mask.")] = None
    further_image: Annotated[
        Texts,
        typer.Option("--further-image", metavar="FILE", help="With --again: a further picture of its prompt."),
    ] = None


def register(app: typer.Typer) -> None:
    """Add this group's commands."""
    panel = "Image generation"
    app.command(
        rich_help_panel=panel,
        epilog=examples(
            "sensorium imagine 'a cartoon of a red car' -o car.png",
            "sensorium imagine 'a cat' --num-images 2 --seed 42 --scheduler unipc --steps 25 -o cat.png",
            "sensorium imagine --like scene.jpg --model kandinsky-2-2 --num-images 2 -o variation.png",
            "sensorium imagine --again painted.png -o same.png",
        ),
    )(imagine)
    app.command(
        rich_help_panel=panel,
        epilog=examples(
            "sensorium edit scene.jpg 'the same scene in winter, snowy' --strength 0.6 -o winter.png",
            "sensorium edit scene.jpg 'a red hat' --mask mask.png -o hat.png",
        ),
    )(edit)


@command
@grouped
def imagine(
    context: typer.Context,
    prompt: Annotated[Text, typer.Argument(metavar="PROMPT", help="What to paint.")] = None,
    *,
    output: Output = "output.png",
    painting: StyledPainting,
    originals: _Originals,
    parts: PainterParts,
    common: CommonOptions,
) -> None:
    """Paint pictures from words, or from what a picture shows. Each file says how it was made, to make it again."""
    with common.call() as call:
        if originals.again is not None:
            if prompt is not None:
                raise InputError("A picture that is made again has its prompt already", "Leave out the prompt")
            refuse_others(context, "--again", _FOR_PAINTING_AGAIN)
            _paint_again(call, originals.again, originals, painting, parts, common, output)
        elif originals.like is not None:
            refuse_others(context, "--like", _FOR_VARIATIONS)
            _vary(call, originals.like, prompt, originals, painting, common, output)
        else:
            _paint(call, prompt, originals, painting, parts, common, output)


@command
@grouped
def edit(
    picture: Annotated[str, typer.Argument(metavar="PICTURE", help="The picture; - is standard input.")],
    prompt: Annotated[str, typer.Argument(metavar="PROMPT", help="What it shall become.")],
    *,
    output: Output = "edited.png",
    strength: Annotated[
        Number,
        typer.Option("--strength", metavar="NUMBER", help="How much may change, 0 to 1 (0.75; with a mask 1)."),
    ] = None,
    image_guidance_scale: Annotated[
        Number,
        typer.Option("--image-guidance-scale", metavar="NUMBER", help="How much stays, with InstructPix2Pix (1.5)."),
    ] = None,
    mask: Annotated[
        Text, typer.Option("--mask", metavar="FILE", help="A picture that is white where to repaint, else black.")
    ] = None,
    further_image: Annotated[
        Texts,
        typer.Option(
            "--further-image",
            metavar="FILE",
            help="One more picture that the prompt speaks of (FLUX.2, Qwen-Image-Edit); as often as you like.",
        ),
    ] = None,
    painting: StyledPainting,
    parts: PainterParts,
    common: CommonOptions,
) -> None:
    """Repaint a picture as a prompt says, or with --mask a part of it."""
    with common.call() as call:
        from sensorium.operations.image_generation import Edit

        files = picture_files(output, painting.num_images)
        operation = Edit(
            image=Input(picture).media,
            prompt=prompt,
            mask=media_of(mask),
            strength=strength,
            image_guidance_scale=image_guidance_scale,
            further_images=tuple(Input(each).media for each in further_image or ()),
            format=picture_format(output),
            **painting.how,
            **parts.choice,
            **common.choice,
        )
        paint(call, operation, files)


def _paint(
    call: Call,
    prompt: str | None,
    originals: _Originals,
    painting: StyledPainting,
    parts: PainterParts,
    common: CommonOptions,
    output: str,
) -> None:
    from sensorium.operations.image_generation import Imagine

    if originals.prompt_weight is not None:
        raise InputError("--prompt-weight goes with --like only", "Leave it out")
    if prompt is None:
        raise InputError("There is no prompt", "Say what to paint: sensorium imagine 'a lighthouse at dusk'")
    if originals.image is not None or originals.mask is not None or originals.further_image:
        raise InputError(
            "--image, --mask and --further-image go with --again only", "To change a picture: sensorium edit"
        )
    files = picture_files(output, painting.num_images)
    operation = Imagine(prompt=prompt, format=picture_format(output), **painting.how, **parts.choice, **common.choice)
    paint(call, operation, files)


def _vary(
    call: Call,
    like: str,
    prompt: str | None,
    originals: _Originals,
    painting: StyledPainting,
    common: CommonOptions,
    output: str,
) -> None:
    from sensorium.operations.image_generation import Vary

    weight = originals.prompt_weight
    if prompt is None and (weight is not None or painting.style is not None):
        raise InputError("--prompt-weight and --style are about a prompt, and there is none", "Add the prompt")
    if common.model is None:
        raise InputError("--like needs a checkpoint that makes variations", "Name one: --model kandinsky-2-2")
    files = picture_files(output, painting.num_images)
    operation = Vary(
        image=Input(like).media,
        prompt=prompt or "",
        prompt_weight=0.5 if weight is None else weight,
        format=picture_format(output),
        **{name: getattr(painting, name) for name in _OF_A_VARIATION},
        **common.choice,
    )
    paint(call, operation, files)


def _paint_again(
    call: Call,
    again: str,
    originals: _Originals,
    painting: StyledPainting,
    parts: PainterParts,
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
        image=media_of(originals.image),
        mask=media_of(originals.mask),
        further_images=tuple(Input(each).media for each in originals.further_image or ()),
        lora=painting.loras,
        embedding=painting.embeddings,
        ip_adapter=painting.image_prompts,
        format=picture_format(output),
        **parts.choice,
        **{**common.choice, "model": common.model or painter_of(settings)},
    )
    paint_again(call, operation, file)
