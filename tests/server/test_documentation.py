"""What ``docs/server.md`` says is so: its commands run against a server, its table names every operation."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from sensorium.operations.registry import all_operations
from sensorium.server.options import DEFAULT_PORT, ServerOptions
from tests import real_media
from tests.server.conftest import served

PAGE = (Path(__file__).parents[2] / "docs" / "server.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


ASKING = [block for block in blocks("console") if "curl" in block]


def test_the_commands_run(tmp_path: Path) -> None:
    shutil.copy(real_media.photo("chelsea"), tmp_path / "cat.jpg")
    shutil.copy(real_media.speech_clips("en")[0].path, tmp_path / "talk.mp3")
    assert len(ASKING) == 2
    with served(tmp_path / "data") as (address, _):
        answers = [_run(block.replace(f"http://127.0.0.1:{DEFAULT_PORT}", address), tmp_path) for block in ASKING]
    assert answers[0][0] == "OK"
    assert '"text"' in answers[0][2]
    assert "-->" in answers[0][3]
    assert (tmp_path / "morning.mp3").stat().st_size > 1000
    assert '"b64_json"' in answers[0][5]
    assert '"embedding"' in answers[0][6]
    assert '"finish_reason"' in answers[0][7]
    assert '"cat"' in answers[1][1]
    assert "event: ended" in answers[1][2]
    assert "event: ended" in answers[1][4]
    assert '"state":"done"' in answers[1][5].replace(" ", "")
    assert (tmp_path / "dinner.mp3").stat().st_size > 1000


def _run(block: str, folder: Path) -> list[str]:
    """Run the lines of a block in one shell, and return what each printed."""
    mark = "=== the next line ==="
    lines = re.sub(r"curl -s(N?) ", r"curl -sS\1 --fail ", block).splitlines()
    script = "\n".join(f"{line}\necho '{mark}'" for line in lines)
    environment = {**os.environ, "no_proxy": "*"}
    done = subprocess.run(
        ["bash", "-e", "-c", script], cwd=folder, env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return [answer.strip() for answer in done.stdout.split(f"{mark}\n")]


def test_every_operation_is_in_the_table() -> None:
    assert set(re.findall(r"^\| `([a-z-]+)` \| `", PAGE, re.MULTILINE)) == set(all_operations())


@pytest.mark.parametrize("text", blocks("toml"))
def test_the_configurations_can_be_read(text: str) -> None:
    ServerOptions(**tomllib.loads(text))
