"""What each outcome says about a peer, and how that is shown."""

from __future__ import annotations

from typing import cast

import pytest

from cachefs.errors import (
    DeadlineExceeded,
    Interrupted,
    NoSpace,
    PeerBusy,
    PeerCorrupt,
    PeerLacks,
    PeerProtocolError,
    PeerRefused,
    PeerUnavailable,
)
from peer.exchange import Link, Neighbour
from peer.exchange.neighbour import is_its_fault
from tests.unit.peer.exchange.kit import BLOB, OTHER, identity, update

CONNECTED = cast("Link", object())


@pytest.fixture
def peer() -> Neighbour:
    one = Neighbour(identity("a", zone="z1"), "z1")
    one.link = CONNECTED
    return one


def fails(peer: Neighbour, error: Exception, now: float = 10.0) -> None:
    peer.failed(error, now, 0.5, 60.0)


def test_a_chunk_that_came_counts(peer: Neighbour) -> None:
    peer.landed(1000, 0.2)
    peer.landed(500, 0.4)
    status = peer.status(10.0, sent_bytes=77)
    assert (status.received_bytes, status.sent_bytes, status.chunk_seconds_p95) == (1500, 77, 0.4)
    assert (status.state, status.reason, status.failures) == ("up", "", 0)


def test_busy_is_a_pause_of_milliseconds_and_no_failure(peer: Neighbour) -> None:
    fails(peer, PeerBusy("all slots taken"))
    assert not peer.usable(10.0)
    assert peer.usable(10.1)
    status = peer.status(10.0, 0)
    assert (status.state, status.reason, status.busy_answers, status.failures) == ("up", "", 1, 0)


def test_a_chunk_it_lacks_says_nothing_about_it(peer: Neighbour) -> None:
    fails(peer, PeerLacks("evicted"))
    assert peer.usable(10.0)
    assert peer.status(10.0, 0).failures == 0


@pytest.mark.parametrize("error", [PeerUnavailable("reset"), PeerRefused("token"), PeerProtocolError("garbage")])
def test_failures_pause_it_longer_each_time(peer: Neighbour, error: Exception) -> None:
    fails(peer, error, now=10.0)
    first = peer.health.usable_at - 10.0
    fails(peer, error, now=20.0)
    assert peer.health.usable_at - 20.0 > first > 0.0
    status = peer.status(20.0, 0)
    assert (status.failures, status.reason, status.state) == (2, str(error), "up")


def test_a_chunk_that_comes_ends_the_pauses(peer: Neighbour) -> None:
    fails(peer, PeerUnavailable("reset"))
    peer.landed(1, 0.1)
    assert peer.usable(10.0)


def test_wrong_bytes_are_quarantine(peer: Neighbour) -> None:
    fails(peer, PeerCorrupt("chunk 3: wrong hash"), now=10.0)
    peer.landed(1, 0.1)
    assert not peer.usable(69.0), "what it does right afterwards does not shorten it"
    status = peer.status(30.0, 0)
    assert (status.state, status.reason, status.corrupt_chunks) == ("quarantined", "chunk 3: wrong hash", 1)
    assert status.quarantined_seconds == 40.0
    after = peer.status(70.0, 0)
    assert (after.state, after.quarantined_seconds) == ("up", 0.0)


@pytest.mark.parametrize("error", [NoSpace("disk full"), DeadlineExceeded("late"), Interrupted("called off")])
def test_what_is_not_a_peers_failure_leaves_it_alone(peer: Neighbour, error: Exception) -> None:
    fails(peer, error)
    assert peer.usable(10.0)
    assert peer.status(10.0, 0).failures == 0


def test_without_a_connection_it_is_not_asked(peer: Neighbour) -> None:
    peer.link = None
    assert not peer.usable(10.0)


def test_who_left_is_not_asked(peer: Neighbour) -> None:
    peer.gone = True
    assert not peer.usable(10.0)
    assert peer.status(10.0, 0).state == "gone"


def test_being_called_off_blames_nobody() -> None:
    assert not is_its_fault(None)
    assert not is_its_fault(Interrupted("the other peer was faster"))
    assert not is_its_fault(ZeroDivisionError("a bug of ours"))
    assert is_its_fault(PeerUnavailable("reset"))


# ---------------------------------------------------------- what it gets from the origin


def test_nothing_is_known_of_who_has_not_spoken(peer: Neighbour) -> None:
    assert (peer.idle_since, peer.at_origin) == (None, set())


def test_who_speaks_first_of_what_it_has_is_idle_from_then(peer: Neighbour) -> None:
    peer.told(update(0b1), 10.0)
    peer.told(update(0b11), 12.0)
    assert (peer.idle_since, peer.at_origin) == (10.0, set())


def test_who_gets_something_is_idle_from_the_end_of_it(peer: Neighbour) -> None:
    peer.told(update(0, fetching=0b1), 10.0)
    assert peer.at_origin == {BLOB}
    peer.told(update(0b1, fetching=0b10), 11.0)
    assert peer.at_origin == {BLOB}
    peer.told(update(0b11), 12.0)
    peer.told(update(0b11), 15.0)
    assert (peer.idle_since, peer.at_origin) == (12.0, set())


def test_who_gets_something_of_any_blob_is_not_idle(peer: Neighbour) -> None:
    peer.told(update(0, fetching=0b1), 10.0)
    peer.told(update(0, fetching=0b1, key=OTHER), 11.0)
    peer.told(update(0b1), 12.0)
    assert peer.at_origin == {OTHER.blob_id}
    peer.told(update(0b1, key=OTHER), 13.0)
    assert (peer.idle_since, peer.at_origin) == (13.0, set())
