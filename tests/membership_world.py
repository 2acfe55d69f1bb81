"""Other nodes without a wire: who answers a hello at which address, for the tests of membership."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from cachefs.errors import PeerUnavailable
from peer.membership.discovery import Found
from peer.membership.prober import HelloReply
from peer.settings import PeerTimes
from peer.values import PROTOCOL_VERSION, Address, Identity, PeerId

LIMIT_SECONDS = 60.0
"""Only a failing test waits that long."""

BRISK = PeerTimes(heartbeat=0.01, dead_after=20.0)
"""Hellos follow each other quickly, and have more than enough time: no slow machine makes one fail."""

IMPATIENT = PeerTimes(heartbeat=0.01, dead_after=0.05)
"""Silence is noticed quickly. For worlds whose living nodes answer without waiting for anything."""


def node(
    name: str,
    boot: str = "1",
    *,
    address: Address = "",
    chunk_bytes: int = 8 << 20,
    protocol: int = PROTOCOL_VERSION,
    zone: str = "z1",
) -> Identity:
    """A node that is reached at ``NAME:9302``, if nothing else is said."""
    return Identity(
        node_id=name,
        boot_id=f"{name}-{boot}",
        address=address or f"{name}:9302",
        lane_port=9303,
        zone=zone,
        chunk_bytes=chunk_bytes,
        protocol=protocol,
        version="0.1.0",
    )


@dataclass
class World:
    """What is at each address: an identity or a whole reply, an error, or nothing (refused). A prober."""

    at: dict[Address, Identity | HelloReply | Exception] = field(default_factory=dict)
    silent: set[Address] = field(default_factory=set)
    asked: list[Address] = field(default_factory=list)
    waiting: int = 0

    def runs(self, *nodes: Identity) -> None:
        """They run at their own addresses."""
        self.at |= {one.address: one for one in nodes}

    async def hello(self, address: Address, timeout_seconds: float) -> HelloReply:
        self.asked.append(address)
        if address in self.silent:
            await self._wait()
        there = self.at.get(address, PeerUnavailable(f"{address}: connection refused"))
        if isinstance(there, Exception):
            raise there
        return there if isinstance(there, HelloReply) else HelloReply(there)

    async def _wait(self) -> None:
        self.waiting += 1
        try:
            await asyncio.Event().wait()
        finally:
            self.waiting -= 1


class Told:
    """A discovery that says what a test says."""

    def __init__(self, *addresses: Address, peers: tuple[Identity, ...] = (), kind: str = "static") -> None:
        self.kind = kind
        self.where = "the test"
        self.error = ""
        self._first = found(*addresses, peers=peers)
        self.tell: Callable[[Found], None] | None = None

    async def run(self, mine: Identity, tell: Callable[[Found], None]) -> None:
        tell(self._first)
        self.tell = tell

    def say(self, *addresses: Address, peers: tuple[Identity, ...] = ()) -> None:
        assert self.tell
        self.tell(found(*addresses, peers=peers))


def found(*addresses: Address, peers: tuple[Identity, ...] = ()) -> Found:
    return Found(frozenset(addresses), {one.peer_id: one for one in peers})


def ids(*nodes: Identity) -> set[PeerId]:
    return {one.peer_id for one in nodes}
