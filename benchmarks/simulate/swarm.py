"""The nodes of a scenario, who knows whom, what happens to them, and what came of it."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Sequence
from functools import partial

from benchmarks.simulate.control import Ledger
from benchmarks.simulate.directory import SharedDirectory, SimDirectory
from benchmarks.simulate.fetcher import NodeLinks
from benchmarks.simulate.loop import SimulatedLoop
from benchmarks.simulate.network import Network
from benchmarks.simulate.node import SimNode
from benchmarks.simulate.result import Result
from benchmarks.simulate.scenario import KILL_AT_RATIO, SLOW_RATIO, Scenario
from benchmarks.simulate.surroundings import Surroundings
from benchmarks.simulate.timeline import Timeline
from cachefs.types import BlobKey
from peer.membership.directory import Directory, EveryoneDirectory
from peer.settings import PeerLimits, PeerTimes
from peer.values import Identity, PeerId

FEW_NODES = 32
"""Up to so many, rates are worked out four times as often."""
LONGEST = 40.0
"""A run ends after so many times its bound, whether or not everybody is done: then something is broken."""
UP_SECONDS = 1.5
"""Daemons are up and know each other for so long before their node wants the model."""


def simulate(scenario: Scenario, real_chunk_bytes: int) -> Result:
    """Run a scenario. `real_chunk_bytes` is what chunks have in reality, where fewer and larger ones are simulated."""
    timeline = Timeline()
    loop = SimulatedLoop(timeline)
    began = time.process_time()
    swarm = _Swarm(scenario, real_chunk_bytes, timeline)
    loop.run(swarm.start, lambda: swarm.going)
    result = swarm.result(time.process_time() - began)
    ending = loop.create_task(swarm.aclose())
    loop.run(lambda: None, lambda: not ending.done())
    loop.close()
    return result


class _Swarm:
    """One run of one scenario."""

    def __init__(self, scenario: Scenario, real_chunk_bytes: int, timeline: Timeline) -> None:
        self.scenario = scenario
        self.nodes: dict[PeerId, SimNode] = {}
        self._timeline = timeline
        step_seconds = scenario.chunk_seconds / (8 if scenario.nodes > FEW_NODES else 32)
        self._network = Network(self._timeline, step_seconds)
        self._around = Surroundings(
            timeline=self._timeline,
            network=self._network,
            ledger=Ledger(max(1.0, scenario.chunk_bytes / real_chunk_bytes)),
            latencies=scenario.latencies,
            step_seconds=step_seconds,
            origin_link=self._link(scenario.origin_total_bits_per_second) if scenario.origin_plugged else None,
            limits=PeerLimits(),
            times=PeerTimes(),
            finished=self._finished,
        )
        self._rng = random.Random(scenario.seed)
        self._keys = _keys(scenario)
        self._directory = SharedDirectory()
        self._unfinished = 0
        self._zones = [self._link(scenario.border_bits_per_second) for _ in range(scenario.zones)]
        self._slow = set(self._draw(scenario.slow_ratio))
        self._known: list[Identity] = []
        self._news: list[Identity] = []

    def start(self) -> None:
        """Make the nodes, and plan what happens to them. On the loop."""
        for number in range(self.scenario.nodes):
            node = self._node(number)
            self.nodes[node.peer_id] = node
            cold = number >= self.scenario.warm
            if not cold:
                node.cache.fill(self._keys)
            self._unfinished += cold
            at = max(0, number - self.scenario.warm) * self.scenario.interval_seconds
            self._around.later(at, self._up, node)
            if cold:
                self._around.later(at + UP_SECONDS, self._begin, node)
        if self.scenario.dying_ratio:
            self._around.later(UP_SECONDS + KILL_AT_RATIO * self.scenario.bound_seconds, self._kill)

    @property
    def going(self) -> bool:
        """Until every living node has everything, or nothing moves any more."""
        end = LONGEST * self.scenario.bound_seconds + self.scenario.nodes * self.scenario.interval_seconds
        return self._unfinished > 0 and self._timeline.next_time <= end

    async def aclose(self) -> None:
        """End what the nodes have under way."""
        await asyncio.gather(*(node.aclose() for node in self.nodes.values()))

    def _finished(self) -> None:
        self._unfinished -= 1

    # ---------------------------------------------------------------- making

    def _link(self, bits_per_second: float | None) -> int:
        if bits_per_second is None:
            return self._network.link(None)
        return self._network.link(bits_per_second / 8 * self.scenario.efficiency_ratio)

    def _draw(self, ratio: float) -> list[int]:
        """So many random nodes, at least one; the first nodes, which may be warm, are spared."""
        count = max(1, round(ratio * self.scenario.nodes)) if ratio else 0
        return self._rng.sample(range(self.scenario.warm, self.scenario.nodes), count)

    def _node(self, number: int) -> SimNode:
        rate = self.scenario.link_bits_per_second * (SLOW_RATIO if number in self._slow else 1.0)
        client = self._link(self.scenario.origin_client_bits_per_second)
        zone = number % self.scenario.zones
        links = NodeLinks(self._link(rate), self._link(rate), client, self._zones[zone])
        identity = Identity(
            node_id=f"n{number}",
            boot_id=f"{number:016x}",
            address="",
            lane_port=0,
            zone=f"z{zone}",
            chunk_bytes=self.scenario.chunk_bytes,
        )
        rng = random.Random(self._rng.getrandbits(64))
        return SimNode(self._around, identity, links, self._directory_of(identity), self.nodes.__getitem__, rng)

    def _directory_of(self, identity: Identity) -> Directory:
        if self.scenario.directory:
            return SimDirectory(self._around, self._directory, identity.peer_id)
        return EveryoneDirectory(lambda: [one.peer_id for one in self._known if one is not identity])

    # ---------------------------------------------------------------- events

    def _up(self, node: SimNode) -> None:
        """A daemon starts. Introductions take a moment; all of one moment are made known together."""
        self._around.later(self._rng.random() * self._around.times.heartbeat, node.start)
        if not self._news:
            self._around.later(self.scenario.latencies.peer_round_trip, self._introduce)
        self._news.append(node.identity)

    def _introduce(self) -> None:
        """Everybody knows who is there."""
        for identity in self._known:
            self.nodes[identity.peer_id].members_changed(self._news, [])
        self._known += self._news
        for identity in self._news:
            others = [one for one in self._known if one is not identity]
            self.nodes[identity.peer_id].members_changed(others, [])
        self._news = []

    def _begin(self, node: SimNode) -> None:
        node.begin(self._keys)

    def _kill(self) -> None:
        for number in self._draw(self.scenario.dying_ratio):
            node = list(self.nodes.values())[number]
            self._unfinished -= node.finished_at is None
            node.die()
            self._around.later(self._around.times.dead_after, partial(self._missed, node.identity))

    def _missed(self, dead: Identity) -> None:
        """Everybody knows that it is gone."""
        self._known.remove(dead)
        for identity in self._known:
            self.nodes[identity.peer_id].members_changed([], [dead])

    # ---------------------------------------------------------------- result

    def result(self, cpu_seconds: float) -> Result:
        """What is known by now."""
        nodes = list(self.nodes.values())
        finished = {
            node.identity.node_id: node.finished_at - node.begun_at
            for node in nodes
            if node.alive and node.finished_at is not None and node.begun_at is not None
        }
        self._around.ledger.lived(sum(len(node.telling) for node in nodes), self._timeline.now - UP_SECONDS)
        counts, nbytes = self._around.ledger.totals()
        return Result(
            scenario=self.scenario,
            finish_seconds=finished,
            slow_nodes=frozenset(nodes[number].identity.node_id for number in self._slow),
            unfinished=self._unfinished,
            origin_bytes=sum(node.fetcher.counts.origin_bytes for node in nodes),
            duplicate_bytes=sum(node.fetcher.counts.duplicate_bytes for node in nodes),
            border_bytes=sum(node.uplink.border_bytes for node in nodes),
            uploaded_bytes=tuple(
                node.uplink.sent_bytes for number, node in enumerate(nodes) if node.alive and number not in self._slow
            ),
            busy_answers=sum(node.uplink.busy_answers for node in nodes),
            message_counts=counts,
            message_bytes=nbytes,
            simulated_seconds=self._timeline.now - UP_SECONDS,
            transfers=sum(node.fetcher.counts.landed_chunks for node in nodes),
            cpu_seconds=cpu_seconds,
        )


def _keys(scenario: Scenario) -> Sequence[BlobKey]:
    """The files of the model."""
    sizes = [scenario.model_bytes // scenario.files] * scenario.files
    sizes[-1] += scenario.model_bytes % scenario.files
    return [BlobKey(f"sim://model/{number}", "1", size, scenario.chunk_bytes) for number, size in enumerate(sizes)]
