"""What all task classes share: choosing a checkpoint, loading it at first use, sharing and closing it."""

from __future__ import annotations

import importlib
import os
import threading
import weakref
from collections.abc import Hashable, Mapping
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any, ClassVar, Generic, Self

from sensorium.arguments import checked
from sensorium.errors import UnsupportedError
from sensorium.models import catalog, device, pretrained, store
from sensorium.models.loaded import Backend, Shared
from sensorium.progress import Cancellation, ProgressCallback
from sensorium.suitability import tasks_for


class Task(Generic[Backend]):
    """A system of the chapter. Children name their task and their families; the rest is here.

    A family is opened by a backend class with the signature
    ``Backend(folder: Path, *, checkpoint: Checkpoint, device: str, dtype: str)``.

    Args:
        model: Catalog name, hub id, local folder, or None for the profile's default.
        device: ``"auto"``, ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ``"mps"``.
        dtype: ``"auto"``, ``"float32"``, ``"float16"``, ``"bfloat16"``.

    Raises:
        ModelUnavailableError: No checkpoint of that name is known for this task.
    """

    task: ClassVar[str]
    families: ClassVar[Mapping[str, str]]
    """From family to ``"module:Class"`` of its backend."""
    uses_torch: ClassVar[bool] = True
    """Whether the backends run on torch; the import alone takes seconds."""

    @checked
    def __init__(
        self, model: str | os.PathLike[str] | None = None, *, device: str = "auto", dtype: str = "auto"
    ) -> None:
        self.checkpoint = catalog.resolve(model, task=self.task)
        self._device = device
        self._dtype = dtype
        self._shared: Shared[Backend] | None = None
        self._opening = threading.Lock()

    @property
    def model(self) -> str:
        """The name of the checkpoint that this object uses."""
        return self.checkpoint.name

    @checked
    def load(self, *, progress: ProgressCallback | None = None, cancel: Cancellation | None = None) -> Self:
        """Fetch and load the checkpoint now, rather than at first use; return self."""
        with self._opening:
            if self._shared is None:
                self._shared = self._open(progress, cancel)
                self._release = weakref.finalize(self, self._shared.release)
        return self

    def close(self) -> None:
        """Let go of the checkpoint; its memory is freed with its last user. The object loads again if used.

        An object that is thrown away without `close` lets go too.
        """
        with self._opening:
            if self._shared is not None:
                self._release()
                self._shared = None

    @property
    def backend(self) -> Backend:
        """The loaded checkpoint; loads it if need be."""
        self.load()
        assert self._shared is not None
        return self._shared.backend

    def _open(self, progress: ProgressCallback | None, cancel: Cancellation | None) -> Shared[Backend]:
        where = self._resolve_device()
        folder = store.locate(self.checkpoint, progress=progress, cancel=cancel)
        family = self._family(folder)
        if family not in self.families:
            raise self._unsuitable(family, folder)
        module, _, name = self.families[family].partition(":")
        options = self._options()
        key = (module, name, self.checkpoint, folder, where, self._dtype, *sorted(options.items()))

        def open_checkpoint() -> Backend:
            loader: Any = getattr(self._import(module), name)
            backend: Backend = loader(folder, checkpoint=self.checkpoint, device=where, dtype=self._dtype, **options)
            return backend

        return Shared(key, open_checkpoint)

    def _import(self, module: str) -> ModuleType:
        if not self.uses_torch or self.checkpoint.endpoint:
            return importlib.import_module(module)
        device.prepare_torch()
        with pretrained.quiet_transformers():  # at their import, image processors tell everybody to install torchvision
            return importlib.import_module(module)

    def _options(self) -> Mapping[str, Hashable]:
        """Return further keyword arguments of the backend class; backends that differ in them are not shared."""
        return {}

    def _resolve_device(self) -> str:
        return device.resolve_device(self._device)

    def _family(self, folder: Path) -> str:
        return self.checkpoint.family or catalog.family_of(folder)

    def _opens(self, folder: Path) -> bool:
        """Return whether a checkpoint folder is of a family of this task; nothing is loaded."""
        return self._family(folder) in self.families

    def _unsuitable(self, family: str, folder: Path) -> UnsupportedError:
        others = tasks_for(self.checkpoint, folder)
        known = f"'sensorium models list --task {self.task}' shows checkpoints for it"
        if self.checkpoint.endpoint:
            return UnsupportedError(
                f"{type(self).__name__} can't use {self.checkpoint.name!r}: a model behind a server does "
                f"{', '.join(others)}, but not {self.task}",
                known,
            )
        what = f"its family is {family!r}" if family else "its config.json names no family"
        purpose = f"which is for {', '.join(others)} and not for {self.task}" if others else f"none for {self.task}"
        return UnsupportedError(f"{type(self).__name__} can't use {self.checkpoint.name!r}: {what}, {purpose}", known)

    def __enter__(self) -> Self:
        return self.load()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
