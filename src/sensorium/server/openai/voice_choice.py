"""Which voice speaks: one of the model's own, whatever OpenAI calls its voices, or one that a user has made."""

from __future__ import annotations

from collections.abc import Sequence

from sensorium.errors import InputError
from sensorium.media.naming import display_name
from sensorium.models.catalog import Checkpoint
from sensorium.server.errors import blaming
from sensorium.speech.own_voices import own_voices

OPENAI_VOICES = (
    "alloy",
    "echo",
    "fable",
    "onyx",
    "nova",
    "shimmer",
    "ash",
    "ballad",
    "coral",
    "sage",
    "verse",
    "marin",
    "cedar",
)
"""Names that programs have built in; those that have been there from the beginning come first."""
_USUAL = ("", "default")


def voices_of(checkpoint: Checkpoint) -> Sequence[str]:
    """Return the names of a checkpoint's voices; that of the checkpoint where there is only one."""
    return own_voices(checkpoint) or (checkpoint.name,)


def chosen_voice(name: str | None, checkpoint: Checkpoint) -> str | None:
    """Return the voice of a checkpoint for the name that a client gave; None for its usual one.

    OpenAI's names always work: each stands for the same voice every time.

    Args:
        name: Of a voice.
        checkpoint: Speaks.

    Raises:
        InputError: There is no such voice.
    """
    own = own_voices(checkpoint)
    wanted = (name or "").strip()
    if wanted in own:
        return wanted
    if wanted.lower() in OPENAI_VOICES:
        return own[OPENAI_VOICES.index(wanted.lower()) % len(own)] if own else None
    if wanted.lower() in (*_USUAL, checkpoint.name.lower()):
        return None
    with blaming("voice"):
        raise InputError(
            f"The model {checkpoint.name!r} has no voice {display_name(wanted)}",
            f"Choose {', '.join(voices_of(checkpoint)[:10])}, or one of OpenAI's names, such as alloy",
        )
