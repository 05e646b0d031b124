"""The files that commands paint: their names, what is said of them, and pictures that are made again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from sensorium.cli.call import Call, Runnable
from sensorium.cli.outputs import is_stream, output_path, require_no_screen, shown
from sensorium.errors import InputError
from sensorium.progress import Event, Finished

if TYPE_CHECKING:
    from sensorium.image_generation.picture_settings import PictureSettings
    from sensorium.operations.pictures import PaintedAgain, PictureFormat, Pictures

_EVERYWHERE = ("profile", "as_json", "quiet", "server")
_FORMATS: Mapping[str, PictureFormat] = {".png": "png", ".jpg": "jpeg", ".jpeg": "jpeg", ".webp": "webp"}


def picture_files(output: str, count: int) -> list[Path]:
    """Return the names of the files that pictures go to; checked before anything is painted.

    Raises:
        InputError: The suffix is none of a picture, or the folder doesn't exist or can't be written to.
    """
    from sensorium.media.atomic_file import require_place

    path = output_path(output)
    if is_stream(output):
        require_no_screen(path, "A picture")
        if count > 1:
            raise InputError(f"{count} pictures can't go to {output!r}, which is no plain file", "Name a file with -o")
    elif path.suffix.lower() not in _FORMATS:
        raise InputError(
            f"{output!r} has no suffix of a picture format that can be written", f"Use one of {', '.join(_FORMATS)}"
        )
    files = [path] if count == 1 else [path.with_stem(f"{path.stem}-{number}") for number in range(1, count + 1)]
    for file in files[:1]:
        require_place(file)
    return files


def picture_format(output: str) -> PictureFormat:
    """Return what operations call the format of a file, by its suffix; PNG for what is no plain file."""
    return _FORMATS.get(Path(output).suffix.lower(), "png")


def paint(call: Call, operation: Runnable[Pictures], files: list[Path], *, map_files: Sequence[Path] = ()) -> None:
    """Run an operation that paints; say of each picture where it is, as soon as it is painted.

    Args:
        call: Runs it.
        operation: What to paint.
        files: Where the pictures go to.
        map_files: Where the control maps go to, if they are kept.
    """
    names = iter(files)

    def show(event: Event) -> None:
        if isinstance(event, Finished):
            _show_picture(call, next(names), event.result.settings)

    pictures = call.run(operation, files=[*map_files, *files], told=show)
    for file in map_files:
        call.note(f"{shown(file)}: the map")
    for note in pictures.notes:
        call.note(f"{note}.")


def _show_picture(call: Call, file: Path, settings: PictureSettings) -> None:
    flagged = ", flagged by the safety checker" if settings.safety == "flagged" else ""
    seed = "" if settings.seed is None else f", seed {settings.seed}"
    text = f"{shown(file)}: {settings.width}×{settings.height}{seed}{flagged}"
    call.show(None, {"file": str(file), **settings.to_dict()}, text)


def paint_again(call: Call, operation: Runnable[PaintedAgain], file: Path) -> None:
    """Run an operation that makes a picture again; say whether it is the same."""
    made = call.run(operation, files=[file])
    text = f"{shown(file)}: {'the same picture, pixel for pixel' if made.identical else made.difference}"
    call.show(None, {"file": str(file), "identical": made.identical, **made.picture.settings.to_dict()}, text)


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
        if (
            name not in (*known, "profile", "as_json", "quiet", "server")
            and source is not None
            and source.name == "COMMANDLINE"
        ):
            raise InputError(f"With {mode} the option {parameter.opts[0]} has no use", "Leave it out")
