"""``sensorium serve`` as users run it, with a watch on its health; when it has ended, nothing is left."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx2
import psutil

from tests.processes import SENSORIUM, running
from tests.server.health_watch import HealthWatch, health_watched

PATIENCE_SECONDS = 120.0
JOBS = "/v1/sensorium/jobs"
HEALTH = "/v1/sensorium/health"
UPLOADS = "/v1/sensorium/uploads"
_SHARED_MEMORY = Path("/dev/shm")
_SQLITE = ("jobs.sqlite-wal", "jobs.sqlite-shm")


class WatchedServer:
    """A running server.

    Args:
        address: Where it answers.
        process: Itself.
        temporary: The folder of its temporary files, which tells its processes from all others.
        watch: What its health was so far.
    """

    def __init__(self, address: str, process: subprocess.Popen[Any], temporary: Path, watch: HealthWatch) -> None:
        self.address = address
        self.process = process
        self.watch = watch
        self.http = httpx2.Client(base_url=address, trust_env=False, timeout=PATIENCE_SECONDS)
        self._temporary = temporary

    def upload(self, path: Path) -> str:
        """Send a file; return what operations call it."""
        answer = self.http.post(UPLOADS, params={"name": path.name}, content=path.read_bytes())
        assert answer.status_code == 201, answer.text
        return f"upload:{answer.json()['id']}"

    def ask(self, operation: str, **fields: Any) -> httpx2.Response:
        """Ask for something, and wait for it."""
        return self.http.post(f"/v1/sensorium/{operation}", json=fields)

    def submit(self, operation: str, **fields: Any) -> str:
        """Submit a job; return its id."""
        answer = self.http.post(f"/v1/sensorium/{operation}", params={"background": "true"}, json=fields)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["id"])

    def job(self, job: str) -> dict[str, Any]:
        """Return a job as it is now."""
        answer = self.http.get(f"{JOBS}/{job}")
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def until_state(self, job: str, *states: str) -> dict[str, Any]:
        """Wait until a job is in one of some states; return it."""

        def found() -> dict[str, Any] | None:
            now = self.job(job)
            return now if now["state"] in states else None

        return dict(until(found))

    def ended(self, job: str) -> dict[str, Any]:
        """Wait until a job has ended; return it."""
        return self.until_state(job, "done", "failed", "cancelled", "interrupted")

    def loaded(self) -> list[dict[str, Any]]:
        """Return the loaded models."""
        return list(self.http.get("/v1/sensorium/models").json()["loaded"])

    def worker(self, job: str | None = None) -> int:
        """Wait until there is a worker (that works on a job); return its number."""

        def found() -> list[int]:
            return [each["pid"] for each in self.loaded() if each["pid"] and (job is None or job in each["running"])]

        return int(until(found)[0])

    def clean_parent(self) -> int:
        """Wait until there is the process that workers are forked from; return its number."""

        def found() -> list[int]:
            children = psutil.Process(self.process.pid).children()
            return [each.pid for each in children if any("clean_parent" in word for word in each.cmdline())]

        return int(until(found)[0])

    def health(self) -> dict[str, Any]:
        """Return how it is."""
        return dict(self.http.get(HEALTH).json())

    def processes(self) -> list[int]:
        """Return the numbers of all processes of this server that live, its own included."""
        return _processes(self._temporary)


@contextmanager
def watched_server(
    folder: Path, *, killed: bool = False, within: Sequence[str] = (), **options: Any
) -> Iterator[WatchedServer]:
    """Run a server; see that it answers in time about its health, and that nothing is left when it has ended.

    Args:
        folder: Holds its data, and other folders beside them.
        killed: The block ends it with SIGKILL; what it leaves half-written is for the next one to clear away.
        within: The beginning of the command that starts it where it sees another disk; whether anything in its data is
            half-written is for the test to see then.
        options: Of ``sensorium serve``.
    """
    number = len(list(folder.glob("server-*")))
    place = folder / f"server-{number}"
    temporary = place / "temporary"
    temporary.mkdir(parents=True)
    data = Path(options.pop("data", folder / "data"))
    shared_before = set(_SHARED_MEMORY.iterdir())
    command = [*within, *SENSORIUM, "serve", "--json", "--port", "0", "--data", str(data), *_written(options)]
    variables = {**os.environ, "TMPDIR": str(temporary)}
    log = place / "log"
    try:
        with (
            log.open("w") as errors,
            running(command, stdout=subprocess.PIPE, stderr=errors, text=True, env=variables) as process,
        ):
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line, log.read_text()
            address = json.loads(line)["address"]
            if killed:
                yield WatchedServer(address, process, temporary, HealthWatch(place / "health"))
                assert process.wait(PATIENCE_SECONDS) == -signal.SIGKILL
            else:
                with health_watched(address, place / "health") as watch:
                    yield WatchedServer(address, process, temporary, watch)
                process.send_signal(signal.SIGTERM)
                assert process.wait(PATIENCE_SECONDS) == 0, log.read_text()
        until(lambda: not _processes(temporary))
    finally:
        left = _processes(temporary)
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    assert _left(temporary) == []
    until(lambda: not _unused(set(_SHARED_MEMORY.iterdir()) - shared_before))
    assert "Traceback" not in log.read_text(), log.read_text()
    if not killed and not within:
        assert half_written(data) == []


def _left(temporary: Path) -> list[Path]:
    """Return what there is among temporary files, but for the empty folder that torch makes for each user."""
    return [path for path in temporary.rglob("*") if not path.name.startswith("torchinductor_")]


def half_written(data: Path) -> list[Path]:
    """Return what a server should have completed or deleted in its folder before it ended."""
    hidden = [path for path in data.rglob(".*") if path != data / ".lock"]
    media = list(data.glob("jobs/*/media/*"))
    journals = [data / name for name in _SQLITE if (data / name).exists()]
    return [*hidden, *media, *journals, *(data / "passing").iterdir()]


def until(condition: Callable[[], Any]) -> Any:
    """Wait until something is so, and return it."""
    begun = time.monotonic()
    while not (found := condition()):
        assert time.monotonic() - begun < PATIENCE_SECONDS, "it never became so"
        time.sleep(0.03)
    return found


def _written(options: dict[str, Any]) -> list[str]:
    words = []
    for name, value in options.items():
        flag = name.replace("_", "-")
        words += [f"--{'' if value else 'no-'}{flag}"] if isinstance(value, bool) else [f"--{flag}", str(value)]
    return words


def _processes(temporary: Path) -> list[int]:
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.environ().get("TMPDIR") == str(temporary) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process.pid)
    return found


def _unused(shared: set[Path]) -> set[Path]:
    """Return those of some shared memory that no living process has mapped: others may use the machine too."""
    if not shared:
        return shared
    maps = ""
    for process in psutil.process_iter():
        with suppress(OSError):
            maps += Path(f"/proc/{process.pid}/maps").read_text()
    return {each for each in shared if str(each) not in maps}
