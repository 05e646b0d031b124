"""Starting is instant because nothing heavy is imported, and layers stay apart. The graph is held, not the clock."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import sensorium
from benchmarks.cold_start import write_film
from sensorium import settings
from tests import real_media
from tests.checkpoints.diffusion import tiny_stable_diffusion

SOURCE = Path(sensorium.__file__).parent
HEAVY = {
    *("torch", "transformers", "tokenizers", "safetensors", "huggingface_hub", "gguf"),
    *("numpy", "scipy", "PIL", "av", "soundfile", "cv2"),
    *("faster_whisper", "ctranslate2", "onnxruntime", "hibari", "ai_edge_litert"),
    *("diffusers", "peft", "accelerate", "openai"),
    *("lance", "pyarrow", "requests", "httpx"),
    *("s3fs", "ray"),
}

MAIN = "from sensorium.cli import main; main()"


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
    program = f"import sys; sys.argv = {arguments!r}\n{MAIN}"
    assert imported_by(program) & HEAVY == set()


EYES = {"PIL", "ai_edge_litert", "numpy", "onnxruntime", "safetensors", "tokenizers"}
IMPORTS = {
    "prompt": set(),
    "classify": EYES,
    "caption": EYES,
    "ask": EYES,
    "read": {"PIL", "numpy", "onnxruntime"},
    "index": EYES | {"lance", "pyarrow"},
    "search": EYES | {"lance", "pyarrow"},
    "speak": {"av", "hibari", "numpy", "onnxruntime", "scipy"},
    "transcribe": {"av", "ctranslate2", "faster_whisper", "huggingface_hub", "numpy", "onnxruntime", "tokenizers"},
    "watch": EYES | {"av", "ctranslate2", "faster_whisper", "huggingface_hub"},
}
"""Which heavy packages a command imports on the starter profile, from Enter to the result."""


@pytest.fixture(scope="module")
def commands(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    folder = tmp_path_factory.mktemp("commands")
    cat = str(real_media.photo("chelsea"))
    speech = min((clip.path for clip in real_media.speech_clips("en")), key=lambda path: path.stat().st_size)
    film = folder / "film.mp4"
    write_film(film, speech)
    return {
        "watch": [str(film)],
        "prompt": ["a cat on a sofa"],
        "classify": [cat, "--labels", "cat,dog"],
        "caption": [cat],
        "ask": [cat, "What is in the picture?"],
        "read": [cat],
        "index": [cat, "--to", str(folder / "index")],
        "search": ["a cat", "--index", str(folder / "index")],
        "speak": ["Good morning.", "-o", str(folder / "good-morning.wav")],
        "transcribe": [str(speech)],
    }


@pytest.mark.parametrize("command", IMPORTS)
def test_a_command_imports_what_it_needs(command: str, commands: dict[str, list[str]]) -> None:
    if command == "search":
        imported_by(run("index", commands))
    assert imported_by(run(command, commands)) & HEAVY == IMPORTS[command]


def test_no_library_tells_its_maker_about_this_machine(tmp_path: Path) -> None:
    cat = str(real_media.photo("chelsea"))
    speech = min((clip.path for clip in real_media.speech_clips("en")), key=lambda path: path.stat().st_size)
    program = f"""
from sensorium import CLIP, SpeechToText, TextToSpeech

CLIP().zero_shot_classification({cat!r}, ["cat", "dog"])
SpeechToText().transcribe({str(speech)!r})
next(TextToSpeech().stream("Good morning."))
"""
    quiet = {"CI", "GITHUB_ACTIONS", "TF_BUILD"}  # where ONNX Runtime tells nothing by itself
    places = {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache"), "SENSORIUM_HOME": str(settings.home())}
    environment = {name: value for name, value in os.environ.items() if name not in quiet} | places
    subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, env=environment)
    assert [path for path in tmp_path.rglob("*") if "Microsoft" in path.name] == []


def run(command: str, commands: dict[str, list[str]]) -> str:
    """Return a program that runs a command."""
    return f"import sys; sys.argv = {['sensorium', command, *commands[command]]!r}\n{MAIN}"


def test_listing_the_catalog_imports_nothing_heavy() -> None:
    assert imported_by("from sensorium.models import catalog; catalog.entries()") & HEAVY == set()


def test_every_public_name_can_be_imported() -> None:
    for name in sensorium.__all__:
        assert getattr(sensorium, name) is not None
    assert dir(sensorium) == sensorium.__all__


ORDER = (
    {"errors", "version"},
    {"settings", "record", "stored_path", "progress", "quiet", "streaming", "unfinished"},
    {"answer", "arguments", "explanation", "threads", "text"},
    {"media", "models", "storage"},
    {"suitability", "task"},
    {"language"},
    {"vision_language", "image_generation", "speech"},
    {"video", "retrieval"},
    {"operations"},
    {"engine", "batch"},
    {"client"},
    {"tour", "server", "studio", "mcp"},
    {"cluster"},
    {"cli", "__main__", "__init__"},
)
"""The rooms and single files of the house, from the bottom to the top: each imports what is below it or beside it."""


def modules() -> dict[str, Path]:
    """Return the files of the package by the name under which they are imported."""
    named = {".".join(path.relative_to(SOURCE.parent).with_suffix("").parts): path for path in SOURCE.rglob("*.py")}
    return {name.removesuffix(".__init__"): path for name, path in named.items()}


def imports() -> dict[str, set[str]]:
    """Return which of our modules each one imports, wherever in the file."""
    known = modules()
    found: dict[str, set[str]] = {}
    for module, path in known.items():
        names: set[str] = set()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names.update(alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module:
                inside = {f"{node.module}.{alias.name}" for alias in node.names}
                names.update(name if name in known else node.module for name in inside)
        found[module] = names & known.keys() - {module}
    return found


def room(module: str) -> str:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "__init__"


def test_data_flows_one_way() -> None:
    height = {name: level for level, names in enumerate(ORDER) for name in names}
    graph = imports()
    assert sum(map(len, graph.values())) > 500
    unknown = {room(module) for module in graph} - height.keys()
    assert unknown == set(), "say in ORDER where they belong"
    upwards = [
        f"{module} imports {other}"
        for module, others in graph.items()
        for other in others
        if height[room(other)] > height[room(module)]
    ]
    assert upwards == []


def test_no_files_import_each_other_in_a_circle() -> None:
    try:
        TopologicalSorter(imports()).prepare()
    except CycleError as error:
        pytest.fail(f"in a circle: {' -> '.join(error.args[1])}")


def test_only_one_file_reads_the_environment() -> None:
    reading = []
    for module, path in modules().items():
        nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if {"environ", "getenv", "putenv"} & {node.attr for node in nodes if isinstance(node, ast.Attribute)}:
            reading.append(module)
    assert reading == ["sensorium.settings"]


def test_opening_a_painter_writes_nothing_to_the_terminal(tmp_path: Path) -> None:
    folder = tiny_stable_diffusion(tmp_path / "painter")
    program = f"from sensorium import TextToImage; TextToImage({str(folder)!r}).load()"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")
