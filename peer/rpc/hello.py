"""Asking an address who is there, before anything is known about it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

import grpc.aio

from peer.membership.prober import HelloReply
from peer.rpc.calling import Asker, Dialler, ending
from peer.rpc.changing_files import Stamp
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
            return await _ask(channel, mine, security, timeout_seconds, traffic or Traffic())
        finally:
            await channel.close()


class GrpcProber:
    """The `Prober` of membership, in the name of this node. On the loop. `aclose` it.

    Members are asked every second: the connection of a hello that was answered serves the next one, too.
    """

    MOST = 256
    """Connections kept. Beyond that the one used longest ago is closed."""

    def __init__(self, mine: Callable[[], Identity], security: Security, traffic: Traffic) -> None:
        self._mine = mine
        self._security = security
        self._traffic = traffic
        self._kept: OrderedDict[tuple[Address, Stamp], grpc.aio.Channel] = OrderedDict()

    async def hello(self, address: Address, timeout_seconds: float) -> HelloReply:
        """See `Prober`."""
        dialler = Dialler(address, self._security, PeerTimes(connect=timeout_seconds))
        where = (address, dialler.stamp())
        with ending(f"{address} Hello"):
            channel = self._kept.pop(where, None) or dialler.for_loop()
            try:
                reply = await _ask(channel, self._mine(), self._security, timeout_seconds, self._traffic)
            except BaseException:
                await channel.close()
                raise
        await self._keep(where, channel)
        return reply

    async def aclose(self) -> None:
        """Close all connections."""
        while self._kept:
            await self._kept.popitem()[1].close()

    async def _keep(self, where: tuple[Address, Stamp], channel: grpc.aio.Channel) -> None:
        surplus = [self._kept.pop(where)] if where in self._kept else []  # somebody asked there at the same time
        self._kept[where] = channel
        while len(self._kept) > self.MOST:
            surplus.append(self._kept.popitem(last=False)[1])
        for one in surplus:
            await one.close()


async def _ask(
    channel: grpc.aio.Channel, mine: Identity, security: Security, timeout_seconds: float, traffic: Traffic
) -> HelloReply:
    asker = Asker(channel, security, traffic)
    return decode_hello_reply(await asker.ask("Hello", encode_hello(mine), timeout_seconds))
