"""Suggestions when a user presses Tab in a shell: names from the catalog, styles, languages."""

from __future__ import annotations

from textwrap import shorten

import typer

_WIDTH = 60
"""Most letters of a description; shells show one suggestion per line."""

Suggestions = list[tuple[str, str]]

_TASKS = {
    "ask": ("image-question-answering", "video-question-answering"),
    "caption": ("image-question-answering",),
    "chat": ("image-chat",),
    "classify": ("image-text-similarity",),
    "clone": ("text-to-speech",),
    "control": ("text-to-image",),
    "detect-language": ("speech-to-text",),
    "diarize": ("speaker-diarization",),
    "edit": ("text-to-image",),
    "embed": ("image-text-similarity", "text-embedding"),
    "imagine": ("text-to-image",),
    "index": ("image-text-similarity",),
    "prompt": ("text-to-image",),
    "moderate": ("image-text-similarity",),
    "read": ("text-recognition",),
    "search": ("image-text-similarity",),
    "speak": ("text-to-speech",),
    "transcribe": ("speech-to-text",),
    "translate": ("speech-to-text",),
    "watch": ("video-question-answering",),
}


def complete_models(context: typer.Context, incomplete: str) -> Suggestions:
    """Suggest the checkpoints that the current command can use; for ``models``, all checkpoints."""
    from sensorium.models import catalog

    tasks = _TASKS.get(context.info_name or "")
    return _starting(
        incomplete,
        [
            (name, entry.description)
            for entry in catalog.entries()
            if tasks is None or not {entry.task, *entry.also_for}.isdisjoint(tasks)
            for name in (entry.name, *entry.aliases)
        ],
    )


def complete_pullable(context: typer.Context, incomplete: str) -> Suggestions:
    """Suggest profiles and checkpoints."""
    return complete_profiles(incomplete) + complete_models(context, incomplete)


def complete_profiles(incomplete: str) -> Suggestions:
    """Suggest profiles."""
    from sensorium.models import catalog

    return _starting(incomplete, [(name, "profile") for name in catalog.PROFILES])


def complete_tasks(incomplete: str) -> Suggestions:
    """Suggest the tasks of the catalog."""
    from sensorium.models import catalog

    return _starting(incomplete, [(task, "") for task in sorted({entry.task for entry in catalog.entries()})])


def complete_operations(incomplete: str) -> Suggestions:
    """Suggest operations."""
    from sensorium.operations.registry import all_operations

    described = {name: (each.__doc__ or "").partition("\n")[0] for name, each in all_operations().items()}
    return _starting(incomplete, list(described.items()))


def complete_devices(incomplete: str) -> Suggestions:
    """Suggest devices."""
    return _starting(incomplete, [("auto", "the best there is"), ("cpu", ""), ("cuda", ""), ("mps", "")])


def complete_dtypes(incomplete: str) -> Suggestions:
    """Suggest precisions."""
    return _starting(
        incomplete, [("auto", "what suits the device"), ("float32", ""), ("float16", ""), ("bfloat16", "")]
    )


def complete_quantize(incomplete: str) -> Suggestions:
    """Suggest ways to quantize."""
    from sensorium.models.quantizing import QUANTIZE

    return _starting(incomplete, [(name, "") for name in QUANTIZE])


def complete_styles(incomplete: str) -> Suggestions:
    """Suggest the styles of the prompt engineer."""
    from sensorium.image_generation.prompt_engineer import PromptEngineer

    return _starting(incomplete, list(PromptEngineer().style_keywords.items()))


def complete_schedulers(incomplete: str) -> Suggestions:
    """Suggest the schedulers for painting."""
    from sensorium.image_generation.diffusion.schedulers import SCHEDULERS

    return _starting(incomplete, [(name, "") for name in SCHEDULERS])


def complete_controls(incomplete: str) -> Suggestions:
    """Suggest the kinds of control maps."""
    from sensorium.image_generation.control_maps import CONTROL_KINDS

    return _starting(incomplete, [(kind, "") for kind in CONTROL_KINDS])


def complete_formats(incomplete: str) -> Suggestions:
    """Suggest the file formats for a transcription."""
    from sensorium.media.subtitles import FORMATS

    return _starting(incomplete, [(name, "") for name in FORMATS])


def complete_languages(incomplete: str) -> Suggestions:
    """Suggest the languages that Whisper knows."""
    from sensorium.text.languages import LANGUAGES

    return _starting(incomplete, list(LANGUAGES.items()))


def _starting(incomplete: str, suggestions: Suggestions) -> Suggestions:
    return [
        (name, shorten(description, _WIDTH, placeholder="…"))
        for name, description in suggestions
        if name.startswith(incomplete)
    ]
