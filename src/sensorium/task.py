"""What all task classes share: choosing a checkpoint, loading it at first use, sharing and closing it."""

from __future__ import annotations

import importlib
import os
import threading
import weakref
from collections.abc import Callable, Generator, Hashable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any, ClassVar, Generic, Self, TypedDict, TypeVar

from sensorium import settings
from sensorium.arguments import checked
from sensorium.errors import ClosedError, InputError, UnsupportedError
from sensorium.media.limits import DEFAULT_LIMITS, Limits
from sensorium.models import catalog, device, store
from sensorium.models.extras import missing_packages_explained
from sensorium.models.foreign_layouts import folders_config, foreign_layout, refuse_foreign_layout
from sensorium.models.loaded import Backend, Shared, held_until_read
from sensorium.models.preparation_settings import require_usable_settings
from sensorium.models.quantizing import cannot_be_quantized, known_quantize, require_quantizer
from sensorium.models.single_file import read_weights_file, weights_path
from sensorium.models.turns import holding
from sensorium.progress import Cancellation, ProgressCallback
from sensorium.quiet import quiet_transformers
from sensorium.suitability import tasks_for

System = TypeVar("System", bound="Task[Any]")
Item = TypeVar("Item")
Result = TypeVar("Result")


class TaskOptions(TypedDict, total=False):
    """The keyword arguments that every task takes: see `Task`."""

    profile: str | None
    device: str
    dtype: str
    quantize: str | None
    limits: Limits | None
    provide: Callable[[type[Task[Any]], str | None], Task[Any] | None] | None


@dataclass(frozen=True)
class Opening:
    """How a task that is made of other tasks (its parts) opens them.

    Attributes:
        profile: The profile whose default checkpoints the parts use.
        device: Where the parts run.
        limits: The limits for the parts' inputs.
        provide: Called with a task class and a model. Returns a task object that the caller already has, or None if the
            caller has none.
    """

    profile: str
    device: str
    limits: Limits = DEFAULT_LIMITS
    provide: Callable[[type[Task[Any]], str | None], Task[Any] | None] | None = None

    @classmethod
    def of(cls, options: TaskOptions) -> Self:
        """Return how the parts of a system with these options are opened.

        Raises:
            InputError: There is no such profile.
            UnsupportedError: The parts are to be quantized.
        """
        if options.get("quantize") is not None:
            raise cannot_be_quantized("What is made of several models")
        profile = options.get("profile")
        return cls(
            profile=catalog.current_profile() if profile is None else catalog.known_profile(profile),
            device=options.get("device", "auto"),
            limits=options.get("limits") or DEFAULT_LIMITS,
            provide=options.get("provide"),
        )

    def part(
        self, system: type[System], model: str | None = None, *, device: str | None = None, dtype: str = "auto"
    ) -> System:
        """Return a part: the object that ``provide`` returns, or else a new one, which shares loaded checkpoints.

        Args:
            system: The class of the part.
            model: Catalog name, hub id or folder; None for the profile's default.
            device: Where the part runs; None for the device of the other parts.
            dtype: The precision of the part.
        """
        found = None if self.provide is None else self.provide(system, model)
        if found is not None:
            if not isinstance(found, system):
                raise TypeError(f"provide returned a {type(found).__name__} where a {system.__name__} was asked for")
            return found
        return system(
            model,
            profile=self.profile,
            device=device or self.device,
            dtype=dtype,
            limits=self.limits,
            provide=self.provide,
        )


