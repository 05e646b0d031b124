"""The base of all operations: one thing that can be asked of Sensorium, as data."""

from __future__ import annotations

import importlib
import re
from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sensorium.errors import InputError, SensoriumError
from sensorium.operations.media import Media, media_in
from sensorium.operations.reporter import Reporter
from sensorium.operations.tasks import Tasks
from sensorium.operations.validation import refusal

if TYPE_CHECKING:
    from sensorium.models.catalog import Checkpoint
    from sensorium.task import TaskOptions


class Operation(BaseModel):
    """One thing that can be asked of Sensorium: frozen data that crosses a process, a network or a queue.

    A child sets ``result``, and overrides `run`. Its docstring is the documentation of every front end.

    Raises:
        InputError: A field is missing, unknown, of the wrong type or out of range.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=(), use_attribute_docstrings=True)

    name: ClassVar[str]
    """Its name on every front end: the class's, in small letters with hyphens."""
    result: ClassVar[str]
    """``"module:Class"`` of the result, which has ``to_dict`` and ``from_dict``."""
    part: ClassVar[str] = ""
    """The same of what `Finished` events carry; "" if the operation tells none."""
    quantizable: ClassVar[bool] = False
    """Whether some of the checkpoints that it may open can be quantized while they are loaded."""
    takes_out_of_index: ClassVar[bool] = False
    """Whether the index of `index_of_media` doesn't refer to its media any more once it has ended well."""

    def __init__(self, **fields: Any) -> None:
        try:
            super().__init__(**fields)
        except ValidationError as error:
            raise refusal(self.name, error, type(self).model_fields) from None

    @classmethod
    def __pydantic_init_subclass__(cls, **options: Any) -> None:
        cls.name = re.sub(r"(?<!^)(?=[A-Z])", "-", cls.__name__).lower()

    @classmethod
    def of(cls, document: Any) -> Self:
        """Return the operation that a JSON document describes.

        Raises:
            InputError: It describes none; the message says what is wrong.
        """
        if not isinstance(document, dict):
            raise InputError(f"{cls.name} needs a JSON object", 'Send its fields like {"name": value}')
        return cls(**document)

    @classmethod
    def result_type(cls) -> Any:
        """Return the class of the result."""
        return _named(cls.result)

    @classmethod
    def part_type(cls) -> Any:
        """Return the class of what `Finished` events carry, or None if the operation tells none."""
        return _named(cls.part) if cls.part else None

    def run(self, tasks: Tasks, report: Reporter) -> Any:
        """Do it in this process.

        Args:
            tasks: Opens task objects, and finds media.
            report: Told events, given files, asked whether to stop.

        Raises:
            SensoriumError: It can't be done; the message says why.
        """
        raise NotImplementedError

    def load(self, tasks: Tasks, report: Reporter) -> None:
        """Open what it needs, so that errors of the whole call are told before the first input is looked at."""

    def media(self) -> Iterator[Media]:
        """Yield the media that it refers to."""
        return media_in(self)

    def index_of_media(self) -> str | None:
        """Return the name of the search index that goes on referring to its media when it has ended, or None."""
        return None

    def origins_of_media(self) -> Mapping[Media, str]:
        """Return what tells media for the index from all others at their sender's, as far as that was told."""
        return {}

    @classmethod
    def run_together(cls, operations: Sequence[Self], tasks: Tasks, reports: Sequence[Reporter]) -> list[Any]:
        """Run several operations with the same `batch_key` in one pass of the model.

        Returns:
            For each operation its result, or the `SensoriumError` that says why there is none: one that fails never
            costs another its result.
        """
        return [_attempted(operation, tasks, report) for operation, report in zip(operations, reports, strict=True)]

    def at_once(self, tasks: Tasks, report: Reporter) -> int:
        """Return how many operations like this one go through the model in one pass; more gain nothing.

        1, as here, of an operation with a `batch_key` means that it doesn't say.
        """
        return 1

    def batch_key(self) -> Hashable | None:
        """Return what operations must have in common to run together, or None if this one runs alone."""
        return None

    def checkpoints(self) -> tuple[Checkpoint, ...]:
        """Return the checkpoints that it opens, the most important one first; none if it needs no model.

        Raises:
            ModelUnavailableError: There is no such checkpoint.
        """
        return ()

    def additions(self) -> tuple[Checkpoint, ...]:
        """Return what it puts on its checkpoints for the call, such as LoRA files of the hub.

        Raises:
            ModelUnavailableError: There is no such thing.
        """
        return ()

    def placement(self) -> tuple[str, str, str]:
        """Return the device, the precision and the kind of quantizing that it asks for; the last may be ""."""
        return ("auto", "auto", "")


class ModelOperation(Operation):
    """An operation that opens a checkpoint. A child sets ``task``, and overrides `opened` and `run`."""

    task: ClassVar[str]
    """What the checkpoint does, as the catalog calls it."""

    model: Annotated[str | None, Field(min_length=1)] = None
    """Catalog name or hub id of the checkpoint; by default the profile's choice."""
    profile: str | None = None
    """The profile whose checkpoint is the default: starter, standard or best."""
    device: str = "auto"
    """Where it runs: auto, cpu, cuda, cuda:1 or mps."""
    dtype: str = "auto"
    """In which precision: auto, float32, float16 or bfloat16."""
    quantize: str | None = None
    """Chat and language models: quantizes the weights while they are loaded, 8bit or 4bit."""

    def opening(self, tasks: Tasks) -> TaskOptions:
        """Return what the constructor of a task takes beside the model."""
        return {
            **{"profile": self.profile, "device": self.device, "dtype": self.dtype},
            **{"quantize": self.quantize, "limits": tasks.limits},
        }

    @property
    def opening_key(self) -> Hashable:
        """What tells task objects apart that are opened with `opening`."""
        return (self.model, self.profile, self.device, self.dtype, self.quantize)

    def opened(self, tasks: Tasks, report: Reporter) -> Any:
        """Return the task object that it calls, loaded."""
        raise NotImplementedError

    def load(self, tasks: Tasks, report: Reporter) -> None:
        """Load the checkpoint."""
        self.opened(tasks, report)

    def checkpoints(self) -> tuple[Checkpoint, ...]:
        """Return the checkpoint."""
        from sensorium.models import catalog

        return (catalog.resolve(self.model, task=self.task, profile=self.profile or catalog.current_profile()),)

    def placement(self) -> tuple[str, str, str]:
        """Return device, precision and kind of quantizing."""
        return (self.device, self.dtype, self.quantize or "")


def _named(where: str) -> Any:
    module, _, name = where.partition(":")
    return getattr(importlib.import_module(module), name)


def _attempted(operation: Operation, tasks: Tasks, report: Reporter) -> Any:
    try:
        return operation.run(tasks, report)
    except SensoriumError as error:
        return error
