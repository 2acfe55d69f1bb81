"""Several nodes that tell each other what they have, in any order and late: nobody believes what was never said.

Everything but the network is real: boards, followers, duties, the choice of peers. Messages wait in channels until they
are heard. A history is any interleaving of saying, hearing, asking, landing, losing, joining, dying. Whatever it was:
once the news is heard everybody gets every chunk, and knows exactly what the others have.
"""

from __future__ import annotations

import random
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from cachefs import bitset
from cachefs.sharing import ChunkSet, Want
from cachefs.types import BlobKey
from peer.exchange.duties import Around, Duties
from peer.policy.choice import Wish, choose
from peer.policy.hedging import ChunkTimes
from peer.swarm import Board, Follower
from peer.values import HaveUpdate, PeerId

CHUNK = 1 << 10
SLOTS = 10
ROUNDS = 2000
"""Far more than any swarm here needs: who needs more is stuck."""

ROUND_SECONDS = 0.1
MOST_NODES = 7


class Node:
    """One node of a swarm, which wants the whole blob."""

    def __init__(self, name: int, key: BlobKey) -> None:
        self.id = PeerId(f"n{name}@{name}")
        self.board = Board(lambda _: None)
        self.swarm = self.board.want(key, Want.ALL, 0)
        self.duties = Duties(self.swarm, self.id)
        self.telling: dict[PeerId, Follower] = {}
        self.channels: dict[PeerId, deque[HaveUpdate]] = {}
        """What each other one said and this one has not heard yet."""
        self.requests: list[tuple[int, PeerId]] = []
        self.ever: ChunkSet = 0
        """What was here at any time."""
        self.losses: Counter[int] = Counter()

    @property
    def startable(self) -> ChunkSet:
        """As the fetcher finds it."""
        return self.swarm.all & ~self.swarm.mine & ~self.swarm.fetching_bits & ~bitset.of(self.swarm.incoming)

    def landed(self, chunk: int) -> None:
        self.ever |= 1 << chunk
        self.board.landed(self.swarm.blob, chunk)


