"""What can be copied of a job does the same again: as a command, a program and a request."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import httpx2
import PIL.Image
import pytest
from typer.main import get_command

from sensorium.cli.app import app
from sensorium.client import Client
from sensorium.engine.job import Job
from sensorium.operations.registry import all_operations
from sensorium.studio.again.command import command_of
from sensorium.studio.again.curl import curl_of
from sensorium.studio.again.program import program_of
from sensorium.studio.again.wish import wish_of
from sensorium.studio.recipes import recipes_of
from sensorium.studio.wording import Wording
from tests import real_media
from tests.studio.conftest import Open, begin, wait_until_done

PROMPT = 'a "red" `house` at $5'


def done(address: str, operation: str, **fields: Any) -> Job:
    """Return an ended job of the server."""
    with Client(address) as client:
        job = client.submit(operation, fields)
        list(client.events(job.id))
        found = client.job(job.id)
    assert found.state == "done", found.error
    return found


def uploaded(address: str, path: Path) -> str:
    with httpx2.Client(base_url=address, trust_env=False) as http:
        sent = http.post("/v1/sensorium/uploads", params={"name": path.name}, content=path.read_bytes())
    return f"upload:{sent.json()['id']}"


def in_a_shell(folder: Path, text: str) -> str:
    """Run lines as a person who has copied them; return what they print."""
    known = f'sensorium() {{ {shlex.quote(sys.executable)} -m sensorium "$@"; }}\n'
    ran = subprocess.run(["bash", "-ec", known + text], cwd=folder, capture_output=True, text=True)
    assert ran.returncode == 0, text + ran.stderr
    return ran.stdout


def as_a_program(folder: Path, text: str) -> str:
    ran = subprocess.run([sys.executable, "-c", text], cwd=folder, capture_output=True, text=True)
    assert ran.returncode == 0, text + ran.stderr
    return ran.stdout


def recipes(job: Job, address: str, names: Mapping[str, str] | None = None) -> tuple[str, str, str]:
    made = recipes_of(wish_of(job, names or {}), address, Wording("en"), with_key=False)
    return made.command, made.python, made.curl


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty folder with what a visitor has on the disk."""
    shutil.copyfile(real_media.photo("chelsea"), tmp_path / "my cat.jpg")
    return tmp_path


def test_a_classification(studio: str, folder: Path) -> None:
    media = uploaded(studio, folder / "my cat.jpg")
    job = done(studio, "classify", image=media, labels=["a cat", "a 'quoted' dog"])
    command, program, curl = recipes(job, studio, {media: "my cat.jpg"})
    assert job.result is not None
    scores = {entry["label"]: round(entry["score"], 2) for entry in job.result["labels"]}
    printed = in_a_shell(folder, f"{command} --json")
    assert {entry["label"]: round(entry["score"], 2) for entry in json.loads(printed)["labels"]} == scores
    assert "a cat" in as_a_program(folder, program)
    answered = json.loads(in_a_shell(folder, curl))["result"]
    assert {entry["label"]: round(entry["score"], 2) for entry in answered["labels"]} == scores
    assert all("my cat.jpg" in text.splitlines()[0] for text in (command, program, curl))


def pixels(path: Path) -> bytes:
    with PIL.Image.open(path) as picture:
        return picture.convert("RGB").tobytes()


def painted_again(job: Job, studio: str, folder: Path, names: Mapping[str, str]) -> None:
    """Expect that each way paints the same first picture."""
    with Client(studio) as client:
        client.download(job.id, job.artifacts[0].name, folder / "first.png")
    first = pixels(folder / "first.png")
    command, program, curl = recipes(job, studio, names)
    several = len(job.artifacts) > 1
    for text, run, file in (
        (command, in_a_shell, "picture-1.png" if several else "picture.png"),
        (program, as_a_program, "picture-1.png"),
        (curl, in_a_shell, job.artifacts[0].name),
    ):
        run(folder, text)
        assert pixels(folder / file) == first, text
        (folder / file).unlink()


def test_a_picture_whose_seed_was_left_to_chance(studio: str, folder: Path) -> None:
    painted_again(done(studio, "imagine", prompt=PROMPT, num_images=2), studio, folder, {})


