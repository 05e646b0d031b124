"""Options that travel together, as one object: a command takes a dataclass, and the user sees an option a field."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from typing import TYPE_CHECKING, Any, get_type_hints

from sensorium import settings
from sensorium.cli.call import Call
from sensorium.cli.options import AsJson, Device, Dtype, Model, Profile, Quantize, Quiet, Server

if TYPE_CHECKING:
    from sensorium.task import TaskOptions


def grouped(command: Callable[..., None]) -> Callable[..., None]:
    """Let a command take dataclasses: on the command line, their fields stand where the dataclass stands.

    Args:
        command: Its parameters are annotated for Typer, or with a dataclass whose fields are.
    """
    parameters = inspect.signature(command, eval_str=True).parameters.values()
    groups: dict[str, Any] = {each.name: each.annotation for each in parameters if is_dataclass(each.annotation)}
    flat = [
        part
        for each in parameters
        for part in (_parameters_of(groups[each.name]) if each.name in groups else [_by_name(each)])
    ]

    @functools.wraps(command)
    def run(**given: Any) -> None:
        objects = {
            name: group(**{field.name: given.pop(field.name) for field in fields(group)})
            for name, group in groups.items()
        }
        command(**given, **objects)

    run.__signature__ = inspect.Signature(flat)  # type: ignore[attr-defined]
    run.__annotations__ = {each.name: each.annotation for each in flat}
    return run


@dataclass(frozen=True)
class CommonOptions:
    """The options of every command that opens one checkpoint."""

    model: Model = None
    profile: Profile = None
    device: Device = "auto"
    dtype: Dtype = "auto"
    quantize: Quantize = None
    as_json: AsJson = False
    quiet: Quiet = False
    server: Server = None

    def call(self) -> Call:
        """Return the call of the command."""
        return Call(
            profile=self.profile, as_json=self.as_json, quiet=self.quiet, server=self.server or settings.server()
        )

    @property
    def choice(self) -> dict[str, Any]:
        """The fields of an operation that say which checkpoint it opens, where and how."""
        return {"model": self.model, **self.opening}

    @property
    def opening(self) -> TaskOptions:
        """What a task's constructor takes beside its model."""
        return {"profile": self.profile, "device": self.device, "dtype": self.dtype, "quantize": self.quantize}


def _parameters_of(group: Any) -> list[inspect.Parameter]:
    hints = get_type_hints(group, include_extras=True)
    return [
        inspect.Parameter(
            field.name, inspect.Parameter.KEYWORD_ONLY, default=_default(field), annotation=hints[field.name]
        )
        for field in fields(group)
    ]


def _default(field: Field[Any]) -> Any:
    return inspect.Parameter.empty if field.default is MISSING else field.default


def _by_name(parameter: inspect.Parameter) -> inspect.Parameter:
    return parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)
