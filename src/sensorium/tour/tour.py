"""Runs the tour: prepares the media, runs every step as a command line, and writes the page."""

from __future__ import annotations

import contextlib
import io
import os
import shlex
import shutil
import sys
import time
import webbrowser
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeAlias

from sensorium.errors import InputError, SensoriumError
from sensorium.image_generation.generated_image import read_settings
from sensorium.image_generation.text_to_image import TextToImage
from sensorium.models import catalog
from sensorium.progress import ProgressCallback
from sensorium.tour.material import collect_photos, draw_receipt, make_film, write_narration
from sensorium.tour.page import Outcome, write_page
from sensorium.tour.steps import STEPS, Step
from sensorium.video.video_qa import VideoQA
from sensorium.vision_language.clip import CLIP
from sensorium.vision_language.image_qa import ImageQA

_MARK = ".sensorium-tour"

RunCommand: TypeAlias = Callable[[Sequence[str]], bool]
"""Runs a command line of sensorium, and returns whether it succeeded; raises `CancelledError` if it was cancelled."""


def run_tour(
    output: Path,
    *,
    run: RunCommand,
    open_browser: bool = False,
    write: Callable[[str], None] = print,
    progress: ProgressCallback | None = None,
) -> Path:
    """Run all steps of the tour on real media, and write one self-contained page about them.

    Args:
        output: Folder for the media and the page. It is created if it doesn't exist, and emptied if an earlier tour
            made it.
        run: Runs a command line of sensorium.
        open_browser: Whether to show the page at the end.
        write: Called with each text that the user should see.
        progress: Told the progress of fetching the photographs and of making the film.

    Returns:
        The page, ``index.html`` in ``output``.

    Raises:
        InputError: ``output`` contains files that no tour made; or a step failed. In the second case the page is
            written nevertheless, and shows which step failed.
        ModelUnavailableError: The photographs or the voice can't be fetched.
    """
    _prepare(output)
    write(f"Setting up: photographs and a film in {output}")
    photos = collect_photos(output / "photos", progress)
    draw_receipt(output / "receipt.png")
    write_narration(output / "narration.txt")
    make_film(photos, output / "film.mp4", progress)
    # The tasks stay open for the whole tour, so that weights are loaded once, and the film is looked at once.
    with CLIP(), ImageQA(), VideoQA(), TextToImage(), _working_in(output):
        outcomes = [_run_step(step, run, write) for step in STEPS]
    page = write_page(outcomes, photos, output)
    failed = [outcome.command for outcome in outcomes if not outcome.succeeded]
    if failed:
        raise InputError(f"{len(failed)} of {len(outcomes)} steps failed, the first was: {failed[0]}", f"See {page}")
    write(f"\nThe page with everything: {page}")
    write(f"To try it yourself, on your own pictures and recordings, in the browser: {_command('studio')}")
    if open_browser:
        webbrowser.open(page.resolve().as_uri())
    return page


def _command(name: str) -> str:
    """Return how a command is typed here: with the program's place if the shell wouldn't find it."""
    if shutil.which("sensorium"):
        return f"sensorium {name}"
    program = Path(sys.executable).with_name("sensorium")
    if not program.exists():
        return f"{Path(sys.executable).name} -m sensorium {name}"
    place = program.relative_to(Path.cwd()) if program.is_relative_to(Path.cwd()) else program
    return shlex.join([str(place), name])


def _prepare(output: Path) -> None:
    if output.exists() and not output.is_dir():
        raise InputError(f"{str(output)!r} is a file", "Name a folder for the tour")
    if output.is_dir() and any(output.iterdir()):
        if not (output / _MARK).is_file():
            raise InputError(f"The folder {str(output)!r} is not empty", "Name another folder for the tour")
        shutil.rmtree(output)
    output.mkdir(parents=True, exist_ok=True)
    (output / _MARK).touch()


def _run_step(step: Step, run: RunCommand, write: Callable[[str], None]) -> Outcome:
    command = "sensorium " + shlex.join(step.arguments)
    if step.typed:
        command = f"printf '%s\\n' {shlex.join(step.typed)} | {command}"
    write(f"\n# {step.title}\n$ {command}")
    begun = time.perf_counter()
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), _typing(step.typed):
        succeeded = run(step.arguments)
    text = printed.getvalue()
    seconds = time.perf_counter() - begun
    write(text.rstrip())
    models = [catalog.resolve(None, task=task).name for task in step.tasks]
    for picture in step.painted:
        models += _painters(Path(picture))
    return Outcome(step, command, text.strip(), seconds, succeeded, tuple(dict.fromkeys(models)))


def _painters(picture: Path) -> list[str]:
    """Return the names of the checkpoints that painted a picture; the picture's file names them."""
    try:
        settings = read_settings(picture)
    except SensoriumError:  # the step failed
        return []
    controls = (settings.options or {}).get("controls", ())
    return [settings.model, *(str(control["model"]) for control in controls)]


@contextlib.contextmanager
def _typing(lines: Sequence[str]) -> Iterator[None]:
    before = sys.stdin
    sys.stdin = io.StringIO("".join(f"{line}\n" for line in lines))
    try:
        yield
    finally:
        sys.stdin = before


@contextlib.contextmanager
def _working_in(folder: Path) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)
