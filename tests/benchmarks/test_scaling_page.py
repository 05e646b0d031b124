"""``docs/scaling.md`` says what was measured and what follows from it; its commands exist."""

from __future__ import annotations

import argparse
import ast
import operator
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

from benchmarks import extrapolation
from benchmarks.extrapolation import Job
from benchmarks.item_costs import READ
from benchmarks.scaling.items import WITHOUT_STARTER
from benchmarks.scaling.measured import CHECK, Measured
from benchmarks.scaling.page import PAGE, written
from sensorium.cli.app import app
from sensorium.operations.registry import all_operations

_UNITS = {"TB": 1e12, "GB": 1e9, "MB": 1e6, "µs": 1e-6, "ms": 1e-3}
_OPERATORS: dict[type, Any] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
_NUMBER = r"[\d][\d,]*(?:\.\d+)?"


@pytest.fixture(scope="module")
def page() -> str:
    return PAGE.read_text(encoding="utf-8")


def test_the_page_is_made_of_what_is_kept(page: str) -> None:
    assert written(page, Measured()) == page, "run python -m benchmarks.scaling.page"


def test_every_operation_is_measured_or_named_as_not_measured(page: str) -> None:
    measured = {operation for operation, _ in Measured().costs} - {READ}
    assert measured == set(all_operations()) - set(WITHOUT_STARTER)
    assert all(cost.core_seconds > 0 and cost.memory > 0 for cost in Measured().costs.values())
    assert all(f"`{name}`" in page for name in (*measured, *WITHOUT_STARTER))


def test_the_arithmetic_is_right(page: str) -> None:
    equations = [
        equation for line in page.splitlines() if line.lstrip().startswith("- ") for equation in _equations(line)
    ]
    assert len(equations) > 60
    for text, left, right in equations:
        assert left == pytest.approx(right, rel=0.011), text


def test_arithmetic_that_is_wrong_is_found() -> None:
    ((_, left, right),) = _equations("- 1,000 × 2 ms = 3 seconds")
    assert (left, right) == (2, 3)
    (_, (_, hours, shown)) = _equations("- 10 × 7.2 core-seconds = 72 core-seconds; ÷ 3,600 = 0.02 core-hours")
    assert hours == pytest.approx(shown)


def _equations(line: str) -> Iterator[tuple[str, float, float]]:
    """Yield each "… = …" of a line: its text, the left side computed, and the right side."""
    before = ""
    for part in re.split(r"[;:]| and |, (?!\d{3})", line.lstrip("- ")):
        left, equals, right = part.partition(" = ")
        if not equals:
            continue
        found = re.match(rf"({_NUMBER})(?: ({'|'.join(_UNITS)})\b)?", right)
        assert found is not None, part
        if left.lstrip().startswith("÷"):
            left = f"{before} {left}"
        before = found.group(0)
        yield part, _computed(left), _computed(before)


def _computed(text: str) -> float:
    with_units = re.sub(
        rf"({_NUMBER}) ({'|'.join(_UNITS)})\b",
        lambda found: f"({found[1]} × {_UNITS[found[2]]:f})",
        text.replace(",", ""),
    )
    bare = re.sub(r"[^\d.+×÷−()]", "", re.sub(r"[A-Za-zµ-]{2,}", "", with_units))
    return _value(ast.parse(bare.replace("×", "*").replace("÷", "/").replace("−", "-"), mode="eval").body)


def _value(node: ast.expr) -> float:
    if isinstance(node, ast.BinOp):
        result: float = _OPERATORS[type(node.op)](_value(node.left), _value(node.right))
        return result
    assert isinstance(node, ast.Constant), ast.dump(node)
    return float(node.value)


def _commands(page: str, *program: str) -> list[list[str]]:
    lines = "\n".join(re.findall(r"```console\n(.*?)```", page, re.DOTALL)).splitlines()
    inline = [words for words in re.findall(r"`([^`\n]+)`", page) if " -" in words]
    commands = [[word for word in shlex.split(line) if not re.match(r"[A-Z_]+=", word)] for line in (*lines, *inline)]
    return [command for command in commands if tuple(command[: len(program)]) == program]


def test_the_commands_of_sensorium_are_understood(page: str) -> None:
    commands = _commands(page, "sensorium")
    assert {line[1] for line in commands} == {"batch", "index", "serve"}
    program = typer.main.get_command(app)
    for _, *words in commands:
        context = program.make_context("sensorium", list(words))
        name, command, rest = program.resolve_command(context, words)  # type: ignore[attr-defined]
        command.make_context(name, rest, parent=context)  # refuses what it doesn't know


def test_the_programs_of_the_benchmarks_are_understood(page: str, monkeypatch: pytest.MonkeyPatch) -> None:
    commands = _commands(page, "python", "-m")
    assert len({line[2] for line in commands}) >= 6

    class UnderstoodError(Exception):
        pass

    parse = argparse.ArgumentParser.parse_args

    def parsed(parser: argparse.ArgumentParser, *args: Any, **options: Any) -> Any:
        parse(parser, *args, **options)
        raise UnderstoodError

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", parsed)
    for _, _, module, *words in commands:
        if module == "benchmarks.scaling.page":
            continue
        main = __import__(module, fromlist=["main"]).main
        monkeypatch.setattr("sys.argv", [module, *words])
        with pytest.raises(UnderstoodError):
            main()


def test_files_that_are_named_are_there(page: str) -> None:
    root = PAGE.parents[1]
    for name in re.findall(r"`((?:docs|benchmarks|deploy)/[\w./-]+)`", page):
        assert (root / name).exists(), name
    for name in re.findall(r"\]\((?!#)([\w./-]+)\)", page):
        assert (PAGE.parent / name).exists(), name


def test_the_first_bottleneck_is_what_takes_longest() -> None:
    small = Job("look", 1_000_000, "a photo", 0.0001, 1e3, 10.0)
    assert small.bound(1000) == extrapolation.STORE
    large = Job("read", 1_000_000, "a film", 0.001, 1e9, 10.0)
    assert large.bound(1) == large.bound(1000) == extrapolation.NETWORK
    index = Job("index", 1_000_000, "a photo", 0.1, 1e3, 10.0, build_core_seconds=50_000)
    assert index.bound(1) == extrapolation.CORE
    assert index.bound(1000) == extrapolation.BUILD
    assert index.hours(10)[extrapolation.CORE] == pytest.approx(1e5 / 3600 / 10 / 16 / 0.8)


def test_the_simulation_was_near_to_what_happened() -> None:
    found = Measured().document(CHECK)["check"]
    assert found["simulated"]["mean"] == pytest.approx(found["measured"]["mean"], rel=0.1)


def test_an_operator_asks_for_numbers_of_his_own(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setattr("sys.argv", ["extrapolation", "--items", "7200", "--seconds", "2", "--cores", "8"])
    extrapolation.main()
    said = capsys.readouterr().out
    assert "7,200 × 2 core-seconds = 14,400 core-seconds; ÷ 3,600 = 4 core-hours" in said
    assert "4 core-hours ÷ (1 × 8 × 0.9) = 0.556 hours on 1 machine" in said


def test_the_picture_is_a_picture() -> None:
    assert (Path(PAGE).parent / "scaling" / "day.png").stat().st_size > 10_000
