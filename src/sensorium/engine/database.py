"""A connection to the database of jobs, and one plain sentence for whatever can be wrong with it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import exc

from sensorium.errors import InputError, MissingDependencyError, StorageError
from sensorium.media.naming import display_name

_SECONDS = 5
"""Longest wait for a lock, or for a free connection."""
_POSTGRESQL = {
    "connect_timeout": 3,
    "keepalives_idle": 10,
    "keepalives_interval": 3,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
    "application_name": "sensorium",
    "options": f"-c lock_timeout={_SECONDS}s -c statement_timeout=10s",
}

SLOW = "The database of jobs can't be used: it takes too long to answer"

_FULL = ("its disk is full", "Make room there")
_READ_ONLY = ("it can't be written", "Let this user write it")
_LOCKED = ("another program holds it locked", "End that program, or wait until it is done")
_DAMAGED = ("its file is damaged", "Put back a copy from a backup, or move the file away")
_UNREACHABLE = (
    "it can't be reached, or lets nobody in",  # the server's reason comes without a code, and in its own language
    "See that it runs, and that its address names a database and a user that it knows",
)
_FILE_GONE = ("its file can't be opened", "See that the folder is there and that this user may write in it")
_NO_TABLES = ("its tables are missing", "Start again, so that they are made")
_REASONS = {
    "SQLITE_FULL": _FULL,
    "SQLITE_READONLY": _READ_ONLY,
    "SQLITE_PERM": _READ_ONLY,
    "SQLITE_AUTH": _READ_ONLY,
    "SQLITE_BUSY": _LOCKED,
    "SQLITE_LOCKED": _LOCKED,
    "SQLITE_CORRUPT": _DAMAGED,
    "SQLITE_NOTADB": _DAMAGED,
    "SQLITE_CANTOPEN": _FILE_GONE,
    "SQLITE_IOERR": ("its file can't be read or written", "See that the disk works and isn't full"),
    "53100": _FULL,
    "25006": _READ_ONLY,
    "55P03": _LOCKED,
    "57014": ("it takes too long to answer", "See what keeps it busy"),
    "42P01": _NO_TABLES,
    "42501": ("this user may not use it", "Give the user of its address all rights there"),
}
"""Reason and remedy by SQLite's name of an error, and by PostgreSQL's code."""


class Database:
    """Connections to the database at an address. Safe to use from any thread.

    Args:
        address: ``"sqlite:////folder/jobs.sqlite"`` or ``"postgresql://user:password@host/name"``.

    Raises:
        InputError: No SQLite file and no PostgreSQL server can be at this address.
        MissingDependencyError: The package that speaks to PostgreSQL isn't installed.
    """

    def __init__(self, address: str) -> None:
        url = _checked(address)
        self.is_sqlite = url.get_backend_name() == "sqlite"
        self._file = Path(url.database or "").absolute() if self.is_sqlite else None
        self._seen: tuple[int, int] | None = None
        self._engine = _sqlite(url) if self.is_sqlite else _postgresql(url)

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """Give a connection to read with.

        Raises:
            StorageError: The database can't be used at the moment; once it can, it is again.
        """
        with self._explained(), self._engine.connect() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """Give a connection to write with: what is done is kept at the end of the block, or nothing of it.

        Raises:
            StorageError: The database can't be used at the moment; once it can, it is again.
        """
        with self._explained(), self._engine.connect().execution_options(writes=True) as connection, connection.begin():
            yield connection

    def create_file(self) -> None:
        """Create SQLite's file if there is none: what people asked is in it, so it is this user's alone."""
        if self._file is None:
            return
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            os.close(os.open(self._file, os.O_RDWR | os.O_CREAT, 0o600))
            self._file.chmod(0o600)
        except OSError as error:
            reason = (error.strerror or "the system refused").lower()
            raise StorageError(
                f"The database {display_name(self._file)} can't be written: {reason}",
                "Choose another folder, or make this one writable",
            ) from None
        self._seen = self._identity()

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    @contextmanager
    def _explained(self) -> Iterator[None]:
        if self._file is not None and self._identity() != self._seen:
            self._look_again()
        try:
            yield
        except (exc.IntegrityError, exc.DataError):
            raise  # a mistake of ours
        except exc.TimeoutError:
            raise _refusal("all its connections are in use", "Ask for less at once") from None
        except (exc.DBAPIError, exc.DisconnectionError) as error:
            reason = _reason(error)
            if reason is None:
                raise
            raise _refusal(*reason) from None

    def _identity(self) -> tuple[int, int] | None:
        """Tell SQLite's file from another one of that name: an open connection would go on with a deleted file."""
        assert self._file is not None
        try:
            found = self._file.stat()
        except OSError:
            return None
        return found.st_dev, found.st_ino

    def _look_again(self) -> None:
        self._engine.dispose()
        found = self._identity()
        if found is None:
            raise _refusal(*_FILE_GONE)
        self._seen = found


