"""Chat templates, which checkpoints bring with them: what they can't write is told in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from sensorium.errors import UnsupportedError
from sensorium.language.messages import Turn
from sensorium.models.spoiled_files import SPOILED


@contextmanager
def written_by_template(name: str, turns: Sequence[Turn]) -> Iterator[None]:
    """Run a chat template; some refuse conversations, such as those with a system prompt, and some are broken.

    Args:
        name: Of the checkpoint.
        turns: The conversation.

    Raises:
        UnsupportedError: It can't write the conversation.
    """
    from jinja2 import TemplateError

    try:
        yield
    except (TemplateError, *SPOILED) as error:
        system = any(turn.role == "system" for turn in turns)
        said = " ".join(str(error).split())[:200]
        raise UnsupportedError(
            f"The chat template of {name!r} can't write this conversation"
            f"{' with a system prompt' if system else ''}{f' ({said})' if said else ''}",
            "Leave out the system prompt" if system else "Choose another checkpoint",
        ) from error
