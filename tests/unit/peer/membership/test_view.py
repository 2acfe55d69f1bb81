"""Who is a member and what is a problem, from what is known."""

from __future__ import annotations

import pytest

from cachefs.errors import PeerProtocolError, PeerRefused
from peer.membership.contact import Contact
from peer.membership.prober import HelloReply
from peer.membership.view import View, another_protocol, members, problems
from peer.settings import PeerTimes
from peer.values import Identity, PeerId, PeerProblem
from tests.membership_world import ids, node

TIMES = PeerTimes()
MINE = node("me")


def met(identity: Identity, at: str = "", complaint: str = "") -> Contact:
    reply = HelloReply(identity, complaint)
    return Contact(address=at or identity.address).answered(reply, 0.0, TIMES).answered(reply, 1.0, TIMES)


def view(*contacts: Contact, told: tuple[Identity, ...] = (), since: dict[PeerId, float] | None = None) -> View:
    everybody = {one.peer_id: one for one in told}
    return View(mine=MINE, contacts=contacts, told=everybody, since=since or {}, now=100.0)


def found(seen: View) -> list[PeerProblem]:
    return [*problems(seen, settle_seconds=2.5)]


def only(seen: View) -> PeerProblem:
    (problem,) = found(seen)
    return problem


def test_those_met_and_those_told_are_members_and_we_are_not() -> None:
    a, b, again = node("a"), node("b"), node("me", address="elsewhere:1")
    assert members(view(met(a), met(MINE), told=(b, a, MINE))).keys() == ids(a, b)
    assert again.boot_id == MINE.boot_id
    assert members(view(told=(again,))) == {}


def test_of_two_at_one_address_the_one_seen_later_lives() -> None:
    old, new = node("a", boot="1"), node("a", boot="2")
    seen = view(told=(new, old), since={old.peer_id: 1.0, new.peer_id: 2.0})
    assert members(seen).keys() == ids(new)
    assert members(view(met(new), told=(old,), since={old.peer_id: 1.0})).keys() == ids(new)


def test_two_living_nodes_of_one_name_are_both_members_and_a_problem() -> None:
    one, two = node("twin", boot="1", address="h1:1"), node("twin", boot="2", address="h2:1")
    seen = view(met(one), met(two), since={one.peer_id: 1.0, two.peer_id: 50.0})
    assert members(seen).keys() == ids(one, two)
    problem = only(seen)
    assert problem.code == "duplicate_node"
    assert "twin" in problem.message
    assert "h1:1" in problem.message
    assert "h2:1" in problem.message


def test_a_node_with_our_own_name_is_a_problem_that_names_our_address() -> None:
    double = node("me", boot="9", address="h9:1")
    problem = only(view(met(double), since={double.peer_id: 1.0}))
    assert (problem.code, problem.address) == ("duplicate_node", "h9:1")
    assert MINE.address in problem.message


def test_a_node_that_came_back_elsewhere_is_no_duplicate_while_its_death_is_noticed() -> None:
    old, new = node("a", boot="1", address="h1:1"), node("a", boot="2", address="h2:1")
    assert found(view(met(old), met(new), since={old.peer_id: 1.0, new.peer_id: 98.0})) == []
    assert found(view(met(old), met(new), since={old.peer_id: 1.0})) == []


def test_another_protocol_is_no_member_and_both_versions_are_named() -> None:
    other = node("future", protocol=7)
    seen = view(told=(other,))
    assert members(seen) == {}
    problem = only(seen)
    assert problem.code == "peer_mismatch"
    assert "protocol 7" in problem.message
    assert f"speaks {MINE.protocol}" in problem.message
    assert another_protocol(MINE, node("a")) is None


def test_another_chunk_size_is_a_member_all_the_same() -> None:
    other = node("a", chunk_bytes=512)
    seen = view(met(other))
    assert members(seen).keys() == ids(other)
    problem = only(seen)
    assert problem.code == "other_chunk_size"
    assert "512" in problem.message
    assert str(MINE.chunk_bytes) in problem.message


@pytest.mark.parametrize("error", [PeerRefused("wrong token"), PeerProtocolError("speaks HTTP/1.1")])
def test_what_answers_wrongly_is_a_problem_with_the_error_s_own_words(error: PeerRefused | PeerProtocolError) -> None:
    problem = only(view(Contact(address="web:80").failed(error, 0.0, TIMES)))
    assert problem == PeerProblem(address="web:80", code=error.code, message=str(error), hint=error.hint)


def test_a_member_that_missed_one_hello_is_no_problem() -> None:
    assert found(view(met(node("a")).failed(PeerRefused("wrong token"), 2.0, TIMES))) == []


def test_who_claims_an_address_nobody_answers_at_is_named() -> None:
    lost = Contact(address="gone:1").claimed(node("a", address="gone:1"), 0.0).failed(PeerRefused("no"), 0.0, TIMES)
    assert only(view(lost)).message == "node a says that it is reached at gone:1: no"


def test_a_node_that_gives_our_address_as_its_own_is_named() -> None:
    wrong = node("a", address="0.0.0.0:9302")
    problem = only(view(met(MINE, at="0.0.0.0:9302").claimed(wrong, 5.0)))
    assert (problem.code, problem.address) == ("peer_unavailable", "0.0.0.0:9302")
    assert "leads me to itself" in problem.message
    assert "peers.advertise of node a" in problem.hint


def test_an_advertised_address_that_others_cannot_reach_is_named() -> None:
    problem = only(view(met(node("a"), complaint="connection refused")))
    assert problem.code == "cannot_reach_us"
    for part in ("node a", "a:9302", MINE.address, "connection refused"):
        assert part in problem.message
