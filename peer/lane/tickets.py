"""Tickets: what was allowed over gRPC, shown on a connection of the bulk lane. Random, short-lived, good once."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from peer.values import PeerId

TICKET_BYTES = 16
"""128 random bits: not to be guessed in the seconds that a ticket lives."""


@dataclass(frozen=True, slots=True)
class _Issued:
    peer: PeerId
    until: float


class Tickets:
    """The tickets that this node gave out and nobody has shown yet. Thread-safe; no method blocks.

    A ticket is good for `seconds`. There are never more than `most`: the oldest gives way, and whoever it was for asks
    for another.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic, *, seconds: float, most: int = 4096) -> None:
        self._clock = clock
        self._seconds = seconds
        self._most = most
        self._lock = threading.Lock()  # guards _issued, which is in the order of issue and so of expiry
        self._issued: dict[bytes, _Issued] = {}

    def __len__(self) -> int:
        """Tickets given out and not shown, expired ones included until the next is issued."""
        return len(self._issued)

    def issue(self, peer: PeerId) -> bytes:
        """A new ticket for `peer`: `TICKET_BYTES` bytes."""
        ticket = secrets.token_bytes(TICKET_BYTES)
        now = self._clock()
        with self._lock:
            self._make_room(now)
            self._issued[ticket] = _Issued(peer, now + self._seconds)
        return ticket

    def redeem(self, ticket: bytes) -> PeerId | None:
        """Whom the ticket was given to; None for one that expired, was shown before, or never was."""
        with self._lock:
            issued = self._issued.pop(ticket, None)
        return issued.peer if issued and self._clock() < issued.until else None

    def _make_room(self, now: float) -> None:
        while self._issued:
            oldest = next(iter(self._issued))
            if now < self._issued[oldest].until and len(self._issued) < self._most:
                return
            del self._issued[oldest]
