"""Asking an address who is there, before anything is known about it."""

from __future__ import annotations

from collections.abc import Callable

from peer.membership.prober import HelloReply
from peer.rpc.calling import Asker, Dialler, ending
from peer.rpc.messages import decode_hello_reply, encode_hello
from peer.rpc.security import Security
from peer.rpc.traffic import Traffic
from peer.settings import PeerTimes
from peer.values import Address, Identity


async def hello(
    address: Address, mine: Identity, security: Security, timeout_seconds: float, traffic: Traffic | None = None
) -> HelloReply:
    """Introduce `mine` at `address`, and learn who is there. Leaves no connection. Raises as `Prober.hello` says."""
    with ending(f"{address} Hello"):
        channel = Dialler(address, security, PeerTimes(connect=timeout_seconds)).for_loop()
        try:
            asker = Asker(channel, security, traffic or Traffic())
            return decode_hello_reply(await asker.ask("Hello", encode_hello(mine), timeout_seconds))
        finally:
            await channel.close()


class GrpcProber:
    """The `Prober` of membership, in the name of this node."""

    def __init__(self, mine: Callable[[], Identity], security: Security, traffic: Traffic) -> None:
        self._mine = mine
        self._security = security
        self._traffic = traffic

    async def hello(self, address: Address, timeout_seconds: float) -> HelloReply:
        """See `Prober`."""
        return await hello(address, self._mine(), self._security, timeout_seconds, self._traffic)
