"""Asking an address who is there: the port that membership sees of the wire."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from peer.values import Address, Identity


@dataclass(frozen=True, slots=True)
class HelloReply:
    """What a node answers to a hello."""

    identity: Identity
    cannot_reach_you: str = ""
    """Why it cannot reach the address that we introduced ourselves with; empty while it can, or has not tried yet."""


class Prober(Protocol):
    """Says hello, in the name of this node."""

    async def hello(self, address: Address, timeout_seconds: float) -> HelloReply:
        """Introduce ourselves to whoever listens at `address`, and learn who that is, within the time.

        Raises PeerUnavailable (refused, reset, silent), PeerRefused (token or certificate), PeerMismatch (another
        protocol version; the message names both) or PeerProtocolError (speaks something else).
        """
        ...
