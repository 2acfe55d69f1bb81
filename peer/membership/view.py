"""From what is known to who is a member, and to what a person should look at. Pure."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from cachefs.errors import CacheError, PeerMismatch, PeerUnavailable
from peer.membership.contact import Contact, why_not_reached
from peer.values import Identity, PeerId, PeerProblem

QUIET = ("peer_unavailable", "no_peers", "discovery_failed")
"""Problems that need no warning in the log: nodes come and go, one may be alone, and a discovery warns by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """Everything this node knows of others at one moment."""

    mine: Identity
    contacts: tuple[Contact, ...]
    told: Mapping[PeerId, Identity]
    """Alive by the word of a registry."""
    since: Mapping[PeerId, float]
    """When each was first seen."""
    now: float


def another_protocol(mine: Identity, other: Identity) -> PeerMismatch | None:
    """The error, if the two cannot exchange chunks."""
    if other.protocol == mine.protocol:
        return None
    return PeerMismatch(
        f"node {other.node_id} at {other.address} (version {other.version or 'unknown'}) speaks peer protocol "
        f"{other.protocol}, this node (version {mine.version or 'unknown'}) speaks {mine.protocol}"
    )


def known(view: View) -> dict[PeerId, Identity]:
    """Everybody of this protocol who is said to live or answers, except ourselves."""
    met = (identity for contact in view.contacts if (identity := contact.member(view.mine)))
    return {
        identity.peer_id: identity
        for identity in (*view.told.values(), *met)
        if identity.boot_id != view.mine.boot_id and identity.protocol == view.mine.protocol
    }


def members(view: View) -> dict[PeerId, Identity]:
    """Who lives. Where two say that they live at one address, the one that was seen later took it over."""
    seen_first = sorted(known(view).values(), key=lambda peer: view.since.get(peer.peer_id, math.inf))
    at = {identity.address: identity for identity in seen_first}
    return {identity.peer_id: identity for identity in at.values()}


def problems(view: View, settle_seconds: float) -> Iterator[PeerProblem]:
    """What a person should look at.

    Two nodes of one name are reported once both have lived for `settle_seconds`: a node that comes back elsewhere is
    one for as long as it takes to notice that the old one died.
    """
    living = members(view)
    for contact in view.contacts:
        yield from _of_contact(contact, view)
    for identity in view.told.values():
        if error := another_protocol(view.mine, identity):
            yield _problem(identity.address, error)
    yield from _other_sizes(living.values(), view.mine)
    yield from _duplicates(living.values(), view, settle_seconds)


def _problem(address: str, error: CacheError, said: str = "") -> PeerProblem:
    return PeerProblem(address=address, code=error.code, message=f"{said}{error}", hint=error.hint)


def _of_contact(contact: Contact, view: View) -> Iterator[PeerProblem]:
    claim = contact.claim
    if contact.reply is None:
        if contact.error:
            said = f"node {claim.node_id} says that it is reached at {contact.address}: " if claim else ""
            yield _problem(contact.address, contact.error, said)
        return
    if claim and (reason := why_not_reached(contact, claim, view.mine)):
        hint = f"set peers.advertise of node {claim.node_id} to an address of its own that other nodes can reach"
        yield _problem(contact.address, PeerUnavailable(reason, hint=hint), f"node {claim.node_id}: ")
    if contact.complains:
        yield _cannot_reach_us(contact, view.mine)


def _cannot_reach_us(contact: Contact, mine: Identity) -> PeerProblem:
    assert contact.reply
    return PeerProblem(
        address=contact.address,
        code="cannot_reach_us",
        message=f"node {contact.reply.identity.node_id} at {contact.address} cannot reach this node at its advertised "
        f"address {mine.address}: {contact.reply.cannot_reach_you}",
        hint="set peers.advertise to an address of this node that the others can reach, and open its port and the next",
    )


def _other_sizes(living: Iterable[Identity], mine: Identity) -> Iterator[PeerProblem]:
    for other in living:
        if other.chunk_bytes != mine.chunk_bytes:
            yield PeerProblem(
                address=other.address,
                code="other_chunk_size",
                message=f"node {other.node_id} at {other.address} cuts blobs into chunks of {other.chunk_bytes} bytes, "
                f"this node into chunks of {mine.chunk_bytes}: they share nothing",
                hint="set the same cache.chunk_bytes on all nodes",
            )


def _duplicates(living: Iterable[Identity], view: View, settle_seconds: float) -> Iterator[PeerProblem]:
    by_name: dict[str, list[Identity]] = defaultdict(list)
    for identity in (view.mine, *living):
        by_name[identity.node_id].append(identity)
    for name, nodes in by_name.items():
        others = [node for node in nodes if node is not view.mine]
        newest = max((view.since.get(node.peer_id, view.now) for node in others), default=view.now)
        if len(nodes) > 1 and view.now - newest >= settle_seconds:
            yield PeerProblem(
                address=others[-1].address,
                code="duplicate_node",
                message=f"node id {name} is used by {' and by '.join(sorted(node.address for node in nodes))}",
                hint="give each node a node.id of its own; while two share one, `mows peers` cannot tell them apart",
            )
