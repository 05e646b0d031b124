"""What all tests share."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from xdist.remote import Producer
    from xdist.scheduler import Scheduling

    from tests.postgresql import PostgreSQL

# Tests import torch before the library can say how its threads wait; beside a busy program they would crawl.
os.environ.setdefault("GOMP_SPINCOUNT", "10000")
if "PYTEST_XDIST_WORKER" in os.environ:
    # Each of the processes that share the work has a core; threads of its own would only get in the others' way.
    os.environ.setdefault("SENSORIUM_THREADS", "1")
    os.environ.setdefault("OMP_NUM_THREADS", "1")

_SETTINGS = (
    "SENSORIUM_PROFILE",
    "SENSORIUM_HARDWARE",
    "SENSORIUM_COMPILE",
    "SENSORIUM_SUBSTITUTE",
    "SENSORIUM_MIRROR",
    "SENSORIUM_LORAS",
    "SENSORIUM_EMBEDDINGS",
    "SENSORIUM_SERVER",
    "SENSORIUM_API_KEY",
    "SENSORIUM_API_KEYS",
    "SENSORIUM_OFFLINE",
    "HF_HUB_OFFLINE",
)


@pytest.fixture(autouse=True)
def plain_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the settings of whoever runs the tests out of them; the fetched starter weights stay in use."""
    for name in _SETTINGS:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def sensorium_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder in place of the one that holds fetched checkpoints."""
    folder = tmp_path / "sensorium-home"
    monkeypatch.setenv("SENSORIUM_HOME", str(folder))
    return folder


@pytest.fixture
def slow_tokenizers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give other threads a moment between the settings of a tokenizer (padding, truncation) and its encoding."""
    from transformers import PreTrainedTokenizerFast

    settle = PreTrainedTokenizerFast.set_truncation_and_padding

    def slowly(self: Any, *arguments: Any, **options: Any) -> None:
        settle(self, *arguments, **options)
        time.sleep(0.002)

    monkeypatch.setattr(PreTrainedTokenizerFast, "set_truncation_and_padding", slowly)


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSQL]:
    """A PostgreSQL server; tests that stop it start it again."""
    from tests.postgresql import postgresql_server

    with postgresql_server() as server:
        yield server


_FIGURES = pytest.StashKey[list[str]]()
_PARITIES = pytest.StashKey[list[tuple[str, str, str]]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let the tests of OpenAI's client run against another kind of server."""
    parser.addoption(
        "--serve-options", default="", help="Options of the server, such as '--cluster --ingress-replicas 2'."
    )


def pytest_configure(config: pytest.Config) -> None:
    """Begin the lists of what tests measure."""
    config.stash[_FIGURES] = []
    config.stash[_PARITIES] = []


@pytest.fixture(scope="session")
def parity(pytestconfig: pytest.Config) -> Callable[[str, str, str], None]:
    """Takes a row of the table that compares each family with its reference library on the same checkpoint.

    The arguments are the family, the call of the reference library, and how far apart the two are
    ("token-identical", "largest difference 3e-7").
    """

    def add(family: str, reference: str, agreement: str) -> None:
        pytestconfig.stash[_PARITIES].append((family, reference, agreement))

    return add


@pytest.fixture(scope="session")
def measured(pytestconfig: pytest.Config) -> Callable[[str], None]:
    """Takes a figure in words; all of them are printed at the end of the run, whether tests pass or fail."""
    return pytestconfig.stash[_FIGURES].append


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Hand what was measured to the process that prints it, if this one only shares the work (``pytest -n``)."""
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["figures"] = session.config.stash[_FIGURES]
        output["parities"] = [list(row) for row in session.config.stash[_PARITIES]]


_ONE_SERVER = ("tests/cluster/serving/", "tests/server/openai/", "tests/studio/")
"""Rooms whose files share a server and the models in it."""


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Scheduling | None:
    """Let one process run all files of a room that shares a server, instead of each process with a server of its own.

    The largest rooms and files come first, so that small ones are left for the end.
    """
    from xdist.scheduler import LoadFileScheduling

    class LoadRoomScheduling(LoadFileScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            room = next((room for room in _ONE_SERVER if nodeid.startswith(room)), None)
            return room or super()._split_scope(nodeid)

    return LoadRoomScheduling(config, log) if config.getvalue("dist") == "loadfile" else None


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:
    """Take what a process that shares the work has measured."""
    output = getattr(node, "workeroutput", {})
    node.config.stash[_FIGURES].extend(output.get("figures", []))
    node.config.stash[_PARITIES].extend(tuple(row) for row in output.get("parities", []))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print what the tests measured."""
    figures = config.stash[_FIGURES]
    if figures:
        terminalreporter.section("measured")
        for figure in figures:
            terminalreporter.write_line(figure)
    rows = sorted(config.stash[_PARITIES])
    if rows:
        terminalreporter.section("compared with the reference library, on the same checkpoint and input")
        widths = [max(len(row[column]) for row in rows) for column in range(2)]
        for family, reference, agreement in rows:
            terminalreporter.write_line(f"{family:{widths[0]}}  {reference:{widths[1]}}  {agreement}")
