"""What the fetcher is told to do, from the first word of a peer to the last chunk, with twins on both sides."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from cachefs import bitset
from cachefs.errors import Interrupted, NoSpace, PeerBusy, PeerCorrupt, PeerLacks, PeerProtocolError, PeerUnavailable
from cachefs.sharing import Ask, Want
from cachefs.types import BlobKey, Deadline, Priority
from peer.exchange.exchange import LOOK_SECONDS
from peer.exchange.transport import RemoteChunk
from peer.policy.duty import quota
from peer.policy.hedging import LATE_UNKNOWN_SECONDS
from peer.settings import PeerLimits
from peer.values import Identity
from tests.unit.peer.exchange.kit import (
    ALL,
    BLOB,
    CHUNK,
    COUNT,
    KEY,
    OTHER,
    PATIENT,
    Node,
    chunks_of,
    identity,
    node,
    owned_by,
    turns,
    update,
)

ME, A, B = identity("me"), identity("a"), identity("b")
NEAR, FAR = identity("near", zone="z1"), identity("far", zone="z2")
SEED = identity("seed")
CROWD = [identity(f"n{number}") for number in range(15)]
FIRST, SECOND = (BlobKey(f"memory://bucket/{name}", "1", 1024 * CHUNK, CHUNK) for name in ("1", "2"))
MODEL = dict.fromkeys((FIRST, SECOND), Want.ALL)


async def all_hold(one: Node, have: int = ALL) -> None:
    """Everything is wanted, and every peer holds `have`."""
    await one.wants()
    for link in one.links_made:
        link.say(update(have))


# ------------------------------------------------------------------- assigning


async def test_chunks_that_peers_hold_are_asked_of_them() -> None:
    async with node(A, B) as one:
        await one.wants()
        one.link(A).say(update(0b0011))
        one.link(B).say(update(0b1100))
        picks = one.assign()
        assert {(pick.chunk, pick.peer) for pick in picks} == {(0, "a"), (1, "a"), (2, "b"), (3, "b")}
        assert all(pick.blob == BLOB for pick in picks)


async def test_only_what_is_asked_for() -> None:
    async with node(A) as one:
        await all_hold(one)
        assert chunks_of(one.assign(0b110)) == 0b110


async def test_who_has_said_nothing_is_not_asked() -> None:
    async with node(A) as one:
        await one.wants()
        assert one.assign() == []


async def test_a_blob_that_nobody_demanded_is_not_asked_for() -> None:
    async with node(A) as one:
        await all_hold(one)
        assert one.exchange.assign([Ask(OTHER.blob_id, 0b111, Priority.READER, True)], 9, one.now) == []


async def test_no_more_at_a_time_than_the_limit_and_what_the_caller_has_room_for() -> None:
    async with node(A, B, limits=PeerLimits(downloads=4)) as one:
        await all_hold(one)
        first = one.assign(most=3)
        assert len(first) == 3
        assert one.assign(most=0) == []
        rest = one.assign(ALL & ~chunks_of(first))
        assert len(rest) == 1
        assert one.assign(ALL & ~chunks_of([*first, *rest])) == []
        one.ended(first[0])
        assert len(one.assign(ALL & ~chunks_of([*first, *rest]))) == 1


async def test_no_chunk_is_given_out_twice() -> None:
    """Also where several wish for the same one, and more than one peer holds it."""
    async with node(A, B) as one:
        await all_hold(one)
        asks = [Ask(BLOB, 0b1111, Priority.READER, True), Ask(BLOB, 0b111, Priority.READ_AHEAD, False)] * 2
        picks = one.exchange.assign(asks, 99, one.now)
        assert sorted(pick.chunk for pick in picks) == [0, 1, 2, 3]


async def test_what_a_reader_needs_next_comes_first_and_in_order() -> None:
    async with node(A, limits=PeerLimits(downloads=3)) as one:
        await all_hold(one)
        assert [pick.chunk for pick in one.assign(ordered=True)] == [0, 1, 2]


async def test_what_landed_at_a_peer_can_be_had_at_once() -> None:
    async with node(A) as one:
        await all_hold(one, 0)
        assert one.assign() == []
        one.link(A).say(update(1 << 5, whole=False))
        (pick,) = one.assign()
        assert pick.chunk == 5


async def test_opening_what_was_assigned_asks_that_peer() -> None:
    async with node(A) as one:
        await all_hold(one)
        (pick,) = one.assign(0b100)
        pick.open(Deadline.after(60))
        ((peer, chunk, stream),) = one.opener.opened
        assert (peer, chunk, stream.cancelled) == (A.peer_id, 2, False)


# ------------------------------------------------------------------- how it ends


async def test_a_chunk_that_came_counts_for_its_peer() -> None:
    async with node(A) as one:
        await all_hold(one)
        (pick,) = one.assign(1 << COUNT - 1)
        assert one.neighbour(A).in_flight == len(one.exchange.requests) == 1
        one.ended(pick, seconds=0.5)
        status = one.neighbour(A).status(one.now, 0)
        assert (status.received_bytes, status.chunk_seconds_p95) == (len(KEY.chunk_range(COUNT - 1)), 0.5)
        assert status.requests_in_flight == len(one.exchange.requests) == 0


async def test_a_busy_peer_is_left_alone_for_milliseconds() -> None:
    async with node(A) as one:
        await all_hold(one)
        (pick,) = one.assign(0b1)
        one.ended(pick, PeerBusy("all slots taken"))
        usable_at = one.neighbour(A).health.usable_at
        assert one.assign(now=usable_at - 0.001) == []
        assert len(one.assign(0b1, now=usable_at)) == 1
        assert one.suspected == []


async def test_a_chunk_that_a_peer_lacks_is_asked_of_it_no_more() -> None:
    async with node(A) as one:
        await all_hold(one)
        (pick,) = one.assign(0b100)
        one.ended(pick, PeerLacks("evicted"))
        assert chunks_of(one.assign(0b111)) == 0b011
        assert one.origin(0b100) | owned_by(A, ME, A) & 0b100, "nobody visibly holds it any more"


async def test_a_peer_that_cannot_be_reached_is_paused_and_suspected() -> None:
    async with node(A) as one:
        await all_hold(one)
        (pick,) = one.assign(0b1)
        one.ended(pick, PeerUnavailable("reset"))
        assert one.assign() == []
        assert one.suspected == [A.peer_id]


@pytest.mark.expects_warnings
async def test_wrong_bytes_quarantine_a_peer_with_one_warning_that_names_it(caplog: pytest.LogCaptureFixture) -> None:
    async with node(A, B) as one:
        await one.wants()
        one.link(A).say(update(ALL))
        one.link(B).say(update(0))
        picks = one.assign(0b111)
        for pick in picks:  # all were under way at the moment of the first
            one.ended(pick, PeerCorrupt(f"peer a: chunk {pick.chunk} has another hash"))
        warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
        (warning,) = warnings
        assert "peer quarantined for 60 s peer=a address=a.test:9302 code=peer_corrupt" in warning
        assert one.assign() == []
        assert one.neighbour(A).status(one.now, 0).state == "quarantined"
        assert one.origin(owned_by(ME, ME, B)) == owned_by(ME, ME, B), "what it holds does not count"


@pytest.mark.expects_warnings
async def test_what_a_quarantined_peer_should_get_or_gets_is_others_duty_at_once() -> None:
    async with node(A, B) as one:
        await one.wants()
        one.link(A).say(update(0b1))
        one.link(B).say(update(0))
        (pick,) = one.assign()
        one.ended(pick, PeerCorrupt("peer a: chunk 0 has another hash"))
        one.link(A).say(update(0b1, fetching=owned_by(A, ME, A, B)))
        assert one.origin() == owned_by(ME, ME, B)


async def test_what_was_called_off_blames_nobody() -> None:
    async with node(A) as one:
        await all_hold(one)
        (pick,) = one.assign(0b1)
        one.ended(pick, Interrupted("the other peer was faster"))
        status = one.neighbour(A).status(one.now, 0)
        assert (status.failures, status.reason, status.received_bytes, status.chunk_seconds_p95) == (0, "", 0, None)
        assert len(one.assign(0b1)) == 1


@pytest.mark.parametrize("error", [NoSpace("disk full"), ZeroDivisionError("a bug")])
async def test_our_own_failure_blames_nobody(error: Exception) -> None:
    async with node(A) as one:
        await all_hold(one)
        (pick,) = one.assign(0b1)
        one.ended(pick, error)
        assert one.neighbour(A).status(one.now, 0).failures == 0
        assert len(one.assign(0b1)) == 1


async def test_another_protocol_is_a_failure_but_no_suspicion() -> None:
    async with node(A) as one:
        await all_hold(one)
        (pick,) = one.assign(0b1)
        one.ended(pick, PeerProtocolError("garbage"))
        assert one.neighbour(A).status(one.now, 0).failures == 1
        assert one.suspected == []


async def test_what_was_asked_of_a_peer_that_left_is_cancelled() -> None:
    async with node(A, B) as one:
        await all_hold(one)
        picks = one.assign()
        for pick in picks:
            pick.open(Deadline.after(60))
        await one.leaves(A)
        cancelled = {(peer, stream.cancelled) for peer, _, stream in one.opener.opened}
        assert cancelled == {(A.peer_id, True), (B.peer_id, False)}
        for pick in picks:
            one.ended(pick, PeerUnavailable("cancelled") if pick.peer == "a" else None)
        assert len(one.exchange.requests) == 0
        assert {pick.peer for pick in one.assign()} == {"b"}


async def test_a_request_that_was_cancelled_before_it_was_opened_ends_when_it_is() -> None:
    async with node(A) as one:
        await all_hold(one)
        (pick,) = one.assign(0b1)
        await one.leaves(A)
        pick.open(Deadline.after(60))
        assert one.opener.opened[0][2].cancelled
        one.ended(pick, PeerUnavailable("cancelled"))


async def test_a_blob_may_be_wanted_no_more_while_chunks_of_it_come() -> None:
    async with node(A) as one:
        await all_hold(one)
        picks = one.assign(0b11)
        one.exchange.demand({})
        assert one.board.get(BLOB), "kept until they are here"
        for pick in picks:
            one.ended(pick)
        assert one.board.get(BLOB) is None
        assert len(one.exchange.requests) == 0


# ---------------------------------------------------------------------- hedging


async def eight_came(one: Node, seconds: float = 0.1) -> None:
    """So that it is known how long a chunk takes."""
    for pick in one.assign(0xFF, most=8):
        one.ended(pick, seconds=seconds)


async def test_a_late_chunk_is_asked_of_another_peer_once() -> None:
    async with node(A, B) as one:
        await all_hold(one)
        await eight_came(one)
        (first,) = one.assign(1 << 9)
        assert one.exchange.late(4, first.started_at + 0.1) == []
        (second,) = one.exchange.late(4, first.started_at + 0.3)
        assert (second.chunk, {first.peer, second.peer}) == (9, {"a", "b"})
        assert one.exchange.late(4, first.started_at + 9.0) == []
        assert one.exchange.requests.hedges == 1
        assert isinstance(second, RemoteChunk)
        one.ended(second)
        one.ended(first, Interrupted("the other was faster"))
        assert one.exchange.requests.duplicate_bytes == 0


async def test_nothing_is_late_while_nobody_knows_how_long_a_chunk_takes() -> None:
    async with node(A, B) as one:
        await all_hold(one)
        (first,) = one.assign(1 << 9)
        assert one.exchange.late(4, first.started_at + 999.0) == []
        one.ended(first)


async def test_a_late_chunk_that_nobody_else_holds_is_waited_for() -> None:
    async with node(A, B) as one:
        await one.wants()
        one.link(A).say(update(ALL))
        one.link(B).say(update(0))
        await eight_came(one)
        (first,) = one.assign(1 << 9)
        assert one.exchange.late(4, first.started_at + 0.3) == []
        one.link(B).say(update(1 << 9))
        assert len(one.exchange.late(4, first.started_at + 0.3)) == 1


async def test_hedges_keep_to_the_callers_room_and_to_the_limit() -> None:
    async with node(A, B, limits=PeerLimits(downloads=8)) as one:
        await all_hold(one)
        await eight_came(one)
        picks = one.assign(0xFF << 8, most=8)
        much_later = max(pick.started_at for pick in picks) + 9.0
        assert one.exchange.late(0, much_later) == []
        assert one.exchange.late(-1, much_later) == []
        assert len(one.exchange.late(4, much_later)) == 2, "two beyond the eight, so that hanging peers block nothing"
        assert one.exchange.late(4, much_later) == []


async def test_a_chunk_that_two_brought_is_counted() -> None:
    async with node(A, B) as one:
        await all_hold(one)
        await eight_came(one)
        (first,) = one.assign(1 << 9)
        (second,) = one.exchange.late(4, first.started_at + 0.3)
        assert isinstance(second, RemoteChunk)
        one.ended(first)
        one.ended(second)
        assert one.exchange.requests.duplicate_bytes == len(KEY.chunk_range(9))


# ------------------------------------------------------------------- the origin


async def test_a_blob_that_nobody_demanded_is_the_fetchers_own_affair() -> None:
    async with node(A) as one:
        assert one.origin(0b101) == 0b101


async def test_what_is_asked_of_the_origin_is_told_and_taken_back() -> None:
    async with node(A) as one:
        await all_hold(one, 0)
        follower = one.board.subscribe(A.peer_id)
        follower.follow(BLOB, Want.ALL)
        follower.take()
        one.exchange.origin_started(BLOB, range(2, 4))
        assert [news.fetching for news in follower.take()] == [0b1100]
        one.exchange.origin_ended(BLOB, range(2, 4), range(2, 3), 0.1)
        assert [news.fetching for news in follower.take()] == [0]


async def test_a_request_to_the_origin_may_end_after_its_blob_is_wanted_no_more() -> None:
    """Followers would wait for it for ever, and this node would have used up a request for good."""
    async with node(A) as one:
        await all_hold(one, 0)
        follower = one.board.subscribe(A.peer_id)
        follower.follow(BLOB, Want.ALL)
        one.exchange.origin_started(BLOB, range(3))
        one.exchange.demand({})
        follower.take()
        one.exchange.origin_ended(BLOB, range(3), range(0), 0.1)
        assert [news.fetching for news in follower.take()] == [0]
        await one.wants()
        swarm = one.board.get(BLOB)
        assert swarm
        assert swarm.fetching == {}


async def test_takeovers_are_counted_beyond_the_blob() -> None:
    async with node(A) as one:
        await all_hold(one, 0)
        theirs = owned_by(A, ME, A)
        one.link(A).say(update(0, fetching=theirs))
        assert one.origin(theirs, now=one.now + 100.0) == theirs
        assert one.exchange.takeovers == 0, "it may, and has not yet"
        for chunk in bitset.each(theirs):
            one.exchange.origin_started(BLOB, range(chunk, chunk + 1))
        assert one.exchange.takeovers == theirs.bit_count()
        one.exchange.demand({})
        assert one.exchange.takeovers == theirs.bit_count()


async def two_blobs(one: Node) -> None:
    """Both wanted here and by all peers, and nobody has anything."""
    one.exchange.demand(MODEL)
    await turns()
    for link in one.links_made:
        link.say(*[update(0, key=key) for key in MODEL])


def origin_of(one: Node, key: BlobKey) -> int:
    """How many chunks of a blob the origin may be asked for now."""
    return one.exchange.origin(key.blob_id, bitset.span(0, key.chunk_count), 0, one.now).bit_count()


async def test_the_blobs_of_a_node_share_one_quota() -> None:
    """The origin is one, and a model has many files."""
    async with node(*CROWD) as one:
        await two_blobs(one)
        assert origin_of(one, FIRST) == quota(16) == 2
        assert origin_of(one, SECOND) == 0, "given out, if not asked for yet"
        one.exchange.demand(MODEL)
        assert origin_of(one, SECOND) == 2, "a new round: none of it was asked for"


async def test_what_one_blob_gets_from_the_origin_counts_for_the_other_until_it_came() -> None:
    async with node(*CROWD) as one:
        await two_blobs(one)
        one.exchange.origin_started(FIRST.blob_id, range(1))
        one.exchange.demand(MODEL)
        assert origin_of(one, SECOND) == 1
        one.exchange.origin_ended(FIRST.blob_id, range(1), range(1), 0.1)
        one.exchange.demand(MODEL)
        assert origin_of(one, SECOND) == 2


async def test_what_no_idle_peer_began_is_late_and_busy_peers_are_waited_for() -> None:
    """Also where they are busy with another blob."""
    async with node(A) as one:
        one.exchange.demand(dict.fromkeys([KEY, OTHER], Want.ALL))
        await turns()
        theirs, start = owned_by(A, ME, A), one.now
        one.link(A).say(update(0), update(0, key=OTHER, fetching=0b1))
        one.origin(theirs, now=start)
        much_later = start + 2 * LATE_UNKNOWN_SECONDS
        assert one.origin(theirs, now=much_later) == bitset.highest(theirs, 1), "help with one"
        one.exchange.demand({KEY: Want.ALL, OTHER: Want.ALL})
        one.link(A).say(update(0b1, key=OTHER))
        assert one.origin(theirs, now=much_later) == theirs


# -------------------------------------------------------------- what is here


async def test_what_is_here_already_is_told_to_who_follows() -> None:
    async with node(A) as one:
        one.shelf.have[KEY] = 0b1010
        await one.wants()
        follower = one.board.subscribe(A.peer_id)
        follower.follow(BLOB, Want.ALL)
        (news,) = follower.take()
        assert (news.have, news.whole) == (0b1010, True)


async def test_what_landed_on_another_thread_is_told() -> None:
    async with node(A) as one:
        await one.wants()
        follower = one.board.subscribe(A.peer_id)
        follower.follow(BLOB, Want.ALL)
        follower.take()
        await asyncio.gather(*[asyncio.to_thread(one.exchange.landed, BLOB, chunk) for chunk in range(4)])
        await turns()
        assert sum(news.have for news in follower.take()) == 0b1111


async def test_what_was_lost_is_taken_back() -> None:
    async with node(A) as one:
        await one.wants()
        follower = one.board.subscribe(A.peer_id)
        follower.follow(BLOB, Want.ALL)
        one.exchange.landed(BLOB, 0)
        one.exchange.landed(BLOB, 1)
        one.shelf.have[KEY] = 0b10
        one.exchange.lost(BLOB)
        await turns()
        (news,) = follower.take()
        assert (news.have, news.whole) == (0b10, True)


async def test_what_lands_after_the_loop_ended_concerns_nobody() -> None:
    async with node() as one:
        exchange = one.exchange
        exchange._loop = asyncio.new_event_loop()
        exchange._loop.close()
        exchange.landed(BLOB, 0)


# ------------------------------------------------------------------------ time


async def test_with_nothing_wanted_time_changes_nothing() -> None:
    async with node(A) as one:
        assert one.exchange.next_change(one.now) is None
        await one.wants()
        one.exchange.demand({})
        assert one.exchange.next_change(one.now) is None


async def test_it_looks_again_for_what_is_late() -> None:
    async with node(A) as one:
        await one.wants()
        now = one.now
        assert one.exchange.next_change(now) == now + LOOK_SECONDS


async def test_it_looks_again_when_peers_had_the_time_to_speak() -> None:
    async with node(A, times=replace(PATIENT, settle=0.1)) as one:
        before = one.now
        one.exchange.demand({KEY: Want.ALL})
        at = one.exchange.next_change(before)
        assert at is not None
        assert before < at < before + LOOK_SECONDS


async def test_it_looks_again_when_a_busy_peer_may_be_asked() -> None:
    async with node(A) as one:
        await all_hold(one)
        (pick,) = one.assign(0b1)
        one.ended(pick, PeerBusy("all slots taken"))
        usable_at = one.neighbour(A).health.usable_at
        assert one.exchange.next_change(usable_at - 0.001) == usable_at


async def test_peers_wake_the_fetcher() -> None:
    async with node(A) as one:
        one.exchange.wake()
        assert one.wakes == 1


# ------------------------------------------------------------- for others, too


@pytest.mark.parametrize(("others", "giver", "zone"), [((A, B), SEED, ""), ((NEAR,), FAR, "z1")])
async def test_what_it_gets_for_others_too_comes_first_unless_a_reader_waits(
    others: tuple[Identity, ...], giver: Identity, zone: str
) -> None:
    """Of a node that wants nothing, which may be about to leave; and over the border of its zone."""
    async with node(*others, giver, zone=zone, limits=PeerLimits(downloads=1)) as one:
        await one.wants()
        imports = bitset.highest(owned_by(one.me, one.me, *others), 1)
        for other in others:
            one.link(other).say(update(ALL & ~imports))
        one.link(giver).say(update(ALL, want=Want.NONE))
        picks = one.assign()
        assert (chunks_of(picks), [pick.peer for pick in picks]) == (imports, [giver.node_id])
        one.ended(picks[0])
        assert chunks_of(one.assign(ordered=True)) == bitset.lowest(ALL, 1)


@pytest.mark.parametrize(
    ("of_first", "expected"), [(Priority.PREWARM, SECOND), (Priority.READ_AHEAD, FIRST), (Priority.READER, FIRST)]
)
async def test_what_it_gets_for_others_comes_first_whichever_file_it_is_of_but_not_before_what_is_more_urgent(
    of_first: Priority, expected: BlobKey
) -> None:
    async with node(A, B, SEED, limits=PeerLimits(downloads=1)) as one:
        one.exchange.demand(MODEL)
        await turns()
        every = bitset.span(0, FIRST.chunk_count)
        for other in (A, B):
            one.link(other).say(update(every ^ 1, key=FIRST), update(0, key=SECOND))
        one.link(SEED).say(*[update(every, want=Want.NONE, key=key) for key in MODEL])
        asks = [Ask(FIRST.blob_id, every ^ 1, of_first, ordered=False)]
        asks.append(Ask(SECOND.blob_id, every, Priority.PREWARM, ordered=False))
        (pick,) = one.exchange.assign(asks, 99, one.now)
        assert pick.blob == expected.blob_id


# ------------------------------------------------------------------------ zones


async def test_over_a_border_only_the_importer_asks_and_says_so() -> None:
    async with node(NEAR, FAR, zone="z1") as one:
        await one.wants()
        one.link(NEAR).say(update(0))
        one.link(FAR).say(update(ALL, want=Want.NONE))
        follower = one.board.subscribe(NEAR.peer_id)
        follower.follow(BLOB, Want.ALL)
        follower.take()
        picks = one.assign()
        mine = owned_by(one.me, one.me, NEAR)
        assert chunks_of(picks) & ~mine == 0
        assert picks
        assert {pick.peer for pick in picks} == {"far"}
        (news,) = follower.take()
        assert news.fetching == chunks_of(picks), "the others of this zone wait for it"
        for pick in picks:
            one.ended(pick)
        assert [news.fetching for news in follower.take()] == [0]


@pytest.mark.expects_warnings
async def test_what_only_a_quarantined_peer_of_the_own_zone_has_is_brought_in() -> None:
    async with node(NEAR, FAR, zone="z1", limits=PeerLimits(downloads=99)) as one:
        await one.wants()
        one.link(NEAR).say(update(ALL))
        one.link(FAR).say(update(ALL, want=Want.NONE))
        (pick,) = one.assign(0b1)
        one.ended(pick, PeerCorrupt("peer near: chunk 0 has another hash"))
        picks = one.assign()
        assert (chunks_of(picks), {pick.peer for pick in picks}) == (ALL, {"far"})


async def test_in_the_own_zone_everything_is_asked_of_anybody() -> None:
    async with node(NEAR, FAR, zone="z1", limits=PeerLimits(downloads=99)) as one:
        await one.wants()
        one.link(NEAR).say(update(ALL))
        one.link(FAR).say(update(ALL, want=Want.NONE))
        picks = one.assign()
        assert chunks_of(picks) == ALL
        assert {pick.peer for pick in picks} == {"near"}
        assert bitset.count(one.board.all()[0].fetching_bits) == 0