@dataclass
class Fleet:
    """The nodes, and what lies between them."""

    chunk_count: int
    rng: random.Random
    now: float = 0.0
    nodes: dict[PeerId, Node] = field(default_factory=dict)
    asked: Counter[tuple[PeerId, int]] = field(default_factory=Counter)
    """Requests to the origin, by node and chunk."""
    joined: int = 0

    def __post_init__(self) -> None:
        self.key = BlobKey("memory://bucket/x", "1", self.chunk_count * CHUNK, CHUNK)

    def others(self, node: Node) -> list[Node]:
        return [other for other in self.nodes.values() if other is not node]

    def pairs(self) -> Iterator[tuple[Node, Node]]:
        return ((one, other) for one in self.nodes.values() for other in self.others(one))

    # ------------------------------------------------------------ membership

    def join(self) -> None:
        fresh = Node(self.joined, self.key)
        self.joined += 1
        self.nodes[fresh.id] = fresh
        for other in self.others(fresh):
            for teller, listener in ((fresh, other), (other, fresh)):
                listener.channels[teller.id] = deque()
                teller.telling[listener.id] = teller.board.subscribe(listener.id)
                teller.telling[listener.id].follow(self.key.blob_id, Want.ALL)

    def die(self, node: Node) -> None:
        for other in self.others(node):
            other.board.left([node.id])
            other.telling.pop(node.id).close()
            del other.channels[node.id]
            for request in [request for request in other.requests if request[1] == node.id]:
                self.end(other, request)
        del self.nodes[node.id]

    # ------------------------------------------------------------------ news

    def say(self, teller: Node, listener: Node) -> None:
        listener.channels[teller.id].extend(teller.telling[listener.id].take())

    def hear(self, teller: Node, listener: Node) -> None:
        if waiting := listener.channels[teller.id]:
            listener.swarm.told(teller.id, waiting.popleft(), self.now)

    def all_news(self) -> None:
        for teller, listener in self.pairs():
            self.say(teller, listener)
            while listener.channels[teller.id]:
                self.hear(teller, listener)

    # ---------------------------------------------------------------- chunks

    def around(self, node: Node) -> Around:
        return Around(node.id, {other.id: True for other in self.others(node)}, None)

    def ask_origin(self, node: Node, most: int = SLOTS) -> None:
        running = len(node.duties.swarm.fetching)
        granted = node.duties.origin(node.startable, 0, running, self.around(node), ChunkTimes(), self.now)
        assert granted & ~node.startable == 0, "only what was offered"
        for chunk in bitset.each(bitset.lowest(granted, most)):
            self.asked[node.id, chunk] += 1
            node.duties.origin_started(range(chunk, chunk + 1), self.now)
        node.board.tell(self.key.blob_id)

    def land_from_origin(self, node: Node, chunk: int) -> None:
        del node.swarm.fetching[chunk]
        node.landed(chunk)

    def ask_peers(self, node: Node) -> None:
        around = self.around(node)
        wish = Wish(self.key.blob_id, node.startable, ordered=False, holdings=node.duties.holdings(around))
        free = SLOTS - len(node.requests)
        for choice in choose([wish], {}, free, around.usable, self.rng, slots=SLOTS):
            node.requests.append((choice.chunk, choice.peer))
            node.swarm.incoming.add(choice.chunk)

    def land_from_peer(self, node: Node, request: tuple[int, PeerId]) -> None:
        chunk, peer = request
        self.end(node, request)
        if self.nodes[peer].swarm.mine >> chunk & 1:
            node.landed(chunk)
        else:
            assert self.nodes[peer].losses[chunk], "asked for what that peer never had"
            node.swarm.lacks(peer, chunk)

    def end(self, node: Node, request: tuple[int, PeerId]) -> None:
        node.requests.remove(request)
        node.swarm.incoming.discard(request[0])

    def lose(self, node: Node, chunk: int) -> None:
        node.losses[chunk] += 1
        node.board.reset(self.key.blob_id, node.swarm.mine & ~(1 << chunk))

    # ------------------------------------------------------------- the whole

    @property
    def complete(self) -> bool:
        return all(node.swarm.complete for node in self.nodes.values())

    def finish(self, *, instant: bool = True, news_every: int = 1) -> None:
        """Until everybody has everything. Some of what is under way lands in each round, in any order."""
        for number in range(ROUNDS):
            if self.complete:
                return
            self.now += ROUND_SECONDS
            for node in self.rng.sample(list(self.nodes.values()), len(self.nodes)):
                if instant:
                    self.all_news()
                self.ask_peers(node)
                self.ask_origin(node)
            if number % news_every == 0:
                self.all_news()
            self._land_some()
        raise AssertionError("stuck")

    def _land_some(self) -> None:
        for node in self.nodes.values():
            for chunk in list(node.swarm.fetching):
                if self.rng.random() < 0.5:
                    self.land_from_origin(node, chunk)
            for request in list(node.requests):
                if self.rng.random() < 0.7:
                    self.land_from_peer(node, request)

    def by_chunk(self) -> Counter[int]:
        """Requests to the origin."""
        total: Counter[int] = Counter()
        for (_, chunk), times in self.asked.items():
            total[chunk] += times
        return total

    def check_views(self) -> None:
        """Everybody knows exactly what the others have, once all is heard."""
        self.all_news()
        for teller, listener in self.pairs():
            view = listener.swarm.view(teller.id)
            assert (view.have, view.fetching, view.want) == (
                teller.swarm.mine,
                teller.swarm.fetching_bits,
                Want.ALL,
            )


def fleet_of(count: int, chunk_count: int, rng: random.Random) -> Fleet:
    """Nodes that have heard of each other, as they do before they ask the origin for anything."""
    fleet = Fleet(chunk_count, rng)
    for _ in range(count):
        fleet.join()
    fleet.all_news()
    return fleet


rngs = st.integers(0, 1 << 32).map(random.Random)
counts = st.integers(2, MOST_NODES)
chunk_counts = st.integers(1, 100)


@settings(max_examples=40)
@given(counts, chunk_counts, rngs)
def test_with_instant_news_each_chunk_leaves_the_origin_once(count: int, chunk_count: int, rng: random.Random) -> None:
    fleet = fleet_of(count, chunk_count, rng)
    fleet.finish()
    assert fleet.by_chunk() == Counter(range(chunk_count))
    fleet.check_views()


@settings(max_examples=40)
@given(counts, chunk_counts, st.integers(1, 3), rngs)
def test_with_late_news_no_chunk_leaves_it_more_than_twice(
    count: int, chunk_count: int, news_every: int, rng: random.Random
) -> None:
    """The owner, and one that helps it or takes over: each node a few times, however large the model is."""
    fleet = fleet_of(count, chunk_count, rng)
    fleet.finish(instant=False, news_every=news_every)
    assert max(fleet.by_chunk().values()) <= 2
    assert fleet.by_chunk().total() <= chunk_count + 3 * count
    fleet.check_views()


