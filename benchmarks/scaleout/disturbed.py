"""The scenarios in which something goes wrong while every node fills its cache and programs read from it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace

from benchmarks.lab.fleet import PEER_PORT
from benchmarks.node.processes import Child, python
from benchmarks.scaleout.bounds import all_cold_seconds, cold_seconds
from benchmarks.scaleout.outcome import Outcome
from benchmarks.scaleout.reader import Reader
from benchmarks.scaleout.settings import SLOW_RATIO
from benchmarks.scaleout.stage import Measured, Stage
from benchmarks.scaleout.waiting import has_percent, is_warm

CUT_SECONDS = 5.0
CUT_PERCENT = 25.0
KILL_PERCENT = 50.0
ROLL_PERCENT = 30.0


def kill(stage: Stage) -> Outcome:
    """A daemon is killed when it has half of the model, and started again at once; its cache is kept unless said else.

    Programs read on all other nodes from the beginning, and on this one once it is mounted again.
    """
    victim = stage.random.choice(stage.everybody)
    others = [node for node in stage.everybody if node != victim]
    stage.start(stage.everybody)
    run = _Run(stage, reading=others)
    with stage.measuring() as measured:
        run.begin(measured)
        stage.wait([victim], has_percent(KILL_PERCENT))
        stage.kill(victim)
        if (stage.settings.cache or "kept") == "empty":
            stage.fleet.clear(victim)
        stage.start([victim])
        run.begin_again(victim, anew=False)
        outcome = run.end()
    notes = {"killed": stage.nodes[victim].name, "cache": stage.settings.cache or "kept"}
    return replace(outcome, notes=notes)


def slow(stage: Stage) -> Outcome:
    """One node has a tenth of the rate, both ways, from the beginning. The others are what the figures are about."""
    lame = stage.random.choice(stage.everybody)
    rate = int(stage.settings.link * SLOW_RATIO)
    stage.lab.set_rate(lame, up_bits_per_second=rate, down_bits_per_second=rate)
    stage.start(stage.everybody)
    run = _Run(stage, reading=stage.everybody)
    with stage.measuring() as measured:
        run.begin(measured)
        outcome = run.end()
    links = [rate if node == lame else stage.settings.link for node in stage.everybody]
    rates = replace(stage.settings.rates(), links=links)
    name, size = stage.nodes[lame].name, stage.workload.model.size_bytes
    healthy = [node for node in stage.everybody if node != lame]
    last = max(outcome.finish_seconds[stage.nodes[node].name] for node in healthy)
    own_bound = cold_seconds(size, rates, lame)
    notes = {"slow": name, "slow_seconds": outcome.finish_seconds[name], "slow_bound_seconds": own_bound}
    bound = max(cold_seconds(size, rates, node) for node in healthy)
    return replace(outcome, bound_seconds=bound, last_seconds=last, notes=notes)


def corrupt(stage: Stage) -> Outcome:
    """Whatever one node sends to its peers arrives with flipped bits; what it has itself is right.

    It listens on its loopback address, and a relay stands where the others reach it. It has to be named by one of them
    at the least, and nobody may still ask it at the end.
    """
    liar = stage.random.choice(stage.everybody)
    node = stage.nodes[liar]
    ports = [str(PEER_PORT), str(PEER_PORT + 1)]
    command = node.place.command(python("benchmarks.lab.flipping", node.place.address, *ports))
    stage.resources.enter(Child("flipping", command, stage.directory, piped=True, stop_seconds=1.0)).hear()
    stage.start([liar], {"peers": {"listen": f"127.0.0.1:{PEER_PORT}"}})
    stage.start([other for other in stage.everybody if other != liar])
    run = _Run(stage, reading=stage.everybody)
    with stage.measuring() as measured:
        run.begin(measured)
        outcome = run.end()
    named = {
        other.name: peer["state"]
        for other in stage.nodes
        for peer in other.daemon.call("GET", "/peers")["peers"]
        if peer["node"] == node.name and peer["corrupt_chunks"]
    }
    quarantined = bool(named) and set(named.values()) == {"quarantined"}
    checks = {"corrupting_peer_named": bool(named), "corrupting_peer_quarantined": quarantined}
    return replace(outcome, checks=checks, notes={"corrupt": node.name, "named_by": sorted(named)})


def partition(stage: Stage) -> Outcome:
    """The nodes are cut into two halves for 5 s when the first has a quarter. All of them still reach the origin."""
    half = stage.settings.nodes // 2
    stage.start(stage.everybody)
    run = _Run(stage, reading=stage.everybody)
    with stage.measuring() as measured:
        run.begin(measured)
        stage.wait([0], has_percent(CUT_PERCENT))
        stage.lab.partition([range(half), range(half, stage.settings.nodes)])
        time.sleep(CUT_SECONDS)
        stage.lab.heal()
        outcome = run.end()
    return replace(outcome, notes={"cut_seconds": CUT_SECONDS})


def rolling(stage: Stage) -> Outcome:
    """Each node in turn is replaced by a new daemon under load, with an empty cache unless said else.

    The first is replaced when it has 30 %, the next as many seconds later as give each its part of one cold start. A
    node's time counts from its last beginning. Programs read on a node after its turn: before it, the daemon would be
    stopped under them.
    """
    cache = stage.settings.cache or "empty"
    pause = all_cold_seconds(stage.workload.model.size_bytes, stage.settings.rates()) / stage.settings.nodes
    stage.start(stage.everybody)
    run = _Run(stage, reading=[])
    with stage.measuring() as measured:
        run.begin(measured)
        stage.wait([0], has_percent(ROLL_PERCENT))
        for node in stage.everybody:
            due = time.monotonic() + pause
            stage.stop(node)
            if cache == "empty":
                stage.fleet.clear(node)
            stage.start([node])
            run.begin_again(node, anew=True)
            time.sleep(max(0.0, due - time.monotonic()))
        outcome = run.end()
    took = time.monotonic() - measured.began_seconds
    return replace(outcome, notes={"cache": cache, "whole_run_seconds": took})


class _Run:
    """Nodes that fill their caches, programs that read from them, and when both were done on each."""

    def __init__(self, stage: Stage, *, reading: Sequence[int]) -> None:
        """`reading`: where programs read from the beginning. Blocks until they are ready to."""
        self._stage = stage
        self._readers = self._prepared(reading)
        self._began: dict[int, float] = {}
        self._threads = ThreadPoolExecutor(stage.settings.nodes, "scaleout-wait")  # end with what they wait for
        self._again: dict[int, Future[dict[str, float]]] = {}

    def begin(self, measured: Measured) -> None:
        """Let all nodes begin."""
        self._measured = measured
        self._began = dict.fromkeys(self._stage.everybody, measured.began_seconds)
        self._mount(self._stage.everybody)
        for reader in self._readers.values():
            reader.start()

    def begin_again(self, node: int, *, anew: bool) -> None:
        """Mount, warm and read on a node whose daemon was started again.

        `anew`: its time counts from the mount, as in `begin`.
        """
        readers = self._prepared([node])
        if anew:
            self._began[node] = time.monotonic()
        self._mount([node])
        readers[node].start()
        self._readers |= readers
        # Looked at from now on: the scenario may still be busy with other nodes when this one is done.
        self._again[node] = self._threads.submit(self._stage.wait, [node], is_warm, since=0.0)

    def _prepared(self, nodes: Sequence[int]) -> dict[int, Reader]:
        return dict(zip(nodes, self._stage.readers(nodes), strict=True))

    def _mount(self, nodes: Sequence[int]) -> None:
        self._stage.mount(nodes, warm=True)
        self._stage.wait(nodes)

    def end(self) -> Outcome:
        """Block until everything is warm and everything was read."""
        stage = self._stage
        done_at = stage.wait([node for node in stage.everybody if node not in self._again], is_warm, since=0.0)
        for again in self._again.values():
            done_at |= again.result()
        self._threads.shutdown()
        readings = stage.readings(list(self._readers.values()))
        for (node, reader), reading in zip(self._readers.items(), readings, strict=True):
            name = stage.nodes[node].name
            done_at[name] = max(done_at[name], reader.began_seconds + reading.seconds)
        return Outcome(
            measured=self._measured,
            finish_seconds={
                stage.nodes[node].name: done_at[stage.nodes[node].name] - began for node, began in self._began.items()
            },
            bound_seconds=all_cold_seconds(stage.workload.model.size_bytes, stage.settings.rates()),
            readings=readings,
        )
