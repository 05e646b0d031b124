"""``sensorium transcribe`` and ``translate``: speech to text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias, TypeVar

import typer

from sensorium.cli.call import Call
from sensorium.cli.completion import complete_formats, complete_languages
from sensorium.cli.inputs import STANDARD_INPUT, Input, gather
from sensorium.cli.interrupt import command
from sensorium.cli.option_groups import CommonOptions, grouped
from sensorium.cli.options import Aligner, Track, examples
from sensorium.cli.output_names import names_a_folder, output_files
from sensorium.cli.outputs import is_stream, shown
from sensorium.cli.terminal import one_line
from sensorium.errors import InputError
from sensorium.progress import Event, Finished

if TYPE_CHECKING:
    from sensorium.operations.media import Media
    from sensorium.operations.speech_to_text import Subtitle, Transcribe, Translate
    from sensorium.speech.transcription import Transcription

Text: TypeAlias = str | None
Listening = TypeVar("Listening", "Subtitle", "Transcribe", "Translate", "Transcribe | Translate")

Voices: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--voice",
        metavar="NAME=FILE",
        help="Somebody's name and a recording of the voice, 2 to 30 seconds; repeat for each person.",
    ),
]
Recordings = Annotated[
    list[str],
    typer.Argument(metavar="FILE", help="Recordings or films, folders, globs or addresses; - is standard input."),
]


def register(app: typer.Typer) -> None:
    """Add this group's commands."""
    panel = "Speech"
    app.command(
        rich_help_panel=panel,
        epilog=examples(
            "sensorium transcribe interview.mp3",
            "sensorium transcribe film.mp4 --format srt -o film.srt",
            "sensorium transcribe recordings -o texts --language en",
            "sensorium transcribe meeting.wav --speakers --diarizer nemotron-3-diarization",
        ),
    )(transcribe)
    app.command(
        rich_help_panel=panel,
        epilog=examples("sensorium translate entrevista.wav", "sensorium translate entrevista.wav -o english.vtt"),
    )(translate)
    app.command(
        rich_help_panel=panel,
        epilog=examples(
            "sensorium diarize meeting.wav --model nemotron-3-diarization",
            "sensorium diarize meeting.wav --voice Anna=anna.wav --model nemotron-3-diarization > meeting.rttm",
        ),
    )(diarize)


@dataclass(frozen=True)
class _Writing:
    """How what is said is written down."""

    language: Annotated[
        Text,
        typer.Option(
            "--language",
            "-l",
            metavar="CODE",
            help="The language that is spoken, such as en or zh; detected if left out.",
            autocompletion=complete_languages,
        ),
    ] = None
    format: Annotated[
        Text,
        typer.Option(
            "--format",
            "-f",
            metavar="NAME",
            help="txt, srt, vtt, tsv or json; by default the suffix of -o, else txt.",
            autocompletion=complete_formats,
        ),
    ] = None
    output: Annotated[
        Text,
        typer.Option(
            "--output", "-o", metavar="PATH", help="A file, or for several inputs a folder; - is standard output."
        ),
    ] = None
    words: Annotated[bool, typer.Option("--words", metavar="", help="Time every word; without --format, as tsv.")] = (
        False
    )
    hotwords: Annotated[
        Text,
        typer.Option("--hotwords", metavar="TEXT", help="Names and terms to expect, such as 'Ashleigh, CTranslate2'."),
    ] = None
    aligner: Aligner = None
    speakers: Annotated[
        bool, typer.Option("--speakers", metavar="", help="Tell who says what; speakers are called A, B and so on.")
    ] = False
    voice: Voices = None
    diarizer: Annotated[
        Text,
        typer.Option(
            "--diarizer",
            metavar="NAME",
            help="What tells speakers apart, such as nemotron-3-diarization; by default the profile's.",
        ),
    ] = None
    track: Track = None


@command
@grouped
def transcribe(files: Recordings, *, writing: _Writing, common: CommonOptions) -> None:
    """Write down what is said in recordings and films, as text or as subtitles."""
    _write_down(files, writing, common, translate=False)


@command
@grouped
def translate(files: Recordings, *, writing: _Writing, common: CommonOptions) -> None:
    """Write down in English what is said in another language."""
    _write_down(files, writing, common, translate=True)


@command
@grouped
def diarize(files: Recordings, *, voice: Voices = None, track: Track = None, common: CommonOptions) -> None:
    """Tell who speaks when in recordings and films, as RTTM."""
    with common.call() as call:
        from sensorium.operations.speakers import Diarize

        fields: dict[str, Any] = {
            **common.choice,
            "audio": STANDARD_INPUT,  # until its turn comes
            "voices": _voices(voice),
            "track": track,
        }
        operation = Diarize(**fields)
        items = gather(files, ("audio", "video"))
        call.load(operation)
        for item in call.inputs(items):
            with call.attempt(item):
                found = call.run(operation.model_copy(update={"audio": item.media}))
                call.show(item, found, found.rttm(item.stem).rstrip("\n"))
                if not found.turns:
                    call.note(f"{one_line(item.name)}: nobody speaks in it.")


