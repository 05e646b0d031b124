"""``docs/command-line.md`` and the help say the same."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from sensorium.cli.app import app

PAGE = (Path(__file__).parents[2] / "docs" / "command-line.md").read_text(encoding="utf-8")
SHARED = {"--model", "--profile", "--device", "--dtype", "--quantize", "--json", "--quiet", "--server"}


def _commands(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    children = getattr(command, "commands", None)
    if children is None:
        yield name, command
    for child, inner in (children or {}).items():
        yield from _commands(inner, f"{name} {child}")


COMMANDS = dict(_commands(get_command(app), "sensorium"))


def _parameters(name: str) -> list[Any]:
    command = COMMANDS[name]
    parameters: list[Any] = command.get_params(command.context_class(command))
    return parameters


def _sections() -> dict[str, str]:
    parts = re.split(r"^### `(sensorium [^`]*)`$", PAGE, flags=re.MULTILINE)[1:]
    return {_command_of(heading): text for heading, text in zip(parts[::2], parts[1::2], strict=True)}


def _command_of(heading: str) -> str:
    return " ".join(word for word in heading.split() if re.fullmatch("[a-z]+(-[a-z]+)*", word))


def test_every_command_has_its_section() -> None:
    assert set(_sections()) == set(COMMANDS)


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_option_is_documented_and_exists(name: str) -> None:
    parameters = [parameter for parameter in _parameters(name) if parameter.param_type_name == "option"]
    options = {
        option
        for parameter in parameters
        for option in (*parameter.opts, *parameter.secondary_opts)
        if option.startswith("--")
    }
    section = _sections()[name].partition("\n## ")[0]
    documented = set(re.findall(r"(?<![\w-])--[a-z]+(?:-[a-z]+)*", section))
    assert documented - SHARED == options - SHARED - {"--help"}
    if documented & SHARED:
        assert documented & SHARED <= options


def test_shared_options_and_short_names_are_documented() -> None:
    table = PAGE.partition("## Pictures")[0]
    assert set(re.findall(r"^\| `(--[a-z]+)", table, flags=re.MULTILINE)) == SHARED
    for name, command in COMMANDS.items():
        section = table + _sections()[name]
        for parameter in command.params:
            for option in parameter.opts:
                if re.fullmatch("-[a-z]", option) and name != "sensorium translate":
                    assert f"`{option}`" in section, (name, option)
