"""``sensorium serve`` as a command: what it refuses, and that it has an option for each field of its configuration."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import get_origin

import pytest

from sensorium.server.options import ServerOptions
from tests.cli.conftest import Run
from tests.server.conftest import served


def test_a_second_server_on_the_same_folder_is_refused(tmp_path: Path, run: Run) -> None:
    with served(tmp_path, "--no-preload"):
        second = run("serve", "--port", "0", "--data", tmp_path)
        assert second.exit_code == 2
        assert str(tmp_path) in second.stderr


def test_what_cannot_be_served_is_refused_in_a_sentence(tmp_path: Path, run: Run) -> None:
    file = tmp_path / "sensorium.toml"
    file.write_text("qeue = 3\n", encoding="utf-8")
    for arguments, named in (
        (["--config", str(file)], "queue"),
        (["--host", "0.0.0.0"], "0.0.0.0"),
        (["--queue", "0"], "queue"),
        (["--no-such-option"], "--no-such-option"),
    ):
        done = run("serve", *arguments)
        assert done.exit_code == 2
        assert named in done.stderr


def test_every_field_of_the_configuration_is_an_option_with_its_words(run: Run) -> None:
    shown = " ".join(run("serve", "--help", terminal_width=400).stdout.split())
    for name, field in ServerOptions.model_fields.items():
        if get_origin(field.annotation) is not dict:
            assert f"--{name.replace('_', '-')}" in shown
            assert field.description


@pytest.mark.parametrize(
    ("arguments", "preload", "fetch_from"),
    [
        ((), False, ("images.example.org",)),
        (("--preload",), True, ("images.example.org",)),
        (("--no-preload", "--fetch-from", "a.example.org"), False, ("a.example.org",)),
    ],
)
def test_what_the_command_leaves_out_the_file_says(
    arguments: Sequence[str],
    preload: bool,
    fetch_from: tuple[str, ...],
    tmp_path: Path,
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    chosen: list[ServerOptions] = []
    monkeypatch.setattr("sensorium.server.program.serve", lambda engine, options, ready: chosen.append(options))
    file = tmp_path / "sensorium.toml"
    file.write_text('preload = false\nfetch_from = ["images.example.org"]\n', encoding="utf-8")
    done = run("serve", "--config", file, "--data", tmp_path / "data", *arguments)
    assert done.exit_code == 0, done.stderr
    assert (chosen[0].preload, chosen[0].fetch_from) == (preload, fetch_from)
