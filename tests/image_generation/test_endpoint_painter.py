"""Painting through the real client of OpenAI, against a server on this machine that speaks its protocol."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest

from sensorium import TextToImage
from sensorium.errors import CancelledError, InputError, ModelUnavailableError, SensoriumError, UnsupportedError
from sensorium.image_generation.generated_image import read_settings
from tests.openai_server import OpenAIServer, Request, serve_openai, wanted_size

PROMPT = "a lighthouse at dusk"


@pytest.fixture
def server() -> Iterator[OpenAIServer]:
    with serve_openai() as running:
        yield running


def sent_files(request: Request) -> dict[str, PIL.Image.Image]:
    return {name.removesuffix("[]"): PIL.Image.open(io.BytesIO(content)) for name, content in request.files}


def test_generations(server: OpenAIServer, cat: PIL.Image.Image, tmp_path: Path) -> None:
    server.paint = lambda request: cat.resize(wanted_size(request))
    with TextToImage(server.model()) as painter:
        images = painter.generate(PROMPT, num_images=2, width=192, height=128)
    [request] = server.requests
    assert request.path == "/v1/images/generations"
    assert request.body == {
        "model": "tiny",
        "prompt": PROMPT,
        "n": 2,
        "size": "192x128",
        "response_format": "b64_json",
    }
    assert [image.size for image in images] == [(192, 128)] * 2
    assert np.array_equal(np.asarray(images[0]), np.asarray(cat.resize((192, 128))))
    images[0].save(tmp_path / "painted.png")
    settings = read_settings(tmp_path / "painted.png")
    assert (settings.kind, settings.prompt, settings.model, settings.seed) == (
        "text-to-image",
        PROMPT,
        "openai:tiny",
        None,
    )
    with TextToImage(server.model()) as painter, pytest.raises(UnsupportedError, match="takes no seed"):
        painter.paint_again(settings)


def test_size_is_left_to_the_server(server: OpenAIServer) -> None:
    TextToImage(server.model()).generate(PROMPT)
    assert "size" not in server.requests[0].body


def test_edits(server: OpenAIServer, cat: PIL.Image.Image) -> None:
    [repainted] = TextToImage(server.model()).img2img(cat, "a tiger")
    [request] = server.requests
    assert request.path == "/v1/images/edits"
    assert request.body["prompt"] == "a tiger"
    sent = sent_files(request)
    assert set(sent) == {"image"}
    assert np.array_equal(np.asarray(sent["image"]), np.asarray(cat))
    assert repainted.settings.kind == "image-to-image"


def test_inpainting(server: OpenAIServer, cat: PIL.Image.Image) -> None:
    mask = PIL.Image.new("L", (cat.width // 2, cat.height // 2), 0)
    mask.paste(255, (0, 0, mask.width // 2, mask.height))
    [repainted] = TextToImage(server.model()).inpaint(cat, mask, "a hat")
    sent = sent_files(server.requests[0])
    assert set(sent) == {"image", "mask"}
    assert sent["mask"].size == cat.size
    alpha = np.asarray(sent["mask"].getchannel("A"))
    assert alpha[0, 0] == 0, "what is to be repainted is transparent in this protocol"
    assert alpha[0, -1] == 255
    assert repainted.settings.kind == "inpainting"


def test_variations(server: OpenAIServer, cat: PIL.Image.Image) -> None:
    images = TextToImage(server.model()).variations(cat, 2, width=256, height=256)
    [request] = server.requests
    assert request.path == "/v1/images/variations"
    assert request.body["size"] == "256x256"
    assert sent_files(request)["image"].size == (cat.height, cat.height)
    assert [image.settings.kind for image in images] == ["variation"] * 2
    with pytest.raises(UnsupportedError, match="mixes no prompt"):
        TextToImage(server.model()).variations(cat, prompt="a dog")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"steps": 50}, "a number of steps"),
        ({"guidance_scale": 7.5}, "a guidance scale"),
        ({"seed": 0}, "a seed"),
        ({"negative_prompt": "blurry"}, "a negative prompt"),
        ({"scheduler": "euler"}, "a choice of scheduler"),
        ({"safety": "block"}, "a safety setting"),
        ({"width": 512}, "only together"),
    ],
)
def test_what_the_server_would_ignore_is_refused(server: OpenAIServer, settings: dict[str, Any], words: str) -> None:
    with pytest.raises(UnsupportedError, match=words):
        TextToImage(server.model()).generate(PROMPT, **settings)
    assert not server.requests


def test_a_strength_is_refused(server: OpenAIServer, cat: PIL.Image.Image) -> None:
    with pytest.raises(UnsupportedError, match="a strength"):
        TextToImage(server.model()).img2img(cat, PROMPT, 0.6)
    with pytest.raises(UnsupportedError, match="a strength"):
        TextToImage(server.model()).inpaint(cat, cat, PROMPT, 0.6)
    assert not server.requests


@pytest.mark.parametrize(
    ("failure", "error", "words"),
    [
        ((400, "Your request was rejected by the safety system."), InputError, "rejected by the safety system"),
        ((401, "Incorrect API key"), ModelUnavailableError, "refuses the key"),
        ((404, "no such thing"), ModelUnavailableError, "has no model 'tiny', or doesn't offer"),
    ],
)
def test_failures(server: OpenAIServer, failure: tuple[int, str], error: type[SensoriumError], words: str) -> None:
    server.failure = failure
    with pytest.raises(error, match=words):
        TextToImage(server.model()).generate(PROMPT)


def test_an_address_in_place_of_a_picture_is_fetched_with_care(server: OpenAIServer) -> None:
    server.picture_address = f"{server.base_url}/pictures/1.png"
    with pytest.raises(InputError, match=r"127\.0\.0\.1"):
        TextToImage(server.model()).generate(PROMPT)


def test_a_server_names_no_file_of_this_machine(server: OpenAIServer, tmp_path: Path) -> None:
    PIL.Image.new("RGB", (8, 8)).save(tmp_path / "private.png")
    server.picture_address = str(tmp_path / "private.png")
    with pytest.raises(InputError, match="refused"):
        TextToImage(server.model()).generate(PROMPT)


def test_bad_input_costs_no_request(server: OpenAIServer) -> None:
    with pytest.raises(InputError, match="The prompt is empty"):
        TextToImage(server.model()).generate(" ")
    assert not server.requests


def test_cancel_hangs_up(server: OpenAIServer) -> None:
    asked, release, cancel = threading.Event(), threading.Event(), threading.Event()

    def paint(request: Request) -> PIL.Image.Image:
        asked.set()
        release.wait(20)
        return PIL.Image.new("RGB", (8, 8))

    server.paint = paint
    threading.Thread(target=lambda: (asked.wait(20), cancel.set()), daemon=True).start()
    began = time.monotonic()
    with pytest.raises(CancelledError):
        TextToImage(server.model()).generate(PROMPT, cancel=cancel)
    assert time.monotonic() - began < 10
    release.set()
    assert TextToImage(server.model()).generate(PROMPT, cancel=threading.Event())


def test_without_a_key_nothing_is_requested(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    with pytest.raises(ModelUnavailableError, match="needs a key"):
        TextToImage("openai:gpt-image-2").generate(PROMPT)
