"""A PostgreSQL server for tests: the machine's, or Debian's out of its packages, in a temporary folder."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any

import psutil
import psycopg

from tests.debian_packages import cache_folder, fetching, open_package
from tests.processes import running

_SETTINGS = {
    "listen_addresses": "",
    "fsync": "off",
    "shared_buffers": "16MB",
    "max_connections": "40",
    "dynamic_shared_memory_type": "mmap",
}


class PostgreSQL:
    """A server that listens on a Unix socket only.

    Args:
        root: The folder that stands for ``/``; below it lie the server's programs.
        folder: Where its data and its socket go; owned by whoever it runs as.
        account: Further arguments of ``subprocess.Popen`` that say as whom it runs.
        settings: Settings that replace those for tests.
    """

    def __init__(self, root: Path, folder: Path, account: dict[str, Any], settings: Mapping[str, str]) -> None:
        self._programs = _programs(root)
        libraries = sorted(
            {str(file.parent) for file in root.glob("usr/lib/*-linux-gnu/**/*.so*")} if root.name else []
        )
        variables = {**os.environ, "LD_LIBRARY_PATH": ":".join(libraries), "LC_ALL": "C.UTF-8"}
        self._account = {**account, "env": variables, "cwd": folder}
        self._folder = folder
        self._settings = {**_SETTINGS, **settings}
        self._numbers = count(1)
        self._running: ExitStack | None = None
        self._server: subprocess.Popen[Any] | None = None
        command = [self._programs / "initdb", "-D", folder / "data", "-U", "sensorium", "-A", "trust", "-N"]
        done = subprocess.run(command, **self._account, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    def start(self) -> None:
        """Start the server; return once it answers."""
        settings = [part for name, value in self._settings.items() for part in ("-c", f"{name}={value}")]
        command = [self._programs / "postgres", "-D", self._folder / "data", "-k", self._folder, *settings]
        with (self._folder / "log").open("a") as log, ExitStack() as stack:
            self._server = stack.enter_context(running(command, stdout=log, stderr=log, **self._account))
            self._wait(self._server)
            self._running = stack.pop_all()

    def stop(self) -> None:
        """Stop the server as an administrator does; its connections are cut."""
        if self._running is not None and self._server is not None:
            self._server.send_signal(signal.SIGINT)
            self._server.wait(60)
            self._running.close()
            self._running = None

    def kill(self) -> None:
        """End all of its processes with SIGKILL."""
        assert self._server is not None
        assert self._running is not None
        server = psutil.Process(self._server.pid)
        processes = [server, *server.children(recursive=True)]
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        self._server.wait(60)
        psutil.wait_procs(processes, 60)
        self._running.close()
        self._running = None

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Stop all of its processes for the time of the block, without closing any connection."""
        assert self._server is not None
        server = psutil.Process(self._server.pid)
        processes = [server, *server.children(recursive=True)]
        try:
            for process in processes:
                process.suspend()
            yield
        finally:
            for process in processes:
                process.resume()

    @property
    def pid(self) -> int:
        """The number of its first process."""
        assert self._server is not None
        return self._server.pid

    def new_database(self) -> str:
        """Create an empty database; return its address."""
        name = f"jobs_{next(self._numbers)}"
        with self.connection() as connection:
            connection.execute(f"CREATE DATABASE {name}")  # type: ignore[call-overload]
        return f"postgresql+psycopg://sensorium@/{name}?host={self._folder}"

    def connection(self) -> psycopg.Connection[Any]:
        """Return a connection of an administrator."""
        return psycopg.connect(host=str(self._folder), user="sensorium", dbname="postgres", autocommit=True)

    def _wait(self, server: subprocess.Popen[Any]) -> None:
        deadline = time.monotonic() + 60
        while True:
            assert server.poll() is None, (self._folder / "log").read_text()
            try:
                return self.connection().close()
            except psycopg.OperationalError:
                assert time.monotonic() < deadline, (self._folder / "log").read_text()
                time.sleep(0.02)


@contextmanager
def postgresql_server(**settings: str) -> Iterator[PostgreSQL]:
    """Run a server; at the end of the block it and its files are gone.

    Args:
        settings: Settings that replace those for tests.
    """
    with tempfile.TemporaryDirectory(prefix="sensorium-postgresql-") as temporary:
        folder, account = Path(temporary), {}
        root = _root()
        if os.geteuid() == 0:  # the server refuses to run as root
            nobody = pwd.getpwnam("nobody")
            account = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
            if root.name:  # root's cache isn't everybody's to read
                root = shutil.copytree(root, folder / "root", symlinks=True)
            os.chown(folder, nobody.pw_uid, nobody.pw_gid)
        server = PostgreSQL(root, folder, account, settings)
        server.start()
        try:
            yield server
        finally:
            server.stop()


def _root() -> Path:
    """Return ``/`` if a server is installed, or else where Debian's was unpacked without installing it."""
    if _programs(Path("/")):
        return Path("/")
    target = cache_folder() / "postgresql"
    with fetching("postgresql") as folder:
        if not target.is_dir():
            root = open_package("postgresql", folder, with_missing_dependencies=True)
            assert _programs(root), "Debian's package postgresql holds no server"
            root.rename(target)
    return target


def _programs(root: Path) -> Path | None:
    """Return the folder of the newest server's programs."""
    found = [path.parent for path in root.glob("usr/lib/postgresql/*/bin/postgres")]
    return max(found, key=lambda path: int(path.parent.name), default=None)
