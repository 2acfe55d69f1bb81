"""Where other nodes may be: the port, a fixed list, and a name that resolves to all of them.

Two kinds of word come from a discovery: addresses, of which nobody knows who is there (membership says hello to each of
them), and peers that introduced themselves to a registry lately (known to live without being asked; `registry.py`).
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Protocol

from peer.membership.outage import Outage
from peer.values import Address, Identity, PeerId

LOG = logging.getLogger(__name__)

RESOLVE_EVERY_SECONDS = 2.0
"""A pod that joins is seen within 3 s of its record."""

RESOLVE_SECONDS = 5.0
"""One look-up that takes longer counts as failed; it is still waited for before the next begins."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a discovery knows now. Both may name this node itself."""

    addresses: frozenset[Address] = frozenset()
    """To be asked who is there."""
    peers: Mapping[PeerId, Identity] = field(default_factory=lambda: MappingProxyType({}))
    """Alive, as a registry knows."""


class Discovery(Protocol):
    """A way of finding nodes. Of one loop."""

    kind: str
    """``static``, ``dns`` or ``redis``."""
    where: str
    """What it looks at, for people; no password in it."""

    @property
    def error(self) -> str:
        """Why what it says is no longer kept up to date; empty while it is."""
        ...

    async def run(self, mine: Identity, tell: Callable[[Found], None]) -> None:
        """Tell what was found whenever that changes, until cancelled; return when nothing will ever change.

        A failure of what it looks at ends nothing: what was told stays, `error` says why, and it goes on trying.
        Cancelled, it takes back within a second what it said of `mine`, if anything.
        """
        ...


class StaticDiscovery:
    """A list in the configuration; empty: only those that introduce themselves are found."""

    kind = "static"
    error = ""

    def __init__(self, addresses: Sequence[Address]) -> None:
        self._addresses = frozenset(addresses)
        self.where = f"a list of {len(self._addresses)} addresses"

    async def run(self, mine: Identity, tell: Callable[[Found], None]) -> None:  # noqa: ARG002 the same for all
        """Tell the list, once."""
        tell(Found(addresses=self._addresses))


NO_RECORDS = (socket.EAI_NONAME, socket.EAI_NODATA)

AddressInfo = tuple[Any, Any, Any, Any, tuple[Any, ...]]
Resolver = Callable[[str, int], Awaitable[Sequence[AddressInfo]]]
"""As `socket.getaddrinfo` answers; raises OSError."""


async def resolve(host: str, port: int) -> Sequence[AddressInfo]:
    """Ask the system's resolver, in a thread."""
    return await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)


class DnsDiscovery:
    """A name with one A or AAAA record per node, such as a headless Service has, and the port of all nodes."""

    kind = "dns"

    def __init__(
        self, name: Address, resolver: Resolver = resolve, every_seconds: float = RESOLVE_EVERY_SECONDS
    ) -> None:
        host, _, port = name.rpartition(":")
        self.where = f"the DNS name {name}"
        self._host, self._port = host.strip("[]"), int(port)
        self._resolver, self._every_seconds = resolver, every_seconds
        self._outage = Outage(self.where, "the peers known so far stay in use")
        self._pending: asyncio.Future[Sequence[AddressInfo]] | None = None

    @property
    def error(self) -> str:
        """The resolver's failure. A name without records is none: a node alone; what it had before stays in use."""
        return self._outage.error

    async def run(self, mine: Identity, tell: Callable[[Found], None]) -> None:  # noqa: ARG002 others write the records
        """Resolve again and again; tell the addresses each time they differ."""
        known: frozenset[Address] | None = None
        try:
            while True:
                answer = await self._look_up()
                if answer is not None and answer != known and (answer or not known):
                    LOG.info("%s has %d addresses", self.where, len(answer))
                    known = answer
                    tell(Found(addresses=known))
                await asyncio.sleep(self._every_seconds)
        finally:
            if self._pending is not None:
                self._pending.cancel()

    async def _look_up(self) -> frozenset[Address] | None:
        """All addresses; none when the name has no records; None when there is no answer."""
        try:
            answer = await self._answer()
        except (OSError, UnicodeError) as error:  # UnicodeError: a host name that cannot be one
            if isinstance(error, socket.gaierror) and error.errno in NO_RECORDS:
                return frozenset()
            self._outage.failed(str(error))
            return None
        self._outage.worked()
        return frozenset(_address(host, self._port) for *_, (host, *_) in answer)

    async def _answer(self) -> Sequence[AddressInfo]:
        """One look-up. A thread that resolves cannot be called off, so the next one waits for it to end."""
        if self._pending is None:
            self._pending = asyncio.ensure_future(self._resolver(self._host, self._port))
        done, _ = await asyncio.wait({self._pending}, timeout=RESOLVE_SECONDS)
        if not done:
            raise TimeoutError(f"no answer within {RESOLVE_SECONDS} s")
        ended, self._pending = self._pending, None
        return ended.result()


def _address(host: str, port: int) -> Address:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
