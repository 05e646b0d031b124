"""``sensorium imagine`` and ``edit``: pictures from words, and from pictures and words."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from sensorium.cli.call import Call
from sensorium.cli.completion import complete_schedulers, complete_styles
from sensorium.cli.inputs import Input
from sensorium.cli.interrupt import cancel, command
from sensorium.cli.options import AsJson, Device, Dtype, Model, Profile, Quiet, examples
from sensorium.errors import InputError

if TYPE_CHECKING:
    from sensorium.image_generation.painting import FinishedCallback
    from sensorium.image_generation.text_to_image import GeneratedImage, GeneratedImages, PictureSettings
    from sensorium.media.image import ImageSource

_FOR_VARIATIONS = (
    *("like", "prompt", "prompt_weight", "style", "output", "num_images", "steps", "guidance_scale"),
    *("width", "height", "seed", "model", "device", "dtype"),
)
_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")

Text: TypeAlias = str | None
Whole: TypeAlias = int | None
Number: TypeAlias = float | None
Texts: TypeAlias = list[str] | None

Output = Annotated[
    str,
    typer.Option(
        "--output", "-o", metavar="FILE", help="Where to: .png, .jpg or .webp; several pictures are numbered."
    ),
]
Negative = Annotated[str, typer.Option("--negative-prompt", "-n", metavar="TEXT", help="What not to paint.")]
Count = Annotated[int, typer.Option("--num-images", metavar="NUMBER", help="How many pictures.")]
Steps = Annotated[Whole, typer.Option("--steps", metavar="NUMBER", help="Denoising steps; by default what suits.")]
Guidance = Annotated[
    Number, typer.Option("--guidance-scale", metavar="NUMBER", help="How closely to follow the prompt.")
]
Width = Annotated[Whole, typer.Option("--width", metavar="PIXELS", help="By default what the checkpoint was made for.")]
Height = Annotated[Whole, typer.Option("--height", metavar="PIXELS", help="Likewise.")]
Seed = Annotated[Whole, typer.Option("--seed", metavar="NUMBER", help="Of the first picture; random by default.")]
Scheduler = Annotated[
    Text,
    typer.Option("--scheduler", metavar="NAME", help="Name of the sampler.", autocompletion=complete_schedulers),
]
Lora = Annotated[
    Texts, typer.Option("--lora", metavar="FILE[:WEIGHT]", help="A LoRA file; give it as often as you like.")
]
Style = Annotated[
    Text,
    typer.Option("--style", "-s", metavar="NAME", help="Adds the words of a style.", autocompletion=complete_styles),
]
Safety = Annotated[str, typer.Option("--safety", metavar="NAME", help="flag, block or off.")]


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
def imagine(
    context: typer.Context,
    prompt: Annotated[Text, typer.Argument(metavar="PROMPT", help="What to paint.")] = None,
    output: Output = "output.png",
    negative_prompt: Negative = "",
    num_images: Count = 1,
    steps: Steps = None,
    guidance_scale: Guidance = None,
    width: Width = None,
    height: Height = None,
    seed: Seed = None,
    scheduler: Scheduler = None,
    lora: Lora = None,
    style: Style = None,
    safety: Safety = "flag",
    like: Annotated[
        Text,
        typer.Option(
            "--like", metavar="PICTURE", help="Paint what a picture shows, otherwise (Kandinsky); - is standard input."
        ),
    ] = None,
    prompt_weight: Annotated[
        Number,
        typer.Option("--prompt-weight", metavar="NUMBER", help="With --like: the share of the prompt, 0 to 1 (0.5)."),
    ] = None,
    again: Annotated[
        Text, typer.Option("--again", metavar="PICTURE", help="Make a picture again, by what its file says.")
    ] = None,
    image: Annotated[
        Text, typer.Option("--image", metavar="FILE", help="With --again: the picture that it was made from.")
    ] = None,
    mask: Annotated[Text, typer.Option("--mask", metavar="FILE", help="With --again: the mask.")] = None,
    model: Model = None,
    profile: Profile = None,
    device: Device = "auto",
    dtype: Dtype = "auto",
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Paint pictures from words, or from what a picture shows. Each file says how it was made, to make it again."""
    with Call(profile=profile, as_json=as_json, quiet=quiet) as call:
        if again is not None:
            if prompt is not None:
                raise InputError("A picture that is made again has its prompt already", "Leave out the prompt")
            refuse_others(context, "--again", ("again", "output", "image", "mask", "lora", "model", "device", "dtype"))
            _paint_again(call, again, output, image, mask, lora_pairs(lora), model, device, dtype)
            return
        if like is not None:
            refuse_others(context, "--like", _FOR_VARIATIONS)
            if prompt is None and (prompt_weight is not None or style is not None):
                raise InputError("--prompt-weight and --style are about a prompt, and there is none", "Add the prompt")
            options = {
                "num_images": num_images,
                "prompt": "" if prompt is None else _styled(prompt, style),
                "prompt_weight": 0.5 if prompt_weight is None else prompt_weight,
                "steps": steps,
                "guidance_scale": guidance_scale,
                "width": width,
                "height": height,
                "seed": seed,
            }
            _vary(call, like, output, model, device, dtype, options)
            return
        if prompt_weight is not None:
            raise InputError("--prompt-weight goes with --like only", "Leave it out")
        if prompt is None:
            raise InputError("There is no prompt", "Say what to paint: sensorium imagine 'a lighthouse at dusk'")
        if image is not None or mask is not None:
            raise InputError("--image and --mask go with --again only", "To change a picture: sensorium edit")
        from sensorium.image_generation.text_to_image import TextToImage

        files = picture_files(output, num_images)
        pictures = TextToImage(model, device=device, dtype=dtype).generate(
            _styled(prompt, style),
            negative_prompt,
            num_images,
            steps,
            guidance_scale,
            width,
            height,
            seed,
            scheduler=scheduler,
            lora=lora_pairs(lora),
            safety=safety,
            progress=call.progress,
            cancel=cancel,
            finished=saving_pictures(call, files),
        )
        show_notes(call, pictures)


