"""One batch at a time writes into an output."""

from __future__ import annotations

import json
import os
import platform
import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sensorium.errors import InputError, SensoriumError
from sensorium.media.naming import display_name
from sensorium.progress import Cancellation, check_cancelled
from sensorium.storage.location import Location

SECONDS_BETWEEN_SIGNS = 10.0
"""How often a batch shows in an object store that it lives; who misses three signs is taken for dead."""


@contextmanager
def only_writer(output: Location, cancel: Cancellation, wait: Callable[[str], None]) -> Iterator[None]:
    """Keep other batches out of an output during the block.

    In a folder of this machine the system frees the lock of a process that ends in whatever way. An object store has no
    such locks: there a small file holds a number that grows. If the number stands still, its writer is dead. A writer
    of this machine is looked for among its processes instead.

    Args:
        output: The folder of the batch.
        cancel: Ends waiting.
        wait: Told in a sentence what is waited for.

    Raises:
        InputError: Another batch writes there.
    """
    place = output.join(".batch", "lock")
    if place.local is not None:
        with _local(place, output):
            yield
    else:
        lease = _Lease(place, output)
        lease.take(cancel, wait)
        try:
            yield
        finally:
            lease.give_back()


@contextmanager
def _local(place: Location, output: Location) -> Iterator[None]:
    from filelock import FileLock, Timeout

    assert place.local is not None
    try:
        place.local.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(place.local, timeout=0)
        lock.acquire()
    except Timeout:
        raise _refusal(output) from None
    except OSError as error:
        reason = (error.strerror or "the system refused").lower()
        raise InputError(
            f"{display_name(output.address)} can't be written to: {reason}", "Choose another folder"
        ) from None
    try:
        yield
    finally:
        lock.release()


class _Lease:
    """A file in an object store that says who writes, and a thread that shows that it lives."""

    def __init__(self, place: Location, output: Location) -> None:
        self._place = place
        self._output = output
        self._owner = secrets.token_hex(8)
        self._signs = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._show_signs, name="sensorium-batch-lease", daemon=True)

    def take(self, cancel: Cancellation, wait: Callable[[str], None]) -> None:
        """Become the only writer.

        Raises:
            InputError: Another one lives.
        """
        if not self._place.write_new(self._document()):
            check_cancelled(cancel)
            before = self._read()
            if not _has_ended_here(before.get("writer")):
                self._wait_for_a_sign(before, cancel, wait)
            self._place.write(self._document())
            # Of two that found the same dead one, the last to write stays.
            self._ended.wait(1.0)
            if self._read().get("owner") != self._owner:
                raise _refusal(self._output)
        self._thread.start()

    def _wait_for_a_sign(self, before: dict[str, Any], cancel: Cancellation, wait: Callable[[str], None]) -> None:
        seconds = 3 * SECONDS_BETWEEN_SIGNS
        wait(f"Another batch may be writing there; waiting {seconds:.0f} seconds for a sign of it.")
        for _ in range(int(seconds * 10)):
            check_cancelled(cancel)
            self._ended.wait(0.1)
        if self._read() != before:
            raise _refusal(self._output)

    def give_back(self) -> None:
        """Let others write."""
        self._ended.set()
        self._thread.join()
        if self._read().get("owner") == self._owner:
            self._place.delete()

    def _show_signs(self) -> None:
        while not self._ended.wait(SECONDS_BETWEEN_SIGNS):
            self._signs += 1
            try:
                self._place.write(self._document())
            except SensoriumError:  # the batch itself meets it too, and says so
                continue

    def _document(self) -> bytes:
        return json.dumps({"owner": self._owner, "signs": self._signs, "writer": _this_process()}).encode()

    def _read(self) -> dict[str, Any]:
        try:
            document = json.loads(self._place.read())
        except (InputError, ValueError):  # given back, or written by something else
            return {}
        return document if isinstance(document, dict) else {}


def _this_process() -> dict[str, Any]:
    """Return what tells this process from all others that ever ran; nothing where the system doesn't tell."""
    machine = _machine()
    began = _began(os.getpid()) if machine else None
    return {"machine": machine, "process": os.getpid(), "began": began} if began else {}


def _machine() -> str:
    """Return what is common to the processes that can be seen from here, and to no others; "" if that isn't known."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        # Containers have processes of their own, and the system may hide those of other users.
        return f"{platform.node()} {boot} {Path('/proc/self/ns/pid').readlink()} {os.getuid()}"
    except OSError:
        return ""


def _has_ended_here(writer: Any) -> bool:
    """Return whether a writer is known to have been a process of this machine that has ended."""
    if not isinstance(writer, dict) or not writer.get("machine") or writer["machine"] != _machine():
        return False
    process, began = writer.get("process"), writer.get("began")
    return isinstance(process, int) and isinstance(began, str) and _began(process) != began


def _began(process: int) -> str | None:
    """Return when a process began, in ticks since the machine did, which no clock changes; None if there is none."""
    try:
        state, *others = Path(f"/proc/{process}/stat").read_bytes().rpartition(b")")[2].decode("ascii").split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if state in "ZX" else others[18]


def _refusal(output: Location) -> InputError:
    return InputError(
        f"Another batch is writing to {display_name(output.address)}", "Wait for its end, or name another output"
    )
