"""What would let strangers in, or can't be, is refused before anything listens."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import ray.serve._private.constants as serve_constants

from sensorium.cluster.serving.open_doors import refuse_open_ports, require_token
from sensorium.cluster.serving.program import serve_on_cluster
from sensorium.engine.job_files import JobFiles
from sensorium.errors import InputError, MissingDependencyError, StorageError, UnreachableError
from sensorium.server.options import ServerOptions
from tests.cli.conftest import Run, run
from tests.refusals import refused

__all__ = ["run"]


@pytest.mark.parametrize("name", ["RAY_SERVE_ENABLE_HA_PROXY", "RAY_SERVE_ENABLE_DIRECT_INGRESS"])
def test_ports_for_each_replica_are_refused(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    refuse_open_ports()
    monkeypatch.setattr(serve_constants, name, True)
    with refused(InputError, name, "0.0.0.0"):
        refuse_open_ports()


def test_a_ray_that_asks_for_no_token_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    asking = "ray._private.authentication.authentication_utils.is_token_auth_enabled"
    monkeypatch.setattr(asking, lambda: True)
    require_token()
    monkeypatch.setattr(asking, lambda: False)
    with refused(InputError, "token", "RAY_AUTH_MODE=token"):
        require_token()


def test_another_address_needs_keys_here_too(tmp_path: Path) -> None:
    with refused(InputError, "0.0.0.0", "keys"):
        serve_on_cluster(ServerOptions(cluster=True, host="0.0.0.0", port=0, data=tmp_path), print)


def test_where_no_cluster_answers_it_is_told(tmp_path: Path) -> None:
    with refused(UnreachableError, "127.0.0.1:1"):
        serve_on_cluster(ServerOptions(cluster=True, port=0, data=tmp_path, address="127.0.0.1:1"), print)


def test_a_folder_that_is_in_use_is_told_before_ray_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    files = JobFiles(tmp_path)
    files.open()
    try:
        with refused(StorageError, str(tmp_path)):
            serve_on_cluster(ServerOptions(cluster=True, port=0, data=tmp_path), print)
    finally:
        files.close()


def test_without_ray_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with refused(MissingDependencyError, "sensorium[cluster]"):
        serve_on_cluster(ServerOptions(cluster=True, port=0, data=tmp_path), print)


@pytest.mark.parametrize("option", [("--address", "127.0.0.1:1"), ("--ingress-replicas", "2")])
def test_options_of_a_cluster_need_one(option: tuple[str, str], run: Run) -> None:
    done = run("serve", *option)
    assert done.exit_code == 2
    assert option[0] in done.stderr
    assert "--cluster" in done.stderr