def _voices(named: Sequence[str] | None) -> dict[str, Media]:
    """Return the reference recordings of ``NAME=FILE``."""
    voices = {}
    for each in named or ():
        name, sign, file = each.partition("=")
        if not sign or not file or not name.strip():
            raise InputError(f"The voice {each!r} can't be read", "Write it like --voice Anna=anna.wav")
        if name.strip() in voices:
            raise InputError(f"There are two voices called {name.strip()!r}", "Give each person one recording")
        voices[name.strip()] = Input(file).media
    return voices


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
        suffix = (
            ""
            if self.output is None or names_a_folder(self.output, self.files) or is_stream(self.output)
            else Path(self.output).suffix.lstrip(".").lower()
        )
        form = self.format or suffix or default
        if form not in FORMATS:
            raise InputError(f"There is no format {form!r}", f"Choose one of {', '.join(FORMATS)}")
        return form

    def paths(self, items: Sequence[Input]) -> list[Path]:
        """Return the file for each input."""
        assert self.output is not None
        return output_files(self.output, self.files, items, self.form)


def _write_down(files: list[str], writing: _Writing, common: CommonOptions, *, translate: bool) -> None:
    with common.call() as call:
        from sensorium.operations.speech_to_text import Subtitle, Transcribe, Translate

        items = gather(files, ("audio", "video"))
        target = _Target(files, writing.format, writing.output, writing.words)
        asked: dict[str, Any] = {
            **common.choice,
            "audio": STANDARD_INPUT,  # until its turn comes
            "language": writing.language,
            "hotwords": writing.hotwords,
            "aligner": writing.aligner,
            "speakers": writing.speakers,
            "voices": _voices(writing.voice),
            "diarizer": writing.diarizer,
            "track": writing.track,
        }
        if writing.output is not None:
            subtitle = Subtitle(format=target.form, translate=translate, words=writing.words, **asked)
            _write_files(call, subtitle, items, target.paths(items))
            return
        kind = Translate if translate else Transcribe
        _print(call, kind(word_timestamps=writing.words or target.form != "txt", **asked), items, target)


def _write_files(call: Call, operation: Subtitle, items: Sequence[Input], paths: Sequence[Path]) -> None:
    call.require_room(paths, items)
    call.load(operation)
    for item, path in zip(call.inputs(items), paths, strict=True):
        with call.attempt(item):
            asked = _of(operation, item)
            path.parent.mkdir(parents=True, exist_ok=True)
            said = call.run(asked, files=[path]).transcription
            call.show(item, {**said.to_dict(), "output": str(path)}, shown(path))
            _note_silence(call, item, said)


def _print(call: Call, operation: Transcribe | Translate, items: Sequence[Input], target: _Target) -> None:
    call.load(operation)
    for item in call.inputs(items):
        with call.attempt(item):
            heading = f"==> {one_line(item.name)} <==" if len(items) > 1 and not call.as_json else ""
            if target.form == "txt" and not operation.tells_speakers and not call.as_json:
                _print_as_it_comes(call, _of(operation, item), heading)
            else:
                _print_at_the_end(call, item, call.run(_of(operation, item)), heading, target)


def _print_as_it_comes(call: Call, operation: Transcribe | Translate, heading: str) -> None:
    headings = [heading] if heading else []

    def print_segment(event: Event) -> None:
        if isinstance(event, Finished):
            while headings:
                call.heading(headings.pop())
            call.line(event.result.text.strip())

    said = call.run(operation, told=print_segment)
    if not said.segments:
        for each in headings:
            call.heading(each)
        call.note("Nobody speaks in it.")


def _print_at_the_end(call: Call, item: Input, said: Transcription, heading: str, target: _Target) -> None:
    from sensorium.media.subtitles import format_subtitles
    from sensorium.speech.subtitle_cues import subtitle_cues

    if heading:
        call.heading(heading)
    cues = subtitle_cues(said, target.form, words=target.words)
    call.show(item, {**said.to_dict(), "output": None}, format_subtitles(cues, target.form).rstrip("\n"))
    _note_silence(call, item, said)


def _note_silence(call: Call, item: Input, said: Transcription) -> None:
    if not said.text:
        call.note(f"{one_line(item.name)}: nobody speaks in it.")


def _of(operation: Listening, item: Input) -> Listening:
    return operation.model_copy(update={"audio": item.media})
