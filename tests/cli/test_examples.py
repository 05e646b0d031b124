"""Every example in every help runs as written, on real files under the names that it uses."""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import pytest
from safetensors.numpy import save_file
from typer.main import get_command

from sensorium.cli import search
from sensorium.cli.app import app
from sensorium.video.moderation_policy import shipped_policy_text
from tests import real_media
from tests.checkpoints.annotators import tiny_depth_anything
from tests.checkpoints.controlnet import tiny_controlnet
from tests.checkpoints.diarizers import tiny_nemotron_diarizer
from tests.checkpoints.diffusion import tiny_stable_diffusion
from tests.checkpoints.documents import tiny_lighton_ocr
from tests.checkpoints.speech import tiny_csm, tiny_speaker_encoder, tiny_vits
from tests.checkpoints.unclip import tiny_kandinsky
from tests.cli.conftest import Run
from tests.server.conftest import served

pytestmark = pytest.mark.usefixtures("loaded_clip", "loaded_answerers")


def _examples(command: Any) -> Iterator[str]:
    epilog = command.epilog or ""
    yield from (line.strip() for line in epilog.partition("Examples:\n")[2].splitlines())
    for child in getattr(command, "commands", {}).values():
        yield from _examples(child)


EVERY = set(_examples(get_command(app)))
SERVING = sorted(example for example in EVERY if example.startswith(("sensorium serve", "sensorium studio")))
# The tour takes minutes and has tests of its own; tools for agents wait for an agent, and have theirs.
ELSEWHERE = ("sensorium tour", "sensorium mcp")
EXAMPLES = sorted(example for example in EVERY - set(SERVING) if not example.startswith(ELSEWHERE))
ON_A_SERVER = ("sensorium jobs ", *(f"sensorium models {name}" for name in ("loaded", "load ", "unload ", "pin ")))


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory, short_film: Path) -> Path:
    """A folder with everything that the examples name."""
    folder = tmp_path_factory.mktemp("examples")
    english, spanish = (
        min(real_media.speech_clips(language), key=lambda clip: len(clip.text)).path for language in ("en", "es")
    )
    (folder / "photos").mkdir()
    (folder / "recordings").mkdir()
    (folder / "pages").mkdir()
    for source, name in (
        (real_media.photo("chelsea"), "cat.jpg"),
        (real_media.photo("astronaut"), "scene.jpg"),
        (real_media.photo("rocket"), "photos/rocket.jpg"),
        (english, "interview.mp3"),
        (english, "meeting.wav"),
        (english, "anna.wav"),
        (real_media.photo("coffee"), "page.png"),
        (real_media.writing("linux")[0], "sign.jpg"),
        (real_media.writing("biscuits")[0], "pages/1.png"),
        (english, "recordings/talk.wav"),
        (spanish, "entrevista.wav"),
        (short_film, "film.mp4"),
    ):
        shutil.copy(source, folder / name)
    shutil.copy(real_media.speech_clips("en")[0].path, folder / "voice.wav")
    (folder / "story.txt").write_text("Once upon a time there was a cat.")
    (folder / "my-policy.toml").write_text(shipped_policy_text())
    (folder / "photos" / "old").mkdir()
    shutil.copy(real_media.photo("coffee"), folder / "photos" / "old")
    (folder / "sensorium.toml").write_text("queue = 16\n")
    lora = {"lora_unet_mid_block_attentions_0_proj_in.lora_down.weight": np.zeros((4, 768), np.float16)}
    save_file(lora, folder / "ink.safetensors")
    (folder / "wildcards").mkdir()
    (folder / "wildcards" / "colour.txt").write_text("red\ngreen\n")
    return folder


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server that holds a loaded model."""
    with served(tmp_path_factory.mktemp("data"), "--no-preload") as (address, _):
        yield address


@pytest.fixture(scope="module")
def control_substitutes(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Tiny checkpoints in the place of those with which the standard profile paints."""
    folder = tmp_path_factory.mktemp("control")
    base = tiny_stable_diffusion(folder / "sd")
    network = tiny_controlnet(folder / "controlnet", base)
    substitutes = {
        "stable-diffusion-v1-5": base,
        "stable-diffusion-2-1": base,
        **{f"sd-controlnet-{kind}": network for kind in ("openpose", "canny", "depth")},
        "depth-anything-v2-small": tiny_depth_anything(folder / "depth"),
        "vitpose-base": "blazepose-poses",
    }
    return ",".join(f"{name}={used}" for name, used in substitutes.items())


