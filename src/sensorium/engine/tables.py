"""The tables of the job database, and how an older database becomes one of today."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Dialect,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    func,
    insert,
    select,
    text,
    update,
)
from sqlalchemy.types import TypeDecorator

from sensorium.errors import StorageError


class Document(TypeDecorator[Any]):
    """Plain values as JSON in a text column: PostgreSQL's own JSON types refuse NaN and some strings."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        """Return the text of a value."""
        return None if value is None else json.dumps(value, separators=(",", ":"))

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:
        """Return the value of a text."""
        return None if value is None else json.loads(value)


metadata = MetaData()

schema = Table("sensorium_schema", metadata, Column("version", Integer, primary_key=True))

# The large columns come last: SQLite reads a row from its beginning, and only as far as is asked.
jobs = Table(
    "sensorium_jobs",
    metadata,
    Column("id", Text, primary_key=True),
    Column("owner", Text, nullable=False),
    Column("operation", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("rank", Double, nullable=False),
    Column("model", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("created", Double, nullable=False),
    Column("started", Double),
    Column("ended", Double),
    Column("progress", Document),
    Column("error", Document),
    Column("artifacts", Document, nullable=False),
    Column("arguments", Document, nullable=False),
    Column("result", Document),
)
Index("sensorium_jobs_by_age", jobs.c.created, jobs.c.id)
Index("sensorium_jobs_by_owner", jobs.c.owner, jobs.c.created, jobs.c.id)
Index("sensorium_jobs_by_rank", jobs.c.state, jobs.c.rank)
Index("sensorium_jobs_by_end", jobs.c.ended)

events = Table(
    "sensorium_events",
    metadata,
    Column("job", Text, ForeignKey(jobs.c.id, ondelete="CASCADE"), primary_key=True),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("document", Document, nullable=False),
)

uploads = Table(
    "sensorium_uploads",
    metadata,
    Column("id", Text, primary_key=True),
    Column("owner", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("created", Double, nullable=False),
    Column("used", Double, nullable=False),
    Column("purpose", Text, nullable=False, server_default=""),
    Column("expires", Double),
)
Index("sensorium_uploads_by_owner", uploads.c.owner, uploads.c.created)
Index("sensorium_uploads_by_use", uploads.c.used)

flags = Table(
    "sensorium_flags",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", Document),
)

strikes = Table(
    "sensorium_strikes",
    metadata,
    Column("fingerprint", Text, primary_key=True),
    Column("count", Integer, nullable=False),
    Column("latest", Double, nullable=False),
)

consents = Table(
    "sensorium_voice_consents",
    metadata,
    Column("id", Text, primary_key=True),
    Column("owner", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("language", Text, nullable=False),
    Column("statement", Text, nullable=False),
    Column("recording", Text, nullable=False),
    Column("created", Double, nullable=False),
)
Index("sensorium_voice_consents_by_owner", consents.c.owner, consents.c.created, consents.c.id)

voices = Table(
    "sensorium_voices",
    metadata,
    Column("id", Text, primary_key=True),
    Column("owner", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("consent", Text, ForeignKey(consents.c.id, ondelete="CASCADE"), nullable=False),
    Column("recording", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("seconds", Double, nullable=False),
    Column("created", Double, nullable=False),
)
Index("sensorium_voices_by_owner", voices.c.owner, voices.c.created, voices.c.id)
Index("sensorium_voices_by_consent", voices.c.consent)


def _uploads_have_purposes(connection: Connection) -> None:
    connection.execute(text("ALTER TABLE sensorium_uploads ADD COLUMN purpose TEXT DEFAULT '' NOT NULL"))
    connection.execute(text("ALTER TABLE sensorium_uploads ADD COLUMN expires DOUBLE PRECISION"))


def _voices(connection: Connection) -> None:
    connection.execute(
        text(
            "CREATE TABLE sensorium_voice_consents (id TEXT NOT NULL PRIMARY KEY, owner TEXT NOT NULL, "
            "name TEXT NOT NULL, language TEXT NOT NULL, statement TEXT NOT NULL, recording TEXT NOT NULL, "
            "created DOUBLE PRECISION NOT NULL)"
        )
    )
    connection.execute(
        text(
            "CREATE TABLE sensorium_voices (id TEXT NOT NULL PRIMARY KEY, owner TEXT NOT NULL, name TEXT NOT NULL, "
            "consent TEXT NOT NULL REFERENCES sensorium_voice_consents (id) ON DELETE CASCADE, "
            "recording TEXT NOT NULL, text TEXT NOT NULL, seconds DOUBLE PRECISION NOT NULL, "
            "created DOUBLE PRECISION NOT NULL)"
        )
    )
    for table in ("sensorium_voice_consents", "sensorium_voices"):
        connection.execute(text(f"CREATE INDEX {table}_by_owner ON {table} (owner, created, id)"))
    connection.execute(text("CREATE INDEX sensorium_voices_by_consent ON sensorium_voices (consent)"))


MIGRATIONS: tuple[Callable[[Connection], None], ...] = (_uploads_have_purposes, _voices)
"""The first makes version 2 out of version 1, and so on. They are written out: the tables above go on changing."""

_ANY_NUMBER = 7_366_747
"""Names the lock that two engines take when both create tables in one PostgreSQL database."""


def prepare(connection: Connection) -> None:
    """Create the tables, or bring them up to date, within the transaction of a connection.

    Raises:
        StorageError: A newer version of Sensorium wrote the database.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(_ANY_NUMBER)))
    newest = 1 + len(MIGRATIONS)
    schema.create(connection, checkfirst=True)
    found = connection.scalar(select(schema.c.version))
    if found is None:
        metadata.create_all(connection)
        connection.execute(insert(schema).values(version=newest))
    elif found > newest:
        raise StorageError(
            f"The database of jobs has version {found}, and this Sensorium knows none after {newest}",
            "Use the newer Sensorium that wrote it, or another database",
        )
    elif found < newest:
        for migrate in MIGRATIONS[found - 1 :]:
            migrate(connection)
        connection.execute(update(schema).values(version=newest))
