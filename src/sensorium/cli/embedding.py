"""``sensorium embed``: pictures, texts and recordings as vectors that can be compared."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import typer

from sensorium.cli.inputs import Input, gather
from sensorium.cli.interrupt import command
from sensorium.cli.option_groups import CommonOptions, grouped
from sensorium.cli.options import examples
from sensorium.cli.outputs import is_stream, output_path, place_for, require_no_screen, shown
from sensorium.errors import InputError

Texts: TypeAlias = list[str] | None


def register(app: typer.Typer) -> None:
    """Add this group's command."""
    app.command(
        rich_help_panel="Search",
        epilog=examples(
            "sensorium embed photos -o vectors.npy",
            "sensorium embed cat.jpg --text 'a cat' --text 'a dog' --json",
        ),
    )(embed)


@command
@grouped
def embed(
    images: Annotated[
        Texts, typer.Argument(metavar="IMAGE", help="Pictures, folders, globs or addresses; - is standard input.")
    ] = None,
    texts: Annotated[
        Texts, typer.Option("--text", "-t", metavar="TEXT", help="A text; give as many as you like.")
    ] = None,
    sounds: Annotated[
        Texts,
        typer.Option(
            "--sound", metavar="FILE", help="A recording, for models that take sound; give as many as you like."
        ),
    ] = None,
    role: Annotated[
        str | None,
        typer.Option(
            "--role",
            metavar="ROLE",
            help="What the texts are, for models that want to be told: query (looked for) or document (to be found).",
        ),
    ] = None,
    dimensions: Annotated[
        int | None,
        typer.Option(
            "--dimensions",
            min=1,
            metavar="NUMBER",
            help="How many numbers each vector has, with models that are made for it.",
        ),
    ] = None,
    output: Annotated[
        str | None,
        typer.Option("--output", "-o", metavar="FILE", help="A .npy file for the vectors; - is standard output."),
    ] = None,
    *,
    common: CommonOptions,
) -> None:
    """Turn pictures, texts and recordings into vectors of one space: what goes together lies close together.

    One line for each picture, then for each text, then for each recording. The vectors have length 1: their products
    are cosines.
    """
    with common.call() as call:
        from sensorium.operations.vision_language import Embed

        target = None if output is None else _target(output)
        items = gather(images or [], ("image",))
        if target is not None:
            call.require_room([target], items)
        if not items and not texts and not sounds:
            raise InputError(
                "There is nothing to embed", "Name a picture, a text with --text or a recording with --sound"
            )
        asked: list[tuple[Input, dict[str, Any]]] = [
            *((item, {} if item.error else {"images": [item.media]}) for item in items),
            *((Input(text), {"texts": [text], "role": role}) for text in texts or ()),
            *((Input(sound), {"sounds": [Input(sound).media]}) for sound in sounds or ()),
        ]
        rows: list[Any] = []
        wishes = [what for item, what in asked if item.error is None]
        outcomes = call.run_together([Embed.of({**what, "dimensions": dimensions, **common.choice}) for what in wishes])
        for item, _ in asked:
            with call.attempt(item):
                if item.error is not None:
                    raise item.error
                found = next(outcomes)
                if isinstance(found, Exception):
                    raise found
                vector = found.vectors[0]
                rows.append(vector)
                document = {"embedding": vector.tolist(), "model": found.model}
                if target is None:
                    call.show(item, document, json.dumps(document["embedding"]))
        if target is not None and rows:
            _save(rows, target)
            call.show(None, {"output": str(target), "rows": len(rows)}, shown(target))


def _target(output: str) -> Path:
    from sensorium.media.atomic_file import require_place

    path = output_path(output)
    if is_stream(output):
        require_no_screen(path, "An array")
    elif path.suffix.lower() != ".npy":
        raise InputError(f"{output!r} doesn't end in .npy", "Name a .npy file, which numpy.load reads")
    require_place(path)
    return path


def _save(rows: list[Any], path: Path) -> None:
    import numpy as np

    from sensorium.media.atomic_file import atomic_file

    with place_for(path, "vectors.npy") as place, atomic_file(place) as temporary, temporary.open("wb") as file:
        np.save(file, np.stack(rows))