def test_a_picture_from_a_picture(studio: str, folder: Path) -> None:
    media = uploaded(studio, folder / "my cat.jpg")
    job = done(studio, "edit", image=media, prompt="-a dog", strength=0.5, width=64, height=64, seed=3)
    painted_again(job, studio, folder, {media: "my cat.jpg"})


def test_speech_and_its_transcription(studio: str, folder: Path) -> None:
    job = done(studio, "speak", text="It's a fine day.", format="wav")
    command, program, curl = recipes(job, studio)
    for text, run in ((command, in_a_shell), (program, as_a_program), (curl, in_a_shell)):
        run(folder, text)
        assert (folder / "speech.wav").stat().st_size > 1000
        shutil.move(folder / "speech.wav", folder / "fine day.wav")
    media = uploaded(studio, folder / "fine day.wav")
    said = done(studio, "transcribe", audio=media, language="en")
    assert said.result is not None
    command, program, curl = recipes(said, studio, {media: "fine day.wav"})
    assert in_a_shell(folder, command).split() == as_a_program(folder, program).split() == said.result["text"].split()
    assert json.loads(in_a_shell(folder, curl))["result"]["text"] == said.result["text"]


def test_a_file_of_an_earlier_job_is_told_by_its_address(studio: str, folder: Path) -> None:
    painted = done(studio, "imagine", prompt="a red house", seed=1)
    job = done(studio, "caption", image=f"artifact:{painted.id}/{painted.artifacts[0].name}")
    command, _, curl = recipes(job, studio)
    assert f"{studio}/v1/sensorium/jobs/{painted.id}/artifacts/{painted.artifacts[0].name}" in command
    assert job.result is not None
    assert json.loads(in_a_shell(folder, curl))["result"]["text"] == job.result["text"]


@cache
def examples() -> dict[str, dict[str, Any]]:
    """Return fields of every operation, as many as commands and programs know."""
    painting = {"steps": 3, "seed": 1, "width": 64, "height": 64, "num_images": 2, "guidance_scale": 2.0}
    prompted = {**painting, "prompt": "a house", "negative_prompt": "fog", "scheduler": "euler", "safety": "off"}
    parts = {"base": "b", "vae": "v", "without": ["text_encoder_3"]}
    added = {
        "lora": [{"file": "upload:l", "weight": 0.5}, {"name": "org/ink", "weight": 0.4}],
        "embedding": [{"file": "upload:e", "word": "bad-hands"}],
        "ip_adapter": [{"images": ["upload:s", "upload:t"], "file": "upload:p", "scale": 0.5, "part": "style"}],
    }
    listening = {"audio": "upload:a", "language": "en", "hotwords": "Ashleigh", "aligner": "b", "track": 1}
    answering = {
        "film": "upload:f",
        "captioner": "a",
        "language_model": "b",
        "speech": "c",
        "num_frames": 4,
        "track": 1,
    }
    return {
        "ask": {"image": "upload:i", "question": "Why?", "model": "starter-eyes"},
        "ask-film": {**answering, "question": "Why?"},
        "build-prompt": {
            "subject": "a cat",
            "style": "watercolor",
            "details": ["fur"],
            "lighting": "dim",
            "camera": "low",
        },
        "caption": {"image": "upload:i"},
        "chat": {
            "messages": [
                {"role": "user", "content": [{"type": "image", "image": "upload:i"}, {"type": "text", "text": "Hi"}]},
                {"role": "assistant", "content": "A cat."},
                {"role": "user", "content": "Sure?"},
            ],
            "temperature": 0.5,
            "top_p": 0.9,
            "seed": 1,
            "max_new_tokens": 9,
            "stop": ["."],
        },
        "classify": {"image": "upload:i", "labels": ["a", "b"]},
        "classify-film": {"film": "upload:f", "labels": ["a", "b"], "encoder": "e"},
        "clone": {
            "text": "Hi",
            "reference": "upload:r",
            "consent": "I am the speaker",
            "reference_text": "Ho",
            "seed": 1,
        },
        "control": {
            **prompted,
            "reference": "upload:i",
            "controls": ["canny", "depth"],
            "weights": {"canny": 0.5},
            "image": "upload:j",
            "strength": 0.5,
            **added,
            "controlnets": {"canny": "c"},
            "annotators": {"depth": "depth-anything-v2-small"},
        },
        "control-map": {"image": "upload:i", "control": "canny", "settings": {"low_threshold": 50}},
        "count-tokens": {"prompt": "a house"},
        "describe-film": answering,
        "detect-language": {"audio": "upload:a", "aligner": "b", "track": 1},
        "diarize": {"audio": "upload:a", "voices": {"Anna": "upload:b"}, "model": "m", "track": 1},
        "edit": {
            **prompted,
            "image": "upload:i",
            "mask": "upload:m",
            "strength": 0.5,
            "style": "watercolor",
            **added,
            **parts,
        },
        "embed": {"images": ["upload:i", "upload:j"], "texts": ["a cat"], "sounds": ["upload:r"], "role": "query"},
        "find-moment": {"film": "upload:f", "text": "a cat", "limit": 3, "encoder": "e"},
        "imagine": {**prompted, "style": "watercolor", **added, **parts},
        "index": {"files": ["upload:i", "upload:j"], "index": "holiday", "every": 1.0, "dimensions": 256},
        "moderate": {"source": "upload:f", "labels": ["weapons"]},
        "paint-again": {
            "picture": "upload:i",
            "model": "starter-painter",
            "image": "upload:j",
            "mask": "upload:m",
            **parts,
        },
        "read": {"image": "upload:i"},
        "read-film": {"film": "upload:f"},
        "remove-from-index": {"files": ["upload:i"], "index": "holiday"},
        "search": {
            **{"text": "a cat", "image": "upload:i", "sound": "upload:r", "index": "holiday", "limit": 3},
            "all_moments": True,
        },
        "speak": {"text": "Hi", "voice": "ash", "speed": 1.5, "seed": 1, "language": "en"},
        "subtitle": {**listening, "format": "vtt", "translate": True, "words": True, "speakers": True},
        "transcribe": {**listening, "word_timestamps": True, "voices": {"Anna": "upload:b"}, "diarizer": "d"},
        "translate": listening,
        "vary": {**painting, "image": "upload:i", "model": "kandinsky-2-2", "prompt": "fog", "prompt_weight": 0.3},
    }


