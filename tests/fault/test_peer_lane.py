"""The bulk lane among those who break its rules, and peers that die at the worst moment."""

from __future__ import annotations

import logging
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cachefs.errors import PeerBusy, PeerProtocolError, PeerUnavailable
from cachefs.types import BlobId, BlobKey, Deadline
from peer.lane import frames
from peer.lane.client import LaneClient
from peer.lane.frames import Answer, Request, Status
from peer.lane.session import UNSENT_BYTES, Rejection
from peer.lane.tickets import TICKET_BYTES
from peer.settings import PeerLimits
from peer.values import Identity
from tests.unit.peer.lane.world import (
    ASKING,
    CHUNK_BYTES,
    TIMES,
    FileBlob,
    Lane,
    giving,
    lane,
    soon,
    speaking,
    wait_until,
)

HASTY = replace(TIMES, handshake=0.2)
KEY = BlobKey("memory://bucket/blob", "v1", 2 * CHUNK_BYTES, CHUNK_BYTES)
TICKET = bytes(TICKET_BYTES)


def rejected(world: Lane, reason: Rejection, count: int = 1) -> None:
    """Wait until so many were rejected, for this reason alone."""
    expected = dict.fromkeys(map(str, Rejection), 0) | {str(reason): count}
    wait_until(lambda: world.server.rejected == expected, lambda: str(world.server.rejected))


def said_nothing(connection: socket.socket) -> bool:
    """Whether the other side closes without a word. Closing with bytes unread is a reset."""
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


def opening(world: Lane) -> bytes:
    return frames.encode_opening(world.tickets.issue(ASKING))


def asking_for(world: Lane, chunk: int = 0) -> bytes:
    key = world.blob.key
    return frames.encode_request(Request(key.blob_id, chunk, len(key.chunk_range(chunk))))


# The giving side.


def test_a_wrong_ticket_is_told_nothing(tmp_path: Path) -> None:
    with lane(tmp_path) as world, world.connect() as connection:
        connection.sendall(frames.encode_opening(secrets.token_bytes(16)) + asking_for(world))
        assert said_nothing(connection)
        rejected(world, Rejection.BAD_TICKET)
        assert world.lender.lent == 0


def test_a_ticket_shown_twice_is_told_nothing(tmp_path: Path) -> None:
    with lane(tmp_path) as world:
        world.fetch(0)
        with world.connect() as connection:
            connection.sendall(frames.encode_opening(world.shown[0]) + asking_for(world))
            assert said_nothing(connection)
        rejected(world, Rejection.BAD_TICKET)


@pytest.mark.parametrize(
    "said", [b"GET / HTTP/1.1\r\nHost: here\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00" + bytes(500)]
)
def test_who_speaks_another_protocol_is_told_nothing(tmp_path: Path, said: bytes) -> None:
    with lane(tmp_path) as world, world.connect() as connection:
        connection.sendall(said.ljust(64))
        assert said_nothing(connection)
        rejected(world, Rejection.MALFORMED)


def test_a_look_at_the_port_is_no_offence(tmp_path: Path) -> None:
    with lane(tmp_path) as world:
        world.connect().close()
        wait_until(lambda: world.server.connections == 0)
        assert not any(world.server.rejected.values())


@pytest.mark.parametrize(
    "wrong",
    [
        lambda key: Request(key.blob_id, key.chunk_count, CHUNK_BYTES),
        lambda key: Request(key.blob_id, (1 << 32) - 1, CHUNK_BYTES),
        lambda key: Request(key.blob_id, 0, CHUNK_BYTES - 1),
        lambda key: Request(key.blob_id, 0, frames.MAX_CHUNK_BYTES),
        lambda key: Request(key.blob_id, 0, frames.MAX_CHUNK_BYTES + 1),
        lambda _: Request(BlobId("0" * 32), 0, 0),
    ],
)
def test_a_request_for_what_cannot_be_ends_the_connection(tmp_path: Path, wrong: Callable[[BlobKey], Request]) -> None:
    with lane(tmp_path) as world, world.connect() as connection:
        connection.sendall(opening(world) + frames.encode_request(wrong(world.blob.key)))
        assert said_nothing(connection)
        rejected(world, Rejection.MALFORMED)
        assert world.uploads.running == 0


def test_half_a_ticket_and_then_silence(tmp_path: Path) -> None:
    with lane(tmp_path, times=HASTY) as world, world.connect() as connection, world.connect() as silent:
        connection.sendall(opening(world)[:-1])
        assert said_nothing(connection)
        assert said_nothing(silent)
        rejected(world, Rejection.TOO_SLOW, 2)


