"""The options that commands share: the same names, the same meaning, everywhere."""

from __future__ import annotations

from typing import Annotated, TypeAlias

import typer

from sensorium.cli.completion import (
    complete_devices,
    complete_dtypes,
    complete_models,
    complete_profiles,
    complete_quantize,
)

_SHARED = "Common options"
ANSWERS = "Answers"
"""The panel of options that say how a model writes."""

Model: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--model",
        "-m",
        metavar="NAME",
        help="Catalog name, hub id or folder; by default, the profile's choice.",
        autocompletion=complete_models,
        rich_help_panel=_SHARED,
    ),
]
Profile: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--profile",
        metavar="NAME",
        help="starter, standard or best; by default SENSORIUM_PROFILE, else starter.",
        autocompletion=complete_profiles,
        rich_help_panel=_SHARED,
    ),
]
Device: TypeAlias = Annotated[
    str,
    typer.Option(
        "--device",
        metavar="NAME",
        help="auto, cpu, cuda, cuda:1 or mps.",
        autocompletion=complete_devices,
        rich_help_panel=_SHARED,
    ),
]
Dtype: TypeAlias = Annotated[
    str,
    typer.Option(
        "--dtype",
        metavar="NAME",
        help="auto, float32, float16 or bfloat16.",
        autocompletion=complete_dtypes,
        rich_help_panel=_SHARED,
    ),
]
Quantize: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--quantize",
        metavar="8bit|4bit",
        help="Chat and language models: quantize while loading, to need less memory.",
        autocompletion=complete_quantize,
        rich_help_panel=_SHARED,
    ),
]
AsJson: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--json", metavar="", help="Print JSON: one document on one line for each input.", rich_help_panel=_SHARED
    ),
]
Track: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--track",
        metavar="NUMBER|CODE",
        help="The sound track to hear, by number from 1 or language; by default the one in which somebody speaks.",
    ),
]
Aligner: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--aligner",
        metavar="NAME",
        help="What times the words of models that write text alone; by default the starter's Whisper.",
        autocompletion=complete_models,
    ),
]
MaxTokens: TypeAlias = Annotated[
    int | None,
    typer.Option("--max-tokens", metavar="NUMBER", help="Longest answer, in tokens.", rich_help_panel=ANSWERS),
]
Thinking: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--thinking",
        metavar="",
        help="Let the model think before it answers, if it can; its thoughts aren't shown.",
        rich_help_panel=ANSWERS,
    ),
]
Quiet: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--quiet", "-q", metavar="", help="No progress, no notes; warnings and errors only.", rich_help_panel=_SHARED
    ),
]
Server: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--server",
        metavar="ADDRESS",
        help="Run it on this server ('sensorium serve'); by default SENSORIUM_SERVER, else here.",
        rich_help_panel=_SHARED,
    ),
]


def examples(*commands: str) -> str:
    """Return the examples at the end of a command's help."""
    return "\b\n" + "\n".join(["Examples:", *(f"  {command}" for command in commands)])
