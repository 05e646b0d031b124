"""Starting is instant because nothing heavy is imported, and layers stay apart. The graph is held, not the clock."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

import sensorium
from tests.checkpoints.diffusion import tiny_stable_diffusion

SOURCE = Path(sensorium.__file__).parent
TASKS = {"vision_language", "image_generation", "language", "speech", "video", "retrieval"}
HEAVY = {
    *("torch", "transformers", "tokenizers", "safetensors", "huggingface_hub", "gguf"),
    *("numpy", "scipy", "PIL", "av", "soundfile", "cv2"),
    *("faster_whisper", "ctranslate2", "onnxruntime", "hibari", "ai_edge_litert"),
    *("diffusers", "peft", "accelerate", "openai"),
    *("lancedb", "pyarrow", "requests", "httpx"),
}


def imported_by(program: str) -> set[str]:
    """Run a program in a new interpreter; return the packages that it imported."""
    report = (
        "import atexit, json, sys; atexit.register(lambda: print(json.dumps(sorted(sys.modules)), file=sys.stderr))"
    )
    ran = subprocess.run([sys.executable, "-c", f"{report}\n{program}"], capture_output=True, text=True, check=True)
    return {name.partition(".")[0] for name in json.loads(ran.stderr.splitlines()[-1])}


def test_import_sensorium_imports_next_to_nothing() -> None:
    ours = imported_by("import sensorium") - imported_by("pass")
    third_party = {name for name in ours if name not in sys.stdlib_module_names}
    assert third_party == {"sensorium"}


@pytest.mark.parametrize("command", ["", "transcribe", "imagine", "models"])
def test_the_command_lines_help_imports_nothing_heavy(command: str) -> None:
    arguments = ["sensorium", *command.split(), "--help"]
    program = f"import sys; sys.argv = {arguments!r}\nfrom sensorium.cli import main; main()"
    assert imported_by(program) & HEAVY == set()


def test_listing_the_catalog_imports_nothing_heavy() -> None:
    assert imported_by("from sensorium.models import catalog; catalog.entries()") & HEAVY == set()


def test_every_public_name_can_be_imported() -> None:
    for name in sensorium.__all__:
        assert getattr(sensorium, name) is not None
    assert dir(sensorium) == sensorium.__all__


def layers() -> list[tuple[str, str]]:
    """Return every file of the package with each of our modules that it imports, wherever in the file."""
    found = []
    for path in sorted(SOURCE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            if isinstance(node, ast.ImportFrom) and node.module == "sensorium":
                names = [f"sensorium.{alias.name}" for alias in node.names]
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            found += [(str(path.relative_to(SOURCE)), name) for name in names if name.startswith("sensorium.")]
    return found


def test_data_flows_one_way() -> None:
    front_ends = {"cli", "tour"}
    forbidden = {"media": TASKS | front_ends | {"task"}, "models": TASKS | front_ends | {"task", "media"}}
    forbidden.update(dict.fromkeys(TASKS, front_ends))
    imports = layers()
    assert len(imports) > 100
    broken = [
        f"{file} imports {name}"
        for file, name in imports
        if name.split(".")[1] in forbidden.get(file.split("/")[0], set())
    ]
    assert broken == []


def test_opening_a_painter_writes_nothing_to_the_terminal(tmp_path: Path) -> None:
    folder = tiny_stable_diffusion(tmp_path / "painter")
    program = f"from sensorium import TextToImage; TextToImage({str(folder)!r}).load()"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")
