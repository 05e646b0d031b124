"""What an agent reads of a result: all of a short one, the beginning of a long one, and where the rest is."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
from mcp_types import CallToolResult, ImageContent, ResourceLink, TextContent

from sensorium.mcp.answers import answer, artifact_uri, named_by, result_uri


def job(result: Any, *artifacts: dict[str, Any]) -> dict[str, Any]:
    return {"id": "j1", "model": "m", "result": result, "artifacts": list(artifacts)}


def text_of(told: CallToolResult) -> str:
    content = told.content[0]
    assert isinstance(content, TextContent)
    return content.text


def test_a_short_result_is_told_whole() -> None:
    told = answer(job({"text": "Grüße"}), {}, {})
    assert json.loads(text_of(told)) == {"result": {"text": "Grüße"}, "job": "j1", "model": "m"}
    assert told.structured_content == json.loads(text_of(told))
    assert len(told.content) == 1


@pytest.mark.parametrize(
    "result",
    [
        {"segments": [{"id": number, "text": "and so it goes on " * 5} for number in range(2000)]},
        {"vectors": [[0.123456789] * 512 for _ in range(200)]},
        {"text": "word " * 50_000},
        {"deep": [[[["x" * 90] * 100] * 100] * 100]},
        {f"field-{number}": "x" * 3000 for number in range(100)},
    ],
)
def test_a_long_result_is_cut_and_says_where_the_rest_is(result: dict[str, Any]) -> None:
    told = answer(job(result), {}, {})
    assert len(text_of(told)) <= 24_000
    assert "more" in text_of(told)
    assert "result.json" in text_of(told)
    assert told.structured_content is None
    link = told.content[1]
    assert isinstance(link, ResourceLink)
    assert named_by(link.uri) == ("j1", None)
    assert link.uri == result_uri("j1")


@pytest.mark.parametrize("side", [64, 2000])
def test_a_large_picture_is_shown_smaller(side: int, tmp_path: Path) -> None:
    path = tmp_path / "picture-1.png"
    noise = np.random.default_rng(7).integers(0, 255, (side, side, 3), np.uint8)
    PIL.Image.fromarray(noise).save(path)
    artifact = {"name": path.name, "media_type": "image/png", "size": path.stat().st_size}
    told = answer(job({}, artifact), {path.name: path}, {path.name: "/there/picture-1.png"})
    (shown,) = (each for each in told.content if isinstance(each, ImageContent))
    data = base64.b64decode(shown.data)
    assert len(data) < 1_000_000
    assert (data == path.read_bytes()) == (side == 64)
    with PIL.Image.open(io.BytesIO(data)) as picture:
        assert picture.width == min(side, 1024)
    assert json.loads(text_of(told))["files"] == [
        {"use_as": "artifact:j1/picture-1.png", "open": "/there/picture-1.png"}
    ]


@pytest.mark.parametrize("name", ["picture-1.png", "ä b/c.png", "50%.srt", "result.json "])
def test_addresses_lead_back(name: str) -> None:
    assert named_by(artifact_uri("j1", name)) == ("j1", name)


@pytest.mark.parametrize(
    "uri", ["file:///etc/passwd", "sensorium://jobs/j1", "sensorium://jobs/", "sensorium://x/y", ""]
)
def test_other_addresses_lead_nowhere(uri: str) -> None:
    assert named_by(uri) is None
