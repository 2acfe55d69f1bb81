"""What a daemon says of its peers, as tests ask for it."""

from __future__ import annotations

from functools import partial
from typing import Any

from benchmarks.node.daemon import Daemon
from tests.fuse.node import BUCKET
from tests.waiting import eventually

SOURCE = f"oss://{BUCKET}/m/"


def peers_of(daemon: Daemon) -> dict[str, Any]:
    """``GET /v1/peers``."""
    return daemon.call("GET", "/peers")


def rows(daemon: Daemon, node: str) -> list[dict[str, Any]]:
    """What it says of a node, one for each run of it."""
    return [peer for peer in peers_of(daemon)["peers"] if peer["node"] == node]


def known(daemon: Daemon) -> list[str]:
    """The nodes that answered this one."""
    return [peer["node"] for peer in peers_of(daemon)["peers"]]


def up(daemon: Daemon) -> list[str]:
    """The nodes that it can take chunks from."""
    return sorted(peer["node"] for peer in peers_of(daemon)["peers"] if peer["state"] == "up")


def problems(daemon: Daemon) -> dict[str, str]:
    """Code of each problem by its address."""
    return {problem["address"]: problem["code"] for problem in peers_of(daemon)["problems"]}


def wait_until_up(*daemons: Daemon) -> None:
    """Wait until each of them can take chunks from all others."""
    names = {daemon.settings.directory.name for daemon in daemons}
    for daemon in daemons:
        others = names - {daemon.settings.directory.name}
        eventually(partial(_are_up, daemon, others), f"all are up: {sorted(others)}")


def _are_up(daemon: Daemon, nodes: set[str]) -> bool:
    return nodes <= {*up(daemon)}


def warm(daemon: Daemon, source: str = SOURCE) -> dict[str, Any]:
    """Bring everything into the cache of a node; the finished prewarm."""
    return end_of(daemon, start_warming(daemon, source))


def start_warming(daemon: Daemon, source: str = SOURCE) -> str:
    """Begin it; the id of the prewarm."""
    job: str = daemon.call("POST", "/prewarms", {"sources": [source]})["id"]
    return job


def end_of(daemon: Daemon, job: str) -> dict[str, Any]:
    """Wait until a prewarm is finished, and it must be well; what it says then."""
    state: dict[str, Any] = {}

    def finished() -> bool:
        state.update(daemon.call("GET", f"/prewarms/{job}"))
        return state["state"] not in {"pending", "warming"}

    eventually(finished, "the prewarm ends")
    assert state["state"] == "warm", state["error"]
    return state
