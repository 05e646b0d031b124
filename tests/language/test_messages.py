"""What counts as a conversation, in our own words and in OpenAI's."""

from __future__ import annotations

import base64
import io
import json
from typing import Any

import numpy as np
import PIL.Image
import pytest

from sensorium.errors import InputError
from sensorium.language.messages import MediaPart, TextPart, Turn, read_conversation, source_as_text, user_turn
from sensorium.media.image import read_image
from sensorium.media.limits import Limits

URI = "data:image/png;base64,AAAA"


def _user(content: Any) -> dict[str, Any]:
    return {"role": "user", "content": content}


def test_turns_of_one_role_in_a_row_are_one() -> None:
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "system", "content": "Be kind."},
        _user("Look:"),
        _user([{"type": "image", "image": "cat.jpg"}, {"type": "text", "text": "What is it?"}]),
        {"role": "assistant", "content": "A"},
        {"role": "assistant", "content": "cat."},
        _user("Sure?"),
        _user("Really?"),
    ]
    assert read_conversation(messages) == [
        Turn("system", (TextPart("Be brief.\n\nBe kind."),)),
        Turn("user", (TextPart("Look:"), MediaPart("image", "cat.jpg"), TextPart("What is it?"))),
        Turn("assistant", (TextPart("A\n\ncat."),)),
        Turn("user", (TextPart("Sure?\n\nReally?"),)),
    ]


def test_a_system_prompt_and_pictures_may_be_given_apart() -> None:
    turns = read_conversation([_user("What?")], system="Be brief.", media=[MediaPart("image", "cat.jpg")])
    assert turns == [Turn("system", (TextPart("Be brief."),)), user_turn("What?", ["cat.jpg"])]


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        ("Hello", TextPart("Hello")),
        (TextPart("Hello"), TextPart("Hello")),
        ({"type": "text", "text": "Hello"}, TextPart("Hello")),
        ({"type": "image", "image": "cat.jpg"}, MediaPart("image", "cat.jpg")),
        ({"type": "audio", "audio": b"RIFF"}, MediaPart("audio", b"RIFF")),
        ({"type": "video", "video": "film.mp4"}, MediaPart("video", "film.mp4")),
        ({"type": "image_url", "image_url": {"url": URI, "detail": "high"}}, MediaPart("image", URI)),
        ({"type": "image_url", "image_url": URI}, MediaPart("image", URI)),
        ({"type": "video_url", "video_url": {"url": "https://x/y.mp4"}}, MediaPart("video", "https://x/y.mp4")),
        (
            {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "mp3"}},
            MediaPart("audio", "data:audio/mp3;base64,UklGRg=="),
        ),
    ],
)
def test_parts_in_each_spelling(part: Any, expected: Any) -> None:
    (turn,) = read_conversation([_user([part])])
    assert turn.parts == (expected,)
    assert read_conversation([turn]) == [turn]


@pytest.mark.parametrize(
    "part",
    [
        7,
        {},
        {"type": "smell", "smell": "rose"},
        {"type": "text"},
        {"type": "image"},
        {"type": "image_url", "image_url": {"url": 7}},
        {"type": "input_audio", "input_audio": "UklGRg=="},
    ],
)
def test_parts_that_are_none(part: Any) -> None:
    with pytest.raises(InputError, match="A part of a turn") as caught:
        read_conversation([_user([part])])
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("messages", "complaint"),
    [
        ([], "does not end with a turn of the user"),
        ([{"role": "system", "content": "Be brief."}], "does not end with a turn of the user"),
        ([{"role": "assistant", "content": "Hi"}, _user("Hi")], "begins with a turn of the assistant"),
        ([_user("Hi"), {"role": "system", "content": "Be brief."}, _user("Hi")], "stands in the middle"),
        ([_user("  ")], "turn of the user is empty"),
        ([_user([])], "turn of the user is empty"),
        ([_user(None)], "turn of the user is empty"),
        ([{"content": "Hi"}], "no role among"),
        (
            [_user("Hi"), {"role": "assistant", "content": [{"type": "image", "image": URI}]}, _user("Hi")],
            "turn of the assistant holds a picture",
        ),
    ],
)
def test_what_is_no_conversation(messages: Any, complaint: str) -> None:
    with pytest.raises(InputError, match=complaint) as caught:
        read_conversation(messages)
    assert caught.value.remedy


def test_a_turn_goes_to_json_and_back() -> None:
    picture = PIL.Image.new("RGB", (8, 6), "blue")
    turn = Turn("user", (MediaPart("image", picture), TextPart("What?"), MediaPart("audio", b"RIFF")))
    document = json.loads(json.dumps(turn.to_dict()))
    back = Turn.from_dict(document)
    assert back.to_dict() == document
    assert np.array_equal(np.asarray(read_image(back.media[0].source)), np.asarray(picture))
    assert base64.b64decode(back.media[1].source.partition(",")[2]) == b"RIFF"
    assert user_turn("Hello").to_dict() == {"role": "user", "content": "Hello"}


def test_a_source_as_text(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert source_as_text("image", "cat.jpg") == str(tmp_path / "cat.jpg")
    assert source_as_text("video", "https://example.org/a.mp4") == "https://example.org/a.mp4"
    assert source_as_text("audio", io.BytesIO(b"RIFF")).endswith("base64,UklGRg==")
    assert source_as_text("image", "HTTPS://example.org/cat.png") == "HTTPS://example.org/cat.png"


@pytest.mark.parametrize("source", [1 << 40, 1.5, {"data": "UklGRg=="}, [82, 73], io.StringIO("RIFF")])
def test_what_is_no_recording_is_refused_before_anything_is_made_of_it(source: Any) -> None:
    turn = Turn.from_dict(_user([{"type": "audio", "audio": source}]))
    with pytest.raises(InputError) as refusal:
        turn.to_dict()
    assert refusal.value.remedy


def test_limits_hold_where_a_turn_is_written_down() -> None:
    file = io.BytesIO()
    PIL.Image.new("RGB", (8, 6)).save(file, "PNG")
    for part in (MediaPart("image", file.getvalue()), MediaPart("audio", io.BytesIO(b"RIFF" * 100))):
        with pytest.raises(InputError):
            Turn("user", (part,)).to_dict(limits=Limits(max_pixels=40, max_bytes=200, max_download_bytes=200))


def test_half_a_character_is_refused() -> None:
    with pytest.raises(InputError) as refusal:
        read_conversation([_user(json.loads('"A cat \\ud83d"'))])
    assert "user" in refusal.value.message
    assert refusal.value.remedy
