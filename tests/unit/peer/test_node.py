"""Two whole nodes in one process, over loopback: they find each other, and what one has the other need not fetch."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from cachefs.fetch import Fetcher
from cachefs.origin.memory import MemoryOrigin
from cachefs.types import ObjectInfo
from peer.node import PeerNode
from peer.settings import DiscoverySettings, PeerSettings, PeerTimes, SecuritySettings
from peer.statistics import PeerStatus
from peer.values import Address
from tests.certificates import Authority
from tests.unit.fetch.kit import CHUNK, content, no_account, open_store, read, settings
from tests.waiting import until

SIZE = 20 * CHUNK + 123
DATA = content(SIZE)

PATIENT = PeerTimes(
    announce=0.01, heartbeat=0.1, dead_after=30.0, connect=30.0, handshake=30.0, settle=30.0, ticket=60.0
)
"""News soon, and deadlines that a slow machine does not meet."""


class Running:
    """A node with a store of its own, and a fetcher on top, as a daemon has them."""

    def __init__(self, root: Path, configured: PeerSettings) -> None:
        self.origin = MemoryOrigin()
        self.store = open_store(root / configured.node_id)
        self.node = PeerNode(configured, self.store)
        self.fetcher: Fetcher | None = None

    def put(self) -> ObjectInfo:
        """The object is at this node's origin: the same for all nodes."""
        return self.origin.put("model.safetensors", DATA)

    async def warm(self) -> None:
        assert self.fetcher
        await self.fetcher.warm(self.put(), self.origin, account=no_account)

    async def read(self, offset: int, size: int) -> bytes | int:
        assert self.fetcher
        file = self.fetcher.open(self.put(), self.origin, account=no_account)
        try:
            return await read(file, offset, size)
        finally:
            file.close()

    def by_source(self) -> dict[str, int]:
        assert self.fetcher
        return dict(self.fetcher.statistics().bytes_by_source)

    @property
    def peers(self) -> dict[str, PeerStatus]:
        return {one.identity.node_id: one for one in self.node.statistics().peers}


def configured(name: str, *others: Address, **changes: object) -> PeerSettings:
    one = PeerSettings(
        node_id=name,
        zone="",
        chunk_bytes=CHUNK,
        version="1.2.3",
        listen="127.0.0.1:0",
        discovery=DiscoverySettings(static=others),
        times=PATIENT,
    )
    return replace(one, **changes)  # type: ignore[arg-type]  # as the fields have it


@contextlib.asynccontextmanager
async def running(root: Path, with_settings: PeerSettings) -> AsyncIterator[Running]:
    """A node while it runs; afterwards nothing is lent."""
    one = Running(root, with_settings)
    async with one.node, Fetcher(one.store, settings(), exchange=one.node.exchange) as one.fetcher:
        yield one
    assert all(blob.references == 0 for blob in one.store.blobs())
    one.store.close()


@contextlib.asynccontextmanager
async def pair(root: Path, **changes: object) -> AsyncIterator[tuple[Running, Running]]:
    """Two nodes that know each other. The first was told of nobody: it hears of the second by its hello."""
    async with (
        running(root, configured("a", **changes)) as a,
        running(root, configured("b", a.node.identity.address, **changes)) as b,
    ):
        await until(lambda: "b" in a.peers and "a" in b.peers)
        yield a, b


async def test_nodes_see_each_other(tmp_path: Path) -> None:
    async with pair(tmp_path) as (a, b):
        assert a.peers["b"].identity == b.node.identity
        assert b.peers["a"].identity == a.node.identity
        assert a.peers["b"].state == "up"
        assert a.node.statistics().problems == b.node.statistics().problems == ()


@pytest.mark.parametrize(("lane", "way"), [(True, "bulk"), (False, "grpc")])
async def test_what_one_has_the_other_takes_and_the_origin_gives_nothing(tmp_path: Path, lane: bool, way: str) -> None:
    async with pair(tmp_path, lane=lane) as (a, b):
        await a.warm()
        assert a.by_source() == {"origin": SIZE}
        await b.warm()
        assert b.by_source() == {"peer": SIZE}
        assert b.origin.read_bytes == 0
        assert await b.read(3 * CHUNK - 5, 2 * CHUNK) == DATA[3 * CHUNK - 5 : 5 * CHUNK - 5]
        giver = b.peers["a"]
        assert (giver.received_bytes, giver.lane, giver.failures, giver.corrupt_chunks) == (SIZE, way, 0, 0)
        await until(lambda: a.peers["b"].sent_bytes == SIZE)
        assert (a.node.identity.lane_port > 0) is lane
        told = b.node.statistics()
        assert (told.downloads_running, told.duplicate_bytes, told.hedges) == (0, 0, 0)
        assert told.control_messages["received"] > 0


