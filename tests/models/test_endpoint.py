"""Models behind OpenAI-compatible servers: how they are named, and what is said when the server can't be used."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from sensorium.errors import InputError, ModelUnavailableError, SensoriumError, UnsupportedError
from sensorium.models import catalog, store
from sensorium.models.catalog import Checkpoint
from sensorium.models.endpoint import model_name, open_client, plain_endpoint_errors

TASK = "image-chat"


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def refusing_server() -> Iterator[str]:
    """The base address of a server that answers every request with the status that the model's name asks for."""

    class Refusal(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = b'{"error": {"message": "line one\\nline two", "type": "t", "param": null, "code": null}}'
            self.send_response(int(self.path.rpartition("/")[2]))
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Refusal)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/v1"
    server.shutdown()
    server.server_close()


def ask(checkpoint: Checkpoint) -> None:
    with plain_endpoint_errors(checkpoint):
        open_client(checkpoint).with_options(max_retries=0).models.retrieve(model_name(checkpoint))


def test_a_name_and_an_address_make_a_checkpoint_that_needs_no_files() -> None:
    checkpoint = catalog.resolve("openai:org/llava@http://localhost:8000/v1", task=TASK)
    assert (checkpoint.name, checkpoint.family) == ("openai:org/llava", "openai")
    assert (checkpoint.endpoint, model_name(checkpoint)) == ("http://localhost:8000/v1", "org/llava")
    assert store.is_present(checkpoint)
    assert not store.locate(checkpoint).exists()


def test_without_an_address_it_is_the_set_one_or_the_official_one(monkeypatch: pytest.MonkeyPatch) -> None:
    assert catalog.resolve("openai:gpt", task=TASK).endpoint == "https://api.openai.com/v1"
    monkeypatch.setenv("OPENAI_BASE_URL", "http://10.0.0.7/v1")
    assert catalog.resolve("openai:gpt", task=TASK).endpoint == "http://10.0.0.7/v1"


@pytest.mark.parametrize("name", ["openai:", "openai:@http://localhost/v1", "openai:gpt@localhost:8000"])
def test_a_name_that_is_none_is_explained(name: str) -> None:
    with pytest.raises(InputError, match="can't be read") as caught:
        catalog.resolve(name, task=TASK)
    assert "openai:llava@http://localhost:8000/v1" in caught.value.remedy


def test_elsewhere_a_key_is_needed_and_here_it_is_not() -> None:
    with pytest.raises(
        ModelUnavailableError, match=r"runs at api\.openai\.com, which needs a key\. Set OPENAI_API_KEY"
    ):
        open_client(catalog.resolve("openai:gpt", task=TASK))
    for host in ("localhost", "127.0.0.1", "[::1]"):
        assert open_client(catalog.resolve(f"openai:gpt@http://{host}:1/v1", task=TASK)).api_key == "none"


def test_offline_no_request_leaves_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    monkeypatch.setenv("SENSORIUM_OFFLINE", "1")
    with pytest.raises(ModelUnavailableError, match="offline mode is set"):
        open_client(catalog.resolve("openai:gpt", task=TASK))
    open_client(catalog.resolve("openai:gpt@http://localhost:1/v1", task=TASK))


def test_a_server_that_is_not_there_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        address = f"http://127.0.0.1:{closed.getsockname()[1]}/v1"
    with pytest.raises(
        ModelUnavailableError, match=f"The server at {address}, which runs 'openai:gpt', can't be reached"
    ):
        ask(catalog.resolve(f"openai:gpt@{address}", task=TASK))


@pytest.mark.parametrize(
    ("status", "kind", "words"),
    [
        (400, InputError, "refuses the request: line one line two"),
        (401, ModelUnavailableError, "refuses the key"),
        (403, ModelUnavailableError, "refuses the key"),
        (404, ModelUnavailableError, "has no model '404'"),
        (422, InputError, "refuses the request: line one line two"),
        (429, ModelUnavailableError, "takes no more requests"),
        (500, UnsupportedError, "failed with status 500"),
    ],
)
def test_each_refusal_is_one_sentence(
    refusing_server: str, status: int, kind: type[SensoriumError], words: str
) -> None:
    with pytest.raises(kind, match=words) as caught:
        ask(catalog.resolve(f"openai:{status}@{refusing_server}", task=TASK))
    assert refusing_server in caught.value.message
    assert "\n" not in str(caught.value)
    assert caught.value.remedy


def test_a_substitute_replaces_the_profiles_default_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SENSORIUM_SUBSTITUTE", "whisper-base=whisper-tiny")
    assert catalog.resolve(None, task="speech-to-text").name == "whisper-tiny"
    monkeypatch.setenv("SENSORIUM_SUBSTITUTE", "openai/whisper-base=whisper-small")
    assert catalog.resolve(None, task="speech-to-text").name == "whisper-small"
