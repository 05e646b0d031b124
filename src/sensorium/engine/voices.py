"""The voices of a database, with the statements on which they rest."""

from __future__ import annotations

import secrets
import time
from contextlib import suppress
from typing import Any

import sqlalchemy as sa

from sensorium.engine.custom_voices import VOICE, Consent, CustomVoice
from sensorium.engine.database import Database
from sensorium.engine.identifiers import is_identifier
from sensorium.engine.job_media import JobMedia
from sensorium.engine.job_reader import JobReader
from sensorium.engine.job_writer import JobWriter
from sensorium.engine.tables import consents, voices
from sensorium.errors import InputError, NotFoundError
from sensorium.media.naming import display_name
from sensorium.operations.media import Media
from sensorium.record import Record

_MOST = 100
"""How many voices, and how many statements, an owner may have."""
_CONSENT = "cons_"


class Voices:
    """Keeps voices and statements of consent; nothing deletes them but their owner.

    Args:
        database: Where they are kept.
        reader: Asks it.
        writer: Writes to it.
        media: Keeps their recordings.
    """

    def __init__(self, database: Database, reader: JobReader, writer: JobWriter, media: JobMedia) -> None:
        self._database = database
        self._reader = reader
        self._writer = writer
        self._media = media

    async def add_consent(self, *, owner: str, name: str, language: str, statement: str, recording: Media) -> Consent:
        """Keep a statement of consent: see `CustomVoices.add_consent`."""
        upload = recording.upload or ""
        consent = Consent(_new(_CONSENT), owner, name, language, statement, upload, time.time())
        await self._add(consents, consent, "statements of consent")
        return consent

    async def consent(self, consent: str, owner: str) -> Consent:
        """Return a statement of consent: see `CustomVoices.consent`."""
        return Consent(**await self._row(consents, consent, owner, "statement of consent"))

    async def consents(self, owner: str, *, after: str | None = None, limit: int = 20) -> list[Consent]:
        """Return statements of consent, the newest first: see `CustomVoices.consents`."""
        found = [Consent(**row) for row in await self._rows(consents, owner)]
        if after is not None:
            ids = [each.id for each in found]
            if after not in ids:
                raise NotFoundError(
                    f"There is no statement of consent {display_name(after)}", "Begin again with the newest"
                )
            found = found[ids.index(after) + 1 :]
        return found[:limit]

    async def rename_consent(self, consent: str, owner: str, name: str) -> Consent:
        """Call a statement of consent something else; return it: see `CustomVoices.rename_consent`."""
        await self.consent(consent, owner)
        await self._write(sa.update(consents).where(consents.c.id == consent).values(name=name))
        return await self.consent(consent, owner)

    async def delete_consent(self, consent: str, owner: str) -> None:
        """Delete a statement of consent and all that rests on it: see `CustomVoices.delete_consent`."""
        found = await self.consent(consent, owner)
        for voice in await self.voices(owner):
            if voice.consent == consent:
                await self.delete_voice(voice.id, owner)
        await self._write(sa.delete(consents).where(consents.c.id == consent))
        await self._discard(found.recording)

    async def add_voice(
        self, *, owner: str, name: str, consent: str, recording: Media, text: str, seconds: float
    ) -> CustomVoice:
        """Keep a voice: see `CustomVoices.add_voice`."""
        await self.consent(consent, owner)
        upload = recording.upload or ""
        voice = CustomVoice(_new(VOICE), owner, name, consent, upload, text, seconds, time.time())
        await self._add(voices, voice, "voices")
        return voice

    async def voice(self, voice: str, owner: str) -> CustomVoice:
        """Return a voice: see `CustomVoices.voice`."""
        return CustomVoice(**await self._row(voices, voice, owner, "voice"))

    async def voices(self, owner: str) -> list[CustomVoice]:
        """Return an owner's voices, the newest first: see `CustomVoices.voices`."""
        return [CustomVoice(**row) for row in await self._rows(voices, owner)]

    async def delete_voice(self, voice: str, owner: str) -> None:
        """Delete a voice with its recording: see `CustomVoices.delete_voice`."""
        found = await self.voice(voice, owner)
        await self._write(sa.delete(voices).where(voices.c.id == voice))
        await self._discard(found.recording)

    async def _add(self, table: sa.Table, record: Record, what: str) -> None:
        row = record.to_dict()
        if len(await self._rows(table, row["owner"])) >= _MOST:
            raise InputError(f"There are {_MOST} {what} already", "Delete one that isn't needed any more")
        await self._write(sa.insert(table).values(**row))

    async def _row(self, table: sa.Table, name: str, owner: str, what: str) -> dict[str, Any]:
        def read() -> Any:
            with self._database.reading() as connection:
                query = sa.select(table).where(table.c.id == name, table.c.owner == owner)
                return connection.execute(query).mappings().first()

        row = await self._reader.read(read) if is_identifier(name) else None
        if row is None:
            raise NotFoundError(f"There is no {what} {display_name(name)}", "List those that there are")
        return dict(row)

    async def _rows(self, table: sa.Table, owner: str) -> list[dict[str, Any]]:
        def read() -> list[dict[str, Any]]:
            query = sa.select(table).where(table.c.owner == owner)
            with self._database.reading() as connection:
                rows = connection.execute(query.order_by(table.c.created.desc(), table.c.id.desc())).mappings().all()
            return [dict(row) for row in rows]

        return await self._reader.read(read)

    async def _write(self, statement: sa.Executable) -> None:
        def write() -> None:
            with self._database.writing() as connection:
                connection.execute(statement)

        await self._writer.write_now(write)

    async def _discard(self, recording: str) -> None:
        with suppress(NotFoundError):  # somebody may have emptied the folder
            await self._media.discard(recording, None)


def _new(prefix: str) -> str:
    return prefix + secrets.token_hex(12)