@command
def edit(
    picture: Annotated[str, typer.Argument(metavar="PICTURE", help="The picture; - is standard input.")],
    prompt: Annotated[str, typer.Argument(metavar="PROMPT", help="What it shall become.")],
    output: Output = "edited.png",
    strength: Annotated[
        Number,
        typer.Option("--strength", metavar="NUMBER", help="How much may change, 0 to 1 (0.75; with a mask 1)."),
    ] = None,
    mask: Annotated[
        Text, typer.Option("--mask", metavar="FILE", help="A picture that is white where to repaint, else black.")
    ] = None,
    negative_prompt: Negative = "",
    num_images: Count = 1,
    steps: Steps = None,
    guidance_scale: Guidance = None,
    width: Width = None,
    height: Height = None,
    seed: Seed = None,
    scheduler: Scheduler = None,
    lora: Lora = None,
    style: Style = None,
    safety: Safety = "flag",
    model: Model = None,
    profile: Profile = None,
    device: Device = "auto",
    dtype: Dtype = "auto",
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Repaint a picture as a prompt says, or with --mask a part of it."""
    with Call(profile=profile, as_json=as_json, quiet=quiet) as call:
        from sensorium.image_generation.text_to_image import TextToImage

        files = picture_files(output, num_images)
        source, words = Input(picture).source, _styled(prompt, style)
        options: dict[str, Any] = {
            "negative_prompt": negative_prompt,
            "num_images": num_images,
            "steps": steps,
            "guidance_scale": guidance_scale,
            "width": width,
            "height": height,
            "seed": seed,
            "scheduler": scheduler,
            "lora": lora_pairs(lora),
            "safety": safety,
            "progress": call.progress,
            "cancel": cancel,
            "finished": saving_pictures(call, files),
        }
        if strength is not None:
            options["strength"] = strength
        text_to_image = TextToImage(model, device=device, dtype=dtype)
        if mask is None:
            pictures = text_to_image.img2img(source, words, **options)
        else:
            pictures = text_to_image.inpaint(source, mask, words, **options)
        show_notes(call, pictures)


def _vary(
    call: Call, like: str, output: str, model: str | None, device: str, dtype: str, options: dict[str, Any]
) -> None:
    from sensorium.image_generation.text_to_image import TextToImage

    if model is None:
        raise InputError("--like needs a checkpoint that makes variations", "Name one: --model kandinsky-2-2")
    save = saving_pictures(call, picture_files(output, options["num_images"]))
    painter = TextToImage(model, device=device, dtype=dtype)
    pictures = painter.variations(Input(like).source, **options, progress=call.progress, cancel=cancel)
    for picture in pictures:
        save(picture)
    show_notes(call, pictures)


def _paint_again(
    call: Call,
    again: str,
    output: str,
    image: str | None,
    mask: str | None,
    lora: list[tuple[str, float]],
    model: str | None,
    device: str,
    dtype: str,
) -> None:
    from sensorium.image_generation.text_to_image import TextToImage, read_settings

    source = Input(again).source
    settings = read_settings(source)
    file = picture_files(output, 1)[0]
    text_to_image = TextToImage(model or painter_of(settings), device=device, dtype=dtype)
    made = text_to_image.paint_again(
        settings, init_image=image, mask_image=mask, lora=lora, progress=call.progress, cancel=cancel
    )
    save_again(call, made, file, source, settings)


def painter_of(settings: PictureSettings) -> str:
    """Return the checkpoint that a picture says it was painted by, if that may be used without asking.

    The picture may come from anybody, and must not decide what is downloaded, or whom the user's key is sent to.

    Raises:
        InputError: It names a checkpoint that is neither in the catalog nor on this machine, or one behind a server.
    """
    from sensorium.models import catalog, store
    from sensorium.models.catalog import ENDPOINT

    name = settings.model
    if name.startswith(ENDPOINT):
        where = "a model behind a server"
    else:
        checkpoint = catalog.resolve(name, task="text-to-image")
        if checkpoint in catalog.entries() or store.is_present(checkpoint):
            return name
        where = "neither in the catalog nor on this machine"
    raise InputError(
        f"The picture's file says that it was painted by {name!r}, which is {where}",
        f"If you trust that, name it yourself: --model {name!r}",
    )


def save_again(call: Call, made: GeneratedImage, file: Path, source: ImageSource, settings: PictureSettings) -> None:
    """Save a picture that was made again, and say whether it is the same.

    Args:
        call: Shows it.
        made: The picture.
        file: Where to.
        source: The picture as it was.
        settings: What that one says of itself.
    """
    from sensorium.media.image import read_image

    made.save(file)
    identical = made.tobytes() == read_image(source).tobytes()
    text = f"{file}: {'the same picture, pixel for pixel' if identical else _difference(settings, made.settings)}"
    call.show(None, {"file": str(file), "identical": identical, **made.settings.to_dict()}, text)


def _difference(before: PictureSettings, now: PictureSettings) -> str:
    if before.revision != now.revision:
        return f"not the same pixels: made by revision {before.revision or '?'}, now {now.revision or '?'}"
    if before.device != now.device:
        return f"not the same pixels: made on {before.device}, now on {now.device}"
    return "not the same pixels: the file that it was made from was compressed or changed"


def picture_files(output: str, count: int) -> list[Path]:
    """Return the names of the files that pictures go to; checked before anything is painted.

    Raises:
        InputError: The suffix is none of a picture, or the folder doesn't exist or can't be written to.
    """
    path = Path(output)
    if path.suffix.lower() not in _SUFFIXES:
        raise InputError(
            f"{output!r} has no suffix of a picture format that can be written", f"Use one of {', '.join(_SUFFIXES)}"
        )
    if not path.parent.is_dir():
        raise InputError(f"The folder of {output!r} doesn't exist", "Create it first")
    if not os.access(path.parent, os.W_OK):
        raise InputError(f"The folder of {output!r} can't be written to", "Choose another folder")
    if path.is_dir():
        raise InputError(f"{output!r} is a folder", "Name a file inside it")
    return [path] if count == 1 else [path.with_stem(f"{path.stem}-{number}") for number in range(1, count + 1)]


def refuse_others(context: typer.Context, mode: str, known: Sequence[str]) -> None:
    """Refuse options that have no use in a mode of a command, rather than ignore them.

    Args:
        context: Of the command.
        mode: The option that switches the mode on.
        known: The parameters that have a use; common options need not be named.

    Raises:
        InputError: There is another.
    """
    for parameter in context.command.params:
        name = parameter.name or ""
        source = context.get_parameter_source(name)
        if name not in (*known, "profile", "as_json", "quiet") and source is not None and source.name == "COMMANDLINE":
            raise InputError(f"With {mode} the option {parameter.opts[0]} has no use", "Leave it out")


def lora_pairs(arguments: list[str] | None) -> list[tuple[str, float]]:
    """Return files and weights from FILE:WEIGHT or FILE."""
    pairs = []
    for argument in arguments or ():
        file, colon, weight = argument.rpartition(":")
        try:
            pairs.append((file, float(weight)) if colon and file else (argument, 1.0))
        except ValueError:  # a colon in the file's name
            pairs.append((argument, 1.0))
    return pairs


def _styled(prompt: str, style: str | None) -> str:
    if style is None:
        return prompt
    from sensorium.image_generation.prompt_engineer import PromptEngineer

    return PromptEngineer().build_prompt(prompt, style=style)


def saving_pictures(call: Call, files: list[Path]) -> FinishedCallback:
    """Return what saves each picture as soon as it is painted, and prints what it is: none is lost to a later one."""
    names = iter(files)

    def save(picture: GeneratedImage) -> None:
        file = next(names)
        picture.save(file)
        settings = picture.settings
        flagged = ", flagged by the safety checker" if settings.safety == "flagged" else ""
        seed = "" if settings.seed is None else f", seed {settings.seed}"
        text = f"{file}: {settings.width}×{settings.height}{seed}{flagged}"
        call.show(None, {"file": str(file), **settings.to_dict()}, text)

    return save


def show_notes(call: Call, pictures: GeneratedImages) -> None:
    """Print what there is to say about all pictures of a call."""
    for note in pictures.notes:
        call.note(f"{note}.")
