"""What one swarm looks like to those who decide: who owns what, what is late, what may cross a border."""

from __future__ import annotations

from dataclasses import replace

from cachefs import bitset
from cachefs.sharing import ChunkSet, Want
from peer.exchange.duties import FRONT_CHUNKS, NEWS_SECONDS, OVERDUE, Around, Duties
from peer.policy.choice import Holding
from peer.policy.duty import DutyTable, duty, quota
from peer.policy.hedging import LATE_UNKNOWN_SECONDS, ChunkTimes
from peer.swarm import Swarm
from peer.values import PeerId
from tests.unit.peer.exchange.kit import BLOB, KEY, identity, update

ME, A, B = (identity(name).peer_id for name in ("me", "a", "b"))
COUNT = KEY.chunk_count
ALL = bitset.span(0, COUNT)
LATE = LATE_UNKNOWN_SECONDS + 0.1
"""Nothing is known of origin requests here, so this is late."""


class World:
    """This node among A and B, all of which want the whole blob."""

    def __init__(self, *others: PeerId, zoned: bool = False, near: bool = True, count: int = COUNT) -> None:
        self.others = others
        self.count = count
        self.swarm = Swarm(BLOB, count, 0)
        self.swarm.key, self.swarm.want = KEY, Want.ALL
        for other in others:
            self.swarm.wanted_by(other, Want.ALL)
        self.duties = Duties(self.swarm, ME)
        mates = frozenset(others if near else ()) if zoned else None
        self.around = Around(ME, dict.fromkeys(others, near), mates)

    def part(self, node: PeerId) -> ChunkSet:
        return duty(node, [ME, *self.others], BLOB, self.count).first

    def second(self) -> ChunkSet:
        return duty(ME, [ME, *self.others], BLOB, self.count).second

    def told(self, peer: PeerId, have: ChunkSet = 0, *, fetching: ChunkSet = 0, now: float = 0.0) -> None:
        self.swarm.told(peer, update(have, fetching=fetching), now)

    def origin(self, urgent: ChunkSet = 0, *, now: float = 0.0, startable: ChunkSet | None = None) -> ChunkSet:
        wanted = self.swarm.all & ~self.swarm.mine & ~self.swarm.fetching_bits if startable is None else startable
        running = len(self.swarm.fetching)
        return self.duties.origin(wanted, urgent, running, self.around, ChunkTimes(), now)

    def idle(self, **since: float) -> None:
        """These get nothing from the origin, since then."""
        idle_since = {identity(name).peer_id: moment for name, moment in since.items()}
        self.around = replace(self.around, idle_since=idle_since)

    def near_only(self, now: float = 0.0) -> ChunkSet:
        return self.duties.near_only(ALL, self.around, ChunkTimes(), now)


def test_who_is_alone_asks_for_everything_as_far_as_its_quota_goes() -> None:
    assert quota(1) >= COUNT
    assert World().origin() == ALL


def test_each_owner_asks_for_its_own_and_together_for_all() -> None:
    world = World(A, B)
    assert world.origin() == world.part(ME)
    assert world.part(ME) | world.part(A) | world.part(B) == ALL


def test_the_owner_that_others_are_told_is_the_owner_that_asks() -> None:
    world = World(A, B)
    for node in (ME, A, B):
        assert bitset.of(chunk for chunk in range(COUNT) if world.duties.owner(chunk) == node) == world.part(node)


def test_who_has_everything_shares_no_duty() -> None:
    world = World(A, B)
    world.told(A, ALL)
    world.around = Around(ME, {B: True}, None)  # A cannot be asked
    assert world.origin() == duty(ME, [ME, B], BLOB, COUNT).first


def test_what_a_peer_holds_is_not_asked_of_the_origin_unless_it_cannot_be_asked() -> None:
    world = World(A)
    world.told(A, world.part(ME) & ~bitset.lowest(world.part(ME), 1))
    assert world.origin() == bitset.lowest(world.part(ME), 1)
    world.around = Around(ME, {}, None)
    assert world.origin() == world.part(ME)


def test_no_more_requests_than_the_swarm_allows() -> None:
    others = [identity(f"n{number}").peer_id for number in range(31)]
    world = World(*others)
    most = quota(32)
    asked = world.origin()
    assert asked.bit_count() <= most
    world.swarm.fetching.update(dict.fromkeys(range(most), 0.0))
    assert world.origin() == 0


