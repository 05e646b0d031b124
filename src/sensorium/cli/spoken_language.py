"""``sensorium detect-language``: which language is spoken."""

from __future__ import annotations

import typer

from sensorium.cli.inputs import STANDARD_INPUT, gather
from sensorium.cli.interrupt import command
from sensorium.cli.option_groups import CommonOptions, grouped
from sensorium.cli.options import Aligner, Track, examples
from sensorium.cli.speech import Recordings
from sensorium.cli.terminal import one_line


def register(app: typer.Typer) -> None:
    """Add this group's command."""
    app.command(
        rich_help_panel="Speech",
        epilog=examples("sensorium detect-language interview.mp3", "sensorium detect-language recordings --json"),
    )(detect_language)


@command
@grouped
def detect_language(files: Recordings, *, aligner: Aligner = None, track: Track = None, common: CommonOptions) -> None:
    """Say which language is spoken in recordings and films, and how sure that is."""
    with common.call() as call:
        from sensorium.operations.speech_to_text import DetectLanguage

        items = gather(files, ("audio", "video"))
        any_recording = DetectLanguage.of(
            {"audio": STANDARD_INPUT, "aligner": aligner, "track": track, **common.choice}
        )
        call.load(any_recording)
        for item in call.inputs(items):
            with call.attempt(item):
                found = call.run(any_recording.model_copy(update={"audio": item.media}))
                said = f"{found.language} {found.probability:.2f}" if found.language else "nobody speaks"
                call.show(item, found, said if len(items) == 1 else f"{one_line(item.name)}: {said}")
