"""``sensorium prompt``: prompts for text-to-image models."""

from __future__ import annotations

from typing import Annotated, Optional

import typer

from sensorium.cli.call import Call
from sensorium.cli.completion import complete_styles
from sensorium.cli.interrupt import command
from sensorium.cli.options import AsJson, examples

Text = Optional[str]  # noqa: UP045 - Typer evaluates it at run time, on Python 3.10 too


def register(app: typer.Typer) -> None:
    """Add this group's command."""
    app.command(
        rich_help_panel="Image generation",
        epilog=examples(
            "sensorium prompt 'a cat on a window sill' --style watercolor --detail 'green eyes'",
            "sensorium prompt 'a lighthouse' --negative cartoon --negative text --json",
        ),
    )(prompt)


@command
def prompt(
    subject: Annotated[str, typer.Argument(metavar="SUBJECT", help="What the picture shows.")],
    style: Annotated[
        str, typer.Option("--style", "-s", metavar="NAME", help="A style.", autocompletion=complete_styles)
    ] = "realistic",
    details: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option("--detail", "-d", metavar="TEXT", help="A detail of the subject; give it as often as you like."),
    ] = None,
    lighting: Annotated[Text, typer.Option("--lighting", metavar="TEXT", help="The light.")] = None,
    camera: Annotated[Text, typer.Option("--camera", metavar="TEXT", help="The camera or the view.")] = None,
    negatives: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option("--negative", "-n", metavar="TEXT", help="What the picture should not have; repeat as you like."),
    ] = None,
    styles: Annotated[
        Text, typer.Option("--styles", metavar="FILE", help="A TOML file with styles of your own.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write a prompt and a negative prompt for a text-to-image model."""
    with Call(as_json=as_json) as call:
        from sensorium.image_generation.prompt_engineer import PromptEngineer

        engineer = PromptEngineer(styles)
        positive = engineer.build_prompt(subject, style=style, details=details, lighting=lighting, camera=camera)
        negative = engineer.get_negative_prompt(negatives)
        call.show(
            None,
            {"prompt": positive, "negative_prompt": negative},
            f"Prompt: {positive}\nNegative: {negative}",
        )
