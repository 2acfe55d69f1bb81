"""Tickets: good once, for a while, for whom they were given to."""

from __future__ import annotations

from peer.lane.tickets import TICKET_BYTES, Tickets
from peer.values import PeerId

ALICE, BOB = PeerId("alice@1"), PeerId("bob@1")


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_ticket_names_whom_it_was_given_to() -> None:
    tickets = Tickets(seconds=10)
    of_alice, of_bob = tickets.issue(ALICE), tickets.issue(BOB)
    assert (tickets.redeem(of_bob), tickets.redeem(of_alice)) == (BOB, ALICE)


def test_a_ticket_is_good_once() -> None:
    tickets = Tickets(seconds=10)
    ticket = tickets.issue(ALICE)
    assert [tickets.redeem(ticket) for _ in range(3)] == [ALICE, None, None]


def test_a_ticket_is_good_until_its_time_is_over() -> None:
    clock = Clock()
    tickets = Tickets(clock, seconds=10)
    first, second = tickets.issue(ALICE), tickets.issue(ALICE)
    clock.now += 9.99
    assert tickets.redeem(first) == ALICE
    clock.now += 0.01
    assert tickets.redeem(second) is None


def test_what_nobody_issued_is_no_ticket() -> None:
    tickets = Tickets(seconds=10)
    tickets.issue(ALICE)
    assert tickets.redeem(bytes(TICKET_BYTES)) is None
    assert tickets.redeem(b"") is None


def test_no_two_tickets_are_alike() -> None:
    tickets = Tickets(seconds=10)
    issued = {tickets.issue(ALICE) for _ in range(500)}
    assert len(issued) == 500
    assert {len(ticket) for ticket in issued} == {TICKET_BYTES}


def test_the_oldest_gives_way_when_there_are_too_many() -> None:
    tickets = Tickets(seconds=10, most=3)
    issued = [tickets.issue(PeerId(str(n))) for n in range(5)]
    assert len(tickets) == 3
    assert [tickets.redeem(ticket) for ticket in issued] == [None, None, "2", "3", "4"]


def test_expired_ones_are_forgotten_with_the_next_issue() -> None:
    clock = Clock()
    tickets = Tickets(clock, seconds=10)
    for _ in range(7):
        tickets.issue(ALICE)
    clock.now += 10
    tickets.issue(BOB)
    assert len(tickets) == 1
