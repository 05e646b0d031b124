"""The files that commands paint: their names, saving them, and pictures that are made again."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from sensorium.cli.call import Call
from sensorium.errors import InputError
from sensorium.progress import Event, EventCallback, Finished, Progress

if TYPE_CHECKING:
    from sensorium.image_generation.generated_image import GeneratedImage, GeneratedImages
    from sensorium.image_generation.picture_settings import PictureSettings
    from sensorium.media.image import ImageSource

_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")


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


def saving_pictures(call: Call, files: list[Path]) -> EventCallback:
    """Return what shows progress, and saves each picture as soon as it is painted: none is lost to a later one."""
    names = iter(files)

    def report(event: Event) -> None:
        if isinstance(event, Progress):
            call.progress(event)
        elif isinstance(event, Finished):
            save(event.result)

    def save(picture: GeneratedImage) -> None:
        file = next(names)
        picture.save(file)
        settings = picture.settings
        flagged = ", flagged by the safety checker" if settings.safety == "flagged" else ""
        seed = "" if settings.seed is None else f", seed {settings.seed}"
        text = f"{file}: {settings.width}×{settings.height}{seed}{flagged}"
        call.show(None, {"file": str(file), **settings.to_dict()}, text)

    return report


def show_notes(call: Call, pictures: GeneratedImages) -> None:
    """Print what there is to say about all pictures of a call."""
    for note in pictures.notes:
        call.note(f"{note}.")


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


def _difference(before: PictureSettings, now: PictureSettings) -> str:
    if before.revision != now.revision:
        return f"not the same pixels: made by revision {before.revision or '?'}, now {now.revision or '?'}"
    if before.device != now.device:
        return f"not the same pixels: made on {before.device}, now on {now.device}"
    return "not the same pixels: the file that it was made from was compressed or changed"
