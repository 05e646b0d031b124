"""``sensorium speak`` and ``clone``: text to speech."""

from __future__ import annotations

import os
import secrets
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import typer

from sensorium.cli.call import Call
from sensorium.cli.completion import complete_languages
from sensorium.cli.inputs import STANDARD_INPUT, read_standard_input
from sensorium.cli.interrupt import cancel, command
from sensorium.cli.options import AsJson, Device, Model, Profile, Quiet, examples
from sensorium.cli.terminal import clock
from sensorium.errors import InputError

Text: TypeAlias = str | None

SpokenText = Annotated[Text, typer.Argument(metavar="TEXT", help="What to say; - is standard input.")]
TextFile = Annotated[Text, typer.Option("--file", metavar="FILE", help="A text file to read aloud.")]
Sound = Annotated[
    str,
    typer.Option(
        "--output",
        "-o",
        metavar="FILE",
        help="A .wav, .flac, .mp3 or .opus file; - is WAV on standard output.",
    ),
]
Speed = Annotated[float, typer.Option("--speed", metavar="FACTOR", help="1 is natural, 2 twice as fast.")]
Seed = Annotated[
    int | None,
    typer.Option("--seed", metavar="NUMBER", help="Makes the voice say it the same way again."),
]
TextLanguage = Annotated[
    Text,
    typer.Option(
        "--language", "-l", metavar="CODE", help="The language of the text.", autocompletion=complete_languages
    ),
]


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


@command
def speak(
    text: SpokenText = None,
    file: TextFile = None,
    output: Sound = "output.wav",
    voice: Annotated[
        Text,
        typer.Option("--voice", metavar="NAME", help="A voice of the model: a preset, a number or an x-vector file."),
    ] = None,
    speed: Speed = 1.0,
    seed: Seed = None,
    language: TextLanguage = None,
    model: Model = None,
    profile: Profile = None,
    device: Device = "auto",
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Read a text aloud into an audio file."""
    with Call(profile=profile, as_json=as_json, quiet=quiet) as call:
        from sensorium.speech.text_to_speech import TextToSpeech

        words = _text_to_speak(call, text, file)
        options = _Delivery(output, speed, seed, language)
        options.check(call)
        speaker = TextToSpeech(model, profile=call.profile, device=device)
        options.deliver(
            call,
            speaker.model,
            lambda path: speaker.synthesize(words, path, voice=voice, **options.arguments(call)),
        )


@command
def clone(
    text: SpokenText = None,
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
    file: TextFile = None,
    output: Sound = "output.wav",
    reference_text: Annotated[
        Text, typer.Option("--reference-text", metavar="TEXT", help="What is said in it; transcribed if left out.")
    ] = None,
    speed: Speed = 1.0,
    seed: Seed = None,
    language: TextLanguage = None,
    model: Model = None,
    profile: Profile = None,
    device: Device = "auto",
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Read a text aloud in the voice of a recording, with its owner's consent."""
    with Call(profile=profile, as_json=as_json, quiet=quiet) as call:
        from sensorium.speech.consent import consent_statement
        from sensorium.speech.text_to_speech import TextToSpeech

        statement = consent_statement(consent)
        if not reference:
            raise InputError("There is no recording of the voice", "Name one with --reference")
        words = _text_to_speak(call, text, file)
        options = _Delivery(output, speed, seed, language)
        options.check(call)
        speaker = TextToSpeech.for_cloning(model, profile=call.profile, device=device)
        options.deliver(
            call,
            speaker.model,
            lambda path: speaker.clone(
                words,
                reference,
                path,
                consent=statement,
                reference_text=reference_text,
                **options.arguments(call),
            ),
            consent=statement,
        )


class _Delivery:
    """How a text is spoken, and where to."""

    def __init__(self, output: str, speed: float, seed: int | None, language: str | None) -> None:
        self._output = output
        self._speed = speed
        self._seed = secrets.randbelow(2**32) if seed is None else seed
        self._language = language

    def check(self, call: Call) -> None:
        """Refuse to write sound to a screen."""
        if self._output == STANDARD_INPUT and (call.as_json or sys.stdout.isatty()):
            raise InputError("Sound can't be printed here", "Name a file with -o, or pipe the command into a player")

    def arguments(self, call: Call) -> dict[str, Any]:
        """Return what `TextToSpeech.synthesize` and `TextToSpeech.clone` both take."""
        return {
            "speed": self._speed,
            "seed": self._seed,
            "language": self._language,
            "progress": call.progress,
            "cancel": cancel,
        }

    def deliver(self, call: Call, model: str, speak_into: Callable[[str], str], **facts: str) -> None:
        """Speak into the output and say what it is."""
        from sensorium.media.audio import probe_audio

        with tempfile.TemporaryDirectory(prefix="sensorium-speech-") as folder:
            piped = self._output == STANDARD_INPUT
            path = speak_into(str(Path(folder) / "speech.wav") if piped else self._output)
            if piped:
                call.clear_progress()
                with Path(path).open("rb") as stream:
                    shutil.copyfileobj(stream, sys.stdout.buffer)
                return
        sound = probe_audio(path)
        document = {"output": path, "duration": sound.duration, "sample_rate": sound.sample_rate}
        call.show(None, {**document, "seed": self._seed, "model": model, **facts}, path)
        call.note(f"{clock(sound.duration or 0.0)} of speech by {model}, a generated voice")


def _text_to_speak(call: Call, text: str | None, file: str | None) -> str:
    if (text is None) == (file is None):
        raise InputError(
            "There is no text to speak" if text is None else "There are two texts to speak",
            "Give a text, or --file with a text file, or - to read standard input",
        )
    if text is not None and text != STANDARD_INPUT:
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
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(f"The text in {name} is not UTF-8", "Save it as UTF-8 text") from None
