"""Both ends of a lane over loopback: chunks travel whole, connections serve again, budgets hold."""

from __future__ import annotations

import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from cachefs.errors import PeerBusy, PeerLacks, PeerRefused, PeerUnavailable
from cachefs.ports import PIECE_BYTES
from cachefs.receiving import WAKE_BYTES
from cachefs.types import BlobKey, Deadline
from peer.lane.server import LaneServer
from peer.lane.tickets import Tickets
from peer.lane.uploads import Uploads
from peer.settings import PeerLimits
from tests.unit.peer.lane.world import ASKING, CHUNK_BYTES, LIMITS, TIMES, FileLender, lane, soon, wait_until


def test_chunks_travel_whole_and_over_one_connection(tmp_path: Path) -> None:
    with lane(tmp_path) as world:
        for chunk in (0, 2, 1):
            assert world.fetch(chunk) == world.blob.chunk(chunk)
        assert (len(world.shown), world.server.connections) == (1, 1)
        assert world.lender.lent == 1
        wait_until(lambda: world.uploads.running == 0)
        assert world.uploads.sent_bytes == {ASKING: world.blob.key.size_bytes}
        assert world.uploads.bytes_in_flight == 0
        assert not any(world.server.rejected.values())


def test_pieces_are_of_the_size_that_the_store_likes(tmp_path: Path) -> None:
    with lane(tmp_path) as world:
        stream = world.client.fetch(world.peer, world.blob.key, 0, soon(), world.ticket)
        assert [len(piece) for piece in stream] == [PIECE_BYTES, CHUNK_BYTES - PIECE_BYTES]
        stream.close()


@pytest.mark.parametrize("size_bytes", [1, WAKE_BYTES, PIECE_BYTES, PIECE_BYTES + 1, PIECE_BYTES + WAKE_BYTES])
def test_the_last_bytes_of_a_chunk_wake_the_reader_however_few(tmp_path: Path, size_bytes: int) -> None:
    with lane(tmp_path) as world:
        blob = world.lender.add("other", size_bytes)
        for _ in range(3):
            assert world.fetch(0, blob) == blob.data


def test_many_at_once(tmp_path: Path) -> None:
    with lane(tmp_path, chunks=12) as world, ThreadPoolExecutor(6) as pool:
        assert list(pool.map(world.fetch, range(12))) == [world.blob.chunk(chunk) for chunk in range(12)]
        assert world.client.pool.idle <= 4
        assert world.client.pool.busy == 0


def test_an_uplink_limit_slices_chunks_without_harm(tmp_path: Path) -> None:
    with lane(tmp_path, limits=PeerLimits(uplink_bytes_per_second=1 << 30)) as world:
        assert world.fetch(1) == world.blob.chunk(1)


def test_what_is_not_here_is_said_and_the_connection_goes_on(tmp_path: Path) -> None:
    with lane(tmp_path) as world:
        world.blob.missing.add(1)
        with pytest.raises(PeerLacks, match="chunk 1 of memory://bucket/blob"):
            world.fetch(1)
        unknown = BlobKey("memory://bucket/unknown", "v1", 5, CHUNK_BYTES)
        with pytest.raises(PeerLacks):
            world.client.fetch(world.peer, unknown, 0, soon(), world.ticket)
        assert world.fetch(0) == world.blob.chunk(0)
        assert len(world.shown) == 1


def test_busy_is_said_and_the_connection_goes_on(tmp_path: Path) -> None:
    with lane(tmp_path, limits=PeerLimits(uploads=1)) as world:
        other = world.uploads.try_begin(ASKING, 1)
        assert other is not None
        with pytest.raises(PeerBusy):
            world.fetch(0)
        other.end()
        assert world.fetch(0) == world.blob.chunk(0)
        assert (len(world.shown), world.uploads.busy_given) == (1, 1)


