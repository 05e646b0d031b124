"""The options of commands that paint."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from sensorium.cli.completion import complete_schedulers, complete_styles
from sensorium.cli.inputs import Input
from sensorium.errors import InputError

if TYPE_CHECKING:
    from sensorium.operations.painting import EmbeddingFile, ImagePrompts, LoraFile

Text: TypeAlias = str | None
Whole: TypeAlias = int | None
Number: TypeAlias = float | None
Texts: TypeAlias = list[str] | None

OF_IP_ADAPTERS = ("ip_adapter_image", "ip_adapter")
"""The parameters that say which pictures a painted one is to look like."""

Output = Annotated[
    str,
    typer.Option(
        "--output",
        "-o",
        metavar="FILE",
        help="Where to: .png, .jpg or .webp; several pictures are numbered. - is PNG on standard output.",
    ),
]
Safety = Annotated[str, typer.Option("--safety", metavar="NAME", help="flag, block or off.")]


@dataclass(frozen=True)
class PainterParts:
    """Which parts of the painter come from elsewhere, and which are left out."""

    base: Annotated[
        Text, typer.Option("--base", metavar="NAME", help="What gives a painter in one file the parts that it lacks.")
    ] = None
    vae: Annotated[Text, typer.Option("--vae", metavar="NAME", help="Another autoencoder: file, folder or hub id.")] = (
        None
    )
    without: Annotated[
        Texts, typer.Option("--without", metavar="PART", help="Leave out text_encoder_3 (T5) or safety_checker.")
    ] = None

    @property
    def choice(self) -> dict[str, Any]:
        """The fields of an operation that say which parts its painter has."""
        return {"base": self.base, "vae": self.vae, "without": tuple(self.without or ())}


@dataclass(frozen=True)
class Painting:
    """How pictures are painted."""

    negative_prompt: Annotated[
        str, typer.Option("--negative-prompt", "-n", metavar="TEXT", help="What not to paint.")
    ] = ""
    num_images: Annotated[int, typer.Option("--num-images", metavar="NUMBER", help="How many pictures.")] = 1
    steps: Annotated[
        Whole, typer.Option("--steps", metavar="NUMBER", help="Denoising steps; by default what suits.")
    ] = None
    guidance_scale: Annotated[
        Number, typer.Option("--guidance-scale", metavar="NUMBER", help="How closely to follow the prompt.")
    ] = None
    width: Annotated[
        Whole, typer.Option("--width", metavar="PIXELS", help="By default what the checkpoint was made for.")
    ] = None
    height: Annotated[
        Whole, typer.Option("--height", metavar="PIXELS", help="By default what the checkpoint was made for.")
    ] = None
    seed: Annotated[
        Whole, typer.Option("--seed", metavar="NUMBER", help="Of the first picture; random by default.")
    ] = None
    scheduler: Annotated[
        Text,
        typer.Option("--scheduler", metavar="NAME", help="Name of the sampler.", autocompletion=complete_schedulers),
    ] = None
    lora: Annotated[
        Texts,
        typer.Option("--lora", metavar="FILE[=WEIGHT]", help="A LoRA file, or owner/repository; as often as you like."),
    ] = None

    embedding: Annotated[
        Texts,
        typer.Option(
            "--embedding",
            metavar="[WORD=]FILE",
            help="An embedding: in a prompt, its WORD (its name) stands for it; as often as you like.",
        ),
    ] = None

    ip_adapter_image: Annotated[
        Texts,
        typer.Option(
            "--ip-adapter-image",
            metavar="FILE",
            help="A picture that the painted one is to look like; give it as often as you like.",
        ),
    ] = None
    ip_adapter: Annotated[
        Text,
        typer.Option(
            "--ip-adapter", metavar="NAME", help="What reads that picture: a name or a file; by default what suits."
        ),
    ] = None
    ip_adapter_scale: Annotated[
        Number,
        typer.Option("--ip-adapter-scale", metavar="NUMBER", help="How strongly that picture counts, 0 to 1 (0.6)."),
    ] = None
    ip_adapter_part: Annotated[
        Text,
        typer.Option("--ip-adapter-part", metavar="NAME", help="Of XL: only the style or the layout of that picture."),
    ] = None

    @property
    def how(self) -> dict[str, Any]:
        """The fields of an operation that say how to paint."""
        given = {field.name: getattr(self, field.name) for field in fields(self)}
        del given["ip_adapter_image"], given["ip_adapter_scale"], given["ip_adapter_part"]
        return {**given, "lora": self.loras, "embedding": self.embeddings, "ip_adapter": self.image_prompts}

    @property
    def loras(self) -> tuple[LoraFile, ...]:
        """Files and weights from FILE=WEIGHT, FILE:WEIGHT or FILE."""
        return tuple(_lora(argument) for argument in self.lora or ())

    @property
    def embeddings(self) -> tuple[EmbeddingFile, ...]:
        """Files and words from WORD=FILE or FILE."""
        return tuple(_embedding(argument) for argument in self.embedding or ())

    @property
    def image_prompts(self) -> tuple[ImagePrompts, ...]:
        """The pictures that the painted one is to look like, with what reads them."""
        from sensorium.operations.media import Media
        from sensorium.operations.painting import ImagePrompts

        asked = {"scale": self.ip_adapter_scale, "part": self.ip_adapter_part}
        chosen: dict[str, Any] = {name: value for name, value in asked.items() if value is not None}
        if not self.ip_adapter_image:
            if self.ip_adapter is not None or chosen:
                raise InputError(
                    "--ip-adapter, its scale and its part are about a picture to look like, and there is none",
                    "Add --ip-adapter-image PICTURE",
                )
            return ()
        if self.ip_adapter is not None:
            is_file = os.path.isfile(self.ip_adapter)  # noqa: PTH113 - pathlib's raises an error for a long name
            chosen["file" if is_file else "model"] = Media(self.ip_adapter) if is_file else self.ip_adapter
        return (ImagePrompts(images=tuple(Input(file).media for file in self.ip_adapter_image), **chosen),)


@dataclass(frozen=True)
class StyledPainting(Painting):
    """How pictures are painted, in a style of the prompt engineer's."""

    style: Annotated[
        Text,
        typer.Option(
            "--style", "-s", metavar="NAME", help="Adds the words of a style.", autocompletion=complete_styles
        ),
    ] = None
    safety: Safety = "flag"