@pytest.mark.parametrize("name", sorted(all_operations()))
def test_every_operation_has_a_command_that_the_command_line_reads_and_a_request(name: str) -> None:
    fields = examples()[name]
    wish = wish_of(Job("job", "", name, fields, "queued"), {})
    command, beyond = command_of(wish, "http://127.0.0.1:1")
    words = shlex.split(command.rpartition(" | ")[2].replace("\\\n", ""))
    known = get_command(app).commands[words[1]]  # type: ignore[attr-defined]
    with known.make_context(words[1], words[2:]) as context:
        assert {file for file in wish.names.values() if file not in command} == set()
        assert context.params
    assert beyond == ()
    assert curl_of(wish, "http://127.0.0.1:1", with_key=True).count("Authorization: Bearer $SENSORIUM_API_KEY") >= 1
    program, _ = program_of(wish)
    if program:
        compile(program, name, "exec")


def test_what_a_command_cannot_say_is_told() -> None:
    fields = {"audio": "upload:a", "initial_prompt": "Minutes"}
    job = Job("job", "", "transcribe", fields, "queued")
    command, program, _ = recipes(job, "http://127.0.0.1:1")
    assert "initial_prompt" in command
    assert 'initial_prompt="Minutes"' in program
    command, _, _ = recipes(
        replace(job, operation="classify", arguments={"image": "upload:a", "labels": ["a,b", "c"]}), ""
    )
    assert "labels" in command.splitlines()[1]


def test_the_page_offers_them(open_page: Open) -> None:
    page = open_page("paint")
    wait_until_done(page, "paint", begin(page, "paint", "#paint-example"))
    page.locator("#paint-recipes button").first.click()
    page.locator("#paint-recipe-command", has_text="sensorium imagine 'a red house'").wait_for()
    page.locator("#paint-recipe-python", has_text="from sensorium import TextToImage").wait_for()
    page.locator("#paint-recipe-curl", has_text="/v1/sensorium/imagine").wait_for()
