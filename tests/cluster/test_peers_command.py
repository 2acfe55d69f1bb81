"""What a person sees of peers, with real daemons: `mows peers`, `status`, `doctor`, the API, the metrics, the bytes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from benchmarks.node.daemon import Daemon
from cli.exit_codes import ExitCode
from tests.cluster.loopback import Loopback, address, host, running_nodes
from tests.cluster.views import SOURCE, known, peers_of, problems, warm
from tests.fuse.node import BUCKET, CHUNK, some_bytes
from tests.redis_server import free_port
from tests.waiting import eventually

SIZE = 8 << 20


def test_who_gives_what_to_whom(mows: Callable[..., str]) -> None:
    with running_nodes(2) as nodes:
        giver, taker = nodes.daemons
        nodes.server.put(BUCKET, "m/model.safetensors", some_bytes(SIZE))
        eventually(lambda: known(giver) == ["node-1"] and known(taker) == ["node-0"], "both know of each other")
        assert warm(giver)["bytes"]["from_origin"] == SIZE
        nodes.server.faults.fail(503, "ServiceUnavailable", count=None, operation="GetObject")
        counts = warm(taker)["bytes"]
        assert (counts["from_peers"], counts["from_origin"]) == (SIZE, 0)
        assert_both_sides_say_so(giver, taker, mows)
        findings = json.loads(mows(taker, "doctor", "--config", str(nodes.config(1)), "--json"))["findings"]
        found = {finding["name"]: finding["message"] for finding in findings}
        assert found["peers"] == "1 of 1 up"
        assert found["peer bulk lane"] == f"{host(1)}:9303 accepts connections"


def assert_both_sides_say_so(giver: Daemon, taker: Daemon, mows: Callable[..., str]) -> None:
    """The table, the line in the status, the API and the metrics agree."""
    rows = mows(taker, "peers").splitlines()
    assert rows[0] == f"node-1 at {address(1)}, peers by static"
    assert rows[2].split()[:7] == ["node-0", "-", "up", "8.0", "MiB", "0", "B"]
    assert "  bulk" in rows[2]
    assert mows(giver, "peers").splitlines()[2].split()[:7] == ["node-1", "-", "up", "0", "B", "8.0", "MiB"]
    assert "peers: 1 of 1 up, 8.0 MiB received, 0 B sent" in mows(taker, "status")
    (peer,) = json.loads(mows(taker, "peers", "--json"))["peers"]
    assert (peer["node"], peer["address"], peer["received_bytes"]) == ("node-0", address(0), SIZE)
    assert taker.metric("mows_peer_received_bytes_total", peer="node-0") == SIZE
    assert giver.metric("mows_peer_sent_bytes_total", peer="node-1") == SIZE
    assert taker.metric("mows_fetched_bytes_total", source="peer") == SIZE
    assert taker.metric("mows_peers", state="up") == 1


def test_an_address_nobody_can_reach_is_named_on_both_sides(mows: Callable[..., str]) -> None:
    nowhere = f"{host(1)}:{free_port()}"
    with running_nodes(2, changes={1: {"advertise": nowhere}}) as nodes:
        here, hidden = nodes.daemons
        eventually(lambda: nowhere in problems(here), "the node that cannot reach it says so")
        eventually(lambda: "cannot_reach_us" in problems(hidden).values(), "the node itself is told")
        assert f"hint: {hint_of(here, nowhere)}" in mows(here, "peers").splitlines()
        doctor = mows(hidden, "doctor", "--config", str(nodes.config(1)), code=ExitCode.CHECK_FAILED)
        assert f"fail  peer address: {nowhere}: Connection refused" in doctor.splitlines()


def hint_of(daemon: Daemon, where: str) -> str:
    """What a daemon advises about an address."""
    return next(str(one["hint"]) for one in peers_of(daemon)["problems"] if one["address"] == where)


def test_a_corrupt_chunk_goes_no_further_and_its_giver_is_named(mows: Callable[..., str]) -> None:
    """SEMANTICS S21."""
    data = some_bytes(SIZE)
    with running_nodes(2) as nodes:
        giver, taker = nodes.daemons
        nodes.server.put(BUCKET, "m/model.safetensors", data)
        eventually(lambda: known(taker) == ["node-0"], "the taker knows the giver")
        warm(giver)
        rot(giver.tier)
        nodes.server.faults.fail(503, "ServiceUnavailable", count=None, operation="GetObject")
        taker.call("POST", "/prewarms", {"sources": [SOURCE]})
        eventually(lambda: corrupt_chunks(taker) > 0, "a chunk of the peer is found to be wrong")
        assert mows(taker, "peers").splitlines()[2].split()[:3] == ["node-0", "-", "quarantined"]
        nodes.server.faults.clear()
        assert (taker.mount("m", SOURCE) / "model.safetensors").read_bytes() == data


def rot(tier: Path) -> None:
    """Change every chunk that a node has, as a broken disk would."""
    (path,) = tier.glob("blobs/*/*/data")
    with path.open("r+b") as file:
        for start in range(0, SIZE, CHUNK):
            file.seek(start)
            file.write(b"not what the hash says")


def corrupt_chunks(daemon: Daemon) -> int:
    """Of all its peers."""
    return sum(int(peer["corrupt_chunks"]) for peer in peers_of(daemon)["peers"])


def test_a_peer_that_was_killed_costs_no_read() -> None:
    """SEMANTICS S22."""
    data = some_bytes(SIZE)
    with running_nodes(2) as nodes:
        giver, taker = nodes.daemons
        nodes.server.put(BUCKET, "m/model.safetensors", data)
        eventually(lambda: known(taker) == ["node-0"], "the taker knows the giver")
        warm(giver)
        path = taker.mount("m", SOURCE) / "model.safetensors"
        with path.open("rb") as file:
            assert file.read(CHUNK) == data[:CHUNK]
            giver.kill()
            assert file.read() == data[CHUNK:]
        eventually(lambda: [peer["state"] for peer in peers_of(taker)["peers"]] == ["gone"], "the taker notices")


def test_another_token_is_refused_and_counted(mows: Callable[..., str], nodes_with_two_tokens: Loopback) -> None:
    """SEMANTICS S23."""
    ours, theirs = nodes_with_two_tokens.daemons
    eventually(lambda: problems(ours).get(address(1)) == "peer_refused", "the refusal is a problem")
    eventually(lambda: problems(theirs).get(address(0)) == "peer_refused", "on the other side too")
    assert known(ours) == known(theirs) == []
    assert "peers.token_file" in mows(ours, "peers")
    assert ours.metric("mows_peer_rejected_requests_total", reason="unauthenticated") > 0
    assert ours.metric("mows_peer_problems", code="peer_refused") == 1


@pytest.fixture
def nodes_with_two_tokens(tmp_path: Path) -> Iterator[Loopback]:
    (tmp_path / "other").write_text("another")
    with running_nodes(2, changes={1: {"token_file": str(tmp_path / "other")}}) as nodes:
        yield nodes