def _checked(address: str) -> sa.URL:
    try:
        url = sa.make_url(address)
        kind = url.get_backend_name()
    except (exc.ArgumentError, ValueError):
        kind = ""
    if kind == "sqlite" and url.database and url.database != ":memory:" and "mode" not in url.query:
        return url.set(drivername="sqlite+pysqlite")
    if kind in {"postgresql", "postgres"}:
        return url.set(drivername="postgresql+psycopg")
    name = display_name(url.render_as_string(hide_password=True)) if kind else "This"
    raise InputError(
        f"{name} is no address of a database that can keep jobs",
        "Write it like sqlite:////folder/jobs.sqlite or postgresql://user@host/name",
    )


def _sqlite(url: sa.URL) -> sa.Engine:
    settings = {} if "timeout" in url.query else {"timeout": _SECONDS}
    engine = sa.create_engine(url, connect_args=settings, pool_size=8, max_overflow=56, pool_timeout=_SECONDS)

    @sa.event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # Python would begin transactions by itself, and not before all of them
        for setting in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {setting}")

    @sa.event.listens_for(engine, "begin")
    def begin(connection: sa.Connection) -> None:
        # One that reads first and locks later fails at once if another has written in between; this one waits.
        writes = connection.get_execution_options().get("writes")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _postgresql(url: sa.URL) -> sa.Engine:
    settings = {name: value for name, value in _POSTGRESQL.items() if name not in url.query}
    try:
        engine = sa.create_engine(
            url, connect_args=settings, pool_pre_ping=True, pool_size=8, max_overflow=24, pool_timeout=_SECONDS
        )
        from sensorium.engine.postgresql import ImpatientConnection
    except ModuleNotFoundError:
        raise MissingDependencyError(
            "Jobs in PostgreSQL need the package psycopg, which is not installed",
            "Install it with: pip install 'psycopg[binary]'",
        ) from None

    @sa.event.listens_for(engine, "do_connect")
    def connect(_dialect: Any, _record: Any, words: Any, options: Any) -> Any:
        return ImpatientConnection.connect(*words, **options)

    return engine


def _refusal(reason: str, remedy: str) -> StorageError:
    return StorageError(f"The database of jobs can't be used: {reason}", f"{remedy}; then ask again")


def _reason(error: exc.DBAPIError | exc.DisconnectionError) -> tuple[str, str] | None:
    """Return reason and remedy; None if the fault is in what was asked, not in the database."""
    original = getattr(error, "orig", None)
    code = getattr(original, "sqlite_errorname", None) or getattr(original, "sqlstate", None) or ""
    # SQLite appends details to its names, as in SQLITE_IOERR_WRITE.
    known = _REASONS.get(code) or _REASONS.get("_".join(code.split("_")[:2]))
    if known is None and "no such table" in str(original):
        return _NO_TABLES
    ours = code == "SQLITE_ERROR" or not isinstance(error, (exc.OperationalError, exc.DisconnectionError))
    return known or (None if ours else _UNREACHABLE)
