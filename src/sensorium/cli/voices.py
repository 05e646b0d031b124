"""``sensorium speak`` and ``clone``: text to speech."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from sensorium.cli.call import Call
from sensorium.cli.completion import complete_languages
from sensorium.cli.inputs import STANDARD_INPUT, read_standard_input
from sensorium.cli.interrupt import command
from sensorium.cli.option_groups import CommonOptions, grouped
from sensorium.cli.options import Track, examples
from sensorium.cli.outputs import is_stream, output_path, require_no_screen
from sensorium.cli.terminal import clock
from sensorium.errors import InputError

if TYPE_CHECKING:
    from sensorium.operations.text_to_speech import Clone, Speak

Text: TypeAlias = str | None

SpokenText = Annotated[Text, typer.Argument(metavar="TEXT", help="What to say; - is standard input.")]


def register(app: typer.Typer) -> None:
    """Add this group's commands."""
    panel = "Speech"
    app.command(
        rich_help_panel=panel,
        epilog=examples(
            "sensorium speak 'Hello, this is a text-to-speech example.' -o hello.wav",
            "sensorium speak --file story.txt -o story.mp3 --speed 0.9",
            "echo 'Dinner is ready.' | sensorium speak - -o dinner.opus",
            "sensorium speak 'Hello there.' --model mms-tts-eng --language en -o hello.flac",
        ),
    )(speak)
    app.command(
        rich_help_panel=panel,
        epilog=examples(
            "sensorium clone 'Hello, this is my own voice.' --reference voice.wav --consent 'I am the speaker' "
            "-o mine.wav",
        ),
    )(clone)


@dataclass(frozen=True)
class _Speaking:
    """What is read aloud, where to, and how."""

    file: Annotated[Text, typer.Option("--file", metavar="FILE", help="A text file to read aloud.")] = None
    output: Annotated[
        str,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="A .wav, .flac, .mp3 or .opus file; - is WAV on standard output.",
        ),
    ] = "output.wav"
    speed: Annotated[float, typer.Option("--speed", metavar="FACTOR", help="1 is natural, 2 twice as fast.")] = 1.0
    seed: Annotated[
        int | None, typer.Option("--seed", metavar="NUMBER", help="Makes the voice say it the same way again.")
    ] = None
    language: Annotated[
        Text,
        typer.Option(
            "--language", "-l", metavar="CODE", help="The language of the text.", autocompletion=complete_languages
        ),
    ] = None

    @property
    def target(self) -> Path:
        """Where the sound goes, which is no screen."""
        path = output_path(self.output)
        require_no_screen(path, "Sound")
        return path

    @property
    def fields(self) -> dict[str, Any]:
        """The fields that `Speak` and `Clone` have in common."""
        from sensorium.media.atomic_file import require_place
        from sensorium.media.audio_writer import require_sound_path, sound_format

        if is_stream(self.output):
            require_place(self.target)
            known = sound_format(self.output)
            form = "wav" if known is None else known.name
        else:
            form = require_sound_path(self.output).name
        return {"format": form, "speed": self.speed, "seed": self.seed, "language": self.language}


@command
@grouped
def speak(
    text: SpokenText = None,
    *,
    voice: Annotated[
        Text,
        typer.Option("--voice", metavar="NAME", help="A voice of the model: a preset, a number or a file of a voice."),
    ] = None,
    speaking: _Speaking,
    common: CommonOptions,
) -> None:
    """Read a text aloud into an audio file."""
    with common.call() as call:
        from sensorium.operations.text_to_speech import Speak

        words = _text_to_speak(call, text, speaking.file)
        _deliver(call, Speak(text=words, voice=voice, **speaking.fields, **common.choice), speaking)


@command
@grouped
def clone(
    text: SpokenText = None,
    *,
    reference: Annotated[
        str,
        typer.Option(
            "--reference", "-r", metavar="FILE", help="A recording or film of the person: 3 to 30 seconds of speech."
        ),
    ] = "",
    consent: Annotated[
        str,
        typer.Option("--consent", metavar="STATEMENT", help="Who agreed to it, in words; kept in the file's metadata."),
    ] = "",
    reference_text: Annotated[
        Text, typer.Option("--reference-text", metavar="TEXT", help="What is said in it; transcribed if left out.")
    ] = None,
    track: Track = None,
    speaking: _Speaking,
    common: CommonOptions,
) -> None:
    """Read a text aloud in the voice of a recording, with its owner's consent."""
    with common.call() as call:
        from sensorium.operations.media import Media
        from sensorium.operations.text_to_speech import Clone
        from sensorium.speech.consent import consent_statement

        statement = consent_statement(consent)
        if not reference:
            raise InputError("There is no recording of the voice", "Name one with --reference")
        words = _text_to_speak(call, text, speaking.file)
        operation = Clone(
            text=words,
            reference=Media(reference),
            consent=statement,
            reference_text=reference_text,
            track=track,
            **speaking.fields,
            **common.choice,
        )
        _deliver(call, operation, speaking, consent=statement)


def _deliver(call: Call, operation: Speak | Clone, speaking: _Speaking, **facts: str) -> None:
    """Speak into the output and say what it is."""
    call.reads(speaking.file)
    output = speaking.output
    spoken = call.run(operation, files=[speaking.target])
    document = {"output": output, "duration": spoken.duration, "sample_rate": spoken.sample_rate}
    call.show(
        None, {**document, "seed": spoken.seed, "model": spoken.model, "warnings": spoken.warnings, **facts}, output
    )
    call.note(f"{clock(spoken.duration)} of speech by {spoken.model}, a generated voice")


def _text_to_speak(call: Call, text: str | None, file: str | None) -> str:
    from sensorium.text.decoding import decode_text

    if (text is None) == (file is None):
        raise InputError(
            "There is no text to speak" if text is None else "There are two texts to speak",
            "Give a text, or --file with a text file, or - to read standard input",
        )
    if text is not None and text != STANDARD_INPUT:
        from sensorium.language.written_language import require_characters

        require_characters(text, what="text")
        # Not pathlib's way, which raises an error for a text that is too long for a file's name.
        if os.path.isfile(text):  # noqa: PTH113
            call.note(f"Saying the words {text!r}; --file {text!r} reads the file aloud.")
        return text
    if text == STANDARD_INPUT or file == STANDARD_INPUT:
        data, name = read_standard_input(), "standard input"
    else:
        assert file is not None
        try:
            data, name = Path(file).read_bytes(), repr(file)
        except OSError as error:
            raise InputError(f"The text file {file!r} can't be read: {error.strerror}", "Check the name") from None
    decoded = decode_text(data, name)
    if decoded.guessed:
        call.note(f"The text in {name} is not UTF-8; it is read as {decoded.encoding}, which it looks like.")
    return decoded.text
