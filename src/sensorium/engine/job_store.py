"""Keeps jobs, their events, and what is known of uploads in a database: SQLite or PostgreSQL."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from sensorium.engine.database import Database
from sensorium.engine.identifiers import is_identifier
from sensorium.engine.job import ENDED, Job, JobEvent, State, Upload
from sensorium.engine.tables import consents, events, flags, jobs, prepare, strikes, uploads, voices
from sensorium.errors import NotFoundError
from sensorium.media.naming import display_name
from sensorium.operations.artifact import Artifact

_LARGE = (jobs.c.arguments, jobs.c.result)
_STATUS = tuple(column for column in jobs.c if column not in set(_LARGE))
_AT_ONCE = 500
"""Rows named in one statement; databases have a limit."""


class JobStore:
    """Keeps jobs. Safe to use from any thread.

    Every method raises `StorageError` while the database is away, and works again once it is back. What a method
    writes is written all or not at all, and may be written again if nobody knows which.

    Args:
        address: ``"sqlite:////folder/jobs.sqlite"`` or ``"postgresql://user:password@host/name"``.

    Raises:
        InputError: No SQLite file and no PostgreSQL server can be at this address.
        MissingDependencyError: The package that speaks to PostgreSQL isn't installed.
    """

    def __init__(self, address: str) -> None:
        self._database = Database(address)

    @property
    def database(self) -> Database:
        """The database, for those that keep other things in it."""
        return self._database

    def open(self) -> None:
        """Create the tables, or bring those of an older version up to date.

        Raises:
            StorageError: The database can't be used, or a newer version of Sensorium wrote it.
        """
        self._database.create_file()
        with self._database.writing() as connection:
            prepare(connection)

    def close(self) -> None:
        """Close all connections."""
        self._database.close()

    def check(self) -> None:
        """See whether the database answers and can be written.

        Raises:
            StorageError: It doesn't, or it can't.
        """
        with self._database.writing() as connection:
            self._upsert(connection, flags, [{"name": "checked", "value": time.time()}], ("value",))

    # Jobs

    def put(
        self,
        jobs_now: Sequence[Job],
        ranks: Mapping[str, float] = {},
        told: Mapping[str, Sequence[JobEvent]] = {},
    ) -> None:
        """Insert jobs or update them, all in one transaction. Owner, operation and arguments of a job never change.

        Args:
            jobs_now: As they are now.
            ranks: Their place in the queue by id, smallest first; those that aren't named keep theirs. A new one has
                the time of its creation.
            told: Events by id, to be added together with them.
        """
        ranked = [job for job in jobs_now if job.id in ranks]
        others = [job for job in jobs_now if job.id not in ranks]
        changing = ("state", "model", "attempts", "started", "ended", "progress", "error", "artifacts", "result")
        with self._database.writing() as connection:
            self._upsert(connection, jobs, [_row(job, ranks[job.id]) for job in ranked], (*changing, "rank"))
            self._upsert(connection, jobs, [_row(job, job.created) for job in others], changing)
            self._add_events(connection, told)

    def add_events(self, job: str, told: Sequence[JobEvent]) -> None:
        """Add events to a job; those that it has already stay as they are."""
        with self._database.writing() as connection:
            self._add_events(connection, {job: told})

    def job(self, job: str, *, owner: str | None = None) -> Job | None:
        """Return a job, or None if there is none (of that owner's); a queued one without its position."""
        if not is_identifier(job):
            return None
        with self._database.reading() as connection:
            row = connection.execute(sa.select(jobs).where(jobs.c.id == job, *_owned(jobs, owner))).first()
        return None if row is None else _job(row)

    def jobs(
        self,
        *,
        owner: str | None = None,
        states: Collection[State] = (),
        limit: int = 50,
        before: str | None = None,
    ) -> list[Job]:
        """Return jobs, the newest first, without their results and arguments.

        Args:
            owner: Whose; None for everybody's.
            states: Only those in one of these states; all if empty.
            limit: How many at most.
            before: Only those older than the job with this id.

        Raises:
            NotFoundError: There is no job with the id ``before``.
        """
        query = sa.select(*_STATUS).where(*_owned(jobs, owner))
        if states:
            query = query.where(jobs.c.state.in_(states))
        age = sa.tuple_(jobs.c.created, jobs.c.id)
        with self._database.reading() as connection:
            if before is not None:
                query = query.where(age < sa.tuple_(*self._age(connection, jobs, before, owner)))
            query = query.order_by(jobs.c.created.desc(), jobs.c.id.desc()).limit(limit)
            return [_job(row) for row in connection.execute(query)]

    def unfinished(self) -> list[tuple[Job, float]]:
        """Return the jobs that are queued or running with their ranks, in the order of the queue."""
        query = sa.select(jobs).where(jobs.c.state.in_(("queued", "running")))
        with self._database.reading() as connection:
            rows = connection.execute(query.order_by(jobs.c.rank, jobs.c.created, jobs.c.id)).all()
        return [(_job(row), row.rank) for row in rows]

    def ended(
        self, *, before: float | None = None, after: float | None = None, limit: int | None = None
    ) -> list[tuple[str, float]]:
        """Return the ids of ended jobs and when they ended, those that ended first at the front.

        Args:
            before: Only those that ended before this moment.
            after: Only those that ended after this moment.
            limit: How many at most.
        """
        query = sa.select(jobs.c.id, jobs.c.ended).where(jobs.c.state.in_(ENDED), jobs.c.ended.is_not(None))
        if before is not None:
            query = query.where(jobs.c.ended < before)
        if after is not None:
            query = query.where(jobs.c.ended > after)
        with self._database.reading() as connection:
            rows = connection.execute(query.order_by(jobs.c.ended, jobs.c.id).limit(limit)).all()
        return [(row.id, row.ended) for row in rows]

    def known(self, ids: Iterable[str]) -> set[str]:
        """Return those of some ids that jobs have."""
        return self._known(jobs.c.id, ids)

    def delete_jobs(self, ids: Iterable[str]) -> None:
        """Delete jobs and their events; those that there aren't are left out."""
        self._delete(jobs.c.id, ids)

    # Events

    def events(self, job: str, *, after: int = 0) -> list[JobEvent]:
        """Return the events of a job after a number, in order."""
        if not is_identifier(job):
            return []
        query = sa.select(events.c.number, events.c.document).where(events.c.job == job, events.c.number > after)
        with self._database.reading() as connection:
            rows = connection.execute(query.order_by(events.c.number)).all()
        return [JobEvent(row.number, row.document) for row in rows]

    # Uploads

    def put_upload(self, upload: Upload) -> None:
        """Keep what is known of an upload."""
        row = {**upload.to_dict(), "used": upload.created}
        with self._database.writing() as connection:
            self._upsert(connection, uploads, [row], ("owner", "name", "size", "created", "purpose", "expires"))

    def upload(self, upload: str, *, owner: str | None = None) -> Upload | None:
        """Return an upload, or None if there is none (of that owner's)."""
        if not is_identifier(upload):
            return None
        with self._database.reading() as connection:
            row = connection.execute(sa.select(uploads).where(uploads.c.id == upload, *_owned(uploads, owner))).first()
        return None if row is None else _upload(row)

    def uploads(
        self,
        *,
        owner: str | None = None,
        purposes: Collection[str] = (),
        limit: int | None = None,
        after: str | None = None,
        newest_first: bool = False,
    ) -> list[Upload]:
        """Return uploads, the newest last.

        Args:
            owner: Whose; None for everybody's.
            purposes: Only those that were sent for one of these; all if empty.
            limit: How many at most.
            after: Only those that follow the upload with this id.
            newest_first: The other way round.

        Raises:
            NotFoundError: There is no upload with the id ``after``.
        """
        query = sa.select(uploads).where(*_owned(uploads, owner))
        if purposes:
            query = query.where(uploads.c.purpose.in_(purposes))
        order = [each.desc() if newest_first else each.asc() for each in (uploads.c.created, uploads.c.id)]
        with self._database.reading() as connection:
            if after is not None:
                there = sa.tuple_(*self._age(connection, uploads, after, owner))
                age = sa.tuple_(uploads.c.created, uploads.c.id)
                query = query.where(age < there if newest_first else age > there)
            return [_upload(row) for row in connection.execute(query.order_by(*order).limit(limit))]

    def expired_uploads(self, now: float) -> list[str]:
        """Return the ids of uploads that are to be deleted even if they are used."""
        with self._database.reading() as connection:
            return list(connection.scalars(sa.select(uploads.c.id).where(uploads.c.expires < now)))

    def unused_uploads(self, *, before: float, after: float) -> list[tuple[str, float]]:
        """Return the ids of uploads last used before one moment or after another, and when; the oldest at the front."""
        query = sa.select(uploads.c.id, uploads.c.used).where((uploads.c.used < before) | (uploads.c.used > after))
        with self._database.reading() as connection:
            rows = connection.execute(query.order_by(uploads.c.used, uploads.c.id)).all()
        return [(row.id, row.used) for row in rows]

    def lasting_uploads(self) -> set[str]:
        """Return the ids of the uploads that were sent for a purpose: they don't go because nobody uses them."""
        with self._database.reading() as connection:
            return set(connection.scalars(sa.select(uploads.c.id).where(uploads.c.purpose != "")))

    def known_uploads(self, ids: Iterable[str]) -> set[str]:
        """Return those of some ids that uploads have."""
        return self._known(uploads.c.id, ids)

    def use_uploads(self, ids: Collection[str], moment: float) -> None:
        """Note when uploads were used: those that weren't for long are deleted."""
        if ids:
            with self._database.writing() as connection:
                connection.execute(sa.update(uploads).where(uploads.c.id.in_(ids)).values(used=moment))

    def delete_uploads(self, ids: Iterable[str]) -> None:
        """Forget uploads; those that there aren't are left out."""
        self._delete(uploads.c.id, ids)

    def recordings(self) -> set[str]:
        """Return the ids of the uploads that voices and statements of consent are made of."""
        query = sa.union(sa.select(consents.c.recording), sa.select(voices.c.recording))
        with self._database.reading() as connection:
            return set(connection.scalars(query))

    # Small things

    def flag(self, name: str, default: Any = None) -> Any:
        """Return a value that was set, or ``default``."""
        with self._database.reading() as connection:
            row = connection.execute(sa.select(flags.c.value).where(flags.c.name == name)).first()
        return default if row is None else row.value

    def set_flag(self, name: str, value: Any) -> None:
        """Set a plain value, such as whether the queue is paused."""
        with self._database.writing() as connection:
            self._upsert(connection, flags, [{"name": name, "value": value}], ("value",))

    def struck(self) -> dict[str, int]:
        """Return how many workers each request has killed, by its fingerprint."""
        with self._database.reading() as connection:
            rows = connection.execute(sa.select(strikes)).all()
        return {row.fingerprint: row[1] for row in rows}

    def add_strike(self, fingerprint: str) -> int:
        """Note that a request has killed a worker; return how many it has killed by now."""
        insert = self._insert(strikes).values(fingerprint=fingerprint, count=1, latest=time.time())
        counted = insert.on_conflict_do_update(
            index_elements=["fingerprint"], set_={"count": strikes.c.count + 1, "latest": insert.excluded.latest}
        )
        with self._database.writing() as connection:
            return int(connection.execute(counted.returning(strikes.c.count)).scalar_one())

    def forget_strikes(self, before: float) -> None:
        """Forget the requests whose latest strike was before a moment: the fault may have been mended."""
        with self._database.writing() as connection:
            connection.execute(sa.delete(strikes).where(strikes.c.latest < before))

    # What these have in common

    def _insert(self, table: sa.Table) -> Any:
        return (sqlite if self._database.is_sqlite else postgresql).insert(table)

    def _upsert(
        self, connection: sa.Connection, table: sa.Table, rows: Sequence[Mapping[str, Any]], changing: Sequence[str]
    ) -> None:
        if rows:
            insert = self._insert(table)
            keys = [column.name for column in table.primary_key]
            new = {name: insert.excluded[name] for name in changing}
            connection.execute(insert.on_conflict_do_update(index_elements=keys, set_=new), rows)

    def _add_events(self, connection: sa.Connection, told: Mapping[str, Sequence[JobEvent]]) -> None:
        rows = [
            {"job": job, "number": event.id, "document": event.to_dict()["document"]}
            for job, several in told.items()
            for event in several
        ]
        if rows:
            connection.execute(self._insert(events).on_conflict_do_nothing(), rows)

    def _known(self, key: sa.Column[Any], ids: Iterable[str]) -> set[str]:
        found: set[str] = set()
        with self._database.reading() as connection:
            for some in _portions(filter(is_identifier, ids)):
                found.update(connection.scalars(sa.select(key).where(key.in_(some))))
        return found

    def _delete(self, key: sa.Column[Any], ids: Iterable[str]) -> None:
        for some in _portions(ids):
            with self._database.writing() as connection:
                connection.execute(sa.delete(key.table).where(key.in_(some)))

    def _age(self, connection: sa.Connection, table: sa.Table, name: str, owner: str | None) -> Sequence[Any]:
        query = sa.select(table.c.created, table.c.id).where(table.c.id == name, *_owned(table, owner))
        row = connection.execute(query).first() if is_identifier(name) else None
        if row is None:
            kind = "job" if table is jobs else "upload"
            raise NotFoundError(
                f"There is no {kind} {display_name(name)} to list what follows it", "Begin again from the beginning"
            )
        return row


def _portions(ids: Iterable[str]) -> Iterator[list[str]]:
    every = list(ids)
    for start in range(0, len(every), _AT_ONCE):
        yield every[start : start + _AT_ONCE]


def _owned(table: sa.Table, owner: str | None) -> list[sa.ColumnElement[bool]]:
    return [] if owner is None else [table.c.owner == owner]


def _row(job: Job, rank: float) -> dict[str, Any]:
    row = job.to_dict()
    return {column.name: rank if column is jobs.c.rank else row[column.name] for column in jobs.c}


def _job(row: Any) -> Job:
    known = row._asdict()
    del known["rank"]
    known["artifacts"] = tuple(Artifact.from_dict(each) for each in row.artifacts)
    return Job(**{"arguments": {}, "result": None, **known})


def _upload(row: Any) -> Upload:
    return Upload(row.id, row.owner, row.name, row.size, row.created, row.purpose, row.expires)