class Task(Generic[Backend]):
    """Base class of all tasks: chooses a checkpoint, loads it, shares it and closes it.

    A subclass sets ``task`` and ``families``. Each family has a backend class, which opens a checkpoint. Its signature
    is ``Backend(folder: Path, *, checkpoint: Checkpoint, device: str, dtype: str)``. A backend that is made of other
    tasks sets ``made_of_parts = True`` and also gets ``opening: Opening``.

    Args:
        model: Catalog name, hub id, local folder, or None for the profile's default.
        profile: The profile whose default is used if ``model`` is None: ``"starter"``, ``"standard"``, ``"best"``; None
            for ``SENSORIUM_PROFILE``, or ``"starter"`` if that isn't set.
        device: ``"auto"``, ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ``"mps"``.
        dtype: ``"auto"``, ``"float32"``, ``"float16"``, ``"bfloat16"``.
        quantize: Quantizes the weights while they are loaded, so that they need less memory: ``"8bit"``, ``"4bit"``;
            None to leave them. Only chat and language models can be quantized, with the package bitsandbytes.
        limits: How large inputs may be and where they may come from; None for limits that suit a person's own files.
        provide: Returns parts that the caller already has: see `Opening`.

    Attributes:
        checkpoint: The checkpoint that this object opens.
        profile: The profile of this object and its parts.
        limits: The limits for this object's inputs.

    Raises:
        ModelUnavailableError: No checkpoint of that name is known for this task.
        InputError: There is no such profile, or no such way to quantize.
    """

    task: ClassVar[str]
    families: ClassVar[Mapping[str, str]]
    """Maps each family to ``"module:Class"`` of its backend."""
    uses_torch: ClassVar[bool] = True
    """Whether the backends run on torch. If not, torch isn't imported, which saves seconds."""
    cpu_families: ClassVar[frozenset[str]] = frozenset()
    """The families whose backends run without torch, and on the CPU only, even if ``uses_torch`` is True."""
    quantizable: ClassVar[bool] = False
    """Whether some of the backends can be quantized while they are loaded. Such a backend sets ``quantizes = True`` and
    also takes ``quantize: str | None``."""

    @checked
    def __init__(
        self,
        model: str | os.PathLike[str] | None = None,
        *,
        profile: str | None = None,
        device: str = "auto",
        dtype: str = "auto",
        quantize: str | None = None,
        limits: Limits | None = None,
        provide: Callable[[type[Task[Any]], str | None], Task[Any] | None] | None = None,
    ) -> None:
        self.profile = catalog.current_profile() if profile is None else catalog.known_profile(profile)
        self.checkpoint = catalog.resolve(model, task=self.task, profile=self.profile)
        self.limits = limits or DEFAULT_LIMITS
        self._device = device
        self._dtype = dtype
        self._quantize = known_quantize(quantize)
        self._provide = provide
        self._shared: Shared[Backend] | None = None
        self._closed = False
        self._guard = threading.Lock()
        self._loading = threading.Lock()

    @property
    def model(self) -> str:
        """The name of the checkpoint that this object uses."""
        return self.checkpoint.name

    @checked
    def load(self, *, progress: ProgressCallback | None = None, cancel: Cancellation | None = None) -> Self:
        """Fetch and load the checkpoint now instead of at the first call; return self. Opens a closed object again."""
        with holding(self._loading, cancel):
            self._closed = False
            self._again(progress, cancel).release()
        return self

    @checked
    def ensure_loaded(self, *, progress: ProgressCallback | None = None, cancel: Cancellation | None = None) -> Self:
        """Load as `load` does, but never open a closed object again: for parts, which may be somebody else's.

        Raises:
            ClosedError: The object was closed.
        """
        with self.lease(progress=progress, cancel=cancel):
            return self

    def close(self) -> None:
        """Give up the checkpoint, once the calls in progress have ended.

        The memory is freed when no other object uses the checkpoint. After `close`, calls raise `ClosedError` until
        `load` opens the object again. An object that is garbage-collected without `close` gives up the checkpoint too.
        """
        with self._guard:
            self._closed = True
            if self._shared is not None:
                self._finalizer()
                self._shared = None

    @checked
    @contextmanager
    def lease(
        self, *, progress: ProgressCallback | None = None, cancel: Cancellation | None = None
    ) -> Iterator[Backend]:
        """Keep the checkpoint loaded for the length of a call; the first call loads it.

        Raises:
            ClosedError: The object was closed.
        """
        held = self._held(progress, cancel)
        try:
            yield held.backend
        finally:
            held.release()

    @checked
    def leased(
        self,
        start: Callable[[Backend], Generator[Item, None, Result]],
        *,
        progress: ProgressCallback | None = None,
        cancel: Cancellation | None = None,
    ) -> Generator[Item, None, Result]:
        """Keep the checkpoint loaded until the caller has read a generator to its end, or has dropped it.

        Args:
            start: Called at once with the loaded checkpoint; returns the generator.
            progress: Told what is being loaded.
            cancel: Stops loading.

        Raises:
            ClosedError: The object was closed.
        """
        held = self._held(progress, cancel)
        try:
            pieces = start(held.backend)
        except BaseException:
            held.release()
            raise
        return held_until_read(held, pieces)

    @property
    def opening(self) -> Opening:
        """How this object opens its parts."""
        return Opening(self.profile, self._device, self.limits, self._provide)

    @property
    def backend(self) -> Backend:
        """The loaded checkpoint; loads it if necessary. Code that must keep it loaded uses `lease` instead."""
        with self.lease() as backend:
            return backend

    def require_open(self) -> None:
        """Refuse a call on an object that was closed.

        Raises:
            ClosedError: The object was closed.
        """
        if self._closed:
            raise ClosedError(f"This {type(self).__name__} of {self.model!r} was closed", "Call load() to use it again")

    def _held(self, progress: ProgressCallback | None, cancel: Cancellation | None) -> Shared[Backend]:
        with self._guard:
            self.require_open()
            if self._shared is not None:
                return self._shared.again()
        # Others may load for minutes: whoever waits for them can be cancelled.
        with holding(self._loading, cancel):
            self.require_open()
            return self._again(progress, cancel)

    def _again(self, progress: ProgressCallback | None, cancel: Cancellation | None) -> Shared[Backend]:
        """Return one more reference to the checkpoint, which is loaded if it isn't; ``_loading`` is held."""
        with self._guard:
            if self._shared is not None:
                return self._shared.again()
        opened = self._open(progress, cancel)
        with self._guard:
            # Closed while it was loaded: then it is the caller's alone.
            if not self._closed:
                self._shared = opened.again()
                self._finalizer = weakref.finalize(self, self._shared.release)
        return opened

    def _open(self, progress: ProgressCallback | None, cancel: Cancellation | None) -> Shared[Backend]:
        with missing_packages_explained(f"{type(self).__name__} with {self.model!r}"):
            return self._open_shared(progress, cancel)

    def _open_shared(self, progress: ProgressCallback | None, cancel: Cancellation | None) -> Shared[Backend]:
        where = self._resolve_device()
        if self._on_torch and find_spec("torch") is None:
            raise ModuleNotFoundError(name="torch")  # before weights are fetched that nothing here could use
        if self._quantize is not None:
            if not self.quantizable or self.checkpoint.endpoint or self.checkpoint.family in self.cpu_families:
                raise self._cannot_be_quantized()
            require_quantizer(repr(self.model), where)
        folder = store.locate(self.checkpoint, progress=progress, cancel=cancel)
        refuse_foreign_layout(self.checkpoint, folder)
        require_usable_settings(self.checkpoint, folder)
        family = self._family(folder)
        if family not in self.families:
            raise self._unsuitable(family, folder)
        where = self._device_for(family, where)
        module, _, name = self.families[family].partition(":")
        loader: Any = getattr(self._import(module), name)
        options = dict(self._options())
        if self._quantize is not None:
            if not getattr(loader, "quantizes", False):
                raise self._cannot_be_quantized()
            options["quantize"] = self._quantize
        if getattr(loader, "made_of_parts", False):
            options["opening"] = replace(self.opening, device=where)
        key = (module, name, self.checkpoint, folder, where, self._dtype, *sorted(options.items()))

        def open_checkpoint() -> Backend:
            backend: Backend = loader(folder, checkpoint=self.checkpoint, device=where, dtype=self._dtype, **options)
            return backend

        return Shared(key, open_checkpoint, cancel)

    @property
    def _on_torch(self) -> bool:
        return self.uses_torch and not self.checkpoint.endpoint and self.checkpoint.family not in self.cpu_families

    def _import(self, module: str) -> ModuleType:
        settings.send_no_telemetry()
        if not self._on_torch:
            return importlib.import_module(module)
        device.prepare_torch()
        with quiet_transformers():  # at their import, image processors tell everybody to install torchvision
            return importlib.import_module(module)

    def _options(self) -> Mapping[str, Hashable]:
        """Return further keyword arguments for the backend class; only backends with equal arguments are shared."""
        return {}

    def _resolve_device(self) -> str:
        if self.checkpoint.family in self.cpu_families:
            if self._device not in ("auto", "cpu"):
                raise InputError(
                    f"{self.checkpoint.name!r} doesn't run on {self._device!r}: it is made for the CPU",
                    "Use device='cpu', or choose another checkpoint",
                )
            return "cpu"
        return device.resolve_device(self._device)

    def _device_for(self, family: str, device: str) -> str:
        """Return the device of a family, where that is known; ``device`` is the task's."""
        return device

    def _family(self, folder: Path) -> str:
        return self.checkpoint.family or catalog.family_of(folder)

    def _opens(self, folder: Path) -> bool:
        """Return whether this task can open a checkpoint folder, judged by its family; nothing is loaded."""
        foreign = None if self.checkpoint.family else foreign_layout(folders_config(folder))
        return foreign is None and self._family(folder) in self.families

    def _cannot_be_quantized(self) -> UnsupportedError:
        return cannot_be_quantized(f"The checkpoint {self.model!r} for {self.task}")

    def _unsuitable(self, family: str, folder: Path) -> UnsupportedError:
        others = tasks_for(self.checkpoint, folder)
        known = f"'sensorium models list --task {self.task}' shows checkpoints for it"
        if self.checkpoint.endpoint:
            return UnsupportedError(
                f"{type(self).__name__} can't use {self.checkpoint.name!r}: a model behind a server does "
                f"{', '.join(others)}, but not {self.task}",
                known,
            )
        file = weights_path(folder, self.checkpoint.hub_files if self.checkpoint.folder else ())
        if file is not None:
            content = read_weights_file(file).content
            return UnsupportedError(
                f"{type(self).__name__} can't use {self.checkpoint.name!r}: it is {content.description}",
                content.use or known,
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
