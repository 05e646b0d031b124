"""Files that are kept, listed, named in other requests, and deleted."""

from __future__ import annotations

import base64
from typing import Any

import httpx2
import openai
import pytest

from tests import real_media

FILES = "/v1/files"
PHOTO = real_media.photo("coffee")


def test_a_file_is_kept_until_it_is_deleted(client: openai.OpenAI, data: Any) -> None:
    made = client.files.create(file=("my lines.jsonl", b'{"a": 1}\n'), purpose="batch")
    assert made.id.startswith("file-")
    assert (made.object, made.bytes, made.filename, made.purpose) == ("file", 9, "my lines.jsonl", "batch")
    assert (made.status, made.expires_at) == ("processed", None)
    assert client.files.retrieve(made.id) == made
    assert client.files.content(made.id).read() == b'{"a": 1}\n'
    deleted = client.files.delete(made.id)
    assert (deleted.id, deleted.deleted, deleted.object) == (made.id, True, "file")
    for call in (client.files.retrieve, client.files.content, client.files.delete):
        with pytest.raises(openai.NotFoundError):
            call(made.id)
    assert made.id.removeprefix("file-") not in [path.name for path in (data / "uploads").iterdir()]


def test_files_are_listed_page_by_page(client: openai.OpenAI) -> None:
    names = [client.files.create(file=(f"{n}.txt", b"text"), purpose="evals").id for n in range(5)]
    client.files.create(file=b"other", purpose="user_data")
    first = client.files.list(purpose="evals", limit=2)
    assert [file.id for file in first.data] == names[:2:-1]
    assert first.has_more
    assert [file.id for file in client.files.list(purpose="evals", limit=2)] == names[::-1]
    assert [file.id for file in client.files.list(purpose="evals", order="asc", after=names[1])] == names[2:]
    assert len(list(client.files.list())) >= 6
    assert client.files.list(purpose="nothing").data == []
    for name in names:
        client.files.delete(name)
    assert client.files.list(purpose="evals").data == []


def test_a_file_may_be_deleted_after_a_while(client: openai.OpenAI) -> None:
    made = client.files.create(
        file=b"text", purpose="user_data", expires_after={"anchor": "created_at", "seconds": 3600}
    )
    assert made.expires_at is not None
    assert 3599 <= made.expires_at - made.created_at <= 3601
    client.files.delete(made.id)


def test_a_file_can_be_named_where_a_picture_is_taken(client: openai.OpenAI, raw: httpx2.Client) -> None:
    with PHOTO.open("rb") as file:
        photo = client.files.create(file=file, purpose="vision")
    edit = {"prompt": "a flat drawing of a cup of coffee", "seed": 7, "steps": 4}
    data = f"data:image/jpeg;base64,{base64.b64encode(PHOTO.read_bytes()).decode()}"
    edited = [
        raw.post("/v1/images/edits", json={**edit, "image": image}).raise_for_status().json()["data"][0]["b64_json"]
        for image in (photo.id, {"file_id": photo.id}, data)
    ]
    assert edited[0] == edited[1] == edited[2]
    question: Any = [{"type": "input_image", "file_id": photo.id}, {"type": "input_text", "text": "What is it?"}]
    answer = client.responses.create(model="gpt-4o", input=[{"role": "user", "content": question}])
    assert answer.output_text
    embedded = raw.post("/v1/embeddings", json={"input": [{"type": "image_url", "image_url": {"url": photo.id}}]})
    assert embedded.is_success
    client.files.delete(photo.id)
    gone = raw.post("/v1/images/edits", json={**edit, "image": photo.id})
    assert gone.status_code == 404


def test_what_goes_with_one_request_is_no_file(raw: httpx2.Client) -> None:
    upload = raw.post("/v1/sensorium/uploads", content=b"film").json()["id"]
    assert raw.get(f"{FILES}/file-{upload}").status_code == 404
    assert f"file-{upload}" not in [each["id"] for each in raw.get(FILES).json()["data"]]


@pytest.mark.parametrize(
    ("fields", "files", "param"),
    [
        ({}, {"file": b"a"}, "purpose"),
        ({"purpose": "nothing"}, {"file": b"a"}, "purpose"),
        ({"purpose": "batch"}, {"other": b"a"}, "file"),
        ({"purpose": "batch"}, {"file": b""}, "file"),
        ({"purpose": "batch", "expires_after[seconds]": "60"}, {"file": b"a"}, "expires_after"),
        ({"purpose": "batch", "expires_after[seconds]": "9" * 5000}, {"file": b"a"}, "expires_after"),
        ({"purpose": "batch", "expires_after[anchor]": "never"}, {"file": b"a"}, "expires_after"),
    ],
)
def test_what_can_not_be_is_refused(
    raw: httpx2.Client, fields: dict[str, str], files: dict[str, bytes], param: str
) -> None:
    answer = raw.post(FILES, data=fields, files=files)
    assert answer.status_code == 400, answer.text
    assert answer.json()["error"]["param"] == param


def test_what_there_is_not_can_not_be_found(raw: httpx2.Client) -> None:
    assert raw.post(FILES, json={"purpose": "batch"}).status_code == 400
    both = {"purpose": "batch", "expires_after": "never", "expires_after[seconds]": "60"}
    assert raw.post(FILES, data=both, files={"file": b"a"}).status_code == 400
    assert raw.get(FILES, params={"purpose": "\0"}).json()["data"] == []
    assert raw.get(FILES, params={"after": "file-none"}).status_code == 404
    assert raw.get(FILES, params={"limit": 0}).status_code == 400
    for name in ("file-none", "..", "%2e%2e%2fjobs.sqlite", "file-../x"):
        assert raw.get(f"{FILES}/{name}/content").status_code in (404, 405)