def test_a_connection_with_unread_bytes_is_not_used_again(tmp_path: Path) -> None:
    with lane(tmp_path) as world:
        stream = world.client.fetch(world.peer, world.blob.key, 0, soon(), world.ticket)
        next(iter(stream))
        stream.close()
        stream.close()
        assert (world.client.pool.idle, world.client.pool.busy) == (0, 0)
        assert world.fetch(0) == world.blob.chunk(0)
        assert len(world.shown) == 2


def test_cancel_wakes_the_reader(tmp_path: Path) -> None:
    with lane(tmp_path, chunks=24) as world:
        stream = world.client.fetch(world.peer, world.blob.key, 0, soon(), world.ticket)
        stream.cancel()
        with pytest.raises(PeerUnavailable, match="closed by us"):
            list(stream)
        stream.close()
        stream.cancel()
        assert (world.client.pool.idle, world.client.pool.busy) == (0, 0)
        assert world.client.lane_works(world.peer.peer_id, 0)


def test_a_whole_but_cancelled_chunk_leaves_no_broken_connection_behind(tmp_path: Path) -> None:
    with lane(tmp_path) as world:
        stream = world.client.fetch(world.peer, world.blob.key, 2, soon(), world.ticket)
        assert sum(map(len, stream)) == 12345
        stream.cancel()
        stream.close()
        assert world.client.pool.idle == 0


def test_dropping_a_peer_closes_its_connections(tmp_path: Path) -> None:
    with lane(tmp_path) as world:
        world.fetch(0)
        world.client.drop(world.peer.peer_id)
        assert world.client.pool.idle == 0
        world.fetch(0)
        assert len(world.shown) == 2


def test_a_closed_client_asks_nobody(tmp_path: Path) -> None:
    with lane(tmp_path) as world:
        stream = world.client.fetch(world.peer, world.blob.key, 0, soon(), world.ticket)
        world.client.close()
        with pytest.raises(PeerUnavailable):
            list(stream)
        stream.close()
        assert world.client.pool.busy == 0
        with pytest.raises(PeerUnavailable, match="this node is closed"):
            world.fetch(0)


def test_what_the_ticket_source_says_is_passed_on_and_the_lane_is_not_to_blame(tmp_path: Path) -> None:
    def refused(_: Deadline) -> bytes:
        raise PeerRefused("wrong token")

    with lane(tmp_path) as world:
        with pytest.raises(PeerRefused, match="wrong token"):
            world.client.fetch(world.peer, world.blob.key, 0, soon(), refused)
        assert world.client.lane_works(world.peer.peer_id, 0)


def test_a_server_that_was_stopped_serves_nobody(tmp_path: Path) -> None:
    with lane(tmp_path) as world:
        peer = world.peer
        world.fetch(0)
        world.server.stop(30)
        world.server.stop(30)
        assert world.server.connections == 0
        with pytest.raises(PeerUnavailable):
            world.client.fetch(peer, world.blob.key, 0, soon(), world.ticket)
        assert not world.client.lane_works(peer.peer_id, 0)


def test_a_server_that_never_started_can_be_stopped(tmp_path: Path) -> None:
    server = LaneServer("127.0.0.1", 0, FileLender(tmp_path), Tickets(seconds=1), Uploads(LIMITS), LIMITS, TIMES)
    server.stop(1)
    assert server.connections == 0


def test_a_port_that_is_taken_is_an_error(tmp_path: Path) -> None:
    with lane(tmp_path) as world:
        port = world.server.port
        second = LaneServer("127.0.0.1", port, FileLender(tmp_path), world.tickets, world.uploads, LIMITS, TIMES)
        with pytest.raises(OSError, match="in use"):
            second.start()
        second.stop(1)


def test_it_listens_on_ipv6_and_with_two_colons_on_both(tmp_path: Path) -> None:
    server = LaneServer("::", 0, FileLender(tmp_path), Tickets(seconds=1), Uploads(LIMITS), LIMITS, TIMES)
    server.start()
    for host in ("127.0.0.1", "::1"):
        socket.create_connection((host, server.port), 30).close()
    server.stop(30)
