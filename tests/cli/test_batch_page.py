"""The examples of ``docs/batch.md`` run as written."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest

from tests import real_media
from tests.cli.conftest import Run

PAGE = (Path(__file__).parents[2] / "docs" / "batch.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@pytest.mark.usefixtures("loaded_clip", "loaded_answerers")
def test_the_page(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for source, name in (
        (real_media.photo("chelsea"), "photos/cat.jpg"),
        (min(real_media.speech_clips("en"), key=lambda clip: len(clip.text)).path, "recordings/talk.wav"),
        (real_media.photo("chelsea"), "cat.jpg"),
        (real_media.photo("coffee"), "page.png"),
    ):
        Path(name).parent.mkdir(exist_ok=True)
        shutil.copy(source, name)
    Path("story.txt").write_text("Once upon a time.\nThere was a cat.\n")
    [table] = blocks("csv")
    Path("questions.csv").write_text(table)
    [commands] = blocks("sh")
    for command in commands.splitlines():
        result = run(*shlex.split(command)[1:])
        assert result.exit_code == 0, result.output
    [program] = blocks("python")
    exec(program, {})
    assert "'label': 'cat'" in capsys.readouterr().out
