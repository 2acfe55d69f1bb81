"""A prewarm of several nodes, with real daemons: one copy from the origin, leases, restarts, what cannot be."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from benchmarks.node.daemon import Daemon
from cli.exit_codes import ExitCode
from tests.cluster.loopback import Loopback, running_nodes
from tests.cluster.views import SOURCE, wait_until_up
from tests.fuse.node import some_bytes
from tests.waiting import eventually

SIZE = 12 << 20
NODES = 3
ZONES = {number: {"node": {"zone": "odd" if number % 2 else "even"}} for number in range(NODES)}


@pytest.fixture(scope="module")
def nodes() -> Any:
    with running_nodes(NODES, sections=ZONES) as running:
        running.put("m/model.safetensors", some_bytes(SIZE))
        wait_until_up(*running.daemons)
        yield running


def ended(daemon: Daemon, prewarm_id: str) -> dict[str, Any]:
    state: dict[str, Any] = {}

    def is_over() -> bool:
        state.update(daemon.call("GET", f"/prewarms/{prewarm_id}"))
        return state["state"] in {"warm", "failed", "cancelled"}

    eventually(is_over, "the prewarm ends")
    return state


def states(prewarm: dict[str, Any]) -> dict[str, str]:
    return {node["node"]: node["state"] for node in prewarm["nodes"]}


def test_all_nodes_are_warm_with_one_copy_from_the_origin(nodes: Loopback, mows: Callable[..., str]) -> None:
    asked = nodes.daemons[0]
    printed = mows(asked, "prewarm", SOURCE, "--nodes", "all", "--lease", "2h", "--wait", "--json")
    prewarm = json.loads(printed)
    assert states(prewarm) == {f"node-{number}": "warm" for number in range(NODES)}
    assert (prewarm["bytes"]["total"], prewarm["bytes"]["local"]) == (NODES * SIZE, NODES * SIZE)
    assert SIZE <= prewarm["bytes"]["from_origin"] <= 1.05 * SIZE
    assert prewarm["warm_until"] is not None
    for daemon in nodes.daemons:
        (lease,) = {blob["pinned"] for blob in daemon.call("GET", "/cache/blobs")["blobs"]}
        assert lease
    audit = (nodes.daemons[1].settings.directory / "state" / "audit.log").read_text()
    assert any(json.loads(line)["caller"].startswith("peer:node-0@") for line in audit.splitlines())
    asked.call("DELETE", f"/prewarms/{prewarm['id']}")
    for daemon in nodes.daemons:
        assert not any(blob["pinned"] for blob in daemon.call("GET", "/cache/blobs")["blobs"])


def test_a_zone_and_names(nodes: Loopback) -> None:
    asked = nodes.daemons[0]
    for wish, names in (
        ("zone=odd", {"node-1"}),
        ("zone=even", {"node-0", "node-2"}),
        ("node-2,node-1", {"node-1", "node-2"}),
    ):
        prewarm = asked.call("POST", "/prewarms", {"sources": [SOURCE], "nodes": wish})
        assert states(ended(asked, prewarm["id"])).keys() == names
        asked.call("DELETE", f"/prewarms/{prewarm['id']}")


def test_nodes_that_are_not_there(nodes: Loopback, mows: Callable[..., str]) -> None:
    for wish in ("node-9", "zone=nowhere"):
        mows(nodes.daemons[0], "prewarm", SOURCE, "--nodes", wish, code=ExitCode.USAGE)


def test_one_that_fails_on_all_nodes_says_why_of_each(nodes: Loopback) -> None:
    asked = nodes.daemons[0]
    prewarm = asked.call("POST", "/prewarms", {"sources": [f"{SOURCE}*.gguf"], "nodes": "all"})
    found = ended(asked, prewarm["id"])
    assert found["state"] == "failed"
    assert {node["error"]["code"] for node in found["nodes"]} == {"source_empty"}
    asked.call("DELETE", f"/prewarms/{prewarm['id']}")
