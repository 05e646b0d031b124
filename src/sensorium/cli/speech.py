"""``sensorium transcribe`` and ``translate``: speech to text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from sensorium.cli.call import Call
from sensorium.cli.completion import complete_formats, complete_languages
from sensorium.cli.inputs import Input, gather, stands_for_several
from sensorium.cli.interrupt import cancel, command
from sensorium.cli.options import AsJson, Device, Model, Profile, Quiet, examples
from sensorium.cli.terminal import one_line
from sensorium.errors import InputError

if TYPE_CHECKING:
    from sensorium.media.subtitles import Cue
    from sensorium.speech.speech_to_text import Segment, Transcription

Text: TypeAlias = str | None

Recordings = Annotated[
    list[str],
    typer.Argument(metavar="FILE", help="Recordings or films, folders, globs or addresses; - is standard input."),
]
Language = Annotated[
    Text,
    typer.Option(
        "--language",
        "-l",
        metavar="CODE",
        help="The language that is spoken, such as en or zh; detected if left out.",
        autocompletion=complete_languages,
    ),
]
Format = Annotated[
    Text,
    typer.Option(
        "--format",
        "-f",
        metavar="NAME",
        help="txt, srt, vtt, tsv or json; by default the suffix of -o, else txt.",
        autocompletion=complete_formats,
    ),
]
Output = Annotated[Text, typer.Option("--output", "-o", metavar="PATH", help="A file, or for several inputs a folder.")]
Hotwords = Annotated[
    Text, typer.Option("--hotwords", metavar="TEXT", help="Names and terms to expect, such as 'Ashleigh, CTranslate2'.")
]
Words = Annotated[bool, typer.Option("--words", metavar="", help="Time every word; without --format, as tsv.")]


def register(app: typer.Typer) -> None:
    """Add this group's commands."""
    panel = "Speech"
    app.command(
        rich_help_panel=panel,
        epilog=examples(
            "sensorium transcribe interview.mp3",
            "sensorium transcribe film.mp4 --format srt -o film.srt",
            "sensorium transcribe recordings -o texts --language en",
        ),
    )(transcribe)
    app.command(
        rich_help_panel=panel,
        epilog=examples("sensorium translate entrevista.wav", "sensorium translate entrevista.wav -o english.vtt"),
    )(translate)


@command
def transcribe(
    files: Recordings,
    language: Language = None,
    format: Format = None,
    output: Output = None,
    words: Words = False,
    hotwords: Hotwords = None,
    model: Model = None,
    profile: Profile = None,
    device: Device = "auto",
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Write down what is said in recordings and films, as text or as subtitles."""
    with Call(profile=profile, as_json=as_json, quiet=quiet) as call:
        target = _Target(files, format, output, words)
        _write_down(call, target, "transcribe", {"language": language, "hotwords": hotwords}, model, device)


@command
def translate(
    files: Recordings,
    language: Language = None,
    format: Format = None,
    output: Output = None,
    words: Words = False,
    hotwords: Hotwords = None,
    model: Model = None,
    profile: Profile = None,
    device: Device = "auto",
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Write down in English what is said in another language."""
    with Call(profile=profile, as_json=as_json, quiet=quiet) as call:
        target = _Target(files, format, output, words)
        _write_down(call, target, "translate", {"language": language, "hotwords": hotwords}, model, device)


@dataclass(frozen=True)
class _Target:
    """What is written down, in which form, and where to."""

    files: list[str]
    format: str | None
    output: str | None
    words: bool

    @property
    def form(self) -> str:
        from sensorium.media.subtitles import FORMATS

        default = "tsv" if self.words else "txt"
        suffix = "" if self.output is None or self._is_folder else Path(self.output).suffix.lstrip(".").lower()
        form = self.format or suffix or default
        if form not in FORMATS:
            raise InputError(f"There is no format {form!r}", f"Choose one of {', '.join(FORMATS)}")
        return form

    @property
    def _is_folder(self) -> bool:
        assert self.output is not None
        several = len(self.files) > 1 or any(stands_for_several(file) for file in self.files)
        return several or Path(self.output).is_dir() or self.output.endswith(("/", "\\"))

    def paths(self, items: Sequence[Input]) -> list[Path | None]:
        """Return the file for each input, None for standard output; refuse what would overwrite an input."""
        if self.output is None:
            return [None] * len(items)
        target = Path(self.output)
        if self._is_folder:
            if target.exists() and not target.is_dir():
                raise InputError(f"{self.output!r} is a file", "Several inputs need a folder: name one with -o")
            paths = [target / f"{item.stem}.{self.form}" for item in items]
        else:
            if not target.parent.is_dir():
                raise InputError(f"There is no folder {str(target.parent)!r}", "Make it first, or write elsewhere")
            paths = [target]
        for number, (item, path) in enumerate(zip(items, paths, strict=True)):
            if path in paths[:number]:
                raise InputError(f"Two inputs would both be written to {str(path)!r}", "Do them one by one")
            if path.exists() and Path(item.name).exists() and path.samefile(item.name):
                raise InputError(f"The output {str(path)!r} is the input itself", "Name another file with -o")
        if self._is_folder and any(item.error is None for item in items):
            target.mkdir(parents=True, exist_ok=True)
        return list(paths)


def _write_down(
    call: Call, target: _Target, task: str, hints: dict[str, str | None], model: str | None, device: str
) -> None:
    from sensorium.speech.speech_to_text import SpeechToText

    items = gather(target.files, ("audio", "video"))
    form, paths = target.form, target.paths(items)
    speech_to_text = call.open(SpeechToText(model, profile=call.profile, device=device))
    options: dict[str, Any] = {**hints, "task": task, "progress": call.progress, "cancel": cancel}
    for item, path in zip(call.inputs(items), paths, strict=True):
        with call.attempt(item):
            source = item.source
            heading = f"==> {one_line(item.name)} <==" if len(items) > 1 and path is None and not call.as_json else ""
            if form == "txt" and path is None and not call.as_json:
                _print_as_it_comes(call, speech_to_text.stream(source, **options), heading)
                continue
            result = speech_to_text.transcribe(source, word_timestamps=target.words or form != "txt", **options)
            if heading:
                call.heading(heading)
            _deliver(call, item, result, path, form, target.words)


def _print_as_it_comes(call: Call, segments: Iterator[Segment], heading: str) -> None:
    first = next(segments, None)
    if heading:
        call.heading(heading)
    if first is None:
        call.note("Nobody speaks in it.")
        return
    for segment in chain([first], segments):
        call.line(segment.text.strip())


def _deliver(call: Call, item: Input, result: Transcription, path: Path | None, form: str, words: bool) -> None:
    from sensorium.media.subtitles import format_subtitles, write_subtitles

    cues = _cues(result, form, words)
    if path is not None:
        write_subtitles(cues, path, form)
    document: dict[str, Any] = {**result.to_dict(), "output": None if path is None else str(path)}
    call.show(item, document, str(path) if path is not None else format_subtitles(cues, form).rstrip("\n"))
    if not result.text:
        call.note(f"{one_line(item.name)}: nobody speaks in it.")


def _cues(result: Transcription, form: str, words: bool) -> list[Cue]:
    from sensorium.media.subtitles import Cue
    from sensorium.speech.speech_to_text import subtitle_cues

    if words:
        return [Cue(word.start, word.end, word.text.strip()) for part in result.segments for word in part.words]
    return subtitle_cues(result, form)
