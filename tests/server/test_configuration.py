"""The configuration: a file, options in place of its lines, and what is refused."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from sensorium.errors import InputError, MissingDependencyError
from sensorium.operations.operation import ModelOperation
from sensorium.operations.registry import all_operations
from sensorium.server.configuration import configured
from sensorium.server.keys import Key, KeyRing, digest_of, known_keys
from sensorium.server.loading import operation_for
from sensorium.server.options import ServerOptions
from sensorium.server.program import listening
from sensorium.server.telemetry import telemetry_for
from tests.refusals import refused

NO_KEYS = KeyRing()


def written(folder: Path, text: str) -> Path:
    file = folder / "sensorium.toml"
    file.write_text(text, encoding="utf-8")
    return file


def test_a_file_is_read_and_options_replace_its_lines(tmp_path: Path) -> None:
    file = written(
        tmp_path,
        'port = 9000\ntime_to_live = 60\n[models."whisper-large-v3-turbo"]\ntime_to_live = -1\npinned = true\n',
    )
    options = configured(file, {"port": 9001})
    assert (options.port, options.time_to_live) == (9001, 60)
    assert options.models["whisper-large-v3-turbo"].time_to_live == -1
    assert options.models["whisper-large-v3-turbo"].pinned
    assert configured(None, {}) == ServerOptions()


def test_files_of_windows_are_read(tmp_path: Path) -> None:
    assert configured(written(tmp_path, "\ufeffport = 9000\r\nqueue = 3\r\n"), {}).port == 9000
    keys = tmp_path / "keys.toml"
    keys.write_bytes(b'\xef\xbb\xbf[anna]\r\nkey = "a-key-of-anna-for-this-test"\r\n')
    assert known_keys(keys)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("qeue = 3", ("qeue", "queue")),
        ("queue = 0", ("queue", "0")),
        ('origins = ["obsidian.md"]', ("origins", "obsidian.md")),
        ('public = ["jobs"]', ("public", "jobs")),
        ('keys = "no-such-file.toml"', ("no-such-file.toml",)),
        ('[models."whisper-large-v3-turbo"]\ntime_to_lve = 3', ("time_to_lve", "time_to_live")),
        ('[models."whisper-larg-v3"]\npinned = true', ("whisper-larg-v3", "whisper-large-v3")),
        ('[models."whisper-base"]\npinned = true', ("whisper-base", "starter")),
        ('profile = "starterr"', ("profile", "starterr", "starter, standard, best")),
        ("port = ", ("sensorium.toml",)),
    ],
)
def test_what_is_unknown_or_wrong_is_refused(tmp_path: Path, text: str, named: tuple[str, ...]) -> None:
    with refused(InputError, *named):
        configured(written(tmp_path, text), {})


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with refused(InputError, "nothing.toml"):
        configured(tmp_path / "nothing.toml", {})


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.1", "example.org", "::", ""])
def test_other_addresses_than_this_machines_own_are_refused(host: str) -> None:
    with refused(InputError, repr(host)):
        listening(ServerOptions(host=host, port=0), NO_KEYS)


def test_with_a_key_or_where_anyone_is_allowed_it_listens_elsewhere_too() -> None:
    keys = KeyRing([Key(name="anna", digest=digest_of("0123456789abcdef"))])
    with listening(ServerOptions(host="0.0.0.0", port=0), keys) as listener:
        assert listener.getsockname()[0] == "0.0.0.0"
    with listening(ServerOptions(host="0.0.0.0", port=0, allow_anyone=True), NO_KEYS) as listener:
        assert listener.getsockname()[0] == "0.0.0.0"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.0.0.2"])
def test_it_listens_on_this_machine_alone(host: str) -> None:
    with listening(ServerOptions(host=host, port=0), NO_KEYS) as listener:
        address, port = listener.getsockname()
        assert address.startswith("127.0.0.")
        assert listener.proto == socket.IPPROTO_TCP  # else asyncio lets small answers wait for 40 ms
        listener.listen()
        with refused(InputError, str(port)):
            listening(ServerOptions(host=host, port=port), NO_KEYS)


def test_nothing_is_told_about_requests_unless_that_is_switched_on(monkeypatch: pytest.MonkeyPatch) -> None:
    off = telemetry_for(ServerOptions())
    assert not any(off.values())
    monkeypatch.setattr("sensorium.server.telemetry.find_spec", lambda module: None)
    with refused(MissingDependencyError, "OpenTelemetry"):
        telemetry_for(ServerOptions(telemetry=True))
    monkeypatch.setattr("sensorium.server.telemetry.find_spec", lambda module: object())
    on = telemetry_for(ServerOptions(telemetry=True))
    assert (on["tracing"], on["metrics"], on["auto_configure"]) == (True, True, True)
    assert not on["logs"]  # they would hold what clients sent


@pytest.mark.parametrize("name", all_operations())
def test_every_model_can_be_loaded_before_it_is_asked_anything(name: str) -> None:
    if not issubclass(all_operations()[name], ModelOperation):
        with refused(InputError, name):
            operation_for(name, {})
        return
    operation = operation_for(name, {"device": "cpu"})
    assert (operation.name, operation.device) == (name, "cpu")
    assert type(operation).of(operation.model_dump(mode="json")) == operation
