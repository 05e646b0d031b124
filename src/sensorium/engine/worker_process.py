"""The engine's handle on a worker: starts it, speaks with it, says when it is gone."""

from __future__ import annotations

import logging
import queue
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import BinaryIO, cast

from sensorium.engine.child import Child
from sensorium.engine.endings import in_words
from sensorium.engine.forking import CAN_FORK, CleanParent
from sensorium.engine.spawning import spawn
from sensorium.engine.wire import FromWorker, Message, Pong, Stop, ToWorker, WorkerSetup, line_of, message_of
from sensorium.engine.worker_memory import WorkerMemory, memory_of
from sensorium.errors import WorkerLostError

_SILENT_SECONDS = 5.0
"""How long a process may live on after it has closed its connection."""

logger = logging.getLogger(__name__)

clean_parent = CleanParent()
"""What workers are forked from; one for all engines of this program. Whoever closes the last engine ends it."""


class WorkerProcess:
    """A worker process. All methods are safe from any thread.

    Args:
        setup: What it is told first.
        preload: Fork it from `clean_parent`, where the system can; else it imports anew what it needs.
        told: Called with each of its messages, from a thread of the handle; must return quickly.
        ended: Called once, after all of its messages, when the process is gone: how it ended, in words to be put after
            its name.
    """

    def __init__(
        self,
        setup: WorkerSetup,
        *,
        preload: bool,
        told: Callable[[FromWorker], None],
        ended: Callable[[str], None],
    ) -> None:
        self._preload = preload and CAN_FORK
        self._told = told
        self._ended = ended
        self._child: Child | None = None
        self._starting = threading.Lock()
        self._unwanted = False
        self._gpu_memory = 0
        self._messages: queue.SimpleQueue[Message | None] = queue.SimpleQueue()
        self._gone = threading.Event()
        self._messages.put(setup)

    @property
    def pid(self) -> int:
        """The number of the process; 0 before it is started."""
        return 0 if self._child is None else self._child.pid

    def start(self) -> None:
        """Start the process. Quick, unless the clean parent must be started first, which imports for some seconds.

        Raises:
            WorkerLostError: The system allows no further process, or `stop` was called before. ``ended`` isn't called
                then.
        """
        with self._starting:
            if self._unwanted:
                raise WorkerLostError("The worker was ended before it was started", "Start another one")
            self._child, reading, writing = self._fork() if self._preload else self._spawn()
        for work, connection in ((self._read, reading), (self._write, writing)):
            threading.Thread(
                target=work, args=(self._child, connection), name=f"sensorium-worker-{self.pid}", daemon=True
            ).start()

    def send(self, message: ToWorker) -> None:
        """Send a message, from a thread of the handle; after the end of the process, drop it."""
        if not self._gone.is_set():
            self._messages.put(message)

    def kill(self) -> None:
        """End the process at once."""
        if self._child is not None:
            self._child.kill()

    def stop(self, grace: float) -> None:
        """Ask the process to end, end it after so many seconds, and return when it is gone.

        One that is being started ends after that; one that isn't started yet never is.
        """
        with self._starting:
            self._unwanted = True
        if self._child is None:
            return
        self.send(Stop(grace))
        if not self._gone.wait(grace):
            self._child.kill()
            self._gone.wait()

    def memory(self) -> WorkerMemory:
        """Return what ending the process would give back; takes some milliseconds.

        Where the driver doesn't know the process, as in some containers, torch's own figure from the latest answer to
        a `Ping` stands for the GPU's memory.
        """
        if self._child is None or self._gone.is_set():
            return WorkerMemory(0, 0)
        found = memory_of(self._child.pid)
        return WorkerMemory(found.main, found.gpu or self._gpu_memory)

    def _fork(self) -> tuple[Child, BinaryIO, BinaryIO]:
        ours, theirs = socket.socketpair()
        with ours, theirs:  # our end stays open as long as the two files
            child = clean_parent.fork(theirs)
            return child, cast(BinaryIO, ours.makefile("rb")), cast(BinaryIO, ours.makefile("wb"))

    def _spawn(self) -> tuple[Child, BinaryIO, BinaryIO]:
        try:
            return spawn()
        except OSError as error:
            raise WorkerLostError(
                f"The system allows no further process: {error.strerror}", "End other programs, or raise its limits"
            ) from None

    def _read(self, child: Child, connection: BinaryIO) -> None:
        try:
            with suppress(OSError), connection:
                for line in connection:
                    self._hear(message_of(line))
        except Exception:
            logger.exception("the worker %d says what nobody understands, and is ended", child.pid)
            child.kill()
        if not child.wait(_SILENT_SECONDS):
            child.kill()
            child.wait()
        self._gone.set()
        self._messages.put(None)
        self._ended(in_words(child.code))

    def _hear(self, message: Message) -> None:
        assert isinstance(message, FromWorker)
        if isinstance(message, Pong):
            self._gpu_memory = message.gpu_memory
        try:
            self._told(message)
        except Exception:
            logger.exception("a message of a worker was lost")

    def _write(self, child: Child, connection: BinaryIO) -> None:
        with suppress(OSError), connection:
            while (message := self._messages.get()) is not None:
                connection.write(line_of(message))
                connection.flush()
