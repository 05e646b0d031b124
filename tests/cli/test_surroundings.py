"""Commands where the surroundings are odd: no home, a folder that is gone, narrow terminals, names that mislead."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests import real_media
from tests.cli.conftest import Program, Run, documents

_GONE = (
    "import os, sys; os.rmdir(os.getcwd()); "
    "os.execv(sys.executable, [sys.executable, '-m', 'sensorium', *sys.argv[1:]])"
)
_NOT_UTF_8 = os.fsdecode(b"caf\xe9 noir")


@pytest.mark.parametrize("command", ["transcribe", "caption", "imagine", "speak"])
def test_a_current_folder_that_is_gone_is_said(tmp_path: Path, command: str) -> None:
    folder = tmp_path / "gone"
    folder.mkdir()
    asked = {"transcribe": real_media.speech_clips("en")[0].path, "caption": real_media.photo("chelsea")}
    call = [sys.executable, "-c", _GONE, command, str(asked.get(command, "a cat")), "--json"]
    done = subprocess.run(call, cwd=folder, capture_output=True, text=True, timeout=120)
    assert done.returncode == 2, done.stderr
    (document,) = documents(done.stdout)
    assert "current folder" in document["error"]["message"]


@pytest.mark.parametrize("arguments", [["models", "list"], ["search", "cat"], ["doctor"]])
def test_a_user_without_a_home_is_told_what_to_set(
    run: Run, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    for name in ("HOME", "SENSORIUM_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)

    def nobody(number: int) -> None:
        raise KeyError(number)

    monkeypatch.setattr("pwd.getpwuid", nobody)
    done = run(*arguments)
    assert done.exit_code == 2
    assert "SENSORIUM_HOME" in done.stderr


def test_a_tilde_before_a_name_that_nobody_has_is_a_letter(run: Run, desk: Path) -> None:
    shutil.copy("cat.jpg", "~nobody-of-that-name.jpg")
    indexed = run("index", "~nobody-of-that-name.jpg", "--to", "~nobody-of-that-name", "--json")
    assert indexed.exit_code == 0, indexed.stderr
    assert Path("~nobody-of-that-name").is_dir()
    done = run("prompt", "a __colour__ bird", "--wildcards", "~nobody-of-that-name/x", "--variations", "1")
    assert done.exit_code == 2
    done = run("transcribe", "interview.mp3", "--model", "~nobody-of-that-name/model")
    assert done.exit_code == 3


@pytest.mark.parametrize("columns", ["0", "20", "60", "3000"])
@pytest.mark.parametrize("command", ["imagine", "serve"])
def test_help_is_whole_in_every_terminal(program: Program, command: str, columns: str) -> None:
    whole = program(command, "--help", environment={"COLUMNS": "300"}).stdout
    options = {word for word in whole.split() if word.startswith("--")}
    assert len(options) > 10
    said = program(command, "--help", environment={"COLUMNS": columns}).stdout
    assert options <= set(said.replace(",", " ").split())
    explained, _, examples_said = said.partition("Examples:")
    assert max(map(len, explained.splitlines())) <= max(int(columns), 80)
    examples = [line.strip() for line in examples_said.splitlines()]
    assert any(line.startswith(f"sensorium {command}") for line in examples)


def test_a_text_that_is_not_utf_8_is_refused_and_not_read_without_its_words(run: Run, desk: Path) -> None:
    for arguments in (["speak", _NOT_UTF_8], ["prompt", _NOT_UTF_8], ["prompt", "x", "--detail", _NOT_UTF_8]):
        done = run(*arguments)
        assert done.exit_code == 2
        assert "Unicode" in done.stderr
    assert not Path("output.wav").exists()


def test_names_in_a_folder_are_names_whatever_they_look_like(program: Program, desk: Path) -> None:
    shutil.rmtree("photos")
    for folder in list(Path().iterdir()):
        if folder.name != "cat.jpg":
            folder.unlink()
    names = ["data:.jpg", "upload:1.jpg", "-", "-o.jpg", os.fsdecode(b"caf\xe9.jpg"), "new\nline.jpg", "100%s.jpg"]
    for name in names:
        shutil.copy("cat.jpg", f"./{name}")
    done = program("classify", ".", "--labels", "cat,dog", "--json")
    assert done.returncode == 0, done.stderr
    found = documents(done.stdout)
    assert {Path(document["input"]).name for document in found} == {*names, "cat.jpg"}
    assert {document["labels"][0]["label"] for document in found} == {"cat"}


def test_a_dumb_terminal_is_told_of_a_fetch_in_a_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from sensorium.cli.terminal import Terminal
    from sensorium.progress import Progress

    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    terminal = Terminal()
    terminal.progress(Progress("fetching whisper-base", 1, 147e6, "bytes"))
    terminal.clear_progress()
    assert capsys.readouterr() == ("", "Fetching whisper-base (147 MB)\n")