@pytest.fixture(scope="module")
def variation_substitute(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A tiny Kandinsky in the place of the real one."""
    folder = tmp_path_factory.mktemp("kandinsky")
    _, decoder = tiny_kandinsky(folder, prior=str(folder / "prior"))
    return f"kandinsky-2-2={decoder}"


@pytest.fixture(scope="module")
def voice_substitutes(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Tiny checkpoints in the place of the chapter's voice and of the one that clones."""
    folder = tmp_path_factory.mktemp("voices")
    return f"mms-tts-eng={tiny_vits(folder / 'vits')},csm-1b={tiny_csm(folder / 'csm')}"


@pytest.fixture(scope="module")
def further_substitutes(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Tiny checkpoints in the place of those that tell speakers apart, compare voices and read pages."""
    folder = tmp_path_factory.mktemp("further")
    substitutes = {
        "nemotron-3-diarization": tiny_nemotron_diarizer(folder / "diarizer", only=0),
        "wavlm-base-plus-sv": tiny_speaker_encoder(folder / "voices"),
        "lightonai/LightOnOCR-2-1B": tiny_lighton_ocr(folder / "pages"),
    }
    return ",".join(f"{name}={used}" for name, used in substitutes.items())


def _job(address: str, *, waits: bool) -> str:
    """Submit a job, and return its id once it has ended, or while it waits in a queue that is paused."""
    with httpx2.Client(base_url=f"{address}/v1/sensorium", trust_env=False, timeout=120) as http:
        http.post("/queue/pause" if waits else "/queue/resume").raise_for_status()
        fields = {"prompt": "a red car", "steps": 1}
        job = str(http.post("/imagine", params={"background": "true"}, json=fields).json()["id"])
        if not waits:
            http.get(f"/jobs/{job}/events").raise_for_status()
        return job


def test_there_are_examples() -> None:
    assert len(EXAMPLES) > 25


@pytest.mark.parametrize("example", EXAMPLES)
def test_example(
    run: Run,
    media: Path,
    example: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    monkeypatch.chdir(media)
    monkeypatch.setenv("SENSORIUM_OFFLINE", "1")
    monkeypatch.setattr(search, "default_index", lambda: media / "default-index")
    if example.startswith(ON_A_SERVER):
        address = request.getfixturevalue("server")
        monkeypatch.setenv("SENSORIUM_SERVER", address)
        example = example.replace(" ID", f" {_job(address, waits=' move ' in example)}")
    if example == "sensorium index --remove photos/old":
        assert run("index", "photos", "-q").exit_code == 0
    if " remove " in example:
        monkeypatch.setenv("SENSORIUM_HOME", str(tmp_path))
    if "holiday-index" in example or example.startswith("sensorium search"):
        index = ["--to", "holiday-index"] if "holiday-index" in example else []
        assert run("index", "photos", "-q", *index).exit_code == 0
    if example.startswith("sensorium control ") and "--map-only" not in example:
        assert run("control", "scene.jpg", "--map-only", "-c", "canny", "-o", "edges.png").exit_code == 0
        if "--map " not in example:  # the starter follows edges only
            monkeypatch.setenv("SENSORIUM_PROFILE", "standard")
            monkeypatch.setenv("SENSORIUM_SUBSTITUTE", request.getfixturevalue("control_substitutes"))
    if example.startswith(("sensorium imagine ", "sensorium edit ")):
        assert run("imagine", "a cat", "--steps", "2", "-o", "painted.png").exit_code == 0
        shutil.copy("painted.png", "mask.png")
    if " --like " in example:
        monkeypatch.setenv("SENSORIUM_SUBSTITUTE", request.getfixturevalue("variation_substitute"))
    if example.startswith("sensorium prompt ") and "--tokens" in example:
        monkeypatch.setenv("SENSORIUM_SUBSTITUTE", request.getfixturevalue("control_substitutes"))
    if example.startswith("sensorium clone ") or "mms-tts-eng" in example:
        monkeypatch.setenv("SENSORIUM_SUBSTITUTE", request.getfixturevalue("voice_substitutes"))
    if "nemotron-3" in example or "LightOnOCR" in example:
        monkeypatch.setenv("SENSORIUM_SUBSTITUTE", request.getfixturevalue("further_substitutes"))
    piped = re.fullmatch(r"echo '(.*)' \| sensorium (.*)", example)
    arguments = shlex.split(piped[2] if piped else example.removeprefix("sensorium ").partition(" > ")[0])
    result = run(*arguments, input=f"{piped[1] if piped else 'What is it?'}\n")
    assert result.exit_code == 0, result.output
    assert result.stdout or "nothing is written there" in result.stderr


@pytest.mark.parametrize("example", SERVING)
def test_serving_example(media: Path, example: str, tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(media)
    if "--keys" in example and not Path("keys.toml").exists():
        assert run("keys", "new", "anna", "keys.toml").exit_code == 0
    _, command, *options = shlex.split(example)
    if command == "studio":
        options.append("--no-open")
    # Whatever port the example names may be taken here; the last one counts.
    with served(tmp_path, "--no-preload", *options, "--port", "0", command=command) as (address, _):
        assert httpx2.get(f"{address}/health", trust_env=False).text == "OK"
