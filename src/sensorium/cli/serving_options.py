"""The options of ``sensorium serve``: one for each field of its configuration, made when they are needed."""

from __future__ import annotations

import inspect
import types
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args, get_origin

import typer
from typer.core import TyperCommand

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

_SIMPLE = (bool, int, float, str, Path)


class ServingCommand(TyperCommand):
    """A command that has these options beside its own; it finds those that were given in ``ctx.obj``."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Return all parameters."""
        return [*_parameters(), *super().get_params(ctx)]

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        given = {each.name: ctx.params.pop(each.name) for each in _parameters()}
        ctx.obj = {name: value for name, value in given.items() if value is not None and value != ()}
        return super().invoke(ctx)


@cache
def _parameters() -> tuple[Any, ...]:
    from sensorium.server.options import ServerOptions

    # Tables, such as the options of single models, are in the file only.
    fields = {
        name: field for name, field in ServerOptions.model_fields.items() if get_origin(field.annotation) is not dict
    }

    def options(**given: Any) -> None:
        """Stand for a command with these options."""

    options.__signature__ = inspect.Signature([_option(*each) for each in fields.items()])  # type: ignore[attr-defined]
    options.__annotations__ = {each.name: each.annotation for each in inspect.signature(options).parameters.values()}
    app = typer.Typer(add_completion=False)
    app.command()(options)
    made = typer.main.get_command(app)
    return tuple(each for each in made.params if each.name in fields)


def _option(name: str, field: FieldInfo) -> inspect.Parameter:
    kind = _kind(field.annotation)
    flag = f"--{name.replace('_', '-')}"
    names = f"{flag}/--no-{flag[2:]}" if kind is bool else flag
    default = field.default
    shown = "" if default in (None, ()) or isinstance(default, bool) else f" By default {_written(default)}."
    option = typer.Option(
        names, metavar="" if kind is bool else _METAVARS.get(kind, "TEXT"), help=f"{field.description}{shown}"
    )
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[kind | None, option]
    )


_METAVARS: dict[Any, str] = {int: "NUMBER", float: "NUMBER", Path: "PATH"}


def _kind(annotation: Any) -> Any:
    """Return the type of the values of an option."""
    if isinstance(annotation, types.UnionType):
        annotation = next(each for each in get_args(annotation) if each is not type(None))
    if get_origin(annotation) is tuple:
        return list[str]
    return annotation if annotation in _SIMPLE else str


def _written(default: object) -> str:
    if isinstance(default, (int, float)):
        return f"{default:,}" if default >= 100_000 else f"{default:g}"
    return str(default)
