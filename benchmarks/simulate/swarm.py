"""The nodes of a scenario, who knows whom, what happens to them, and what came of it."""

from __future__ import annotations

import hashlib
import random
import time
from collections.abc import Sequence

from benchmarks.simulate.control import Ledger
from benchmarks.simulate.duties import Duties
from benchmarks.simulate.network import Network
from benchmarks.simulate.node import Links, SimNode
from benchmarks.simulate.result import Result
from benchmarks.simulate.scenario import KILL_AT_RATIO, SLOW_RATIO, Scenario
from benchmarks.simulate.surroundings import Surroundings
from benchmarks.simulate.timeline import Timeline
from cachefs import bitset
from cachefs.types import BlobId
from peer.policy.following import choose_followed
from peer.settings import PeerLimits, PeerTimes
from peer.values import Identity, PeerId

BLOB = BlobId(hashlib.shake_128(b"the simulated model").hexdigest(16))
FEW_NODES = 32
"""Up to so many, rates are worked out four times as often."""
LONGEST = 40.0
"""A run ends after so many times its bound, whether or not everybody is done: then something is broken."""


def simulate(scenario: Scenario, real_chunk_bytes: int) -> Result:
    """Run a scenario. `real_chunk_bytes` is what chunks have in reality, where fewer and larger ones are simulated."""
    return _Swarm(scenario, real_chunk_bytes).run()


class _Swarm:
    """One run of one scenario."""

    def __init__(self, scenario: Scenario, real_chunk_bytes: int) -> None:
        self.scenario = scenario
        self.nodes: dict[PeerId, SimNode] = {}
        self._timeline = Timeline()
        step_seconds = scenario.chunk_seconds / (8 if scenario.nodes > FEW_NODES else 32)
        self._network = Network(self._timeline, step_seconds)
        real_chunks = max(scenario.chunk_count, -(-scenario.model_bytes // real_chunk_bytes))
        self._around = Surroundings(
            timeline=self._timeline,
            network=self._network,
            ledger=Ledger(real_chunks / scenario.chunk_count, real_chunks),
            blob=BLOB,
            all_chunks=bitset.span(0, scenario.chunk_count),
            chunk_bytes=scenario.chunk_bytes,
            latencies=scenario.latencies,
            step_seconds=step_seconds,
            origin_link=self._link(scenario.origin_total_bits_per_second) if scenario.origin_plugged else None,
            limits=PeerLimits(),
            times=PeerTimes(),
            finished=self._finished,
        )
        self._rng = random.Random(scenario.seed)
        self._duties = Duties(BLOB, scenario.chunk_count)
        self._unfinished = 0
        self._members_planned = False
        self._zones = [self._link(scenario.border_bits_per_second) for _ in range(scenario.zones)]
        self._slow = set(self._draw(scenario.slow_ratio))
        for number in range(scenario.nodes):
            node = self._node(number)
            self.nodes[node.peer_id] = node

    def run(self) -> Result:
        """Simulate until every living node has everything."""
        began = time.process_time()
        for number, node in enumerate(self.nodes.values()):
            cold = number >= self.scenario.warm
            self._unfinished += cold
            self._around.later(
                max(0, number - self.scenario.warm) * self.scenario.interval_seconds, self._begin, node, cold
            )
        if self.scenario.dying_ratio:
            self._around.later(KILL_AT_RATIO * self.scenario.bound_seconds, self._kill)
        end = LONGEST * self.scenario.bound_seconds + self.scenario.nodes * self.scenario.interval_seconds
        while self._unfinished and self._timeline.next_time <= end:
            self._timeline.step()
        return self._result(time.process_time() - began)

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
        links = Links(self._link(rate), self._link(rate), client, self._zones[zone])
        identity = Identity(
            node_id=f"n{number}",
            boot_id=f"{number:016x}",
            address="",
            lane_port=0,
            zone=f"z{zone}",
            chunk_bytes=self.scenario.chunk_bytes,
        )
        return SimNode(self._around, identity, links, self._rng.getrandbits(64))

    # ---------------------------------------------------------------- events

    def _begin(self, node: SimNode, cold: bool) -> None:  # noqa: FBT001  # called by the timeline
        node.begin(self._around.all_chunks if cold else 0)
        self._plan_members()

    def _kill(self) -> None:
        for number in self._draw(self.scenario.dying_ratio):
            node = list(self.nodes.values())[number]
            self._unfinished -= node.finished_at is None
            node.die()
        self._around.later(self._around.times.dead_after, self._members_changed)

    def _plan_members(self) -> None:
        """Introductions take a moment; all that begin in the same one are made known together."""
        if not self._members_planned:
            self._members_planned = True
            self._around.later(self.scenario.latencies.peer_round_trip, self._members_changed)

    def _members_changed(self) -> None:
        """Everybody knows who is there: whom to follow, and who owns which chunk."""
        self._members_planned = False
        members = [node for node in self.nodes.values() if node.alive and node.started_at is not None]
        wanting = [node for node in members if node.missing]
        identities = [node.identity for node in members]
        for node in wanting:
            others = [identity for identity in identities if identity is not node.identity]
            followed = {peer.peer_id for peer in node.followed}
            chosen = choose_followed(
                node.identity.zone, others, self._around.limits.followed, self._rng, followed=followed
            )
            node.follow([self.nodes[identity.peer_id] for identity in chosen])
            node.wake_soon()
        self._give_duties(wanting)

    def _give_duties(self, wanting: Sequence[SimNode]) -> None:
        """Towards the origin among all, and towards other zones among those of the own one."""
        if not wanting:
            return
        if self.scenario.directory:
            for peer, duty in self._duties.among([node.peer_id for node in wanting]).items():
                self.nodes[peer].origin.duty, self.nodes[peer].origin.wanting = duty, len(wanting)
        else:
            for node in wanting:
                known = {node, *node.followed, *node.followers}
                peers = [peer.peer_id for peer in known if peer.missing]
                node.origin.duty, node.origin.wanting = self._duties.among(peers)[node.peer_id], len(peers)
        if self.scenario.zones > 1:
            for zone in {node.identity.zone for node in wanting}:
                inside = [node.peer_id for node in wanting if node.identity.zone == zone]
                for peer, duty in self._duties.among(inside).items():
                    self.nodes[peer].zone_duty = duty

    # ---------------------------------------------------------------- result

    def _result(self, cpu_seconds: float) -> Result:
        nodes = list(self.nodes.values())
        finished = {
            node.identity.node_id: node.finished_at - node.started_at
            for node in nodes[self.scenario.warm :]
            if node.alive and node.finished_at is not None and node.started_at is not None
        }
        self._around.ledger.lived(sum(len(node.followers) for node in nodes), self._timeline.now)
        counts, nbytes = self._around.ledger.totals()
        return Result(
            scenario=self.scenario,
            finish_seconds=finished,
            slow_nodes=frozenset(nodes[number].identity.node_id for number in self._slow),
            unfinished=self._unfinished,
            origin_bytes=sum(node.origin_bytes for node in nodes),
            duplicate_bytes=sum(node.duplicate_bytes for node in nodes),
            border_bytes=sum(node.uplink.border_bytes for node in nodes),
            uploaded_bytes=tuple(
                node.uplink.sent_bytes for number, node in enumerate(nodes) if node.alive and number not in self._slow
            ),
            busy_answers=sum(node.uplink.busy_answers for node in nodes),
            message_counts=counts,
            message_bytes=nbytes,
            simulated_seconds=self._timeline.now,
            transfers=sum(node.landed_chunks for node in nodes),
            cpu_seconds=cpu_seconds,
        )