def test_a_ticket_byte_by_byte(tmp_path: Path) -> None:
    with lane(tmp_path, times=HASTY) as world, world.connect() as connection:
        drip(connection, opening(world)[:-1])
        rejected(world, Rejection.TOO_SLOW)


def test_a_request_byte_by_byte(tmp_path: Path) -> None:
    with lane(tmp_path, times=HASTY) as world, world.connect() as connection:
        connection.sendall(opening(world))
        drip(connection, asking_for(world)[:-1])
        rejected(world, Rejection.TOO_SLOW)


def drip(connection: socket.socket, frame: bytes) -> None:
    """Send slowly until the other side has had enough."""
    try:
        for byte in frame:
            connection.sendall(bytes([byte]))
            time.sleep(0.05)
        while not said_nothing(connection):
            pass
    except OSError:
        return


def test_a_chunk_that_nobody_takes_ends_and_frees_its_slot(tmp_path: Path) -> None:
    times = replace(TIMES, chunk=0.2)
    with lane(tmp_path, times=times, limits=PeerLimits(uploads=1)) as world, unreading(world):
        rejected(world, Rejection.TOO_SLOW)
        wait_until(lambda: world.uploads.running == 0 and world.uploads.bytes_in_flight == 0)
        wait_until(lambda: world.server.connections == 0)


def test_a_stop_does_not_wait_for_who_does_not_read(tmp_path: Path) -> None:
    with lane(tmp_path) as world, unreading(world):
        wait_until(lambda: world.uploads.running == 1)
        world.server.stop(30)
        assert (world.server.connections, world.uploads.running) == (0, 0)
        assert not any(world.server.rejected.values())


def test_a_slot_is_taken_while_the_kernel_still_holds_the_chunk(tmp_path: Path) -> None:
    with lane(tmp_path, limits=PeerLimits(uploads=1)) as world:
        small = world.lender.add("small", 3 * UNSENT_BYTES)  # less than what fits into the kernel's buffer
        with unreading(world, small) as connection:
            wait_until(lambda: world.uploads.sent_bytes == {ASKING: 3 * UNSENT_BYTES})
            with pytest.raises(PeerBusy):
                world.fetch(0)
            expected = frames.ANSWER_BYTES + 3 * UNSENT_BYTES
            assert len(connection.recv(expected, socket.MSG_WAITALL)) == expected
            wait_until(lambda: world.uploads.running == 0)
        assert world.fetch(0) == world.blob.chunk(0)


def unreading(world: Lane, blob: FileBlob | None = None) -> socket.socket:
    """Somebody who asks for a chunk and takes little of it."""
    key = (blob or world.blob).key
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.connect(("127.0.0.1", world.server.port))
    request = Request(key.blob_id, 0, len(key.chunk_range(0)))
    connection.sendall(opening(world) + frames.encode_request(request))
    return connection


def test_an_idle_connection_is_closed_and_the_next_chunk_takes_a_new_one(tmp_path: Path) -> None:
    with lane(tmp_path, times=replace(TIMES, idle=0.2)) as world:
        client = LaneClient(TIMES)
        for _ in range(2):
            stream = client.fetch(world.peer, world.blob.key, 0, soon(), world.ticket)
            assert b"".join(map(bytes, stream)) == world.blob.chunk(0)
            stream.close()
            wait_until(lambda: world.server.connections == 0)
        client.close()
        assert len(world.shown) == 2
        assert not any(world.server.rejected.values())


def test_more_connections_than_allowed_are_closed_at_once(tmp_path: Path) -> None:
    with lane(tmp_path, limits=PeerLimits(connections=2)) as world:
        allowed = [world.connect() for _ in range(2)]
        wait_until(lambda: world.server.connections == 2)
        with world.connect() as third:
            assert said_nothing(third)
        rejected(world, Rejection.TOO_MANY)
        for connection in allowed:
            connection.close()
        wait_until(lambda: world.server.connections == 0)
        assert world.fetch(0) == world.blob.chunk(0)


