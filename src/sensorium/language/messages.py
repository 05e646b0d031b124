"""Conversations: what a turn is, and in which order turns come."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from sensorium.errors import InputError

Message: TypeAlias = Mapping[str, str]
"""One turn: ``{"role": "system" | "user" | "assistant", "content": text}``."""

ROLES = ("system", "user", "assistant")


def check_conversation(messages: Sequence[Message]) -> Sequence[Message]:
    """Return the conversation if it is well-formed: an optional system turn, then user and assistant alternating.

    Raises:
        InputError: A turn has no known role or no text, or the turns are out of order.
    """
    for message in messages:
        if not isinstance(message, Mapping) or message.get("role") not in ROLES:
            raise InputError(
                f"A turn of the conversation has no role among {', '.join(ROLES)}",
                'Write each turn as {"role": "user", "content": "…"}',
            )
        if not isinstance(message.get("content"), str) or not message["content"].strip():
            raise InputError(f"A turn of the {message['role']} is empty", "Give each turn some text")
    roles = [message["role"] for message in messages]
    turns = roles[1:] if roles[:1] == ["system"] else roles
    if not turns or turns[-1] != "user":
        raise InputError("The conversation does not end with a turn of the user", "Put the question last")
    if any(role != ("user", "assistant")[index % 2] for index, role in enumerate(turns)):
        raise InputError(
            "The turns of the conversation do not alternate between user and assistant",
            "Start with the user (after an optional system turn), then alternate",
        )
    return messages