@settings(max_examples=40)
@given(st.integers(3, MOST_NODES), chunk_counts, rngs)
def test_each_death_costs_at_most_what_the_dead_were_getting(count: int, chunk_count: int, rng: random.Random) -> None:
    fleet = fleet_of(count, chunk_count, rng)
    lost = 0
    for _ in range(count - 2):
        for node in fleet.nodes.values():
            fleet.all_news()
            fleet.ask_origin(node)
        fleet._land_some()
        fleet.all_news()
        dying = rng.choice(list(fleet.nodes.values()))
        held_elsewhere = 0
        for other in fleet.others(dying):
            held_elsewhere |= other.swarm.mine
        lost += (dying.swarm.mine & ~held_elsewhere | dying.swarm.fetching_bits).bit_count()
        fleet.die(dying)
    fleet.finish()
    assert fleet.by_chunk().total() <= chunk_count + lost
    fleet.check_views()


class History(RuleBasedStateMachine):
    """Any order of events; nodes and chunks are named by numbers that are taken modulo what there is."""

    @initialize(count=counts, chunk_count=st.integers(1, 12), rng=rngs)
    def begin(self, count: int, chunk_count: int, rng: random.Random) -> None:
        self.fleet = Fleet(chunk_count, rng)
        for _ in range(count):
            self.fleet.join()

    def node(self, number: int) -> Node:
        return list(self.fleet.nodes.values())[number % len(self.fleet.nodes)]

    def pair(self, number: int) -> tuple[Node, Node]:
        pairs = list(self.fleet.pairs())
        return pairs[number % len(pairs)]

    numbers = st.integers(0, 1 << 16)

    @rule(number=numbers)
    def say(self, number: int) -> None:
        self.fleet.say(*self.pair(number))

    @rule(number=numbers)
    def hear(self, number: int) -> None:
        self.fleet.hear(*self.pair(number))

    @rule(number=numbers, most=st.integers(1, SLOTS))
    def ask_origin(self, number: int, most: int) -> None:
        self.fleet.ask_origin(self.node(number), most)

    @rule(number=numbers)
    def ask_peers(self, number: int) -> None:
        self.fleet.ask_peers(self.node(number))

    @rule(number=numbers, which=numbers)
    def land_from_origin(self, number: int, which: int) -> None:
        node = self.node(number)
        if running := list(node.swarm.fetching):
            self.fleet.land_from_origin(node, running[which % len(running)])

    @rule(number=numbers, which=numbers)
    def land_from_peer(self, number: int, which: int) -> None:
        node = self.node(number)
        if node.requests:
            self.fleet.land_from_peer(node, node.requests[which % len(node.requests)])

    @rule(number=numbers, which=numbers)
    def lose(self, number: int, which: int) -> None:
        node = self.node(number)
        if node.swarm.mine:
            self.fleet.lose(node, bitset.nth(node.swarm.mine, which % node.swarm.mine.bit_count()))

    @precondition(lambda self: len(self.fleet.nodes) > 2)
    @rule(number=numbers)
    def die(self, number: int) -> None:
        self.fleet.die(self.node(number))

    @precondition(lambda self: len(self.fleet.nodes) < MOST_NODES)
    @rule()
    def join(self) -> None:
        self.fleet.join()

    @rule(seconds=st.floats(0.0, 10.0))
    def time_passes(self, seconds: float) -> None:
        self.fleet.now += seconds

    @invariant()
    def nobody_believes_what_was_never_said(self) -> None:
        for teller, listener in self.fleet.pairs():
            assert listener.swarm.view(teller.id).have & ~teller.ever == 0

    @invariant()
    def the_dead_are_forgotten(self) -> None:
        for node in self.fleet.nodes.values():
            assert node.swarm.peers.keys() - self.fleet.nodes.keys() == set()

    @invariant()
    def nobody_asks_twice_for_what_it_did_not_lose(self) -> None:
        for (peer, chunk), times in self.fleet.asked.items():
            if node := self.fleet.nodes.get(peer):
                assert times <= 1 + node.losses[chunk]

    def teardown(self) -> None:
        if hasattr(self, "fleet"):  # hypothesis may tear down what it never began
            self.fleet.finish()
            self.fleet.check_views()


TestHistory = History.TestCase
TestHistory.settings = settings(max_examples=60, stateful_step_count=60)
