"""``sensorium imagine`` and ``edit``: pictures from words, and from pictures and words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import typer

from sensorium.cli.call import Call
from sensorium.cli.inputs import Input
from sensorium.cli.interrupt import cancel, command
from sensorium.cli.option_groups import CommonOptions, grouped
from sensorium.cli.options import examples
from sensorium.cli.painted_files import (
    painter_of,
    picture_files,
    refuse_others,
    save_again,
    saving_pictures,
    show_notes,
)
from sensorium.cli.painting_options import Number, Output, StyledPainting, Text
from sensorium.errors import InputError

_FOR_VARIATIONS = (
    *("like", "prompt", "prompt_weight", "style", "output", "num_images", "steps", "guidance_scale"),
    *("width", "height", "seed", "model", "device", "dtype"),
)
_FOR_PAINTING_AGAIN = ("again", "output", "image", "mask", "lora", "model", "device", "dtype")


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
    common: CommonOptions,
) -> None:
    """Paint pictures from words, or from what a picture shows. Each file says how it was made, to make it again."""
    with common.call() as call:
        if originals.again is not None:
            if prompt is not None:
                raise InputError("A picture that is made again has its prompt already", "Leave out the prompt")
            refuse_others(context, "--again", _FOR_PAINTING_AGAIN)
            _paint_again(call, originals.again, originals, painting, common, output)
        elif originals.like is not None:
            refuse_others(context, "--like", _FOR_VARIATIONS)
            _vary(call, originals.like, prompt, originals, painting, common, output)
        else:
            _paint(call, prompt, originals, painting, common, output)


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
    mask: Annotated[
        Text, typer.Option("--mask", metavar="FILE", help="A picture that is white where to repaint, else black.")
    ] = None,
    painting: StyledPainting,
    common: CommonOptions,
) -> None:
    """Repaint a picture as a prompt says, or with --mask a part of it."""
    with common.call() as call:
        from sensorium.image_generation.text_to_image import TextToImage

        files = picture_files(output, painting.num_images)
        source, words = Input(picture).source, painting.words(prompt)
        options: dict[str, Any] = {
            **painting.keywords(),
            "report": saving_pictures(call, files),
            "cancel": cancel,
        }
        if strength is not None:
            options["strength"] = strength
        text_to_image = TextToImage(common.model, **common.opening)
        if mask is None:
            pictures = text_to_image.img2img(source, words, **options)
        else:
            pictures = text_to_image.inpaint(source, mask, words, **options)
        show_notes(call, pictures)


def _paint(
    call: Call,
    prompt: str | None,
    originals: _Originals,
    painting: StyledPainting,
    common: CommonOptions,
    output: str,
) -> None:
    from sensorium.image_generation.text_to_image import TextToImage

    if originals.prompt_weight is not None:
        raise InputError("--prompt-weight goes with --like only", "Leave it out")
    if prompt is None:
        raise InputError("There is no prompt", "Say what to paint: sensorium imagine 'a lighthouse at dusk'")
    if originals.image is not None or originals.mask is not None:
        raise InputError("--image and --mask go with --again only", "To change a picture: sensorium edit")
    files = picture_files(output, painting.num_images)
    pictures = TextToImage(common.model, **common.opening).generate(
        painting.words(prompt),
        **painting.keywords(),
        report=saving_pictures(call, files),
        cancel=cancel,
    )
    show_notes(call, pictures)


def _vary(
    call: Call,
    like: str,
    prompt: str | None,
    originals: _Originals,
    painting: StyledPainting,
    common: CommonOptions,
    output: str,
) -> None:
    from sensorium.image_generation.text_to_image import TextToImage

    weight = originals.prompt_weight
    if prompt is None and (weight is not None or painting.style is not None):
        raise InputError("--prompt-weight and --style are about a prompt, and there is none", "Add the prompt")
    words = "" if prompt is None else painting.words(prompt)
    if common.model is None:
        raise InputError("--like needs a checkpoint that makes variations", "Name one: --model kandinsky-2-2")
    files = picture_files(output, painting.num_images)
    pictures = TextToImage(common.model, **common.opening).variations(
        Input(like).source,
        painting.num_images,
        prompt=words,
        prompt_weight=0.5 if weight is None else weight,
        steps=painting.steps,
        guidance_scale=painting.guidance_scale,
        width=painting.width,
        height=painting.height,
        seed=painting.seed,
        report=saving_pictures(call, files),
        cancel=cancel,
    )
    show_notes(call, pictures)


def _paint_again(
    call: Call, again: str, originals: _Originals, painting: StyledPainting, common: CommonOptions, output: str
) -> None:
    from sensorium.image_generation.text_to_image import TextToImage, read_settings

    source = Input(again).source
    settings = read_settings(source)
    (file,) = picture_files(output, 1)
    text_to_image = TextToImage(common.model or painter_of(settings), **common.opening)
    made = text_to_image.paint_again(
        settings,
        init_image=originals.image,
        mask_image=originals.mask,
        lora=painting.loras(),
        progress=call.progress,
        cancel=cancel,
    )
    save_again(call, made, file, source, settings)
