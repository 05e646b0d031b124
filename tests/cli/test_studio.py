"""``sensorium studio``: the server with its page, told by its address."""

from __future__ import annotations

import subprocess
from pathlib import Path

import httpx2

from tests.cli.conftest import Run
from tests.cli.conftest import run as run
from tests.processes import SENSORIUM, running


def test_it_tells_its_address_and_opens_no_browser_if_told_so(tmp_path: Path) -> None:
    command = [*SENSORIUM, "studio", "--port", "0", "--no-open", "--data", str(tmp_path / "data")]
    with running(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        line = next(line for line in process.stdout if "The studio is at " in line)
        address = line.partition("The studio is at ")[2].strip()
        assert address.endswith("/studio")
        answer = httpx2.get(address, headers={"accept-language": "zh-CN,en;q=0.5"}, trust_env=False)
    assert answer.headers["location"] == "/studio/zh/"


def test_a_page_of_several_processes_is_refused_before_it_starts(run: Run) -> None:
    refused = run("studio", "--no-open", "--cluster", "--ingress-replicas", "2")
    assert refused.exit_code != 0
    assert "--ingress-replicas" in refused.stderr
