"""Models behind OpenAI-compatible servers: how they are named, and what is said when the server can't be used."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from sensorium.answer import Ending, Usage
from sensorium.errors import CancelledError, InputError, ModelUnavailableError, SensoriumError, UnsupportedError
from sensorium.models import catalog, store
from sensorium.models.catalog import Checkpoint
from sensorium.models.endpoint import open_client, stream_chat
from sensorium.models.endpoint_errors import model_name, plain_endpoint_errors
from sensorium.streaming import ResultStream
from tests.openai_server import OpenAIServer, serve_openai

TASK = "image-chat"


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sensorium.models.endpoint._refused", {})
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def refusing_server() -> Iterator[str]:
    """The base address of a server that answers with the status that the model's name asks for, or with 200."""

    class Refusal(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.path = "/200"
            self.do_GET()

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
        (413, InputError, "larger than the server at"),
        (429, ModelUnavailableError, "takes no more requests"),
        (500, ModelUnavailableError, "failed with status 500"),
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


@pytest.fixture
def server() -> Iterator[OpenAIServer]:
    with serve_openai() as running:
        yield running


def _streamed(server: OpenAIServer, cancel: threading.Event | None = None) -> str:
    checkpoint = catalog.resolve(server.model(), task=TASK)
    turns = [{"role": "user", "content": "Hi"}]
    return "".join(stream_chat(open_client(checkpoint), checkpoint, turns, cancel=cancel, max_tokens=5))


def test_openai_itself_is_told_the_length_by_its_newer_name(
    server: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    _streamed(server)
    assert server.requests[-1].body["max_tokens"] == 5
    monkeypatch.setattr("sensorium.models.endpoint.OPENAI_ADDRESS", server.base_url)
    _streamed(server)
    assert server.requests[-1].body["max_completion_tokens"] == 5
    assert "max_tokens" not in server.requests[-1].body


_ALWAYS = ("messages", "stream", "stream_options", "model")


def _fields(server: OpenAIServer) -> list[dict[str, object]]:
    return [{name: value for name, value in request.body.items() if name not in _ALWAYS} for request in server.requests]


def _asked(server: OpenAIServer, **options: object) -> str:
    checkpoint = catalog.resolve(server.model(), task=TASK)
    turns = [{"role": "user", "content": "Hi"}]
    return "".join(stream_chat(open_client(checkpoint), checkpoint, turns, **options))


def test_a_default_that_a_model_refuses_is_left_out_and_told(
    server: OpenAIServer, caplog: pytest.LogCaptureFixture
) -> None:
    def picky(body: dict[str, object]) -> str:
        return next((name for name in ("max_tokens", "temperature", "top_p", "seed") if name in body), "")

    server.refuses = picky
    options = {"max_tokens": 5, "temperature": 0.0, "top_p": 1.0, "seed": 7}
    assert _asked(server, **options) == "A cat on a mat."
    assert _fields(server)[0] == options
    assert _fields(server)[-1] == {"max_completion_tokens": 5}
    assert len(server.requests) == 5
    (note,) = [record.getMessage() for record in caplog.records if record.name == "sensorium.models"]
    assert "'openai:tiny' doesn't take the temperature 0" in note
    assert "may differ" in note
    # The next time it is known, and said no more.
    assert _asked(server, **options) == "A cat on a mat."
    assert len(server.requests) == 6
    assert len([record for record in caplog.records if record.name == "sensorium.models"]) == 1


@pytest.mark.parametrize(
    ("field", "options"),
    [
        ("temperature", {"temperature": 0.7}),
        ("top_p", {"temperature": 0.7, "top_p": 0.9}),
        ("seed", {"temperature": 0.7, "seed": 7}),
    ],
)
def test_what_was_asked_for_is_never_left_out(server: OpenAIServer, field: str, options: dict[str, float]) -> None:
    server.refuses = lambda body: field if field in body else ""
    with pytest.raises(InputError, match=f"refuses the request: Unsupported value: '{field}'"):
        _asked(server, **options)
    assert _fields(server) == [options]


def test_a_wish_is_sent_though_the_default_was_refused(server: OpenAIServer) -> None:
    server.refuses = lambda body: "temperature" if body.get("temperature") == 0 else ""
    _asked(server, temperature=0.0)
    _asked(server, temperature=0.7)
    assert _fields(server) == [{"temperature": 0.0}, {}, {"temperature": 0.7}]


def test_servers_that_take_the_defaults_get_them(server: OpenAIServer) -> None:
    options = {"max_tokens": 5, "temperature": 0.0, "top_p": 1.0, "seed": 7}
    _asked(server, **options)
    assert _fields(server) == [options]


_BEGUN = b'data: {"id": "1", "object": "chat.completion.chunk", "created": 0, "model": "tiny"'


@pytest.mark.parametrize(
    "event", [_BEGUN + b', "choices": []}', _BEGUN + b"}", _BEGUN + b', "choices": [{"index": 0}]}']
)
def test_events_without_text_are_passed_over(server: OpenAIServer, event: bytes) -> None:
    server.strange_event = event + b"\n\n"
    assert _streamed(server) == "A cat on a mat."


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (b'data: {"error": {"message": "CUDA out\\nof memory"}}', "broke off with an error: CUDA out of memory"),
        (b'event: error\ndata: {"error": {"message": "boom"}}', "broke off with an error: boom"),
        (b"data: {half", "sent something that is not JSON"),
        (b"data: \xff\xfe", "sent something that is not JSON"),
    ],
)
def test_what_breaks_a_stream_is_one_sentence(server: OpenAIServer, event: bytes, words: str) -> None:
    server.strange_event = event + b"\n\n"
    with pytest.raises(ModelUnavailableError, match=words) as caught:
        _streamed(server)
    assert server.base_url in caught.value.message
    assert "\n" not in str(caught.value)
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("ending", "kind", "words"),
    [
        ("length", InputError, "used up the answer's length"),
        ("content_filter", UnsupportedError, "withheld the answer"),
    ],
)
def test_no_answer_is_not_an_empty_one(
    server: OpenAIServer, ending: str, kind: type[SensoriumError], words: str
) -> None:
    server.ending = ending
    if kind is UnsupportedError:
        # What a filter cut is no answer either, and neither "stop" nor "length" would be true of it.
        with pytest.raises(kind, match="withheld the rest"):
            _streamed(server)
    else:
        assert _streamed(server) == "A cat on a mat."
    server.answer = lambda body: []
    with pytest.raises(kind, match=words):
        _streamed(server)