async def test_with_certificates_everything_goes_over_grpc(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    pem = authority.sign("node")
    security = SecuritySettings(tls_cert=pem.cert, tls_key=pem.key, tls_ca=authority.cert)
    async with pair(tmp_path, security=security) as (a, b):
        await a.warm()
        await b.warm()
        assert b.by_source() == {"peer": SIZE}
        assert b.peers["a"].lane == "grpc"
        assert b.node.identity.lane_port == 0


async def test_what_one_gets_while_it_gets_it_is_the_others(tmp_path: Path) -> None:
    async with pair(tmp_path) as (a, b):
        await asyncio.gather(a.warm(), b.warm())
        assert await a.read(0, SIZE) == await b.read(0, SIZE) == DATA
        for one in (a, b):
            assert sum(one.by_source().values()) == SIZE
        fetched = a.origin.read_bytes + b.origin.read_bytes
        assert SIZE <= fetched <= 2 * SIZE


async def test_a_node_that_stops_fails_no_reader_of_the_other(tmp_path: Path) -> None:
    async with running(tmp_path, configured("b")) as b:
        async with running(tmp_path, configured("a", b.node.identity.address)) as a:
            await until(lambda: "a" in b.peers)
            await a.warm()
            assert await b.read(0, 10) == DATA[:10]
            assert b.origin.read_bytes == 0
        assert await b.read(10 * CHUNK, 10) == DATA[10 * CHUNK : 10 * CHUNK + 10]
        await b.warm()
        assert b.fetcher
        assert b.fetcher.statistics().failed_reads == 0


async def test_a_node_alone_is_like_one_without_peers(tmp_path: Path) -> None:
    """It waits for nobody, though peers that did not speak would have half a minute."""
    async with running(tmp_path, configured("a")) as one:
        await one.warm()
        assert one.by_source() == {"origin": SIZE}
        assert one.node.statistics().swarms == 0
        assert [problem.code for problem in one.node.statistics().problems] == ["no_peers"]


async def test_a_node_that_came_back_is_another_peer(tmp_path: Path) -> None:
    async with running(tmp_path, configured("a")) as a:
        for _ in range(2):
            async with running(tmp_path, configured("b", a.node.identity.address)) as b:
                await until(lambda b=b: b.node.identity in [one.identity for one in a.node.statistics().peers])  # type: ignore[misc]
                assert a.node.identity != b.node.identity
        met = {one.identity.boot_id for one in a.node.statistics().peers}
        assert len(met) == 2


async def test_stopping_leaves_nothing(tmp_path: Path) -> None:
    """No task and no listening port; threads are looked for after every test."""
    async with pair(tmp_path) as (a, b):
        await a.warm()
        await b.warm()
        ports = [int(one.node.identity.address.rpartition(":")[2]) for one in (a, b)]
        ports += [one.node.identity.lane_port for one in (a, b)]
        for port in ports:
            socket.create_connection(("127.0.0.1", port), 30).close()
    assert asyncio.all_tasks() == {asyncio.current_task()}
    for port in ports:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), 30)


@pytest.mark.parametrize("taken", ["gRPC", "lane"])
async def test_a_port_that_is_taken_is_an_error_that_leaves_nothing(tmp_path: Path, taken: str) -> None:
    port, holder = _two_free_ports(taken)
    one = Running(tmp_path, configured("a", listen=f"127.0.0.1:{port}"))
    try:
        with pytest.raises(OSError, match=f"{port}|in use"):
            await one.node.__aenter__()
    finally:
        holder.close()
        one.store.close()
    assert asyncio.all_tasks() == {asyncio.current_task()}


def _two_free_ports(taken: str) -> tuple[int, socket.socket]:
    """The first of two consecutive ports, and who holds one of them."""
    while True:
        first = socket.create_server(("127.0.0.1", 0))
        port = first.getsockname()[1]
        try:
            second = socket.create_server(("127.0.0.1", port + 1))
        except OSError:
            first.close()
            continue
        free, holder = (second, first) if taken == "gRPC" else (first, second)
        free.close()
        return port, holder


async def test_each_knows_what_the_other_has_as_a_whole_and_when_it_is_gone(tmp_path: Path) -> None:
    async with (
        running(tmp_path, configured("a", times=replace(PATIENT, copies=0.02))) as a,
        running(tmp_path, configured("b", a.node.identity.address, times=replace(PATIENT, copies=0.02))) as b,
    ):
        await a.warm()
        await b.read(0, CHUNK)
        (blob_id,) = a.store.blob_ids()
        await until(lambda: b.node.copies.count(blob_id) == 1)
        assert a.node.copies.count(blob_id) == 0  # b has a part of it
        await b.warm()
        await until(lambda: a.node.copies.count(blob_id) == 1)
        await until(lambda: b.store.evict(blob_id))
        await until(lambda: a.node.copies.count(blob_id) == 0)
