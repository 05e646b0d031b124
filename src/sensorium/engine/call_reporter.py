"""Reporters of calls in a worker: events go to the engine, files into the call's folder."""

from __future__ import annotations

import re
import shutil
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

from sensorium.engine.call_files import CallFiles
from sensorium.engine.outbox import Outbox
from sensorium.engine.wire import Call, Kept, Told
from sensorium.errors import InputError, SensoriumError, StorageError
from sensorium.media.naming import display_name
from sensorium.operations.artifact import Artifact
from sensorium.operations.events import event_document
from sensorium.operations.reporter import Reporter
from sensorium.progress import Event, Note, Preview, Progress

_NAME = re.compile(r"(?![. ])[^\x00-\x1f\x7f/\\:*?\"<>|]{1,100}(?<![. ])")


class CallReporter(Reporter):
    """What a call tells and keeps.

    Args:
        call: The call.
        outbox: Where messages go.
        files: Publish what is kept.
    """

    def __init__(self, call: Call, outbox: Outbox, files: CallFiles) -> None:
        self._call = call
        self._outbox = outbox
        self._files = files
        self._cancelled = threading.Event()
        self._told_parts = False
        self._ended = False

    def tell(self, event: Event) -> None:
        """Send an event; of progress and previews only what is new, now and then; nothing once the call has ended."""
        if self._ended:
            return
        if isinstance(event, (Progress, Preview)):
            kind = type(event).__name__
            self._outbox.send_latest(self._call.id, kind, lambda: Told(self._call.id, event_document(event)))
            return
        self._told_parts = self._told_parts or not isinstance(event, Note)
        self._outbox.send(Told(self._call.id, event_document(event)), patient=True)

    def is_set(self) -> bool:
        """Return whether the call was cancelled."""
        return self._cancelled.is_set()

    def cancel(self) -> None:
        """Let the call stop."""
        self._cancelled.set()

    def end(self) -> None:
        """Send what waits; take no more events."""
        self._ended = True
        self._outbox.finish(self._call.id)

    def restart(self) -> None:
        """Say that the call is run once more."""
        if self._told_parts:
            self._outbox.send(Told(self._call.id, {"type": "restarted"}))
            self._told_parts = False

    def keep(self, name: str, media_type: str, write: Callable[[Path], object]) -> Artifact:
        """Write a file into the call's folder, where it appears when it is complete.

        Raises:
            InputError: The name can't be that of a file, or the file can't be written as it is asked for.
            StorageError: The disk is full, or can't be written.
            CancelledError: The call was cancelled while the file waited for an object store that is away.
        """
        if not _NAME.fullmatch(name):
            raise InputError(f"{display_name(name)} can't be the name of a file", "Choose another name")
        try:
            artifact = self._written(name, media_type, write)
        except OSError as error:
            raise _unwritten(name, error) from None
        except SensoriumError as error:
            if isinstance(error.__context__, OSError):  # writers say so as if the user had chosen the folder
                raise _unwritten(name, error.__context__) from None
            raise
        self._outbox.send(Kept(self._call.id, artifact))
        return artifact

    def _written(self, name: str, media_type: str, write: Callable[[Path], object]) -> Artifact:
        folder = Path(self._call.folder)
        for each in (folder.parent, folder):
            each.mkdir(exist_ok=True, mode=0o700)
        unfinished = Path(tempfile.mkdtemp(prefix=".", dir=folder))
        try:
            write(unfinished / name)
            size = (unfinished / name).stat().st_size
            self._files.publish(unfinished / name, folder / name, self)
            (unfinished / name).replace(folder / name)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
        return Artifact(name, media_type, size)


def _unwritten(name: str, error: OSError) -> StorageError:
    reason = (error.strerror or "the system refused").lower()
    return StorageError(f"{name} can't be kept: {reason}", "See that the server's disk has room")
