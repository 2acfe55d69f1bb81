"""When a member ends, whom to ask when, what is forgotten: values in, values out."""

from __future__ import annotations

import pytest

from cachefs.errors import PeerRefused, PeerUnavailable
from peer.membership.contact import Contact, droppable, hello_seconds, why_not_reached
from peer.membership.prober import HelloReply
from peer.settings import PeerTimes
from tests.membership_world import node

TIMES = PeerTimes()
MINE, OTHER = node("me"), node("other")
REFUSED = PeerUnavailable("connection refused")


def member(at: float = 0.0) -> Contact:
    return Contact(address=OTHER.address, listed=True).answered(HelloReply(OTHER), at, TIMES)


@pytest.mark.parametrize(("heartbeat", "dead_after"), [(1.0, 2.5), (0.1, 2.5), (2.0, 2.5), (0.01, 0.05)])
def test_a_silent_member_ends_dead_after_its_last_answer(heartbeat: float, dead_after: float) -> None:
    times = PeerTimes(heartbeat=heartbeat, dead_after=dead_after)
    contact, now = Contact(address=OTHER.address).answered(HelloReply(OTHER), 0.0, times), 0.0
    while contact.member(MINE):
        began = max(now, contact.due)
        now = began + hello_seconds(times)
        contact = contact.failed(PeerUnavailable("silent"), began, times)
    assert heartbeat < now <= dead_after + 1e-9


def test_a_refused_member_ends_after_two_refusals_half_a_heartbeat_apart() -> None:
    once = member().failed(REFUSED, 1.0, TIMES)
    assert once.member(MINE) == OTHER
    assert once.due == 1.5
    assert once.failed(REFUSED, once.due, TIMES).member(MINE) is None


def test_an_answer_in_between_starts_the_count_again() -> None:
    contact = member().failed(REFUSED, 1.0, TIMES).answered(HelloReply(OTHER), 1.5, TIMES).failed(REFUSED, 2.5, TIMES)
    assert contact.member(MINE) == OTHER


def test_addresses_nobody_answers_at_are_asked_every_heartbeat() -> None:
    contact = member()
    for began in (1.0, 1.5, 2.5, 3.5):
        contact = contact.failed(REFUSED, began, TIMES)
    assert contact.due == 4.5


def test_another_boot_id_at_the_address_is_another_member() -> None:
    again = node("other", boot="2")
    assert member().answered(HelloReply(again), 1.0, TIMES).member(MINE) == again


def test_ourselves_are_neither_member_nor_pointer() -> None:
    contact = Contact(address="alias:9302").answered(HelloReply(MINE), 0.0, TIMES)
    assert contact.member(MINE) is None
    assert contact.pointer(MINE) is None


def test_a_node_that_names_another_address_is_a_member_only_there() -> None:
    contact = Contact(address="alias:9302").answered(HelloReply(OTHER), 0.0, TIMES)
    assert contact.member(MINE) is None
    assert contact.pointer(MINE) == OTHER
    assert member().pointer(MINE) is None


def test_a_claim_is_asked_at_once_when_it_is_news_and_not_each_time() -> None:
    first = Contact(address=OTHER.address).claimed(OTHER, 10.0)
    assert first.due == 10.0
    waiting = first.answered(HelloReply(OTHER), 10.0, TIMES)
    assert waiting.claimed(OTHER, 10.5).due == waiting.due
    assert waiting.claimed(node("other", boot="2"), 10.5).due == 10.5


def test_one_complaint_may_have_crossed_with_our_server_s_start_two_have_not() -> None:
    deaf = HelloReply(OTHER, cannot_reach_you="refused")
    once = member().answered(deaf, 1.0, TIMES)
    assert not once.complains
    assert once.answered(deaf, 2.0, TIMES).complains
    assert not once.answered(HelloReply(OTHER), 2.0, TIMES).answered(deaf, 3.0, TIMES).complains


def test_what_others_see_changes_with_the_error_and_not_with_its_repetition() -> None:
    twice = member().failed(REFUSED, 1.0, TIMES).failed(REFUSED, 1.5, TIMES)
    assert twice.says() == twice.failed(PeerUnavailable("connection refused"), 2.5, TIMES).says()
    assert twice.says() != twice.failed(PeerRefused("connection refused"), 2.5, TIMES).says()
    assert twice.says() != twice.answered(HelloReply(OTHER), 2.5, TIMES).says()


LISTED = Contact(address=OTHER.address, listed=True)
CLAIMED = Contact(address=OTHER.address).claimed(OTHER, 0.0)


@pytest.mark.parametrize(
    ("contact", "told", "now", "expected"),
    [
        (LISTED.failed(REFUSED, 0.0, TIMES), (), 99.0, False),
        (CLAIMED, (), 1.0, False),
        (CLAIMED.failed(REFUSED, 1.0, TIMES), (), 2.6, True),
        (CLAIMED.answered(HelloReply(OTHER), 1.0, TIMES), (), 99.0, False),
        (CLAIMED.answered(HelloReply(OTHER), 1.0, TIMES), (OTHER.address,), 2.0, False),
        (CLAIMED.answered(HelloReply(OTHER), 1.0, TIMES), (OTHER.address,), 2.6, True),
        (CLAIMED.answered(HelloReply(OTHER, "refused"), 1.0, TIMES), (OTHER.address,), 99.0, False),
        (CLAIMED.failed(REFUSED, 1.0, TIMES), (OTHER.address,), 99.0, False),
    ],
)
def test_what_is_dropped(contact: Contact, told: tuple[str, ...], now: float, expected: bool) -> None:
    assert droppable(contact, told, now, TIMES) is expected


def test_why_a_caller_was_not_reached() -> None:
    contact = Contact(address=OTHER.address).claimed(OTHER, 0.0)
    assert why_not_reached(contact, OTHER, MINE) == ""
    once = contact.failed(REFUSED, 0.0, TIMES)
    assert why_not_reached(once, OTHER, MINE) == ""
    assert why_not_reached(once.failed(REFUSED, 0.5, TIMES), OTHER, MINE) == "connection refused"
    ourselves = contact.answered(HelloReply(MINE), 0.0, TIMES)
    assert why_not_reached(ourselves, OTHER, MINE) == "other:9302 leads me to itself"
    third = contact.answered(HelloReply(node("third")), 0.0, TIMES)
    assert why_not_reached(third, OTHER, MINE) == "other:9302 leads to node third"
    assert why_not_reached(contact.answered(HelloReply(OTHER), 0.0, TIMES), OTHER, MINE) == ""
