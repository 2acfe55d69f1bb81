"""Asking another node about a prewarm there. What is said is bytes to this package: it knows no prewarms."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from peer.rpc.calling import Asker, Dialler, ending
from peer.rpc.messages import decode_prewarm_reply, encode_prewarm
from peer.rpc.security import Security
from peer.rpc.traffic import Traffic
from peer.settings import PeerTimes
from peer.values import Address, PeerId

Answer = Callable[[PeerId, bytes], Awaitable[bytes]]
"""Answers what another node asks about a prewarm here. On the loop. May raise PeerError, and nothing else."""


async def ask_prewarm(
    address: Address, mine: PeerId, security: Security, traffic: Traffic, document: bytes, timeout_seconds: float
) -> bytes:
    """The answer of the node at `address`. Leaves no connection. Raises PeerError."""
    with ending(f"{address} Prewarm"):
        channel = Dialler(address, security, PeerTimes()).for_loop()
        try:
            asker = Asker(channel, security, traffic)
            return decode_prewarm_reply(await asker.ask("Prewarm", encode_prewarm(mine, document), timeout_seconds))
        finally:
            await channel.close()
