"""What a reading of the registry means after it was away, and what its entries may look like."""

from __future__ import annotations

import json
from dataclasses import asdict

import pytest

from cachefs.sharing import Want
from cachefs.types import BlobId
from peer.membership.redis_client import connect, without_password
from peer.membership.redis_directory import changes, want
from peer.membership.registry import Reading, Renewal, identities, identity, lifetime_seconds, renewal_seconds
from peer.settings import PeerTimes
from peer.values import Identity, PeerId
from tests.membership_world import ids, node

A, B = node("a"), node("b")
LIFETIME = 2.0


def everybody(*nodes: Identity) -> dict[PeerId, Identity]:
    return {one.peer_id: one for one in nodes}


def first(*nodes: Identity) -> Reading:
    return Reading().renewed(Renewal(added=True, epoch="7", nodes=everybody(*nodes)), 0.0, LIFETIME)


def renewal(*nodes: Identity, added: bool = False, epoch: str = "8") -> Renewal:
    return Renewal(added=added, epoch=epoch, nodes=everybody(*nodes))


def test_the_first_reading_is_taken_as_it_is() -> None:
    reading = first(A)
    assert reading.nodes.keys() == ids(A)
    assert reading.epoch == "7"


def test_a_registry_at_rest_changes_nothing() -> None:
    reading = first(A)
    assert reading.renewed(Renewal(added=False, epoch="7", nodes=None), 1.0, LIFETIME).nodes == reading.nodes


def test_who_is_no_longer_there_left() -> None:
    assert first(A, B).renewed(renewal(B), 1.0, LIFETIME).nodes.keys() == ids(B)


@pytest.mark.parametrize(
    ("before", "added"),
    [(first(A, B).lost(), False), (first(A, B), True)],
    ids=["it had not answered", "it had forgotten us"],
)
def test_nobody_is_missed_until_all_had_time_to_come_back(before: Reading, added: bool) -> None:
    lenient = before.renewed(renewal(B, added=added), 10.0, LIFETIME)
    assert lenient.nodes.keys() == ids(A, B)
    assert lenient.epoch == ""
    still = lenient.renewed(renewal(B), 11.9, LIFETIME)
    assert still.nodes.keys() == ids(A, B)
    assert still.renewed(renewal(B), 12.0, LIFETIME).nodes.keys() == ids(B)


def test_an_entry_that_expires_is_read_within_the_promise() -> None:
    times = PeerTimes()
    assert lifetime_seconds(times) + renewal_seconds(times) <= times.dead_after
    assert lifetime_seconds(times) > 3 * renewal_seconds(times)


def test_an_identity_survives_its_entry() -> None:
    assert identity(json.dumps(asdict(A))) == A
    assert identity(json.dumps(asdict(A) | {"added_later": 1})) == A


@pytest.mark.parametrize("entry", ["", "nonsense", "[]", "null", "{}", '{"node_id": "a"}'])
def test_entries_that_are_none_are_passed_over(entry: str) -> None:
    assert identity(entry) is None
    assert identities([entry, json.dumps(asdict(A))]).keys() == ids(A)


def test_only_what_changed_is_written() -> None:
    one, two, three = BlobId("1"), BlobId("2"), BlobId("3")
    said = {one: Want.ALL, two: Want.NONE}
    wants = {one: Want.NONE, three: Want.PART}
    todo = changes(said, {**said}, doubtful=False)
    assert (todo.put, set(todo.drop)) == ({}, set())
    todo = changes(said, wants, doubtful=False)
    assert (todo.put, set(todo.drop)) == ({one: Want.NONE, three: Want.PART}, {two})
    todo = changes(said, said, doubtful=True)
    assert (todo.put, set(todo.drop)) == (said, set())


def test_an_unknown_want_is_a_holder() -> None:
    assert [want(text) for text in ("all", "part", "none", "newer")] == [Want.ALL, Want.PART, Want.NONE, Want.NONE]


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://host:6379/0", "redis://host:6379/0"),
        ("rediss://user:s3cret@host:6380/2?ssl_cert_reqs=none", "rediss://host:6380/2"),
        ("redis://:p@ss@host/1", "redis://host/1"),
    ],
)
def test_no_password_is_ever_shown(url: str, shown: str) -> None:
    assert without_password(url) == shown


async def test_tls_and_password_come_from_the_url_and_every_wait_is_bounded() -> None:
    client = connect("rediss://user:s3cret@host:6380/2")
    options = client.connection_pool.connection_kwargs
    assert (options["username"], options["password"], options["db"]) == ("user", "s3cret", 2)
    assert "SSL" in client.connection_pool.connection_class.__name__
    assert 0 < options["socket_timeout"] <= 1
    assert 0 < options["socket_connect_timeout"] <= 1
    await client.aclose()
