"""Voices that users have made of recordings, each with the statement of the person who agreed to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from sensorium.operations.media import Media
from sensorium.record import Record

VOICE = "voice_"
"""What the names of all voices begin with that were made of a recording."""


@dataclass(frozen=True, eq=False, repr=False)
class Consent(Record):
    """Somebody's recorded agreement that their voice is imitated.

    Attributes:
        id: Its name.
        owner: Whose record it is.
        name: What its owner calls it.
        language: The language of the statement, as its owner named it.
        statement: What is said in the recording.
        recording: The id of the upload.
        created: When, in seconds since 1970.
    """

    id: str
    owner: str
    name: str
    language: str
    statement: str
    recording: str
    created: float


@dataclass(frozen=True, eq=False, repr=False)
class CustomVoice(Record):
    """A voice made of a recording.

    Attributes:
        id: Its name, which begins with ``voice_``.
        owner: Whose it is.
        name: What its owner calls it.
        consent: The id of the statement on which it rests; without that one it is gone.
        recording: The id of the upload.
        text: What is said in the recording.
        seconds: How long that is.
        created: When, in seconds since 1970.
    """

    id: str
    owner: str
    name: str
    consent: str
    recording: str
    text: str
    seconds: float
    created: float


def is_custom_voice(name: str) -> bool:
    """Return whether a voice's name is the id of one that was made of a recording."""
    return name.startswith(VOICE)


class CustomVoices(Protocol):
    """Keeps voices and statements of consent; nothing deletes them but their owner."""

    async def add_consent(self, *, owner: str, name: str, language: str, statement: str, recording: Media) -> Consent:
        """Keep a statement of consent.

        Args:
            owner: Whose record it is.
            name: What its owner calls it.
            language: As its owner names it.
            statement: What is said in the recording.
            recording: An upload, which is kept as long as the statement.

        Raises:
            InputError: This owner has too many.
        """

    async def consent(self, consent: str, owner: str) -> Consent:
        """Return a statement of consent.

        Raises:
            NotFoundError: There is none of that owner's.
        """

    async def consents(self, owner: str, *, after: str | None = None, limit: int = 20) -> list[Consent]:
        """Return statements of consent, the newest first.

        Args:
            owner: Whose.
            after: Only those older than the one with this id.
            limit: How many at most.

        Raises:
            NotFoundError: There is no statement ``after``.
        """

    async def rename_consent(self, consent: str, owner: str, name: str) -> Consent:
        """Call a statement of consent something else; return it.

        Raises:
            NotFoundError: There is none of that owner's.
        """

    async def delete_consent(self, consent: str, owner: str) -> None:
        """Delete a statement of consent with its recording, and all voices that rest on it.

        Raises:
            NotFoundError: There is none of that owner's.
        """

    async def add_voice(
        self, *, owner: str, name: str, consent: str, recording: Media, text: str, seconds: float
    ) -> CustomVoice:
        """Keep a voice.

        Args:
            owner: Whose it is.
            name: What its owner calls it.
            consent: The id of the statement on which it rests.
            recording: An upload, which is kept as long as the voice.
            text: What is said in it.
            seconds: How long it is.

        Raises:
            NotFoundError: There is no such statement of that owner's.
            InputError: This owner has too many.
        """

    async def voice(self, voice: str, owner: str) -> CustomVoice:
        """Return a voice.

        Raises:
            NotFoundError: There is none of that owner's.
        """

    async def voices(self, owner: str) -> list[CustomVoice]:
        """Return an owner's voices, the newest first."""

    async def delete_voice(self, voice: str, owner: str) -> None:
        """Delete a voice with its recording.

        Raises:
            NotFoundError: There is none of that owner's.
        """
