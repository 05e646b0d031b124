"""A real HTTP server that speaks as much of OpenAI's protocol as our remote backends use, and records what it gets.

Chat completions (whole and streamed as server-sent events), images (generations, edits, variations) and models.
"""

from __future__ import annotations

import base64
import io
import json
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.parser import BytesParser
from email.policy import HTTP
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import PIL.Image


@dataclass
class Request:
    """What a client sent.

    Attributes:
        path: Such as ``"/v1/chat/completions"``.
        headers: With names in lower case.
        body: The JSON document, or the fields of a form.
        files: The files of a form, in their order, by field name (``"image"``, ``"image[]"``, ``"mask"``).
    """

    path: str
    headers: dict[str, str]
    body: dict[str, Any]
    files: list[tuple[str, bytes]] = field(default_factory=list)


@dataclass
class OpenAIServer:
    """A running server; get one from `serve_openai`.

    Attributes:
        base_url: What a user writes after the ``@``.
        requests: All POST requests so far, oldest first.
        answer: Gives the pieces of a chat answer for a request's body; a stream sends them one by one, and pieces with
            other fields than text too.
        paint: Gives one picture for a request about images.
        picture_address: If set, pictures are answered by this address rather than as they are.
        models: The names that the server knows; others get 404.
        failure: If set, every POST gets this status and message.
        refuses: Gives the name of a field of a chat request that the model doesn't take as it is, or "".
        between_pieces: Called after each piece of a stream was sent; may wait.
        hung_up: Set when a client closed its connection in the middle of a stream.
        cut_streams: End a stream without its last event, by closing the connection.
        strange_event: Sent in a stream after its pieces, as it is.
        ending: Why a stream says that it ends.
        usage: How many tokens prompt and answer have, told where a request asks; None for a server that counts none.
        reasoning_tokens: How many tokens of the answer were thoughts.
        refusal: Told in place of an answer.
        before_streams: Called before the first byte of a stream; may wait.
    """

    base_url: str = ""
    requests: list[Request] = field(default_factory=list)
    answer: Callable[[dict[str, Any]], Sequence[str | dict[str, Any]]] = lambda body: ["A cat ", "on a ", "mat."]
    paint: Callable[[Request], PIL.Image.Image] = lambda request: PIL.Image.new("RGB", wanted_size(request), "red")
    picture_address: str = ""
    models: tuple[str, ...] = ("tiny",)
    failure: tuple[int, str] | None = None
    refuses: Callable[[dict[str, Any]], str] = lambda body: ""
    between_pieces: Callable[[], None] = lambda: None
    hung_up: threading.Event = field(default_factory=threading.Event)
    cut_streams: bool = False
    strange_event: bytes = b""
    ending: str = "stop"
    usage: tuple[int, int] | None = (7, 3)
    reasoning_tokens: int = 0
    refusal: str = ""
    before_streams: Callable[[], None] = lambda: None

    def model(self, name: str = "tiny") -> str:
        """Return what a user passes as ``model=``."""
        return f"openai:{name}@{self.base_url}"


@contextmanager
def serve_openai() -> Iterator[OpenAIServer]:
    """Run a server on a free port of this machine; its behaviour is set through the object that this yields."""
    state = OpenAIServer()

    class Handler(_Handler):
        server_state = state

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    state.base_url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def images_in(body: dict[str, Any]) -> list[PIL.Image.Image]:
    """Return the pictures of a chat request, which come as data URIs, in their order."""
    pictures = []
    for message in body["messages"]:
        for part in message["content"] if isinstance(message["content"], list) else []:
            if part["type"] == "image_url":
                head, _, data = part["image_url"]["url"].partition(",")
                assert head.startswith("data:image/"), head
                assert head.endswith(";base64"), head
                pictures.append(PIL.Image.open(io.BytesIO(base64.b64decode(data, validate=True))))
    return pictures


def wanted_size(request: Request) -> tuple[int, int]:
    """Return the width and height that a request about images asks for; 64 × 64 if it leaves that open."""
    size = str(request.body.get("size") or "auto")
    if "x" not in size:
        return 64, 64
    width, height = size.split("x")
    return int(width), int(height)


