"""A Ray cluster of two nodes on this machine, a core each, in a process of its own: no test process joins it.

Prints its address, then obeys lines: "kill" waits until the second node is in the middle of a task, and kills all of
its processes at once. Ends with its input.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

NODE = {"num_cpus": 1, "object_store_memory": 80 * 2**20, "include_dashboard": False}


def busy(raylet_pid: int) -> bool:
    """Say whether one of a node's workers is doing a task of the engine; Ray puts its name into the process's title."""
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            parent = (entry / "stat").read_text().rsplit(")")[1].split()[1]
            title = (entry / "cmdline").read_bytes()
        except OSError:
            continue
        if parent == str(raylet_pid) and title.startswith(b"ray::serve"):
            return True
    return False


def main() -> None:
    from ray.cluster_utils import Cluster

    cluster: Any = Cluster(initialize_head=True, head_node_args=NODE)
    second = cluster.add_node(**NODE)
    cluster.wait_for_nodes()
    print(cluster.address, flush=True)
    for line in sys.stdin:
        if line.strip() == "kill":
            raylet = second.all_processes["raylet"][0].process.pid
            end_s = time.monotonic() + 60
            while not (found := busy(raylet)) and time.monotonic() < end_s:
                time.sleep(0.01)
            cluster.remove_node(second, allow_graceful=False)
            print("killed in a task" if found else "killed idle", flush=True)
    cluster.shutdown()


if __name__ == "__main__":
    main()
