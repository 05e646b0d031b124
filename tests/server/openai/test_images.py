"""Pictures painted, repainted and varied, as OpenAI's client and other programs ask for them."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import time
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import openai
import PIL.Image
import pytest

from sensorium.image_generation.generated_image import read_settings
from tests import real_media
from tests.checkpoints.unclip import tiny_kandinsky
from tests.server.conftest import served

GENERATIONS, EDITS, VARIATIONS = "/v1/images/generations", "/v1/images/edits", "/v1/images/variations"
CUP = "a flat drawing of a cup of coffee"
FEW: dict[str, Any] = {"steps": 4, "seed": 7}
PHOTO = real_media.photo("coffee")


def opened(content: str) -> PIL.Image.Image:
    picture = PIL.Image.open(io.BytesIO(base64.b64decode(content)))
    picture.load()
    return picture


def pixels(content: str) -> np.ndarray[Any, Any]:
    return np.asarray(opened(content).convert("RGB")).astype(int)


def half_transparent() -> bytes:
    """Return a mask whose left half is transparent."""
    mask = PIL.Image.new("RGBA", (64, 64), (0, 0, 0, 255))
    mask.paste((0, 0, 0, 0), (0, 0, 32, 64))
    file = io.BytesIO()
    mask.save(file, "PNG")
    return file.getvalue()


def told(answer: httpx2.Response) -> list[dict[str, Any]]:
    return [json.loads(line[5:]) for line in answer.text.splitlines() if line.startswith("data:")]


def error_in(answer: httpx2.Response, status: int = 400) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    error: dict[str, Any] = answer.json()["error"]
    assert error["message"]
    return error


def test_a_picture_comes_in_base64_and_says_how_it_was_made(client: openai.OpenAI) -> None:
    answer = client.images.with_raw_response.generate(model="gpt-image-1", prompt=CUP, extra_body=FEW)
    assert answer.headers["x-sensorium-model"] == "painter-starter"
    assert "x-sensorium-ignored" not in answer.headers
    made: Any = answer.parse()
    (picture,) = made.data
    assert picture.url is None
    assert picture.revised_prompt is None
    assert (made.size, made.output_format, made.background) == ("64x64", "png", "opaque")
    assert opened(picture.b64_json).size == (64, 64)
    settings = read_settings(base64.b64decode(picture.b64_json))
    assert (settings.seed, settings.steps, settings.prompt) == (7, 4, CUP)
    assert picture.sensorium["seed"] == 7


def test_the_size_is_a_wish_and_the_answer_says_what_was_painted(client: openai.OpenAI) -> None:
    for asked, painted in {"1024x1024": (64, 64), "1536x1024": (80, 56), "auto": (64, 64), "72x64": (72, 64)}.items():
        made = client.images.generate(prompt=CUP, size=asked, extra_body=FEW)
        assert made.data
        assert opened(made.data[0].b64_json or "").size == painted
        assert made.size == f"{painted[0]}x{painted[1]}"


def test_several_pictures_in_the_format_that_was_asked_for(client: openai.OpenAI) -> None:
    sizes = {}
    for form, compression in (("png", None), ("webp", 100), ("webp", 5), ("jpeg", 50)):
        more = {} if compression is None else {"output_compression": compression}
        made = client.images.generate(prompt=CUP, n=2, output_format=form, extra_body={**FEW, **more})  # type: ignore[arg-type]
        assert made.data
        assert made.output_format == form
        first, second = (picture.b64_json or "" for picture in made.data)
        assert opened(first).format == form.upper()
        assert not np.array_equal(pixels(first), pixels(second))
        assert read_settings(base64.b64decode(second)).seed == 8
        sizes[form, compression] = len(first)
    assert sizes["webp", 5] < sizes["webp", 100]


def test_what_steers_the_painter(client: openai.OpenAI) -> None:
    more = {**FEW, "negative_prompt": "blue", "guidance_scale": 5, "scheduler": "euler"}
    made = client.images.generate(prompt=CUP, extra_body=more)
    assert made.data
    settings = read_settings(base64.b64decode(made.data[0].b64_json or ""))
    assert (settings.negative_prompt, settings.guidance_scale, settings.scheduler) == ("blue", 5, "euler")


def test_notes_of_the_painter_are_told(client: openai.OpenAI) -> None:
    made: Any = client.images.generate(prompt="a quasar", extra_body=FEW)
    assert any("quasar" in note for note in made.sensorium["notes"])


def test_as_open_webui_asks(raw: httpx2.Client) -> None:
    sent = {"model": "dall-e-3", "prompt": CUP, "n": 1, "size": "512x512", "response_format": "b64_json"}
    more = {"quality": "hd", "style": "vivid", "user": "me", "partial_images": 2}
    made = raw.post(GENERATIONS, json={**sent, **more}).raise_for_status()
    assert made.headers["x-sensorium-ignored"] == "partial_images, quality, style, user"
    (picture,) = made.json()["data"]
    assert "url" not in picture
    shown = base64.b64decode(picture["b64_json"])
    edit = {"model": "gpt-image-1", "prompt": CUP, "n": "1", "size": "512x512", "response_format": "b64_json"}
    for field in ("image", "image[]"):
        files = [(field, ("image.png", shown, "image/png"))]
        edited = raw.post(EDITS, data={**edit, "background": ""}, files=files).raise_for_status().json()
        assert opened(edited["data"][0]["b64_json"]).size == (64, 64)


def test_as_librechat_asks(raw: httpx2.Client) -> None:
    """Its tool for DALL·E 3 reads the address alone, without asking for it; its tool for gpt-image-1 the picture."""
    old = {"model": "dall-e-3", "prompt": CUP, "quality": "standard", "style": "vivid", "size": "1024x1024", "n": 1}
    (picture,) = raw.post(GENERATIONS, json=old).raise_for_status().json()["data"]
    assert picture["url"].startswith(str(raw.base_url))
    fetched = httpx2.get(picture["url"], trust_env=False)
    assert fetched.headers["content-type"] == "image/png"
    assert fetched.content == base64.b64decode(picture["b64_json"])
    new = {"model": "gpt-image-1", "prompt": CUP, "background": "auto", "output_format": "webp", "quality": "auto"}
    (picture,) = raw.post(GENERATIONS, json={**new, "n": 1, "size": "auto"}).raise_for_status().json()["data"]
    assert opened(picture["b64_json"]).format == "WEBP"


def test_addresses_alone(client: openai.OpenAI) -> None:
    made = client.images.generate(prompt=CUP, response_format="url", extra_body=FEW)
    assert made.data
    assert made.data[0].b64_json is None
    content = httpx2.get(made.data[0].url or "", trust_env=False).content
    assert read_settings(content).seed == 7


def test_pictures_are_shown_while_they_are_painted(client: openai.OpenAI) -> None:
    more = {"steps": 20, "seed": 7}
    stream = client.images.generate(prompt=CUP, n=2, stream=True, partial_images=2, extra_body=more)
    events = list(stream)
    completed = [event for event in events if event.type == "image_generation.completed"]
    assert [opened(event.b64_json).size for event in completed] == [(64, 64), (64, 64)]
    assert completed[0].size == "64x64"
    assert completed[0].output_format == "png"
    assert read_settings(base64.b64decode(completed[1].b64_json)).seed == 8
    first = events[: events.index(completed[0])]
    assert 1 <= len(first) <= 2
    for number, event in enumerate(first):
        assert event.type == "image_generation.partial_image"
        assert event.partial_image_index == number
        assert event.size == "{}x{}".format(*opened(event.b64_json).size)
        assert event.output_format == "jpeg"


def test_a_stream_without_partial_pictures_has_the_finished_ones_only(raw: httpx2.Client) -> None:
    answer = raw.post(GENERATIONS, json={"prompt": CUP, "stream": True, **FEW}).raise_for_status()
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.headers["x-sensorium-model"] == "painter-starter"
    assert [event["type"] for event in told(answer)] == ["image_generation.completed"]


def test_what_fails_in_a_stream_is_told_in_it(client: openai.OpenAI) -> None:
    with pytest.raises(openai.APIError) as caught:
        list(client.images.generate(prompt="a cup " * 500, stream=True, extra_body=FEW))
    assert "long" in str(caught.value)


def test_asynchronous(server: str) -> None:
    async def both() -> tuple[Any, list[Any]]:
        async with openai.AsyncOpenAI(base_url=f"{server}/v1", api_key="none", max_retries=0) as client:
            whole, stream = await asyncio.gather(
                client.images.edit(image=PHOTO, prompt=CUP, extra_body=FEW),
                client.images.edit(image=PHOTO, prompt=CUP, stream=True, extra_body=FEW),
            )
            return whole, [event async for event in stream]

    whole, events = asyncio.run(both())
    assert [event.type for event in events] == ["image_edit.completed"]
    assert np.array_equal(pixels(events[0].b64_json), pixels(whole.data[0].b64_json))


def test_an_edit_follows_the_shape_of_the_picture(client: openai.OpenAI) -> None:
    with PIL.Image.open(PHOTO) as photo:
        ratio = photo.width / photo.height
    made = client.images.edit(image=PHOTO, prompt=CUP, extra_body=FEW)
    assert made.data
    painted = opened(made.data[0].b64_json or "")
    assert abs(painted.width / painted.height - ratio) < 0.2
    assert made.size == f"{painted.width}x{painted.height}"


def test_a_mask_is_transparent_where_to_repaint(client: openai.OpenAI) -> None:
    made = client.images.edit(
        image=("cup.png", PHOTO.read_bytes()), mask=half_transparent(), prompt=CUP, size="64x64", extra_body=FEW
    )
    assert made.data
    with PIL.Image.open(PHOTO) as photo:
        before = np.asarray(PIL.ImageOps.fit(photo.convert("RGB"), (64, 64), PIL.Image.Resampling.LANCZOS))
    after = pixels(made.data[0].b64_json or "")
    assert np.array_equal(after[:, 32:], before[:, 32:])
    assert not np.array_equal(after[:, :32], before[:, :32])


def test_edits_come_as_json_too(raw: httpx2.Client) -> None:
    data = f"data:image/jpeg;base64,{base64.b64encode(PHOTO.read_bytes()).decode()}"
    answers = [
        raw.post(EDITS, json={"prompt": CUP, **FEW, **pictures}).raise_for_status().json()["data"][0]["b64_json"]
        for pictures in (
            {"image": data},
            {"images": [{"image_url": data}]},
            {"image": [{"image_url": {"url": data}}]},
        )
    ]
    assert answers[0] == answers[1] == answers[2]


def test_pictures_that_were_sent_are_not_kept(raw: httpx2.Client, data: Any) -> None:
    before = sorted(path.name for path in (data / "uploads").iterdir())
    raw.post(EDITS, data={"prompt": CUP, "steps": "4"}, files={"image": PHOTO.read_bytes()}).raise_for_status()
    raw.post(EDITS, data={"prompt": "  "}, files={"image": PHOTO.read_bytes()})
    assert sorted(path.name for path in (data / "uploads").iterdir()) == before


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({}, "prompt"),
        ({"prompt": " "}, None),
        ({"prompt": CUP, "n": 0}, "n"),
        ({"prompt": CUP, "n": 11}, "n"),
        ({"prompt": CUP, "size": "large"}, "size"),
        ({"prompt": CUP, "size": "0x64"}, "size"),
        ({"prompt": CUP, "size": "1000x10"}, None),
        ({"prompt": CUP, "output_format": "gif"}, "output_format"),
        ({"prompt": CUP, "output_format": "svg"}, "output_format"),
        ({"prompt": CUP, "output_format": "tiff"}, "output_format"),
        ({"prompt": CUP, "output_format": {"type": "png"}}, "output_format"),
        ({"prompt": CUP, "output_compression": 101}, "output_compression"),
        ({"prompt": CUP, "background": "transparent"}, "background"),
        ({"prompt": CUP, "response_format": "file"}, "response_format"),
        ({"prompt": CUP, "partial_images": 4, "stream": True}, "partial_images"),
        ({"prompt": CUP, "steps": 0}, None),
        ({"prompt": CUP, "scheduler": "none"}, None),
        ({"prompt": ["a"]}, "prompt"),
    ],
)
def test_what_can_not_be_is_refused(raw: httpx2.Client, fields: dict[str, Any], param: str | None) -> None:
    answer = raw.post(GENERATIONS, json=fields)
    assert error_in(answer)["param"] == param
    assert answer.headers["x-should-retry"] == "false"


def test_pictures_that_are_none_are_refused(raw: httpx2.Client) -> None:
    picture = ("a.png", PHOTO.read_bytes(), "image/png")
    for files, code, param in (
        ([("image", ("a.png", b"", "image/png"))], "empty_image_file", "image"),
        ([("image", ("a.png", b"no picture at all", "image/png"))], "invalid_image_format", "image"),
        ([("image", picture), ("mask", ("m.png", b"GIF", "image/png"))], "invalid_image_format", "mask"),
        ([("image[]", picture), ("image[]", picture)], "unsupported", None),
        ([("other", picture)], "input", "image"),
    ):
        error = error_in(raw.post(EDITS, data={"prompt": CUP}, files=files))
        assert (error["code"], error["param"]) == (code, param)
    damaged = PHOTO.read_bytes()[:2000]
    assert "damaged" in error_in(raw.post(EDITS, data={"prompt": CUP}, files={"image": damaged}))["message"]
    for image in ("/etc/passwd", "file:///etc/passwd", "http://127.0.0.1:1/a.png", "file-none", {"file_id": 1}, 5):
        assert raw.post(EDITS, json={"prompt": CUP, "image": image}).status_code in (400, 404)


def test_variations_need_a_checkpoint_that_makes_them(raw: httpx2.Client) -> None:
    picture = {"image": PHOTO.read_bytes()}
    error = error_in(raw.post(VARIATIONS, data={"model": "dall-e-2"}, files=picture), 404)
    assert error["param"] == "model"
    assert "kandinsky-2-2" in error["message"]
    error = error_in(raw.post(VARIATIONS, data={"model": "painter-starter"}, files=picture))
    assert "variations" in error["message"]


def test_variations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = tmp_path / "cache" / "models--someone--tiny-kandinsky"
    prior, decoder = tiny_kandinsky(tmp_path / "made")
    prior.rename(decoder / "prior")
    (kept / "refs").mkdir(parents=True)
    (kept / "refs" / "main").write_text("0" * 40)
    (kept / "snapshots").mkdir()
    decoder.rename(kept / "snapshots" / ("0" * 40))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("SENSORIUM_OFFLINE", "1")
    with (
        served(tmp_path / "data") as (address, _),
        openai.OpenAI(base_url=f"{address}/v1", api_key="none", max_retries=0) as client,
    ):
        answer = client.images.with_raw_response.create_variation(
            image=PHOTO, model="someone/tiny-kandinsky", n=2, size="256x256", extra_body={"steps": "2", "seed": "7"}
        )
    assert answer.headers["x-sensorium-model"] == "someone/tiny-kandinsky"
    made: Any = answer.parse()
    assert len(made.data) == 2
    assert {"{}x{}".format(*opened(each.b64_json).size) for each in made.data} == {made.size}
    assert read_settings(base64.b64decode(made.data[1].b64_json)).kind == "variation"


def test_who_stops_reading_stops_the_painter(raw: httpx2.Client) -> None:
    painting = {"prompt": CUP, "steps": 1000, "n": 10, "stream": True, "partial_images": 3}
    with raw.stream("POST", GENERATIONS, json=painting) as answer:
        assert "partial_image" in next(answer.iter_lines())
    deadline = time.monotonic() + 60
    while raw.get("/v1/sensorium/health").json()["running"]:
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_the_documentation_knows_the_fields(raw: httpx2.Client) -> None:
    paths = raw.get("/openapi.json").json()["paths"]
    schema = paths[EDITS]["post"]["requestBody"]["content"]["multipart/form-data"]["schema"]
    assert {"image", "mask", "prompt", "size", "strength"} <= schema["properties"].keys()
    assert {"image", "prompt"} == set(schema["required"])