def test_what_an_owner_announced_is_taken_over_only_when_it_is_late() -> None:
    world = World(A)
    world.swarm.mine = world.part(ME)
    world.told(A, fetching=world.part(A))
    assert world.origin(now=LATE_UNKNOWN_SECONDS - 0.1) == 0
    assert world.origin(now=LATE) == world.part(A), "two nodes: what is not the one's is second to the other"
    assert world.duties.takeovers == 0, "nothing was asked for yet"
    for chunk in bitset.each(world.part(A)):
        world.duties.origin_started(range(chunk, chunk + 1), LATE)
    assert world.duties.takeovers == world.part(A).bit_count()


def test_only_the_second_takes_over_until_it_is_overdue() -> None:
    world = World(A, B)
    world.swarm.mine = world.part(ME)
    theirs = world.part(A) | world.part(B)
    world.told(A, fetching=world.part(A))
    world.told(B, fetching=world.part(B))
    assert world.origin(now=LATE) == world.second() & theirs
    assert world.origin(now=OVERDUE * LATE) == bitset.lowest(theirs, quota(3))


def test_what_is_overdue_falls_to_one_further_node_at_a_time() -> None:
    """The third-ranked after two patiences, the fourth after three: not all at once."""
    others = [identity(f"n{number}").peer_id for number in range(5)]
    world = World(*others)
    table = DutyTable(ME, BLOB, COUNT)
    table.duty([ME, *others])
    ours = [bitset.of(chunk for chunk in range(COUNT) if table.rank(chunk) == rank) for rank in range(6)]
    _, _, third, fourth, fifth, _ = ours
    for other in others:
        world.told(other, fetching=world.part(other))
    one_each = bitset.lowest(third, 1) | bitset.lowest(fourth, 1) | bitset.lowest(fifth, 1)
    assert one_each.bit_count() == 3 < quota(6)
    assert world.origin(now=LATE, startable=one_each) == 0
    assert world.origin(now=2 * LATE, startable=one_each) == one_each & third
    assert world.origin(now=3 * LATE, startable=one_each) == one_each & (third | fourth)
    assert world.origin(now=4 * LATE, startable=one_each) == one_each


def test_an_announcement_that_is_repeated_is_as_old_as_the_first() -> None:
    world = World(A)
    world.swarm.mine = world.part(ME)
    for now in (0.0, 2.0, 4.0):
        world.told(A, fetching=world.part(A), now=now)
    assert world.origin(now=LATE) == world.part(A)


def test_an_owner_that_is_idle_and_announces_nothing_is_late_too() -> None:
    world = World(A)
    world.swarm.mine = world.part(ME)
    world.idle(a=0.0)
    assert COUNT <= FRONT_CHUNKS
    assert world.origin(now=0.0) == 0
    assert world.origin(now=LATE) == world.part(A)
    for chunk in bitset.each(world.part(A)):
        world.duties.origin_started(range(chunk, chunk + 1), LATE)
    assert world.duties.takeovers == world.part(A).bit_count()


def test_only_the_front_of_what_the_swarm_misses_is_late_so() -> None:
    world = World(A, count=1024)
    world.swarm.mine = world.part(ME)
    world.idle(a=0.0)
    front = bitset.lowest(world.part(A), FRONT_CHUNKS)
    beyond = bitset.lowest(world.part(A), FRONT_CHUNKS + 8) & ~front
    world.origin(now=0.0)
    assert world.origin(now=LATE, startable=beyond) == bitset.highest(beyond, 1), "help with one, as ever"
    assert world.origin(now=LATE, startable=front) == bitset.lowest(front, quota(2))


def test_what_waits_for_busy_owners_is_not_late() -> None:
    """They come to it in their turn: taken over, it would leave the origin twice."""
    world = World(A)
    world.swarm.mine = world.part(ME)
    world.origin(now=0.0)
    assert world.origin(now=LATE) == bitset.highest(world.part(A), 1), "help with one, as ever"
    world.idle(a=LATE - 1.0)
    assert world.origin(now=LATE) == bitset.highest(world.part(A), 1), "it was busy a second ago"


def test_who_does_not_want_the_blob_may_be_idle() -> None:
    world = World(A)
    world.swarm.mine = world.part(ME)
    world.idle(b=0.0)
    world.origin(now=0.0)
    assert world.origin(now=LATE) == bitset.highest(world.part(A), 1), "help with one, as ever"


def test_an_owner_that_is_late_with_one_chunk_is_late_with_those_it_has_not_begun() -> None:
    world = World(A)
    world.swarm.mine = world.part(ME)
    world.told(A, fetching=bitset.lowest(world.part(A), 1))
    world.origin(now=0.0)
    assert world.origin(now=LATE) == world.part(A)