def test_a_file_that_lost_its_end(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with lane(tmp_path) as world:
        os.truncate(world.blob.fd, CHUNK_BYTES + 1000)
        with pytest.raises(PeerUnavailable):
            world.fetch(1)
        wait_until(lambda: world.server.connections == 0)
        wait_until(lambda: world.uploads.running == 0)
        assert world.fetch(0) == world.blob.chunk(0)
    assert [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING] == [
        f"bulk lane: memory://bucket/blob: ends before {CHUNK_BYTES + 1000}, the index says otherwise"
    ]


def test_a_file_that_cannot_be_read(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with lane(tmp_path) as world:
        directory = os.open(tmp_path, os.O_RDONLY)
        os.dup2(directory, world.blob.fd)
        os.close(directory)
        with pytest.raises(PeerUnavailable):
            world.fetch(0)
        wait_until(lambda: world.server.connections == 0)
    assert [r.getMessage() for r in caplog.records if "cannot be read at 0" in r.getMessage()]


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(said=st.binary(max_size=100), after_ticket=st.booleans(), cut=st.integers(0, 28), flip=st.integers(0, 27))
def test_whatever_is_said_the_server_lives(
    tmp_path: Path, said: bytes, after_ticket: bool, cut: int, flip: int
) -> None:
    with lane(tmp_path) as world:
        with world.connect() as connection:
            request = bytearray(asking_for(world))
            request[flip] ^= 0x55
            insist(connection, (opening(world) if after_ticket else b"") + bytes(request[:cut]) + said)
        assert world.fetch(2) == world.blob.chunk(2)
        wait_until(lambda: world.server.connections <= 1)
        wait_until(lambda: (world.uploads.running, world.uploads.bytes_in_flight) == (0, 0))


def insist(connection: socket.socket, said: bytes) -> None:
    """Say it, and wait until the other side has ended the connection."""
    try:
        connection.sendall(said)
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(1 << 16):
            pass
    except OSError:
        return


# The asking side.


def fetch(
    peer: Identity, client: LaneClient | None = None, deadline: Deadline | None = None, ticket: bytes = TICKET
) -> bytes:
    """Chunk 0 of `KEY`, from a peer that a test plays."""
    used = client or LaneClient(TIMES)
    try:
        stream = used.fetch(peer, KEY, 0, deadline or soon(), lambda _: ticket)
        try:
            return b"".join(map(bytes, stream))
        finally:
            stream.close()
    finally:
        assert used.pool.busy == 0
        if client is None:
            used.close()


def hear(connection: socket.socket) -> None:
    """Take the opening frame and a request."""
    connection.recv(frames.OPENING_BYTES + frames.REQUEST_BYTES, socket.MSG_WAITALL)


def saying(*said: bytes) -> Callable[[socket.socket], None]:
    """A peer that hears the request, says this, and closes."""

    def talk(connection: socket.socket) -> None:
        hear(connection)
        connection.sendall(b"".join(said))

    return talk


@pytest.mark.parametrize(
    "said",
    [
        b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n",
        bytes(64),
        frames.encode_answer(Answer(Status.OK, CHUNK_BYTES - 1, bytes(16))),
        frames.encode_answer(Answer(Status.OK, frames.MAX_CHUNK_BYTES, bytes(16))),
    ],
)
def test_a_peer_that_breaks_the_protocol(said: bytes) -> None:
    client = LaneClient(TIMES)
    with speaking(saying(said)) as peer:
        with pytest.raises(PeerProtocolError):
            fetch(peer, client)
        assert not client.lane_works(peer.peer_id, time.monotonic())
    assert client.pool.idle == 0
    client.close()


@pytest.mark.parametrize(
    "said",
    [(), (b"ANS1",), (frames.encode_answer(Answer(Status.OK, CHUNK_BYTES, bytes(16))), bytes(CHUNK_BYTES - 1))],
)
def test_a_peer_that_closes_too_soon(said: tuple[bytes, ...]) -> None:
    with speaking(saying(*said)) as peer, pytest.raises(PeerUnavailable, match="giving@1"):
        fetch(peer)


def test_a_peer_that_is_silent() -> None:
    heard = threading.Event()

    def silent(connection: socket.socket) -> None:
        hear(connection)
        heard.wait(30)

    with speaking(silent) as peer:
        with pytest.raises(PeerUnavailable, match=r"silent for 5 s, or until the deadline|out of time"):
            fetch(peer, deadline=Deadline.after(0.2))
        heard.set()


def test_a_peer_that_falls_silent_in_the_middle() -> None:
    heard = threading.Event()

    def stops(connection: socket.socket) -> None:
        saying(frames.encode_answer(Answer(Status.OK, CHUNK_BYTES, bytes(16))), bytes(1000))(connection)
        heard.wait(30)

    with speaking(stops) as peer:
        with pytest.raises(PeerUnavailable, match=r"1000 of|silent"):
            fetch(peer, deadline=Deadline.after(0.2))
        heard.set()


@pytest.mark.parametrize("said_bytes", [0, 1000])
def test_one_that_stays_silent_is_given_up_long_before_the_deadline(said_bytes: int) -> None:
    """Its heartbeats may go on: they take another connection."""
    given_up = threading.Event()

    def stops(connection: socket.socket) -> None:
        answer = frames.encode_answer(Answer(Status.OK, CHUNK_BYTES, bytes(16))) + bytes(said_bytes)
        saying(answer if said_bytes else b"")(connection)
        given_up.wait(30)

    client, deadline = LaneClient(replace(TIMES, silent=0.1)), Deadline.after(3600)
    with speaking(stops) as peer:
        with pytest.raises(PeerUnavailable, match=r"silent for 0\.1 s"):
            fetch(peer, client, deadline)
        given_up.set()
    client.close()


def test_one_that_is_slow_is_not_silent() -> None:
    """Each byte is a sign of life, also while the kernel would rather wait for more of them."""

    def trickles(connection: socket.socket) -> None:
        saying(frames.encode_answer(Answer(Status.OK, CHUNK_BYTES, bytes(16))))(connection)
        for part in reversed(range(5)):
            time.sleep(0.5)
            connection.sendall(bytes(1000 if part else CHUNK_BYTES - 4 * 1000))

    client = LaneClient(replace(TIMES, silent=2.0))
    with speaking(trickles) as peer:
        assert fetch(peer, client) == bytes(CHUNK_BYTES)
    client.close()


def test_a_cancelled_reader_fails_at_once() -> None:
    heard = threading.Event()

    def stops(connection: socket.socket) -> None:
        saying(frames.encode_answer(Answer(Status.OK, CHUNK_BYTES, bytes(16))))(connection)
        heard.wait(30)

    client = LaneClient(TIMES)
    with speaking(stops) as peer:
        stream = client.fetch(peer, KEY, 0, soon(), lambda _: TICKET)
        canceller = threading.Timer(0.05, stream.cancel)
        canceller.start()
        with pytest.raises(PeerUnavailable, match="closed by us"):
            list(stream)
        stream.close()
        canceller.join()
        heard.set()
    client.close()


def test_nobody_listens_and_the_lane_counts_as_blocked_for_a_while() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        peer = giving(closed.getsockname()[1])
    client = LaneClient(TIMES)
    assert client.lane_works(peer.peer_id, time.monotonic())
    with pytest.raises(PeerUnavailable, match="refused"):
        fetch(peer, client)
    assert not client.lane_works(peer.peer_id, time.monotonic())
    assert client.lane_works(peer.peer_id, time.monotonic() + 31)
    client.drop(peer.peer_id)
    assert client.lane_works(peer.peer_id, time.monotonic())
    client.close()


def test_a_firewall_that_drops_what_it_gets_costs_no_more_than_the_time_to_connect() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        port = full.getsockname()[1]
        waiting = [socket.socket() for _ in range(4)]
        for filler in waiting:  # the kernel drops what does not fit into the queue of a listener
            filler.settimeout(0.0)
            filler.connect_ex(("127.0.0.1", port))
        client = LaneClient(replace(TIMES, connect=0.1))
        with pytest.raises(PeerUnavailable, match=r"no connection within 0.1 s"):
            fetch(giving(port), client)
        assert not client.lane_works(giving(port).peer_id, time.monotonic())
        client.close()
        for filler in waiting:
            filler.close()


def test_a_port_and_a_host_that_cannot_be() -> None:
    for peer in (giving(70000), replace(giving(1), address="no.such.host.invalid:1"), replace(giving(1), address="")):
        with pytest.raises(PeerUnavailable):
            fetch(peer, deadline=Deadline.after(20))


def test_a_deadline_that_is_over_asks_nobody() -> None:
    with pytest.raises(PeerUnavailable, match="out of time"):
        fetch(giving(1), deadline=Deadline.after(-1))


def test_a_peer_that_gives_out_something_else_as_tickets() -> None:
    with speaking(lambda _: None) as peer, pytest.raises(PeerProtocolError, match="a ticket of 3 bytes"):
        fetch(peer, ticket=b"abc")


def test_a_connection_that_died_when_the_request_came_is_replaced_once() -> None:
    whole = frames.encode_answer(Answer(Status.OK, CHUNK_BYTES, bytes(16))) + bytes(CHUNK_BYTES)

    def one_chunk(connection: socket.socket) -> None:
        """Answers once, and closes when it hears the next request."""
        saying(whole)(connection)
        connection.recv(frames.REQUEST_BYTES, socket.MSG_WAITALL)

    client = LaneClient(TIMES)
    with speaking(one_chunk, times=2) as peer:
        assert fetch(peer, client) == bytes(CHUNK_BYTES)
        assert client.pool.idle == 1
        assert fetch(peer, client) == bytes(CHUNK_BYTES)
        assert client.lane_works(peer.peer_id, time.monotonic())
        client.close()
