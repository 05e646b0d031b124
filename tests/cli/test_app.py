"""What every command promises: exit codes, streams, errors in one sentence, quick help."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.main import get_command

from sensorium import __version__
from sensorium.cli import prompt as prompt_commands
from sensorium.cli.app import app
from sensorium.models import catalog
from tests.cli.conftest import Program, Run, documents

GROUP = get_command(app)
COMMANDS = sorted(GROUP.commands)  # type: ignore[attr-defined]
"""All commands, from ``ask`` to ``watch``."""
LEAVES = {
    " ".join(words): leaf
    for name, command in GROUP.commands.items()  # type: ignore[attr-defined]
    for words, leaf in (
        [((name, inner), leaf) for inner, leaf in getattr(command, "commands", {}).items()] or [((name,), command)]
    )
}
"""Commands and the commands inside them (``models pull``), by the words that call them."""
HEAVY = {"torch", "numpy", "PIL", "av", "transformers", "faster_whisper", "lance", "scipy", "onnxruntime", "hibari"}


def test_version(run: Run) -> None:
    result = run("--version")
    assert (result.exit_code, result.stdout) == (0, f"sensorium {__version__}\n")


def test_help_names_every_command(run: Run) -> None:
    result = run("--help")
    assert result.exit_code == 0
    assert len(COMMANDS) >= 19
    assert {line.split()[1] for line in result.stdout.splitlines() if line.startswith("│ ")} >= set(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_examples(run: Run, command: str) -> None:
    result = run(command, "-h")
    assert result.exit_code == 0
    assert f"sensorium {command}" in result.stdout.partition("Examples:")[2]


@pytest.mark.parametrize("arguments", [["--help"], ["transcribe", "--help"], ["--version"], ["models", "path"]])
def test_help_and_small_commands_import_nothing_heavy(arguments: list[str]) -> None:
    code = (
        "import sys\n"
        "from sensorium.cli.app import run\n"
        f"try: run({arguments!r})\n"
        f"except SystemExit as end: assert not end.code, end.code\n"
        f"loaded = {HEAVY!r} & set(sys.modules)\n"
        "assert not loaded, loaded\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL, timeout=60)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["clasify"], "No such command 'clasify'"),
        (["classify"], "Missing argument 'IMAGE"),
        (["ask", "cat.jpg", "what", "is", "this"], "Put a text with spaces in quotes"),
        (["caption", ""], "The name of an input is empty"),
        (["prompt"], "The prompt has no subject"),
        (["prompt", "a cat", "--stile", "anime"], "No such option: --stile"),
        (["search", "a cat", "--limit", "many"], "'--limit' / '-n': Input should be a valid integer"),
        (["prompt", "a cat", "--style", "cubizm"], "There is no style 'cubizm', did you mean 'cubism'?"),
        (["prompt", " "], "The prompt has no subject"),
        (["models", "info", "no-such-model"], "'no-such-model'"),
    ],
)
def test_wrong_usage_is_one_sentence_on_stderr(run: Run, arguments: list[str], sentence: str) -> None:
    result = run(*arguments)
    assert result.exit_code in (2, 3)
    assert result.stdout == ""
    assert result.stderr.startswith("Error: ")
    assert sentence in result.stderr
    assert result.stderr.count("\n") == 1


def test_errors_are_documents_too_with_json(run: Run) -> None:
    result = run("prompt", "a cat", "--style", "cubizm", "--json")
    assert result.exit_code == 2
    (document,) = documents(result.stdout)
    assert document["error"]["type"] == "InputError"
    assert "cubism" in document["error"]["message"]
    assert document["error"]["remedy"]
    assert result.stderr.startswith("Error: There is no style 'cubizm', did you mean 'cubism'? 'sensorium prompt")
    (document,) = documents(run("search", "--json", "--limit", "0", "x").stdout)
    assert "'--limit'" in document["error"]["message"]


def test_a_profile_that_does_not_exist_is_named(run: Run) -> None:
    result = run("classify", "cat.jpg", "--labels", "cat", "--profile", "huge")
    assert result.exit_code == 2
    assert "There is no profile 'huge'" in result.stderr


def test_the_profile_holds_for_one_call_only(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SENSORIUM_OFFLINE", "1")
    first = run("translate", "x.wav", "--profile", "best")
    assert first.exit_code == 3
    default = catalog.resolve(None, task="speech-to-text", profile="best").name
    assert default in first.stderr
    assert default not in run("translate", "x.wav").stderr
    assert "SENSORIUM_PROFILE" not in os.environ


def test_a_checkpoint_that_is_not_here_is_exit_code_3(
    run: Run, sensorium_home: Path, desk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SENSORIUM_OFFLINE", "1")
    result = run("classify", "cat.jpg", "coffee.png", "--labels", "cat,dog", "--json")
    assert result.exit_code == 3
    (document,) = documents(result.stdout)
    assert document["error"]["type"] == "ModelUnavailableError"
    assert "sensorium models pull" in document["error"]["remedy"]


def _break(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    class Broken:
        def __init__(self, *arguments: object, **options: object) -> None:
            raise error

    monkeypatch.setattr("sensorium.image_generation.prompt_engineer.PromptEngineer", Broken)


def test_a_mistake_of_ours_is_a_sentence_without_traceback(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    _break(monkeypatch, ValueError("internal details"))
    result = run("prompt", "a cat")
    assert result.exit_code == 70
    assert result.stderr.startswith("Error: Something went wrong inside sensorium (ValueError).")
    assert "Traceback" not in result.output
    monkeypatch.setenv("SENSORIUM_DEBUG", "1")
    assert "ValueError: internal details" in run("prompt", "a cat").stderr


def test_a_full_disk_is_not_called_a_mistake_of_ours(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    _break(monkeypatch, OSError(28, "No space left on device", "output.wav"))
    result = run("prompt", "a cat")
    assert result.exit_code == 2
    assert result.stderr == "Error: The system refused: No space left on device: output.wav.\n"


def test_memory_that_runs_out_is_said(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    _break(monkeypatch, MemoryError())
    result = run("prompt", "a cat")
    assert result.exit_code == 2
    assert result.stderr.startswith("Error: Memory ran out.")


@pytest.mark.parametrize("command", LEAVES)
def test_every_command_explains_itself_and_takes_json(run: Run, command: str) -> None:
    if command != "mcp":  # its output is a protocol's
        assert "--json" in {option for parameter in LEAVES[command].params for option in parameter.opts}
    result = run(*command.split(), "--help")
    assert result.exit_code == 0
    assert f"sensorium {command}" in result.stdout
    undocumented = [each.name for each in LEAVES[command].params if not getattr(each, "help", "")]
    assert undocumented == []


def test_commands_are_functions_of_one_group_each() -> None:
    assert isinstance(app, typer.Typer)
    assert callable(prompt_commands.register)


def test_a_closed_pipe_ends_quietly(tmp_path: Path) -> None:
    command = f"{sys.executable} -m sensorium models info whisper-base conse-starter blazepose 2>{tmp_path / 'stderr'}"
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command} | true"], capture_output=True, text=True, timeout=60
    )
    assert (tmp_path / "stderr").read_text() == ""
    assert done.returncode in (0, 141)


@pytest.mark.parametrize(
    "environment",
    [
        {"LC_ALL": "C"},
        {"LC_ALL": "C", "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"},
        {"PYTHONIOENCODING": "latin-1"},
        {"LANG": "", "LC_ALL": ""},
    ],
)
def test_no_locale_stops_a_command(program: Program, environment: dict[str, str]) -> None:
    for arguments in (["prompt", "a café 🐈 小猫"], ["--help"], ["prompt", "x", "--style", "né"]):
        done = program(*arguments, environment=environment, errors="replace")
        assert done.returncode in (0, 2)
        assert "Traceback" not in done.stderr
    done = program("prompt", "a café 🐈", "--json", environment=environment)
    (document,) = documents(done.stdout)
    if "PYTHONUTF8" in environment:  # Python was told to take arguments for ASCII
        assert done.returncode == 2
        assert "Unicode" in document["error"]["message"]
    else:
        assert document["prompt"].startswith("a café 🐈, ")


def test_output_is_plain_where_nobody_looks(program: Program) -> None:
    for arguments in (["models", "list"], ["prompt", "a cat", "--style", "cubism"]):
        done = program(*arguments)
        assert "\x1b" not in done.stdout + done.stderr


def test_python_m_sensorium_is_sensorium(program: Program) -> None:
    assert program("--version").stdout == f"sensorium {__version__}\n"
    assert "Usage: sensorium " in program("--help").stdout
