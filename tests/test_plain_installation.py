"""The plain installation, without torch: built as a wheel, installed into an empty environment, and used there."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from sensorium.models import catalog, store
from sensorium.models.extras import EXTRAS
from tests.real_media import film, photo, speech_clips

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment with the wheel and what it depends on; returns its folder of programs."""
    folder = tmp_path_factory.mktemp("plain")
    pip = ["-m", "pip", "--quiet", "--disable-pip-version-check"]
    _run([sys.executable, *pip, "wheel", "--no-deps", "--wheel-dir", folder, ROOT])
    (wheel,) = folder.glob("sensorium-*.whl")
    _run([sys.executable, "-m", "venv", folder / "venv"])
    programs = folder / "venv" / "bin"
    _run([programs / "python", *pip, "install", "--constraint", ROOT / "constraints.txt", wheel])
    return programs


def sensorium(environment: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [environment / "sensorium", *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, stdin=subprocess.DEVNULL, env=variables, cwd=environment, check=False
    )


def test_nothing_of_an_extra_is_installed(environment: Path) -> None:
    modules = [module for modules in EXTRAS.values() for module in modules]
    program = f"from importlib.util import find_spec; print([name for name in {modules} if find_spec(name)])"
    assert _run([environment / "python", "-c", program]).strip() == "[]"


def test_eyes_ears_voice_and_search_work(environment: Path, tmp_path: Path) -> None:
    cat = photo("chelsea")
    speech = min((clip for clip in speech_clips("en")), key=lambda clip: clip.path.stat().st_size)
    index, sound = tmp_path / "index", tmp_path / "hello.wav"
    expected = {
        ("classify", cat, "--labels", "cat,dog"): "cat",
        ("caption", cat): "cat",
        ("ask", cat, "What is in the picture?"): "cat",
        ("index", cat, photo("coffee"), "--to", index): "2 added",
        ("search", "a cup of coffee", "--index", index, "-n", "1"): "coffee",
        ("transcribe", speech.path): speech.text.split()[0],
        ("speak", "Good morning.", "-o", sound): str(sound),
        ("watch", film("Megamind"), "--frames", "2"): "It is said",
    }
    for arguments, found in expected.items():
        done = sensorium(environment, *arguments)
        assert done.returncode == 0, (arguments, done.stderr)
        assert found.lower() in done.stdout.lower(), (arguments, done.stdout)
    assert sound.stat().st_size > 10_000


def test_the_language_model_is_converted_and_answers(environment: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    shutil.copytree(
        store.locate(catalog.resolve("smollm2-135m", task="text-generation")), home / "checkpoints" / "smollm2-135m"
    )
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    asked = "How many legs does a spider have?"
    program = f"from sensorium import LanguageModel; print(LanguageModel().generate({asked!r}))"
    done = subprocess.run(
        [environment / "python", "-c", program],
        capture_output=True,
        text=True,
        env={**variables, "SENSORIUM_HOME": str(home), "SENSORIUM_OFFLINE": "1"},
        check=False,
    )
    # One that it answers with the rounding of any processor; the capital of France isn't.
    assert "8" in done.stdout, done.stderr
    assert (home / "derived" / "smollm2-135m" / "ctranslate2-int8").is_dir()


@pytest.mark.parametrize(
    "arguments",
    [
        ("imagine", "a cartoon of a red car"),
        ("control", "CAT", "--map-only", "--control", "canny"),
        ("classify", "CAT", "--labels", "cat,dog", "--profile", "standard"),
        ("ask", "CAT", "What is it?", "--profile", "standard"),
        ("prompt", "a cat", "--tokens"),
        ("ask", "CAT", "What is it?", "--model", "openai:gpt-4o-mini"),
    ],
    ids=lambda arguments: " ".join(arguments[:1] + arguments[-1:]),
)
def test_what_needs_more_names_the_extra(environment: Path, arguments: Sequence[str], tmp_path: Path) -> None:
    given = [str(photo("chelsea")) if argument == "CAT" else argument for argument in arguments]
    output = ["--output", str(tmp_path / "out.png")] if arguments[0] in ("imagine", "control") else []
    done = sensorium(environment, *given, *output)
    assert done.returncode == 3
    assert "pip install 'sensorium[" in done.stderr
    assert "Fetching" not in done.stderr, "nothing is fetched that could not be used"
    assert list(tmp_path.iterdir()) == []


def test_the_doctor_finds_the_starter_at_work(environment: Path) -> None:
    done = sensorium(environment, "doctor")
    assert done.returncode == 0, done.stdout
    assert "sensorium[torch]" in done.stdout


def _run(command: Sequence[str | Path]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout
