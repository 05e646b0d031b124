"""Every operation as a tool, called by the SDK's own client: started by the agent, and over HTTP."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeAlias

import httpx2
import PIL.Image
import psutil
import pytest

from benchmarks.cold_start import write_film
from sensorium.operations.registry import all_operations
from tests import real_media
from tests.mcp.conversation import Conversation, connected, document, links, pictures, started
from tests.server.conftest import served

BEGIN = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}},
}
"""How an agent of before 2026 begins a session."""

ANN, BOB, CAT = (f"sk-{name}-0123456789abcdefghij" for name in ("ann", "bob", "cat"))
Check: TypeAlias = Callable[[dict[str, Any]], bool]


def cat() -> Path:
    return real_media.photo("chelsea")


def speech() -> Path:
    return min((clip.path for clip in real_media.speech_clips("en")), key=lambda path: path.stat().st_size)


@pytest.fixture(scope="session")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    write_film(path, speech())
    return path


@pytest.fixture(scope="module")
def own_agent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Conversation]:
    """An agent that has started its tools itself."""
    with started(data=tmp_path_factory.mktemp("agent") / "data") as conversation:
        yield conversation


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server with two keys."""
    folder = tmp_path_factory.mktemp("server")
    keys = folder / "keys.toml"
    keys.write_text(f'[ann]\nkey = "{ANN}"\n[bob]\nkey = "{BOB}"\n[cat]\nkey = "{CAT}"\n')
    keys.chmod(0o600)
    with served(folder / "data", "--keys", str(keys)) as (address, _):
        yield address


@pytest.fixture(scope="module")
def remote_agent(address: str) -> Iterator[Conversation]:
    """An agent that speaks HTTP with a server."""
    with connected(address, ANN) as conversation:
        yield conversation


@pytest.fixture(params=["own_agent", "remote_agent"])
def agent(request: pytest.FixtureRequest) -> Conversation:
    """An agent, by each of the ways to the tools."""
    found: Conversation = request.getfixturevalue(request.param)
    return found


NO_STARTER = {"clone", "diarize", "vary"}
"""Operations of which no small model comes with the installation; called, they say which model is missing."""


def calls(agent: Conversation, film: Path) -> dict[str, tuple[dict[str, Any], Check]]:
    """Return for each tool what it is called with, and what its result must be."""
    picture, sound, moving = (agent.hand_over(each) for each in (cat(), speech(), film))
    painted = {"steps": 2, "seed": 7}
    asking = {"image": picture, "question": "What animal is this?"}
    return {
        "ask": (asking, lambda result: "cat" in result["text"]),
        "ask-film": ({"film": moving, "question": "What is said?"}, lambda result: bool(result["text"])),
        "build-prompt": ({"subject": "a cat", "style": "oil painting"}, lambda result: "a cat" in json.dumps(result)),
        "caption": ({"image": picture}, lambda result: "cat" in result["text"]),
        "chat": (
            {
                "messages": [
                    {
                        "role": "user",
                        "content": [
                            {"type": "image", "image": picture},
                            {"type": "text", "text": "What is in the picture?"},
                        ],
                    }
                ]
            },
            lambda result: "cat" in json.dumps(result),
        ),
        "classify": (
            {"image": picture, "labels": ["a dog", "a cat", "a car"]},
            lambda result: json.dumps(result).index("a cat") < json.dumps(result).index("a dog"),
        ),
        "classify-film": ({"film": moving, "labels": ["a cat", "a car"]}, lambda result: "a cat" in json.dumps(result)),
        "clone": (
            {"text": "Good morning.", "reference": sound, "consent": "I am the speaker and I agree."},
            lambda result: False,
        ),
        "control": (
            {"prompt": "a house", "reference": picture, "controls": ["canny"], **painted},
            lambda result: len(result["pictures"]) == 1,
        ),
        "control-map": ({"image": picture, "control": "canny"}, lambda result: not result["black"]),
        "count-tokens": ({"prompt": "a red house"}, lambda result: result["counts"][0]["tokens"] == 3),
        "describe-film": ({"film": moving}, lambda result: bool(result["text"])),
        "detect-language": ({"audio": sound}, lambda result: result["language"] == "en"),
        "diarize": ({"audio": sound}, lambda result: False),
        "edit": (
            {"image": picture, "prompt": "a red house", **painted},
            lambda result: len(result["pictures"]) == 1,
        ),
        "embed": ({"texts": ["a cat", "a dog"]}, lambda result: len(result["vectors"]) == 2),
        "find-moment": ({"film": moving, "text": "a cat"}, lambda result: len(result["moments"]) > 0),
        "imagine": ({"prompt": "a red house", **painted}, lambda result: len(result["pictures"]) == 1),
        "index": ({"files": [picture]}, lambda result: result["added"] == 1),
        "moderate": ({"source": picture}, lambda result: not result["flagged"] and bool(result["moments"])),
        "read-film": ({"film": moving}, lambda result: result["frames"] > 0),
        "read": ({"image": picture}, lambda result: result["text"] == "" and result["width"] > 0),
        "search": (
            {"text": "a cat"},
            lambda result: result["matches"][0]["name"] == cat().name and result["matches"][0]["media"] == picture,
        ),
        "remove-from-index": ({"files": [picture]}, lambda result: result["removed"] == 1),
        "speak": ({"text": "Good morning."}, lambda result: result["duration"] > 0.3),
        "subtitle": ({"audio": sound, "language": "en"}, lambda result: "number" in result["transcription"]["text"]),
        "transcribe": ({"audio": sound}, lambda result: result["language"] == "en" and "number" in result["text"]),
        "translate": ({"audio": sound}, lambda result: "number" in result["text"]),
        "vary": ({"image": picture, "model": "kandinsky-2-2"}, lambda result: False),
    }


def test_every_operation_is_a_tool_that_does_its_work(agent: Conversation, film: Path) -> None:
    """In one conversation, as an agent would: what one tool makes, another one takes."""
    asked = calls(agent, film)
    assert agent.tools.keys() == all_operations().keys() == {*asked, "paint-again"}
    wrong = {}
    for name, (arguments, is_right) in asked.items():
        answer = agent.call(name, **arguments)
        if name in NO_STARTER:
            assert answer.is_error, name
            assert "sensorium" in str(answer.content), name
        elif answer.is_error or not is_right(document(answer)["result"]):
            wrong[name] = str(answer.content)[:500]
        elif name == "imagine":
            use_as = document(answer)["files"][0]["use_as"]
            again = document(agent.call("paint-again", picture=use_as, model="painter-starter"))
            assert again["result"]["identical"]
    assert wrong == {}


def test_what_is_painted_is_shown_and_can_be_fetched(agent: Conversation) -> None:
    answer = agent.call("imagine", prompt="a red house", steps=2, seed=7)
    (link,), (shown,) = links(answer), pictures(answer)
    data, media_type = agent.read(str(link.uri))
    assert media_type == "image/png" == link.mime_type
    assert len(data) == link.size
    with PIL.Image.open(io.BytesIO(data)) as picture:
        assert picture.size == (64, 64)
    assert base64.b64decode(shown.data) == data
    assert document(answer)["files"][0]["use_as"].endswith(f"/{link.name}")


def test_progress_grows_from_stage_to_stage(agent: Conversation, film: Path) -> None:
    agent.call("describe-film", film=agent.hand_over(film))
    numbers = [done for done, _, _ in agent.told]
    assert numbers == sorted(set(numbers))
    assert len(numbers) > 1
    assert all(total is None or done <= total for done, total, _ in agent.told)
    assert all(words for _, _, words in agent.told)


def test_a_tool_that_is_called_off_stops(agent: Conversation) -> None:
    agent.call_off("imagine", 3, prompt="a red house", steps=1000, seed=7)
    # The painter has one process: it would be busy for a minute.
    assert len(document(agent.call("imagine", prompt="a red house", steps=1, seed=7))["result"]["pictures"]) == 1


@pytest.mark.parametrize(
    ("tool", "arguments", "named"),
    [
        ("ask", {"image": "data:text/plain,hello", "question": "What?"}, "text"),
        ("ask", {"image": "upload:nothing"}, "question"),
        ("transcribe", {"audio": "upload:0123456789abcdef0123456789abcdef"}, "0123456789abcdef"),
        ("transcribe", {"audio": "artifact:none/none.wav"}, "none.wav"),
        ("imagine", {"prompt": "a house", "stepz": 3}, "stepz"),
        ("imagine", {"prompt": "a house", "model": "no-such-model"}, "no-such-model"),
        ("paint", {}, "paint"),
    ],
)
def test_what_cant_be_done_is_said_in_a_sentence(
    agent: Conversation, tool: str, arguments: dict[str, Any], named: str
) -> None:
    answer = agent.call(tool, **arguments)
    assert answer.is_error
    (told,) = answer.content
    assert named in told.text
    assert told.text.endswith((".", "?"))
    assert "Traceback" not in told.text


def test_files_of_this_machine_are_named_by_agents_on_it_alone(
    own_agent: Conversation, remote_agent: Conversation, tmp_path: Path
) -> None:
    missing = tmp_path / "missing.png"
    long, nobody = tmp_path / ("x" * 5000), Path("~nobody-of-that-name/x.png")
    cases = ((missing, "missing.png"), (tmp_path, "folder"), (long, "too long"), (nobody, "x.png"))
    for path, named in cases:
        told = own_agent.call("caption", image=str(path))
        assert told.is_error
        assert named in str(told.content)
    refused = remote_agent.call("caption", image=str(cat()))
    assert refused.is_error
    assert "can't be named here" in str(refused.content)


def test_an_owner_finds_only_their_own(address: str, remote_agent: Conversation) -> None:
    (link,) = links(remote_agent.call("imagine", prompt="a red house", steps=1))
    with connected(address, BOB) as bob:
        with pytest.raises(Exception, match="There is no job"):
            bob.read(str(link.uri))
        use_as = link.uri.replace("sensorium://jobs/", "artifact:")
        assert bob.call("caption", image=use_as).is_error


def test_nobody_without_a_key(address: str) -> None:
    for headers in ({}, {"authorization": "Bearer sk-wrong"}):
        answer = httpx2.post(f"{address}/mcp", json={}, headers=headers, trust_env=False)
        assert answer.status_code == 401
        assert answer.json()["error"]["type"] == "authentication_error"


def test_a_session_belongs_to_its_key(address: str) -> None:
    accept = {"accept": "application/json, text/event-stream"}
    ann, bob = ({**accept, "authorization": f"Bearer {key}"} for key in (ANN, BOB))
    with httpx2.Client(base_url=address, trust_env=False, timeout=60) as http:
        begun = http.post("/mcp", json=BEGIN, headers=ann)
        session = {"mcp-session-id": begun.headers["mcp-session-id"]}
        listing = {"jsonrpc": "2.0", "id": 2, "method": "tools/list"}
        assert http.post("/mcp", json=listing, headers={**bob, **session}).status_code == 404
        assert http.post("/mcp", json=listing, headers={**ann, **session}).status_code == 200


def test_nobody_takes_all_sessions(address: str) -> None:
    headers = {"accept": "application/json, text/event-stream", "authorization": f"Bearer {CAT}"}
    with httpx2.Client(base_url=address, trust_env=False, timeout=60, headers=headers) as http:
        answers = [http.post("/mcp", json=BEGIN).status_code for _ in range(70)]
    assert set(answers) == {200, 429}
    with connected(address, ANN, mode="legacy") as agent:
        assert not agent.call("count-tokens", prompt="a red house").is_error


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80"])
def test_a_page_that_points_its_name_here_is_refused(address: str, host: str) -> None:
    headers = {"authorization": f"Bearer {ANN}", "host": host}
    assert httpx2.post(f"{address}/mcp", json={}, headers=headers, trust_env=False).status_code == 421


def test_agents_of_before_the_new_protocol(address: str, tmp_path: Path) -> None:
    with connected(address, ANN, mode="legacy") as served_one, started(data=tmp_path / "data", mode="legacy") as own:
        for agent in (served_one, own):
            answer = agent.call("classify", image=agent.hand_over(cat()), labels=["a dog", "a cat"])
            assert "a cat" in json.dumps(document(answer))


def test_an_agent_with_a_server_behind_it_names_its_own_files(address: str, tmp_path: Path) -> None:
    with started("--server", address, data=tmp_path / "data", SENSORIUM_API_KEY=ANN) as agent:
        assert "cat" in document(agent.call("caption", image=str(cat())))["result"]["text"]
        answer = agent.call("imagine", prompt="a red house", steps=2, seed=7)
        assert document(answer)["files"][0]["open"].startswith(address)
        assert len(agent.read(str(links(answer)[0].uri))[0]) == links(answer)[0].size
        agent.call_off("imagine", 3, prompt="a red house", steps=1000, seed=7)
        assert not agent.call("imagine", prompt="a red house", steps=1).is_error


def test_two_agents_at_once_have_engines_of_their_own_and_leave_nothing_running(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with started(data=data) as first, started(data=data) as second:
        for agent in (first, second):
            assert not agent.call("count-tokens", prompt="a red house").is_error
        assert {"agents", "agents-2"} <= {folder.name for folder in data.iterdir()}
        assert processes_of(data)
    assert not processes_of(data)
    assert (tmp_path / "data.log").read_text() == ""


def processes_of(data: Path) -> list[int]:
    """Return the processes that were started with this data folder."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.environ().get("SENSORIUM_DATA") == str(data):
                found.append(process.pid)
    return found


def test_an_agent_can_choose_by_what_it_is_told(own_agent: Conversation) -> None:
    for name, tool in own_agent.tools.items():
        assert len(tool.description or "") > 20, name
        assert tool.input_schema["properties"], name
        for field, schema in tool.input_schema["properties"].items():
            assert schema.get("description"), f"{name}: {field}"
        assert name in own_agent.instructions or name in (
            "count-tokens",
            "embed",
            "detect-language",
            "paint-again",
            "remove-from-index",
            "vary",
            "classify-film",
        ), name
    changing = {name for name, tool in own_agent.tools.items() if not tool.annotations.read_only_hint}
    assert changing == {"index", "remove-from-index"}
    # All of it is read by a model at each turn: 17,000 tokens or so.
    assert sum(len(tool.model_dump_json()) for tool in own_agent.tools.values()) < 80_000
