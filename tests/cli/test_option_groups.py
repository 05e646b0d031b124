"""Options that travel together: one object for the command, an option a field for the user."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer
from typer.testing import CliRunner

from sensorium.cli.option_groups import grouped


@dataclass(frozen=True)
class Size:
    width: Annotated[int, typer.Option("--width", help="Pixels.")] = 64
    height: Annotated[int | None, typer.Option("--height")] = None


@dataclass(frozen=True)
class WiderSize(Size):
    width: Annotated[int, typer.Option("--width")] = 512
    depth: Annotated[int, typer.Option("--depth")] = 1


def application() -> typer.Typer:
    app = typer.Typer()

    @app.command()
    @grouped
    def draw(
        context: typer.Context,
        name: Annotated[str, typer.Argument()],
        *,
        first: Annotated[bool, typer.Option("--first")] = False,
        size: WiderSize,
        last: Annotated[str, typer.Option("--last")] = "end",
    ) -> None:
        """Draw."""
        print(name, first, size, last, sorted(context.params))

    return app


def run(*arguments: str) -> str:
    result = CliRunner().invoke(application(), list(arguments))
    assert result.exit_code == 0, result.output
    return result.stdout


def test_fields_are_options_and_come_as_one_object() -> None:
    printed = run("cat", "--first", "--height", "7")
    assert printed.startswith(f"cat True {WiderSize(width=512, height=7, depth=1)} end ")
    assert printed.endswith("['depth', 'first', 'height', 'last', 'name', 'width']\n")


def test_options_stand_in_the_help_in_the_order_of_parameters_and_fields() -> None:
    shown = run("--help")
    places = [shown.index(option) for option in ("--first", "--width", "--height", "--depth", "--last")]
    assert places == sorted(places)
    assert "Draw." in shown


def test_wrong_values_are_told_with_the_option_s_name() -> None:
    result = CliRunner().invoke(application(), ["cat", "--width", "much"])
    assert result.exit_code == 2
    assert "--width" in result.output
