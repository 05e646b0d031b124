"""A conversation as a job holds it: what was said before are the job's arguments, the last answer is its result."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sensorium.studio.watched_jobs import WatchedJob
from sensorium.studio.wording import Wording


@dataclass(frozen=True)
class Said:
    """What one side said at a time.

    Attributes:
        role: ``"system"``, ``"user"`` or ``"assistant"``.
        text: The words.
        pictures: References to the pictures.
    """

    role: str
    text: str
    pictures: tuple[str, ...] = ()

    def message(self) -> dict[str, Any]:
        """Return it as the operation `Chat` takes it."""
        if not self.pictures:
            return {"role": self.role, "content": self.text}
        words = [{"type": "text", "text": self.text}] if self.text else []
        return {"role": self.role, "content": [{"type": "image", "image": each} for each in self.pictures] + words}


def asked_in(arguments: Mapping[str, Any]) -> list[Said]:
    """Return what a job was asked: all that was said before its answer."""
    return [_said(message) for message in arguments["messages"]]


def _said(message: Mapping[str, Any]) -> Said:
    content = message["content"]
    if isinstance(content, str):
        return Said(message["role"], content)
    words = "\n".join(part["text"] for part in content if part["type"] == "text")
    return Said(message["role"], words, tuple(part["image"] for part in content if part["type"] == "image"))


def answer_of(watched: WatchedJob) -> str:
    """Return what a job has answered so far."""
    result = watched.job.result
    return str(result["text"]) if result is not None else watched.text


def whole(watched: WatchedJob) -> list[Said]:
    """Return a conversation up to where it can go on: a question without an answer is left out."""
    said = asked_in(watched.job.arguments)
    answer = answer_of(watched)
    return [*said, Said("assistant", answer)] if answer else said[:-1]


def as_markdown(said: Sequence[Said], names: Mapping[str, str], words: Wording) -> str:
    """Return a conversation as a text to read.

    Args:
        said: The conversation.
        names: What its pictures are called.
        words: The page's.
    """
    turns = []
    for each in said:
        pictures = [f"*{words('see.picture', name=names.get(picture, picture))}*" for picture in each.pictures]
        turns.append("\n\n".join([f"**{words(f'see.{each.role}')}**", *pictures, *([each.text] if each.text else [])]))
    return "\n\n".join(turns) + "\n"


def as_json(said: Sequence[Said], names: Mapping[str, str], model: str) -> str:
    """Return a conversation for programs: messages as the operation ``chat`` takes them, and the pictures' names."""
    document = {
        "model": model,
        "messages": [each.message() for each in said],
        "pictures": {picture: names.get(picture, picture) for each in said for picture in each.pictures},
    }
    return json.dumps(document, ensure_ascii=False, indent=2) + "\n"
