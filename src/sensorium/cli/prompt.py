"""``sensorium prompt``: prompts for text-to-image models."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from sensorium import settings
from sensorium.cli.call import Call
from sensorium.cli.completion import complete_models, complete_styles
from sensorium.cli.inputs import media_of
from sensorium.cli.interrupt import command
from sensorium.cli.option_groups import grouped
from sensorium.cli.options import AsJson, Profile, Server, examples
from sensorium.errors import InputError

if TYPE_CHECKING:
    from sensorium.image_generation.prompts.tokens import PromptLength

Text: TypeAlias = str | None
Texts: TypeAlias = list[str] | None
Number: TypeAlias = int | None


def register(app: typer.Typer) -> None:
    """Add this group's command."""
    app.command(
        rich_help_panel="Image generation",
        epilog=examples(
            "sensorium prompt 'a cat on a window sill' --style watercolor --detail 'green eyes'",
            "sensorium prompt 'a lighthouse' --negative cartoon --negative text --json",
            "sensorium prompt 'a {red|green|blue} car in the {rain|snow}' --variations 4 --seed 1",
            "sensorium prompt 'a __colour__ bird' --wildcards wildcards --all-variations",
            "sensorium prompt '(a very old lighthouse:1.3), (fog:0.8)' --tokens --model stable-diffusion-v1-5",
            "sensorium prompt --list-styles",
        ),
    )(prompt)


@dataclass(frozen=True)
class _Wording:
    """What a prompt is made of."""

    subject: Annotated[Text, typer.Argument(metavar="SUBJECT", help="What the picture shows.")] = None
    style: Annotated[
        str, typer.Option("--style", "-s", metavar="NAME", help="A style.", autocompletion=complete_styles)
    ] = "realistic"
    details: Annotated[
        Texts,
        typer.Option("--detail", "-d", metavar="TEXT", help="A detail of the subject; give it as often as you like."),
    ] = None
    lighting: Annotated[Text, typer.Option("--lighting", metavar="TEXT", help="The light.")] = None
    camera: Annotated[Text, typer.Option("--camera", metavar="TEXT", help="The camera or the view.")] = None
    negatives: Annotated[
        Texts,
        typer.Option("--negative", "-n", metavar="TEXT", help="What the picture should not have; repeat as you like."),
    ] = None

    @property
    def fields(self) -> dict[str, Any]:
        """The fields of an operation."""
        return {
            "subject": self.subject or "",
            "style": self.style,
            "details": self.details or (),
            "lighting": self.lighting,
            "camera": self.camera,
            "negatives": self.negatives or (),
        }


@dataclass(frozen=True)
class _Variations:
    """How many prompts come of one."""

    count: Annotated[
        Number,
        typer.Option("--variations", metavar="NUMBER", help="Draw so many prompts from {red|green} and __wildcards__."),
    ] = None
    seed: Annotated[Number, typer.Option("--seed", metavar="NUMBER", help="Draws the same ones again.")] = None
    everything: Annotated[
        bool, typer.Option("--all-variations", metavar="", help="Write out every variation, 1,000 at most.")
    ] = False
    wildcards: Annotated[
        Text,
        typer.Option("--wildcards", metavar="FOLDER", help="Text files: __colour__ is a line of colour.txt."),
    ] = None

    @property
    def wanted(self) -> bool:
        """Whether there are any."""
        return self.everything or self.count is not None or self.seed is not None

    def fields(self, prompt: str) -> dict[str, Any]:
        """Return the fields of an operation, with the lists of words that a prompt uses."""
        from sensorium.image_generation.prompts.choices import wildcard_lists

        folder = None if self.wildcards is None else settings.user_path(self.wildcards)
        return {
            "variations": self.count,
            "seed": None if self.everything else self.seed,
            "all_variations": self.everything,
            "wildcards": wildcard_lists(prompt, folder),
        }


@command
@grouped
def prompt(
    *,
    wording: _Wording,
    styles: Annotated[
        Text, typer.Option("--styles", metavar="FILE", help="A TOML file with styles of your own.")
    ] = None,
    list_styles: Annotated[
        bool, typer.Option("--list-styles", metavar="", help="Show all styles with their words, and do nothing else.")
    ] = False,
    variations: _Variations,
    tokens: Annotated[
        bool, typer.Option("--tokens", metavar="", help="Count tokens, and show the words that would not be read.")
    ] = False,
    model: Annotated[
        Text,
        typer.Option(
            "--model",
            "-m",
            metavar="NAME",
            help="Whose tokens to count: catalog name, hub id or folder; by default, the profile's choice.",
            autocompletion=complete_models,
        ),
    ] = None,
    profile: Profile = None,
    as_json: AsJson = False,
    server: Server = None,
) -> None:
    """Write a prompt and a negative prompt for a text-to-image model."""
    with Call(profile=profile, as_json=as_json, server=server or settings.server()) as call:
        if list_styles:
            _show_styles(call, styles)
            return
        if variations.everything and variations.count is not None:
            raise InputError("--variations and --all-variations exclude each other", "Leave one of them out")
        from sensorium.operations.prompts import BuildPrompt, CountTokens

        built = call.run(BuildPrompt(styles=media_of(styles), **wording.fields))
        if variations.wanted:
            built = call.run(
                BuildPrompt(styles=media_of(styles), **wording.fields, **variations.fields(built.prompts[0]))
            )
        drawn_with = {} if built.seed is None else {"seed": built.seed}
        for positive in built.prompts:
            counting = CountTokens(prompt=positive, model=model, profile=profile)
            length = call.run(counting) if tokens or model else None
            counted = {} if length is None else {"tokens": length.to_dict()}
            call.show(
                None,
                {"prompt": positive, "negative_prompt": built.negative_prompt, **drawn_with, **counted},
                "\n".join([f"Prompt: {positive}", *([] if length is None else _lines(length))]),
            )
        if not as_json:
            call.line(f"Negative: {built.negative_prompt}")
            if built.seed is not None:
                call.line(f"Seed: {built.seed}")


def _show_styles(call: Call, styles: str | None) -> None:
    from sensorium.image_generation.prompt_engineer import PromptEngineer

    engineer = PromptEngineer(styles)
    for name, words in engineer.style_keywords.items():
        negative = engineer.style_negatives.get(name, "")
        call.show(
            None,
            {"style": name, "prompt": words, "negative_prompt": negative},
            f"{name}\n  {words}\n  Negative: {negative}",
        )


def _lines(length: PromptLength) -> list[str]:
    """Return what is to be said about a prompt's length."""
    lines = []
    for count in length.counts:
        beyond = f"; beyond it: {count.beyond}" if count.beyond else ""
        lines.append(
            f"Tokens: {count.tokens} ({length.model}, {count.tokenizer}, reads {count.window} at once{beyond})"
        )
    if length.chunks > 1:
        lines.append(f"Read in {length.chunks} chunks, one after the other.")
    if length.lost:
        lines.append(f"Not read at all: {length.lost}")
    return lines