def test_an_idle_second_helps_with_one_chunk_that_waited_longer_than_news_takes() -> None:
    world = World(A)
    world.swarm.mine = world.part(ME)
    assert world.origin(now=0.0) == 0
    assert world.origin(now=NEWS_SECONDS / 2) == 0
    assert world.origin(now=NEWS_SECONDS * 2) == bitset.highest(world.part(A), 1)


def test_what_its_owner_began_meanwhile_is_left_to_it() -> None:
    world = World(A)
    world.swarm.mine = world.part(ME)
    world.origin(now=0.0)
    world.told(A, fetching=world.part(A), now=0.1)
    assert world.origin(now=NEWS_SECONDS * 2) == 0


def test_readers_elsewhere_are_served_first_with_what_is_our_duty() -> None:
    others = [identity(f"n{number}").peer_id for number in range(63)]
    world = World(*others, count=1024)
    assert quota(64) == 1
    assert world.origin() == bitset.lowest(world.part(ME), 1)
    world.swarm.urged = bitset.highest(world.part(ME), 1)
    assert world.origin() == world.swarm.urged


def test_an_urgent_chunk_of_another_owner_is_left_to_it() -> None:
    world = World(A)
    assert world.origin(urgent=world.part(A)) == world.part(ME)


def test_the_origin_relieves_peers_that_hold_much_and_give_nothing() -> None:
    world = World(A)
    world.told(A, ALL & ~1)  # it still wants one chunk, so duty is shared
    rates = world.duties.rates
    rates.peers.started(0.0)
    rates.origin.started(0.0)
    assert world.origin(now=0.0) & world.swarm.view(A).have == 0
    rates.origin.ended(100 << 20, 3.0)
    assert world.origin(now=3.0) & world.swarm.view(A).have != 0


def test_without_a_backlog_there_is_no_relief() -> None:
    world = World(A)
    world.told(A, ALL & ~1)
    rates = world.duties.rates
    rates.peers.started(0.0)
    rates.peers.ended(100 << 20, 3.0)
    rates.origin.started(0.0)
    rates.origin.ended(100 << 20, 3.0)
    assert world.origin(now=0.0) & world.swarm.view(A).have == 0
    assert world.origin(now=3.0) & world.swarm.view(A).have == 0


def test_holdings_are_of_those_that_may_be_asked_and_have_something() -> None:
    world = World(A, B)
    world.told(A, 0b11)
    assert [(one.peer, one.have, one.same_zone) for one in world.duties.holdings(world.around)] == [(A, 0b11, True)]
    assert world.duties.holdings(Around(ME, {B: True}, None)) == []


# ------------------------------------------------------------------ zones


def test_in_one_zone_everything_may_come_from_anywhere() -> None:
    assert World(A).near_only() == 0


def test_over_a_border_each_chunk_has_one_importer() -> None:
    world = World(A, zoned=True)
    assert world.near_only() == world.part(A), "A of this zone brings these in"
    assert ALL & ~world.near_only() == world.part(ME)


def test_the_only_member_of_a_zone_imports_everything() -> None:
    assert World(A, zoned=True, near=False).near_only() == 0


def test_what_the_zone_has_or_gets_is_not_imported_again() -> None:
    world = World(A, zoned=True)
    held, coming = bitset.lowest(world.part(ME), 1), bitset.highest(world.part(ME), 1)
    world.told(A, held, fetching=coming)
    assert world.near_only() == world.part(A) | held | coming


def test_an_importer_that_is_late_is_replaced() -> None:
    world = World(A, zoned=True)
    world.told(A, fetching=world.part(A))
    assert world.near_only(now=LATE) == 0


def test_what_only_a_warm_node_has_is_left_to_its_owners() -> None:
    world = World(A, B)
    seed = identity("seed").peer_id
    holdings = [Holding(seed, ALL, same_zone=True), Holding(A, 0b1, same_zone=True)]
    world.told(A, 0b1)
    spared, imports = world.duties.spared(holdings)
    assert imports == world.part(ME) & ~0b1, "the first chunk comes from A, who has it by now"
    assert {one.peer: one.have for one in spared} == {seed: imports, A: 0b1}


def test_a_warm_node_gives_everything_once_nothing_is_its_alone() -> None:
    world = World(A, B)
    world.told(A, ALL)
    holdings = [Holding(identity("seed").peer_id, ALL, same_zone=True), Holding(A, ALL, same_zone=True)]
    assert world.duties.spared(holdings) == (holdings, 0)


def test_one_joiner_alone_takes_what_it_needs() -> None:
    world = World()
    holdings = [Holding(identity("seed").peer_id, ALL, same_zone=True)]
    assert world.duties.spared(holdings) == (holdings, 0)