def _ended(server: OpenAIServer) -> Ending:
    checkpoint = catalog.resolve(server.model(), task=TASK)
    turns = [{"role": "user", "content": "Hi"}]
    return ResultStream(stream_chat(open_client(checkpoint), checkpoint, turns, max_tokens=5)).finish()


@pytest.mark.parametrize(("ending", "reason"), [("stop", "stop"), ("length", "length"), ("tool_calls", "stop")])
def test_the_server_says_how_an_answer_ended_and_counts_its_tokens(
    server: OpenAIServer, ending: str, reason: str
) -> None:
    server.ending, server.usage = ending, (21, 4)
    assert _ended(server) == Ending(reason, Usage(21, 4))  # type: ignore[arg-type]
    assert server.requests[0].body["stream_options"] == {"include_usage": True}


def test_a_server_that_counts_no_tokens(server: OpenAIServer) -> None:
    server.usage = None
    assert _ended(server).usage is None
    server.refuses = lambda body: "stream_options" if "stream_options" in body else ""
    assert _ended(server) == Ending("stop", None)
    assert "stream_options" not in server.requests[-1].body


def test_a_refusal_is_an_error(server: OpenAIServer) -> None:
    server.refusal = "I can't help with that"
    with pytest.raises(UnsupportedError, match="refuses to answer: I can't help with that") as caught:
        _ended(server)
    assert caught.value.remedy


def test_a_page_that_is_no_stream_is_told_from_a_cut_one(refusing_server: str) -> None:
    checkpoint = catalog.resolve(f"openai:gpt@{refusing_server}", task=TASK)
    with pytest.raises(ModelUnavailableError, match="does not answer as an OpenAI-compatible server does"):
        list(stream_chat(open_client(checkpoint), checkpoint, [{"role": "user", "content": "Hi"}]))


@pytest.mark.parametrize("silent", ["before_streams", "between_pieces"])
def test_a_silent_server_is_hung_up_on(server: OpenAIServer, silent: str) -> None:
    answering, cancel = threading.Event(), threading.Event()
    setattr(server, silent, lambda: answering.wait(30))
    threading.Timer(0.5, cancel.set).start()
    began = time.monotonic()
    with pytest.raises(CancelledError):
        _streamed(server, cancel)
    assert time.monotonic() - began < 10
    assert server.requests
    answering.set()
