"""Batches: many requests in a file, answered in the background, also after a restart."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import httpx2
import openai
import PIL.Image
import pytest

from tests import real_media
from tests.server.conftest import served

EMBEDDINGS, IMAGES = "/v1/embeddings", "/v1/images/generations"
PHOTO = real_media.photo("coffee")
CUP = "a flat drawing of a cup of coffee"


def line(number: int, body: Any, url: str = EMBEDDINGS, **changes: Any) -> dict[str, Any]:
    return {"custom_id": f"request-{number}", "method": "POST", "url": url, "body": body, **changes}


def as_file(lines: Iterable[Any]) -> tuple[str, bytes]:
    return "lines.jsonl", "".join(f"{json.dumps(each)}\n" for each in lines).encode()


def begun(client: openai.OpenAI, lines: Iterable[Any], endpoint: Any = EMBEDDINGS, **more: Any) -> Any:
    file = client.files.create(file=as_file(lines), purpose="batch")
    return client.batches.create(input_file_id=file.id, endpoint=endpoint, completion_window="24h", **more)


def until(client: openai.OpenAI, batch: str, condition: Callable[[Any], bool]) -> Any:
    deadline = time.monotonic() + 300
    while not condition(found := client.batches.retrieve(batch)):
        assert time.monotonic() < deadline, found
        time.sleep(0.1)
    return found


def over(client: openai.OpenAI, batch: str) -> Any:
    known = ("completed", "failed", "expired", "cancelled")
    return until(client, batch, lambda found: found.status in known)


def answers(client: openai.OpenAI, file: str | None) -> dict[str, dict[str, Any]]:
    """Return the lines of a file that a batch has written, by the names of the requests."""
    assert file is not None
    lines = [json.loads(each) for each in client.files.content(file).text.splitlines()]
    found = {each["custom_id"]: each for each in lines}
    assert len(found) == len(lines)
    return found


def test_twenty_requests_of_which_two_are_bad(client: openai.OpenAI) -> None:
    lines = [line(number, {"model": "text-embedding-3-small", "input": f"cat {number}"}) for number in range(20)]
    lines[5]["body"] = {"input": {"no": "text"}}
    lines[9]["body"]["stream"] = True
    batch = begun(client, lines, metadata={"by": "me"})
    assert (batch.object, batch.endpoint, batch.completion_window) == ("batch", EMBEDDINGS, "24h")
    assert batch.metadata == {"by": "me"}
    assert batch.expires_at - batch.created_at == 24 * 3600
    done = over(client, batch.id)
    assert done.status == "completed"
    assert (done.request_counts.total, done.request_counts.completed, done.request_counts.failed) == (20, 18, 2)
    assert done.created_at <= done.in_progress_at <= done.finalizing_at <= done.completed_at
    made = answers(client, done.output_file_id)
    assert made.keys() == {f"request-{number}" for number in range(20)} - {"request-5", "request-9"}
    for each in made.values():
        assert each["error"] is None
        assert each["response"]["status_code"] == 200
        assert each["response"]["request_id"]
        assert len(each["response"]["body"]["data"][0]["embedding"]) > 100
    plain = client.embeddings.create(model="text-embedding-3-small", input="cat 3", encoding_format="float")
    assert made["request-3"]["response"]["body"]["data"][0]["embedding"] == pytest.approx(plain.data[0].embedding)
    bad = answers(client, done.error_file_id)
    assert bad.keys() == {"request-5", "request-9"}
    for name, param in (("request-5", "input"), ("request-9", "stream")):
        assert bad[name]["response"]["status_code"] == 400
        assert bad[name]["response"]["body"]["error"]["param"] == param
    written = client.files.retrieve(done.output_file_id)
    assert (written.purpose, written.filename) == ("batch_output", f"{batch.id}_output.jsonl")


def test_pictures_in_a_batch(client: openai.OpenAI) -> None:
    body = {"prompt": CUP, "steps": 2, "size": "64x64"}
    lines = [
        line(n, {**body, "seed": n, "response_format": form}, IMAGES) for n, form in enumerate(("url", "b64_json"))
    ]
    done = over(client, begun(client, lines, IMAGES).id)
    assert done.status == "completed"
    made = answers(client, done.output_file_id)
    (first,), (second,) = (made[f"request-{n}"]["response"]["body"]["data"] for n in (0, 1))
    for content in (httpx2.get(first["url"], trust_env=False).content, base64.b64decode(second["b64_json"])):
        assert PIL.Image.open(io.BytesIO(content)).size == (64, 64)


@pytest.mark.parametrize(
    ("endpoint", "body", "read"),
    [
        (
            "/v1/chat/completions",
            {"messages": [{"role": "user", "content": "Say yes."}], "max_tokens": 4},
            lambda body: body["choices"][0]["message"]["content"],
        ),
        ("/v1/responses", {"input": "Say yes.", "max_output_tokens": 4}, lambda body: body["output"]),
        ("/v1/moderations", {"input": "a cat"}, lambda body: body["results"]),
    ],
)
def test_other_endpoints(client: openai.OpenAI, endpoint: str, body: Any, read: Callable[[Any], Any]) -> None:
    done = over(client, begun(client, [line(1, body, endpoint)], endpoint).id)
    assert done.status == "completed", done
    assert read(answers(client, done.output_file_id)["request-1"]["response"]["body"])
    assert done.error_file_id is None


def test_a_file_with_wrong_lines_fails_before_anything_is_asked(client: openai.OpenAI) -> None:
    good = line(1, {"input": "cat"})
    wrong = [good, good, line(2, {}, "/v1/chat/completions"), line(3, {}, method="GET"), line(4, "text"), {"a": 1}, 5]
    failed = over(client, begun(client, wrong).id)
    assert failed.status == "failed"
    assert failed.failed_at
    found = [(error.line, error.param) for error in failed.errors.data]
    assert found == [(2, "custom_id"), (3, "url"), (4, "method"), (5, "body"), (6, "custom_id"), (7, None)]
    assert all(error.code and error.message for error in failed.errors.data)
    assert failed.output_file_id is failed.error_file_id is None
    for content in (b"no JSON\n", b"\n", b"\xff\xfe\n"):
        file = client.files.create(file=content, purpose="batch")
        batch = client.batches.create(input_file_id=file.id, endpoint=EMBEDDINGS, completion_window="24h")
        assert over(client, batch.id).errors.data


def test_what_can_not_be_is_refused(raw: httpx2.Client, client: openai.OpenAI) -> None:
    file = client.files.create(file=as_file([line(1, {"input": "a"})]), purpose="batch").id
    other = client.files.create(file=b"text", purpose="user_data").id
    good = {"input_file_id": file, "endpoint": EMBEDDINGS, "completion_window": "24h"}
    for changes, status, param in (
        ({"input_file_id": "file-none"}, 404, "input_file_id"),
        ({"input_file_id": other}, 400, "input_file_id"),
        ({"input_file_id": None}, 400, "input_file_id"),
        ({"endpoint": "/v1/audio/speech"}, 400, "endpoint"),
        ({"endpoint": "/v1/files"}, 400, "endpoint"),
        ({"completion_window": "soon"}, 400, "completion_window"),
        ({"metadata": {"a": 1}}, 400, "metadata"),
        ({"metadata": {str(n): "a" for n in range(17)}}, 400, "metadata"),
        ({"output_expires_after": {"anchor": "created_at", "seconds": 1}}, 400, "output_expires_after"),
    ):
        answer = raw.post("/v1/batches", json={**good, **changes})
        assert answer.status_code == status, answer.text
        assert answer.json()["error"]["param"] == param
    assert raw.get("/v1/batches/none").status_code == 404
    assert raw.post("/v1/batches/none/cancel").status_code == 404
    assert raw.get("/v1/batches", params={"after": "none"}).status_code == 404


def test_batches_are_listed_page_by_page(client: openai.OpenAI) -> None:
    names = [begun(client, [line(1, {"input": "cat"})]).id for _ in range(3)]
    assert [batch.id for batch in client.batches.list(limit=2).data] == names[:0:-1]
    assert [batch.id for batch in client.batches.list(limit=2)][:3] == names[::-1]
    assert client.batches.list(after=names[1], limit=1).data[0].id == names[0]
    for name in names:
        assert over(client, name).status == "completed"


def test_a_cancelled_batch_keeps_what_is_answered(client: openai.OpenAI, raw: httpx2.Client) -> None:
    lines = [line(n, {"prompt": CUP, "steps": 2 if n < 2 else 900}, IMAGES) for n in range(8)]
    batch = begun(client, lines, IMAGES)
    until(client, batch.id, lambda found: found.request_counts.completed >= 2)
    assert client.batches.cancel(batch.id).status in ("cancelling", "cancelled")
    done = over(client, batch.id)
    assert done.status == "cancelled"
    assert done.cancelled_at >= done.cancelling_at
    assert answers(client, done.output_file_id).keys() >= {"request-0", "request-1"}
    assert not raw.get("/v1/sensorium/jobs", params={"state": "running"}).json()["jobs"]
    with pytest.raises(openai.BadRequestError):
        client.batches.cancel(batch.id)


def test_others_are_served_while_a_batch_runs(client: openai.OpenAI) -> None:
    batch = begun(client, [line(n, {"input": f"cat {n}"}) for n in range(500)])
    assert client.embeddings.create(model="text-embedding-3-small", input="dog").data
    assert client.batches.cancel(batch.id)
    over(client, batch.id)


def test_a_batch_goes_on_after_a_restart(tmp_path: Path) -> None:
    lines = [line(n, {"prompt": CUP, "steps": 20, "seed": n}, IMAGES) for n in range(10)]
    with served(tmp_path) as (address, process), connected(address) as client:
        batch = begun(client, lines, IMAGES).id
        until(client, batch, lambda found: found.request_counts.completed >= 2)
        process.kill()
        process.wait()
    journal = tmp_path / "front-ends" / "batches" / batch / "output.jsonl"
    before = [json.loads(each)["id"] for each in journal.read_text().splitlines()]
    assert 2 <= len(before) < 10
    with journal.open("ab") as file:
        file.write(b'{"id": "cut')
    with served(tmp_path) as (address, process), connected(address) as client:
        done = over(client, batch)
        assert done.status == "completed"
        assert (done.request_counts.total, done.request_counts.completed, done.request_counts.failed) == (10, 10, 0)
        made = answers(client, done.output_file_id)
        assert made.keys() == {f"request-{n}" for n in range(10)}
        assert {each["id"] for each in made.values()} >= set(before)
        assert not journal.exists()
        late = begun(client, lines, IMAGES).id
        until(client, late, lambda found: found.request_counts.completed >= 1)
        process.terminate()
        process.wait()
    record = tmp_path / "front-ends" / "batches" / late / "batch.json"
    record.write_text(json.dumps({**json.loads(record.read_text()), "expires": time.time() - 1}))
    with served(tmp_path) as (address, _), connected(address) as client:
        assert client.batches.retrieve(batch) == done
        given_up = over(client, late)
        assert given_up.status == "expired"
        assert given_up.expired_at
        counts = given_up.request_counts
        assert (counts.total, counts.completed + counts.failed) == (10, 10)
        assert counts.completed >= 1
        missed = answers(client, given_up.error_file_id)
        assert {(each["response"], each["error"]["code"]) for each in missed.values()} == {(None, "batch_expired")}
        assert len(missed) == counts.failed


def connected(address: str, key: str = "none") -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{address}/v1", api_key=key, max_retries=0, timeout=300)


def test_nobody_finds_the_files_and_batches_of_others(tmp_path: Path) -> None:
    names = ("anna", "ben")
    keys = tmp_path / "keys.toml"
    keys.write_text("".join(f'[{name}]\nkey = "a-key-of-somebody-{name}"\n' for name in names))
    with served(tmp_path / "data", "--keys", str(keys)) as (address, _):
        anna, ben = (connected(address, f"a-key-of-somebody-{name}") for name in names)
        with anna, ben:
            batch = over(anna, begun(anna, [line(1, {"input": "cat"})]).id)
            assert batch.request_counts.completed == 1
            assert len(answers(anna, batch.output_file_id)) == 1
            for ask in (
                lambda: ben.batches.retrieve(batch.id),
                lambda: ben.batches.cancel(batch.id),
                lambda: ben.files.content(batch.output_file_id),
                lambda: ben.files.delete(batch.input_file_id),
                lambda: begun_with(ben, batch.input_file_id),
            ):
                with pytest.raises(openai.NotFoundError):
                    ask()
            assert ben.batches.list().data == ben.files.list().data == []
            assert len(anna.files.list().data) == 2
            picture = anna.files.create(file=PHOTO.read_bytes(), purpose="vision").id
            lines = [line(1, {"input": [{"type": "image_url", "image_url": {"url": picture}}]})]
            assert over(anna, begun(anna, lines).id).request_counts.completed == 1
            assert over(ben, begun(ben, lines).id).request_counts.failed == 1


def begun_with(client: openai.OpenAI, file: str) -> Any:
    return client.batches.create(input_file_id=file, endpoint=EMBEDDINGS, completion_window="24h")


def test_asynchronous(server: str) -> None:
    async def run() -> Sequence[Any]:
        async with openai.AsyncOpenAI(base_url=f"{server}/v1", api_key="none", max_retries=0) as client:
            file = await client.files.create(file=as_file([line(1, {"input": "cat"})]), purpose="batch")
            batch = await client.batches.create(
                input_file_id=file.id,
                endpoint=EMBEDDINGS,
                completion_window="24h",
                output_expires_after={"anchor": "created_at", "seconds": 3600},
            )
            while (found := await client.batches.retrieve(batch.id)).status != "completed":
                assert found.status != "failed"
                await asyncio.sleep(0.1)
            written = await client.files.retrieve(found.output_file_id or "")
            return found, written

    batch, written = asyncio.run(run())
    assert batch.request_counts.completed == 1
    assert written.expires_at - written.created_at == pytest.approx(3600, abs=1)
