"""One node among its peers: builds the parts, joins them, and takes them apart in reverse order.

The composition root of this package. Threads: those of the bulk lane (`peer.lane.server`), and gRPC's own.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import secrets
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from types import TracebackType
from typing import Self

from cachefs.errors import PeerError
from cachefs.faults import Faults
from cachefs.sharing import Lender
from peer.exchange import Host, Link, Neighbour, Neighbours, PeerExchange
from peer.exchange.copies import Copies
from peer.exchange.interest import Interest
from peer.exchange.links import Links
from peer.exchange.news import News
from peer.exchange.transport import Lane, Transport
from peer.faulty import FaultyLane, FaultyLink, FaultyProber
from peer.lane.client import LaneClient
from peer.lane.server import LaneServer
from peer.lane.tickets import Tickets
from peer.lane.uploads import Uploads
from peer.membership.directory import Directory, EveryoneDirectory
from peer.membership.discovery import Discovery, DnsDiscovery, StaticDiscovery
from peer.membership.redis_directory import RedisDirectory
from peer.membership.registry import RedisDiscovery
from peer.membership.roster import Roster
from peer.rpc.hello import GrpcProber
from peer.rpc.link import PeerLink
from peer.rpc.prewarming import Answer, ask_prewarm
from peer.rpc.security import Security
from peer.rpc.server import PeerServer
from peer.rpc.traffic import Traffic
from peer.settings import PeerSettings
from peer.statistics import PeerStatistics
from peer.tasks import running
from peer.values import Address, HaveUpdate, Identity, PeerId

log = logging.getLogger(__name__)

LANE_STOP_SECONDS = 2.0


class PeerNode:
    """An async context manager on the loop that the fetcher runs on. Entering raises OSError when a port is taken.

    Outlives the fetcher that uses `exchange`. `faults` are what is to go wrong on purpose.
    """

    def __init__(self, settings: PeerSettings, lender: Lender, faults: Faults | None = None) -> None:
        self._settings = settings
        self._faults = faults
        self._lender = lender
        self._stack = contextlib.AsyncExitStack()
        self._security = Security(settings.security)
        self._traffic = Traffic()
        self._uploads = Uploads(settings.limits)
        self._neighbours = Neighbours(settings.zone)
        self._lane_server: LaneServer | None = None
        self._rng = random.Random()  # noqa: S311 - choices, not secrets
        self._identity = Identity(
            node_id=settings.node_id,
            boot_id=secrets.token_hex(8),
            address=settings.advertise or settings.listen,
            lane_port=0,
            zone=settings.zone,
            chunk_bytes=settings.chunk_bytes,
            version=settings.version,
        )

    async def __aenter__(self) -> Self:
        async with self._stack as stack:
            await self._start(stack)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    @property
    def identity(self) -> Identity:
        """Who this node is."""
        return self._identity

    def members(self) -> Sequence[Identity]:
        """The other nodes that live. On the loop."""
        return list(self._roster.members().values())

    def answer_prewarms(self, answer: Answer) -> None:
        """From now on other nodes may ask about prewarms here."""
        self._server.answer_prewarm = answer

    async def ask_prewarm(self, address: Address, document: bytes, timeout_seconds: float) -> bytes:
        """What the node at `address` answers about a prewarm there. Raises PeerError."""
        mine = self._identity.peer_id
        return await ask_prewarm(address, mine, self._security, self._traffic, document, timeout_seconds)

    def statistics(self) -> PeerStatistics:
        """Counts of one moment. On the loop."""
        now = asyncio.get_running_loop().time()
        limits, sent = self._settings.limits, self._uploads.sent_bytes
        roster = self._roster.statistics()
        rejected = Counter(self._server.rejected)
        if self._lane_server:
            rejected.update(self._lane_server.rejected)
        return PeerStatistics(
            identity=self._identity,
            peers=tuple(one.status(now, sent.get(one.peer_id, 0)) for one in self._neighbours.ever()),
            problems=self._roster.problems(),
            discovery=roster.discovery,
            uploads_running=self._uploads.running,
            uploads_limit=limits.uploads,
            downloads_running=len(self.exchange.requests),
            downloads_limit=limits.downloads,
            connections=self._lane_server.connections if self._lane_server else 0,
            connections_limit=limits.connections,
            bytes_in_flight=self._uploads.bytes_in_flight,
            bytes_in_flight_limit=limits.bytes_in_flight,
            uplink_bytes_per_second=limits.uplink_bytes_per_second,
            swarms=len(self._host.board),
            busy_given=self._uploads.busy_given,
            hedges=self.exchange.requests.hedges,
            duplicate_bytes=self.exchange.requests.duplicate_bytes,
            takeovers=self.exchange.takeovers,
            control_messages=self._traffic.messages,
            control_bytes=self._traffic.bytes,
            rejected=rejected,
        )

    # ------------------------------------------------------------- the start

    async def _start(self, stack: contextlib.AsyncExitStack) -> None:
        times = self._settings.times
        tickets = Tickets(seconds=times.ticket)
        self._host = Host(
            lambda: self._identity,
            self._lender,
            introduced=self._introduced,
            ticket=tickets.issue,
            wake=self._wake,
        )
        stack.push_async_callback(self._host.aclose)
        await self._listen(stack, tickets)
        stack.callback(self._uploads.close)  # before the servers: it lets go those that wait for the uplink
        prober = GrpcProber(lambda: self._identity, self._security, self._traffic)
        stack.push_async_callback(prober.aclose)
        asked = FaultyProber(prober, self._faults) if self._faults else prober
        self._roster = Roster(self._identity, _discovery(self._settings), asked, times)
        directory = _directory(self._settings, self._identity.peer_id, self._roster)
        stack.push_async_callback(directory.aclose)
        links = Links(self._connect, times, updated=self._updated, broken=self._broken)
        stack.push_async_callback(links.aclose)
        self._links = links
        self.copies = Copies(self._lender, self._neighbours, self._connect, self._rng)
        self._build_exchange(links, directory, self._lane_client(stack))
        stack.push_async_callback(self._interest.aclose)
        self._roster.watch(self._changed)
        await stack.enter_async_context(self._roster)
        await stack.enter_async_context(running(self._interest.run(), "mows-interest"))
        await stack.enter_async_context(running(self.copies.run(self._settings.times.copies), "mows-copies"))

    async def _listen(self, stack: contextlib.AsyncExitStack, tickets: Tickets) -> None:
        """Both ports. Where others find them is known afterwards."""
        self._server = PeerServer(
            self._host, self._lender, self._uploads, self._settings, self._security, self._traffic
        )
        await stack.enter_async_context(self._server)
        lane_port = 0
        if self._settings.lane and not self._settings.security.tls:
            host = self._settings.listen.rpartition(":")[0]
            wanted = self._server.port + 1 if _port(self._settings.listen) else 0
            limits, times = self._settings.limits, self._settings.times
            lane = LaneServer(host.strip("[]"), wanted, self._lender, tickets, self._uploads, limits, times)
            lane.start()
            stack.push_async_callback(asyncio.to_thread, lane.stop, LANE_STOP_SECONDS)
            self._lane_server, lane_port = lane, lane.port
        address = self._settings.advertise or self._server.address
        self._identity = replace(self._identity, address=address, lane_port=lane_port)

    def _lane_client(self, stack: contextlib.AsyncExitStack) -> LaneClient | None:
        if not self._settings.lane or self._settings.security.tls:
            return None
        client = LaneClient(self._settings.times)
        stack.callback(client.close)
        return client

    def _build_exchange(self, links: Links, directory: Directory, lane: LaneClient | None) -> None:
        limits, times = self._settings.limits, self._settings.times
        self._lane = lane
        used: Lane | None = FaultyLane(lane, self._faults) if lane and self._faults else lane
        self._interest = Interest(
            self._settings.zone,
            self._host.board,
            self._neighbours,
            links,
            directory,
            self._lender,
            limits=limits,
            times=times,
            rng=self._rng,
        )
        self.exchange = PeerExchange(
            self._identity.peer_id,
            self._lender,
            self._host.board,
            self._neighbours,
            self._interest,
            Transport(used, asyncio.get_running_loop()),
            limits=limits,
            times=times,
            rng=self._rng,
            suspect=self._roster.suspect,
        )
        self._news = News(self._host.board, self._neighbours, links, self._interest, self.exchange)

    # -------------------------------------------------------- what peers do

    def _introduced(self, caller: Identity) -> str:
        return self._roster.introduced(caller)

    def _wake(self) -> None:
        self.exchange.wake()

    def _connect(self, peer: Identity) -> Link:
        link = PeerLink(peer, lambda: self._identity, self._security, self._settings.times, self._traffic)
        return FaultyLink(link, self._faults) if self._faults else link

    def _updated(self, neighbour: Neighbour, updates: Sequence[HaveUpdate]) -> None:
        """A peer said something: that it lives, at the least."""
        self._roster.heard(neighbour.identity)
        self._news.told(neighbour, updates, asyncio.get_running_loop().time())

    def _broken(self, neighbour: Neighbour, error: PeerError | None) -> None:
        if error is not None:
            self._roster.suspect(neighbour.peer_id)
        self._news.broke(neighbour, error)

    def _changed(self, joined: Sequence[Identity], left: Sequence[Identity]) -> None:
        for neighbour in self._news.left(left):
            if self._lane:
                self._lane.drop(neighbour.peer_id)
            log.info("peer left peer=%s address=%s", neighbour.identity.node_id, neighbour.identity.address)
        remembered = {neighbour.peer_id for neighbour in self._neighbours.ever()}
        for peer in self._uploads.sent_bytes.keys() - remembered:
            self._uploads.forget(peer)
        for neighbour in self._news.joined(joined):
            log.info("peer joined peer=%s address=%s", neighbour.identity.node_id, neighbour.identity.address)


def _discovery(settings: PeerSettings) -> Discovery:
    found = settings.discovery
    if found.redis is not None:
        return RedisDiscovery(found.redis, settings.times)
    if found.dns is not None:
        return DnsDiscovery(found.dns)
    return StaticDiscovery(found.static)


def _directory(settings: PeerSettings, me: PeerId, roster: Roster) -> Directory:
    if settings.discovery.redis is not None:
        return RedisDirectory(settings.discovery.redis, me, settings.times, roster.members)
    return EveryoneDirectory(roster.members)


def _port(address: str) -> int:
    return int(address.rpartition(":")[2])
