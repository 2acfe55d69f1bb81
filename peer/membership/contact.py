"""What is known of one address that hellos are sent to, as a value: each outcome gives a new one. Pure.

A member that ends is noticed like this. Its last answer came at 0; the next hello goes out `heartbeat` later. A hello
that fails is repeated, half a heartbeat after it began or as soon as it failed, and two failures in a row are the end.
Refused ones take 1.5 heartbeats for that; silent ones the two deadlines, which are chosen so that it is `dead_after`.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass, replace

from cachefs.errors import CacheError
from peer.membership.prober import HelloReply
from peer.settings import PeerTimes
from peer.values import Address, Identity

FAILURES_TO_END = 2
"""One may be chance: a restart of a switch, a pause of the other's loop."""
COMPLAINTS = 2


def hello_seconds(times: PeerTimes) -> float:
    """How long one hello may take, so that two of them, after a heartbeat, end `dead_after` after the last answer."""
    return (times.dead_after - times.heartbeat) / FAILURES_TO_END


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """One address. Moments are seconds on the caller's clock."""

    address: Address
    listed: bool = False
    """Whether the discovery names it. Otherwise it was introduced, and is dropped when nobody is there."""
    claim: Identity | None = None
    """The node that says that it is reached here."""
    claimed_at: float = -math.inf
    reply: HelloReply | None = None
    """The last answer, until `FAILURES_TO_END` failures."""
    complaints: int = 0
    """Answers in a row that said that it cannot reach us. One may have crossed with its first hello to us."""
    error: CacheError | None = None
    """Why the last hello failed; None after an answer."""
    failures: int = 0
    """In a row."""
    due: float = -math.inf
    """When the next hello is to be sent."""

    def claimed(self, claim: Identity, now: float) -> Contact:
        """Somebody says that it is reached here. It is asked at once if that is news."""
        known = self.claim is not None and self.claim.peer_id == claim.peer_id
        return replace(self, claim=claim, claimed_at=now, due=self.due if known else now)

    def answered(self, reply: HelloReply, began: float, times: PeerTimes) -> Contact:
        """A hello sent at `began` was answered."""
        complaints = self.complaints + 1 if reply.cannot_reach_you else 0
        due = began + times.heartbeat
        return replace(self, reply=reply, complaints=complaints, error=None, failures=0, due=due)

    def heard(self, now: float, times: PeerTimes) -> Contact:
        """The member said something elsewhere, at `now`: as good as an answer, so the next hello can wait."""
        return replace(self, error=None, failures=0, due=max(self.due, now + times.heartbeat))

    def failed(self, error: CacheError, began: float, times: PeerTimes) -> Contact:
        """A hello sent at `began` was not answered, or by something that is no peer of ours."""
        failures = self.failures + 1
        ended = failures >= FAILURES_TO_END
        pause = times.heartbeat if ended else min(times.heartbeat / 2, hello_seconds(times))
        reply = None if ended else self.reply
        return replace(self, reply=reply, error=error, failures=failures, due=began + pause)

    def member(self, mine: Identity) -> Identity | None:
        """The peer that lives here: it answers at the address that it gives as its own, and is not ourselves."""
        if self.reply is None or self.reply.identity.boot_id == mine.boot_id:
            return None
        return self.reply.identity if self.reply.identity.address == self.address else None

    def pointer(self, mine: Identity) -> Identity | None:
        """The peer that answers here and gives another address as its own: that one is to be asked."""
        if self.reply is None or self.reply.identity.boot_id == mine.boot_id:
            return None
        return self.reply.identity if self.reply.identity.address != self.address else None

    def says(self) -> tuple[object, ...]:
        """What others can see of it. Unless this changes, an outcome changes nothing."""
        error = (type(self.error), str(self.error)) if self.error else None
        return (self.reply, error, min(self.failures, FAILURES_TO_END), self.complains, self.claim)

    @property
    def complains(self) -> bool:
        """Whether the node here insists that it cannot reach us."""
        return self.complaints >= COMPLAINTS


def droppable(contact: Contact, told: Collection[Address], now: float, times: PeerTimes) -> bool:
    """Whether no more hellos need to be sent there. `told` are the addresses that a registry says peers live at."""
    if contact.listed or now - contact.claimed_at <= times.dead_after:
        return False
    if contact.address in told:  # alive without being asked; only trouble is worth another hello
        return contact.error is None and contact.complaints == 0
    return contact.reply is None


def why_not_reached(contact: Contact, caller: Identity, mine: Identity) -> str:
    """Why this node cannot reach `caller` at the address it claims; empty while it can, or does not know yet."""
    if contact.reply is None:
        return str(contact.error) if contact.failures >= FAILURES_TO_END else ""
    there = contact.reply.identity
    if there.boot_id == mine.boot_id:
        return f"{caller.address} leads {mine.node_id} to itself"
    if there.node_id != caller.node_id:
        return f"{caller.address} leads to node {there.node_id}"
    return ""
