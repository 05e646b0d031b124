"""Models behind OpenAI-compatible servers, as the configuration names them: like any other, and placed nowhere."""

from __future__ import annotations

import base64
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest

from sensorium.errors import InputError
from sensorium.server.configuration import configured
from tests import real_media
from tests.films import film as made_film
from tests.mcp.conversation import connected, document
from tests.openai_server import OpenAIServer, images_in, serve_openai
from tests.refusals import refused
from tests.server.conftest import served

CAT = real_media.photo("chelsea")
KEY = "key-of-the-other-server"
TABLE = """
preload = false

[endpoints.qwen3]
address = "{address}"
model = "tiny"
key_variable = "KEY_OF_QWEN3"
patience = 3

[endpoints.gone]
address = "http://127.0.0.1:1/v1"
model = "large"
"""


@pytest.fixture(scope="module")
def behind() -> Iterator[OpenAIServer]:
    with serve_openai() as server:
        yield server


@pytest.fixture(scope="module")
def http(behind: OpenAIServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx2.Client]:
    folder = tmp_path_factory.mktemp("server")
    (folder / "sensorium.toml").write_text(TABLE.format(address=behind.base_url))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KEY_OF_QWEN3", KEY)
        patch.setenv("OPENAI_API_KEY", "key-that-is-nobody-else's")
        with (
            served(folder / "data", "--config", str(folder / "sensorium.toml")) as (address, _),
            httpx2.Client(base_url=address, trust_env=False, timeout=120) as client,
        ):
            yield client


@pytest.fixture
def client(http: httpx2.Client) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{str(http.base_url).rstrip('/')}/v1", api_key="none", max_retries=0, timeout=120)


def picture() -> dict[str, Any]:
    data = base64.b64encode(CAT.read_bytes()).decode()
    return {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{data}"}}


def test_it_is_listed_and_answers_with_pictures_and_streams(
    client: openai.OpenAI, http: httpx2.Client, behind: OpenAIServer
) -> None:
    assert {"qwen3", "gone"} < {model.id for model in client.models.list()}
    messages: Any = [{"role": "user", "content": [picture(), {"type": "text", "text": "What is this?"}]}]
    answer = client.chat.completions.create(model="qwen3", messages=messages)
    assert (answer.choices[0].message.content, answer.model) == ("A cat on a mat.", "qwen3")
    sent = behind.requests[-1]
    assert (sent.body["model"], sent.headers["authorization"]) == ("tiny", f"Bearer {KEY}")
    assert len(images_in(sent.body)) == 1
    stream = client.chat.completions.create(model="qwen3", messages=messages, stream=True)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices) == "A cat on a mat."
    loaded = http.get("/v1/sensorium/models").json()["loaded"]
    assert [model["name"] for model in loaded] == ["qwen3"]


def test_operations_and_jobs_on_it(http: httpx2.Client, behind: OpenAIServer, tmp_path: Path) -> None:
    cat = http.post("/v1/sensorium/uploads", content=CAT.read_bytes()).json()["id"]
    fields = {"image": f"upload:{cat}", "question": "What is this?", "model": "qwen3"}
    asked = http.post("/v1/sensorium/ask", json=fields)
    assert asked.json()["result"]["text"] == "A cat on a mat.", asked.text
    film = http.post("/v1/sensorium/uploads", content=made_film(tmp_path / "film.mp4", 30).read_bytes()).json()["id"]
    fields = {"film": f"upload:{film}", "question": "What happens?", "model": "qwen3", "num_frames": 2}
    asked = http.post("/v1/sensorium/ask-film", json=fields)
    assert asked.json()["result"]["text"] == "A cat on a mat.", asked.text
    assert len(images_in(behind.requests[-1].body)) == 2


def test_agents_ask_it(http: httpx2.Client) -> None:
    with connected(str(http.base_url).rstrip("/")) as agent:
        answer = agent.call("ask", image=agent.hand_over(CAT), question="What is this?", model="qwen3")
        assert document(answer)["result"]["text"] == "A cat on a mat."
        gone = agent.call("ask", image=agent.hand_over(CAT), question="What is this?", model="gone")
        assert gone.is_error
        assert "127.0.0.1:1" not in str(gone.content)


def test_requests_are_with_it_side_by_side(client: openai.OpenAI, behind: OpenAIServer) -> None:
    together = threading.Barrier(3, timeout=60)
    behind.before_streams = lambda: together.wait() and None
    try:
        with ThreadPoolExecutor(3) as people:
            answers = [people.submit(_said, client, "Hello") for _ in range(3)]
            assert [each.result() for each in answers] == ["A cat on a mat."] * 3
    finally:
        behind.before_streams = lambda: None


def _said(client: openai.OpenAI, text: str, model: str = "qwen3") -> str | None:
    answer = client.chat.completions.create(model=model, messages=[{"role": "user", "content": text}])
    return answer.choices[0].message.content


def test_who_goes_away_hangs_up_there_too(client: openai.OpenAI, behind: OpenAIServer) -> None:
    behind.hung_up.clear()
    behind.answer = lambda body: ["word "] * 100_000
    try:
        messages: Any = [{"role": "user", "content": "Talk for ever."}]
        with client.chat.completions.create(model="qwen3", messages=messages, stream=True) as stream:
            next(iter(stream))
        assert behind.hung_up.wait(60)
    finally:
        behind.answer = lambda body: ["A cat ", "on a ", "mat."]


def test_what_is_wrong_there_is_told_in_plain_words(
    client: openai.OpenAI, http: httpx2.Client, behind: OpenAIServer
) -> None:
    with pytest.raises(openai.APIStatusError, match=r"'gone'.*can't be reached") as caught:
        _said(client, "Hello", model="gone")
    assert caught.value.status_code == 503
    assert "127.0.0.1" not in str(caught.value), "where it is concerns nobody"
    silent = threading.Event()
    behind.before_streams = lambda: silent.wait(60) and None
    try:
        with pytest.raises(openai.APIStatusError, match="within 3 s") as caught:
            _said(client, "Hello")
        assert caught.value.status_code == 503
    finally:
        behind.before_streams = lambda: None
        silent.set()
    health = http.get("/v1/sensorium/health")
    states = {each["model"]: each["state"] for each in health.json()["endpoints"]}
    assert (health.status_code, states["qwen3"]) == (200, "ok"), "one that is ill doesn't make the server ill"
    assert "can't be reached" in states["gone"]


def test_no_other_address_can_be_named(client: openai.OpenAI, behind: OpenAIServer) -> None:
    asked = len(behind.requests)
    with pytest.raises(openai.BadRequestError):
        _said(client, "Hello", model=behind.model())
    assert len(behind.requests) == asked


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ('[endpoints."starter"]\naddress = "http://gpu/v1"\nmodel = "m"', "starter"),
        ('[endpoints.qwen3]\naddress = "gpu:8000"\nmodel = "m"', "address"),
        ('[endpoints.qwen3]\naddress = "http://gpu/v1"', "model"),
        ('[endpoints.qwen3]\naddress = "http://gpu/v1"\nmodel = "m"\ntasks = ["dancing"]', "tasks"),
    ],
)
def test_a_table_that_is_wrong(tmp_path: Path, line: str, told: str) -> None:
    (tmp_path / "sensorium.toml").write_text(line)
    with refused(InputError, told):
        configured(tmp_path / "sensorium.toml", {})