class _Handler(BaseHTTPRequestHandler):
    server_state: OpenAIServer
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *arguments: Any) -> None:
        """Print nothing."""

    def do_GET(self) -> None:
        listed = [
            {"id": name, "object": "model", "created": 0, "owned_by": "test"} for name in self.server_state.models
        ]
        self._send(200, {"object": "list", "data": listed})

    def do_POST(self) -> None:
        state = self.server_state
        request = self._read()
        state.requests.append(request)
        if state.failure is not None:
            status, message = state.failure
            self._fail(status, message)
        elif request.body.get("model") not in state.models:
            self._fail(404, f"The model `{request.body.get('model')}` does not exist")
        elif request.path == "/v1/chat/completions":
            self._chat(request)
        elif request.path in ("/v1/images/generations", "/v1/images/edits", "/v1/images/variations"):
            self._images(request)
        else:
            self._fail(404, f"There is no {request.path}")

    def _read(self) -> Request:
        headers = {name.lower(): value for name, value in self.headers.items()}
        data = self.rfile.read(int(headers.get("content-length", 0)))
        kind = headers.get("content-type", "")
        if not kind.startswith("multipart/form-data"):
            return Request(self.path, headers, json.loads(data or b"{}"))
        form = BytesParser(policy=HTTP).parsebytes(f"Content-Type: {kind}\r\n\r\n".encode() + data)
        fields: dict[str, Any] = {}
        files = []
        for part in form.iter_parts():
            name = str(part.get_param("name", header="content-disposition"))
            content = part.get_payload(decode=True)
            assert isinstance(content, bytes)
            if part.get_filename() is None:
                fields[name] = content.decode()
            else:
                files.append((name, content))
        return Request(self.path, headers, fields, files)

    def _chat(self, request: Request) -> None:
        refused = self.server_state.refuses(request.body)
        if refused:
            value = request.body[refused]
            self._fail(400, f"Unsupported value: '{refused}' does not support {value} with this model.", refused)
            return
        pieces = self.server_state.answer(request.body)
        if request.body.get("stream"):
            self._stream(request, pieces)
            return
        message = {"role": "assistant", "content": "".join(piece for piece in pieces if isinstance(piece, str))}
        choice = {"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}
        self._send(200, {**self._about(request, "chat.completion"), "choices": [choice]})

    def _stream(self, request: Request, pieces: Sequence[str | dict[str, Any]]) -> None:
        self.server_state.before_streams()
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        deltas: list[dict[str, Any]] = [
            {"role": "assistant", "content": ""},
            *({"content": piece} if isinstance(piece, str) else piece for piece in pieces),
        ]
        if self.server_state.refusal:
            deltas = [{"role": "assistant", "content": None}, {"refusal": self.server_state.refusal}]
        try:
            for delta in deltas:
                self._event(request, delta, None)
                self.server_state.between_pieces()
            self.wfile.write(self.server_state.strange_event)
            if not self.server_state.cut_streams:
                self._event(request, {}, self.server_state.ending)
                self._count(request)
                self.wfile.write(b"data: [DONE]\n\n")
        except (BrokenPipeError, ConnectionResetError):
            self.server_state.hung_up.set()

    def _event(self, request: Request, delta: dict[str, Any], finish: str | None) -> None:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        document = {**self._about(request, "chat.completion.chunk"), "choices": [choice]}
        self.wfile.write(f"data: {json.dumps(document)}\n\n".encode())
        self.wfile.flush()

    def _count(self, request: Request) -> None:
        if self.server_state.usage is None or not (request.body.get("stream_options") or {}).get("include_usage"):
            return
        read, written = self.server_state.usage
        usage = {
            "prompt_tokens": read,
            "completion_tokens": written,
            "total_tokens": read + written,
            "completion_tokens_details": {"reasoning_tokens": self.server_state.reasoning_tokens},
        }
        document = {**self._about(request, "chat.completion.chunk"), "choices": [], "usage": usage}
        self.wfile.write(f"data: {json.dumps(document)}\n\n".encode())

    def _images(self, request: Request) -> None:
        pictures = []
        for _ in range(int(request.body.get("n") or 1)):
            file = io.BytesIO()
            self.server_state.paint(request).save(file, "PNG")
            address = self.server_state.picture_address
            pictures.append({"url": address} if address else {"b64_json": base64.b64encode(file.getvalue()).decode()})
        self._send(200, {"created": 0, "data": pictures})

    def _about(self, request: Request, kind: str) -> dict[str, Any]:
        return {"id": "chatcmpl-1", "object": kind, "created": 0, "model": request.body["model"]}

    def _fail(self, status: int, message: str, field: str | None = None) -> None:
        error = {"message": message, "type": "invalid_request_error", "param": field, "code": None}
        self._send(status, {"error": error})

    def _send(self, status: int, document: dict[str, Any]) -> None:
        data = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
