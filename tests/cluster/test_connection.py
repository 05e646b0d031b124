"""Clusters that can't be joined."""

from __future__ import annotations

import socket

import pytest

from sensorium.cluster.connection import connected
from sensorium.errors import InputError, UnreachableError
from tests.refusals import refused


@pytest.mark.parametrize("address", ["ray://head:10001", "head", "head:port", ":6379", ""])
def test_what_is_no_address_of_a_cluster_is_told(address: str) -> None:
    with refused(InputError, repr(address), "host:port"), connected(address, processors=1, purpose="A test"):
        pass


def test_a_cluster_that_is_not_there_is_told_at_once() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{unused.getsockname()[1]}"
        with refused(UnreachableError, address, "ray start"), connected(address, processors=1, purpose="A test"):
            pass
