"""Who is there: nodes that join, leave, die and come back, as the others see it; and a Redis that goes and comes.

That the others notice within 3 s is promised where they have time to run. Each test waits for the state it is about,
and demands the three seconds of the quicker of two others, in one life of a few: a busy machine delays a notice now and
then and fails nothing, and a node that waits for a time-out of its own is late every time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial

import pytest

from benchmarks.node.daemon import Daemon
from tests.cluster.loopback import Loopback, address, running_nodes
from tests.cluster.views import SOURCE, problems, rows, up, wait_until_up, warm
from tests.fuse.node import some_bytes
from tests.redis_server import RedisServer, redis_server
from tests.waiting import eventually

CHUNK = 256 << 10
DATA = some_bytes(4 << 20)
PROMISED_SECONDS = 3.0
LIVES = 3
"""How often the third node may live at most until its coming and going were noticed in time once."""

FIRST, SECOND, THIRD = range(3)


def found_by(redis: RedisServer) -> AbstractContextManager[Loopback]:
    """Two nodes that find each other by Redis, and a third that has not been started."""
    return running_nodes(3, started=2, chunk_bytes=CHUNK, everywhere={"discovery": {"redis": redis.url}})


@pytest.fixture(params=["static", "redis"])
def nodes(request: pytest.FixtureRequest) -> Iterator[Loopback]:
    if request.param == "static":
        with running_nodes(3, started=2, chunk_bytes=CHUNK) as started:
            yield started
    else:
        with redis_server() as redis, found_by(redis) as started:
            yield started


@dataclass(frozen=True)
class Life:
    """One run of the third node's daemon, as the others saw it."""

    boot_id: str
    joined_seconds: float
    """From its start being over to the first of them that could take chunks from it."""
    gone_seconds: float
    """From its end to the first of them that knew."""

    @property
    def noticed_in_time(self) -> bool:
        return max(self.joined_seconds, self.gone_seconds) <= PROMISED_SECONDS


def live(nodes: Loopback, end: Callable[[Daemon], None]) -> Life:
    """Start the third node, end it, and wait each time until both others have seen it."""
    nodes.start(THIRD)
    joined_seconds = seen(nodes, "up")
    (boot_id,) = {rows(nodes.daemons[other], "node-2")[0]["boot_id"] for other in (FIRST, SECOND)}
    end(nodes.daemons[THIRD])
    return Life(boot_id, joined_seconds, seen(nodes, "gone"))


def seen(nodes: Loopback, state: str) -> float:
    """Wait until both others say that the third node is in this state; how long the quicker one took."""
    began = time.monotonic()
    others = [partial(last_state, daemon) for daemon in nodes.daemons[:THIRD]]
    eventually(lambda: any(say() == state for say in others), f"one of the others says {state}")
    seconds = time.monotonic() - began
    eventually(lambda: all(say() == state for say in others), f"both others say {state}")
    return seconds


def last_state(daemon: Daemon) -> str:
    """Of the third node's last run; empty while it was never seen."""
    runs = rows(daemon, "node-2")
    return str(runs[0]["state"]) if runs else ""


def test_coming_and_going_reach_all_others(nodes: Loopback) -> None:
    wait_until_up(*nodes.daemons)
    lives = [*until_noticed_in_time(nodes, Daemon.stop), *until_noticed_in_time(nodes, Daemon.kill)]
    assert len({life.boot_id for life in lives}) == len(lives), "one that comes back is another peer"
    for other in (FIRST, SECOND):
        assert len(rows(nodes.daemons[other], "node-2")) == len(lives), "each of its lives is remembered"
        assert up(nodes.daemons[other]) == [f"node-{1 - other}"]


def until_noticed_in_time(nodes: Loopback, end: Callable[[Daemon], None]) -> list[Life]:
    """The lives it took."""
    lives = [live(nodes, end)]
    while not lives[-1].noticed_in_time:
        assert len(lives) < LIVES, lives
        lives.append(live(nodes, end))
    return lives


def test_peers_stay_in_use_while_redis_is_gone() -> None:
    with redis_server() as redis, found_by(redis) as nodes:
        giver, taker = nodes.daemons
        nodes.put("m/model.safetensors", DATA)
        wait_until_up(giver, taker)
        warm(giver)
        redis.kill()
        eventually(lambda: problems(taker) == {address(SECOND): "discovery_failed"}, "the failure is a problem")
        nodes.unplug_origin()
        assert (taker.mount("m", SOURCE) / "model.safetensors").read_bytes() == DATA
        assert taker.mount_state("m")["bytes"]["from_peers"] == len(DATA)
        redis.start()
        eventually(lambda: problems(taker) == {}, "the problem is over")
        assert up(taker) == ["node-0"]
        nodes.start(THIRD)
        wait_until_up(*nodes.daemons)
        warned = [line for line in taker.log.read_text().splitlines() if " WARNING " in line and "redis://" in line]
        assert len(warned) == len({line.split(" WARNING ")[1].split(" fails: ")[0] for line in warned}), warned
        assert any("the registry at redis://" in line for line in warned)
