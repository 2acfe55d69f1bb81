"""How chunks travel where the bulk lane is off, and that no more leaves a node than it may send."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from benchmarks.node.daemon import Daemon
from tests.cluster.loopback import Keys, Loopback, running_nodes
from tests.cluster.views import peers_of, rows, wait_until_up, warm
from tests.fuse.node import BUCKET, some_bytes

CHUNK = 512 << 10
DATA = some_bytes(16 << 20)
UPLINK_BYTES_PER_SECOND = 8 << 20
LEAST_SECONDS = 1.5
"""The limit says 2 s. No machine is so slow that it would be faster."""

LIMITED, FAST, WITHOUT_LANE = range(3)


@pytest.fixture(scope="module")
def nodes() -> Iterator[Loopback]:
    """One that may send little, one without limits, one without a bulk lane."""
    changes: dict[int, Keys] = {LIMITED: {"uplink": UPLINK_BYTES_PER_SECOND}, WITHOUT_LANE: {"lane": False}}
    with running_nodes(3, chunk_bytes=CHUNK, changes=changes) as started:
        wait_until_up(*started.daemons)
        yield started


def hand_over(nodes: Loopback, giver: Daemon, taker: Daemon) -> float:
    """Let one take a model that only the other has; the seconds it took."""
    prefix = f"{giver.settings.directory.name}-to-{taker.settings.directory.name}/"
    nodes.put(f"{prefix}model.safetensors", DATA)
    warm(giver, f"oss://{BUCKET}/{prefix}")
    nodes.unplug_origin()
    began = time.monotonic()
    assert warm(taker, f"oss://{BUCKET}/{prefix}")["bytes"]["from_peers"] == len(DATA)
    seconds = time.monotonic() - began
    nodes.plug_origin()
    return seconds


def how(taker: Daemon, giver: Daemon) -> str:
    """The way that chunks came."""
    (row,) = rows(taker, giver.settings.directory.name)
    return str(row["lane"])


@pytest.mark.parametrize(("number", "lane"), [(FAST, "bulk"), (WITHOUT_LANE, "grpc")])
def test_no_more_leaves_than_may(nodes: Loopback, number: int, lane: str) -> None:
    giver, taker = nodes.daemons[LIMITED], nodes.daemons[number]
    assert hand_over(nodes, giver, taker) >= LEAST_SECONDS
    assert how(taker, giver) == lane
    assert peers_of(giver)["uplink_bytes_per_second"] == UPLINK_BYTES_PER_SECOND


def test_one_without_a_lane_gives_over_grpc(nodes: Loopback) -> None:
    giver, taker = nodes.daemons[WITHOUT_LANE], nodes.daemons[FAST]
    hand_over(nodes, giver, taker)
    assert how(taker, giver) == "grpc"
    assert peers_of(giver)["lane_port"] is None
