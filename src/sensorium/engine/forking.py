"""The engine's side of the clean parent: starts it, asks it for workers, outlives it.

Why not ``multiprocessing``'s fork server, which was looked at first: it belongs to the whole program, so that another
user of it may have started it with other imports; it swallows what can't be imported; it imports the program's main
module in each worker; it can't be ended before the program; it starts a tracker beside itself; and when it is killed,
its living workers look dead, and how they end later is never known.
"""

from __future__ import annotations

import json
import os
import queue
import select
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from typing import Any

import psutil

from sensorium.engine.child import Child, python
from sensorium.engine.endings import in_words
from sensorium.errors import WorkerLostError

CAN_FORK = sys.platform == "linux"
"""Elsewhere there is no fork, or the system's own libraries don't survive it."""

_GRACE = 1.0
_POLL_SECONDS = 0.05


class CleanParent:
    """The clean parent, started when it is first needed, and again when it has ended. Safe to use from any thread."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._generation: _Generation | None = None
        self._users = 0

    @property
    def pid(self) -> int | None:
        """The number of its process, or None if there is none."""
        generation = self._generation
        return generation.process.pid if generation is not None and generation.lives else None

    def start(self) -> None:
        """Start it, if it doesn't run; it then imports for some seconds. Each user who has called this calls `end`."""
        with self._guard:
            self._users += 1
            self._living()

    def fork(self, connection: socket.socket) -> Child:
        """Return a new worker; the first one waits until all is imported.

        Args:
            connection: The worker's end of its connection; to be closed here afterwards.

        Raises:
            WorkerLostError: The system allows no further process, or the clean parent ended while it imported, twice.
        """
        with self._guard:
            try:
                return self._living().fork(connection)
            except _LostParentError:  # it may have been killed since it was last used
                return self._living().fork(connection)

    def end(self) -> None:
        """End it, unless somebody else has started it too; its workers go on. The next `fork` starts it again."""
        with self._guard:
            self._users = max(0, self._users - 1)
            if self._users:
                return
            generation, self._generation = self._generation, None
            if generation is not None:
                generation.end()

    def _living(self) -> _Generation:
        if self._generation is None or not self._generation.lives:
            self._generation = _Generation()
        return self._generation


class _LostParentError(WorkerLostError):
    """The clean parent has ended."""


class _Generation:
    """One process that is a clean parent, from its start to its end."""

    def __init__(self) -> None:
        self._socket, theirs = socket.socketpair()
        with theirs:
            self.process = subprocess.Popen(
                python("sensorium.engine.clean_parent"), stdin=theirs.fileno(), start_new_session=True
            )
        self._answers: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self._workers: dict[int, Child] = {}
        self._ended_early: dict[int, int] = {}
        self._guard = threading.Lock()
        self.lives = True
        threading.Thread(target=self._listen, name="sensorium-clean-parent", daemon=True).start()

    def fork(self, connection: socket.socket) -> Child:
        try:
            socket.send_fds(self._socket, [b"f"], [connection.fileno()])
        except OSError:
            raise self._lost() from None
        answer = self._answers.get()
        if answer is None:
            raise self._lost()
        if "refused" in answer:
            raise WorkerLostError(
                f"The system allows no further process: {answer['refused']}", "End other programs, or raise its limits"
            )
        return self._adopted(answer["forked"])

    def end(self) -> None:
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        try:
            self.process.wait(_GRACE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def _adopted(self, pid: int) -> Child:
        with self._guard:
            child = Child(pid)
            if pid in self._ended_early:
                child.has_ended(self._ended_early.pop(pid))
            elif self.lives:
                self._workers[pid] = child
            else:
                _watch_orphan(child)
            return child

    def _listen(self) -> None:
        with self._socket, self._socket.makefile("rb") as lines, suppress(OSError):
            for line in lines:
                answer = json.loads(line)
                if "ended" in answer:
                    self._hear_of_an_end(answer["ended"], answer["code"])
                else:
                    self._answers.put(answer)
        with self._guard:
            self.lives = False
            orphans, self._workers = self._workers, {}
        self._answers.put(None)
        self.process.wait()
        for child in orphans.values():
            _watch_orphan(child)

    def _hear_of_an_end(self, pid: int, code: int) -> None:
        with self._guard:
            child = self._workers.pop(pid, None)
            if child is None:
                self._ended_early[pid] = code
        if child is not None:
            child.has_ended(code)

    def _lost(self) -> _LostParentError:
        self.end()
        self.lives = False
        ending = in_words(self.process.returncode)
        return _LostParentError(f"The process that workers are forked from {ending}", "Try again; its log says more")


def _watch_orphan(child: Child) -> None:
    """Tell the end of a worker whose parent is gone."""

    def watch() -> None:
        _wait_for_an_orphan(child.pid)
        child.has_ended(_reaped(child.pid))

    threading.Thread(target=watch, name=f"sensorium-orphan-{child.pid}", daemon=True).start()


def _wait_for_an_orphan(pid: int) -> None:
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    except OSError:  # an old kernel, or a sandbox, doesn't have it
        while _lives(pid):
            time.sleep(_POLL_SECONDS)
        return
    try:
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        poll.poll()
    finally:
        os.close(descriptor)


def _lives(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _reaped(pid: int) -> int | None:
    """Reap an orphan if it fell to this process, as it does where this is the first process of a container."""
    with suppress(ChildProcessError):
        ended, status = os.waitpid(pid, os.WNOHANG)
        return os.waitstatus_to_exitcode(status) if ended else None
    return None