@dataclass(frozen=True)
class ControlledPainting(Painting):
    """How pictures are painted under control."""

    steps: Annotated[int, typer.Option("--steps", metavar="NUMBER", help="Denoising steps.")] = 20
    safety: Safety = "flag"


def _lora(argument: str) -> LoraFile:
    for sign in "=:":
        file, found, weight = argument.rpartition(sign)
        if found and file:
            with suppress(ValueError):  # the sign is in the file's name
                return _weighted(file, float(weight))
    return _weighted(argument, 1.0)


def _weighted(file: str, weight: float) -> LoraFile:
    from sensorium.image_generation.diffusion.additions.lora import is_lora_name, is_own_path
    from sensorium.operations.media import Media
    from sensorium.operations.painting import LoraFile

    if is_lora_name(file) and not is_own_path(file):
        return LoraFile(name=file, weight=weight)
    return LoraFile(file=Media(file), weight=weight)


def _embedding(argument: str) -> EmbeddingFile:
    from sensorium.operations.media import Media
    from sensorium.operations.painting import EmbeddingFile

    word, sign, file = argument.partition("=")
    if not (sign and word and file) or os.path.exists(argument):  # noqa: PTH110 - pathlib's raises an error for a long name
        word, file = Path(argument).stem, argument
    return EmbeddingFile(file=Media(file), word=word)
