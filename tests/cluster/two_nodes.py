"""A Ray cluster of two nodes on this machine: prints its address and the second node's process, and waits."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from ray.cluster_utils import Cluster

MEGABYTES = 1 << 20

if __name__ == "__main__":
    Path("/tmp/ray").mkdir(exist_ok=True)  # Ray notes there which cluster was started last
    cluster = Cluster(
        initialize_head=True,
        head_node_args={
            "num_cpus": 1,
            "include_dashboard": False,
            "object_store_memory": 100 * MEGABYTES,
            "temp_dir": sys.argv[1],
        },
    )
    node = cluster.add_node(num_cpus=1, object_store_memory=100 * MEGABYTES)
    [raylet] = [process for kind, process in node.live_processes() if kind == "raylet"]
    print(cluster.address, raylet.pid, flush=True)
    while True:
        time.sleep(60)
