"""Receiving so that the kernel wakes the thread seldom, over real TCP: nothing is lost, and nothing waits for ever."""

from __future__ import annotations

import errno
import socket
import struct
import threading
from collections.abc import Callable, Iterator

import pytest

from cachefs.receiving import WAKE_BYTES, Receiver, wait_at_most
from tests.unit.fetch.kit import LIMIT_SECONDS, content

SOON_SECONDS = 0.01
"""For what does not come: whatever the machine does meanwhile, it does not come."""

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def pair() -> Iterator[Pair]:
    """Two ends of a connection: the one that sends, and the one that receives."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        sender = socket.create_connection(listener.getsockname())
        receiver, _ = listener.accept()
    sender.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    wait_at_most(receiver, socket.SO_RCVTIMEO, LIMIT_SECONDS)
    with sender, receiver:
        yield sender, receiver


def exactly(receiver: Receiver, nbytes: int, *, more_bytes: int = 0) -> tuple[bytes, int]:
    """So many bytes, and in how many parts they came."""
    into, got, parts = memoryview(bytearray(nbytes)), 0, 0
    while got < nbytes:
        part = receiver.toward(into[got:], LIMIT_SECONDS, more_bytes=more_bytes)
        assert part, f"the stream ended after {got} of {nbytes} bytes"
        got += part
        parts += 1
    return bytes(into), parts


class Sending:
    """Sends from another thread while the test receives, in pieces of `piece_bytes`; then calls `then`."""

    def __init__(
        self, sock: socket.socket, data: bytes, piece_bytes: int, then: Callable[[], None] | None = None
    ) -> None:
        self._thread = threading.Thread(target=self._send, args=(sock, data, piece_bytes, then))

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *error: object) -> None:
        self._thread.join()

    def _send(self, sock: socket.socket, data: bytes, piece_bytes: int, then: Callable[[], None] | None) -> None:
        for start in range(0, len(data), piece_bytes):
            sock.sendall(data[start : start + piece_bytes])
        if then:
            then()


SIZES = [1, WAKE_BYTES - 1, WAKE_BYTES, WAKE_BYTES + 1, 2 * WAKE_BYTES, 3 * WAKE_BYTES + 17]


@pytest.mark.parametrize("piece_bytes", [1460, 65536])
@pytest.mark.parametrize("nbytes", SIZES)
def test_an_answer_in_dribbles_comes_whole_and_its_end_waits_for_nothing_that_follows(
    pair: Pair, nbytes: int, piece_bytes: int
) -> None:
    """The sender says nothing more until it is asked again, as a peer between two requests."""
    sender, sock = pair
    data, receiver = content(nbytes), Receiver(sock)
    for _ in range(2):
        with Sending(sender, data, piece_bytes):
            came, _ = exactly(receiver, nbytes)
        assert came == data


def test_what_dribbles_is_received_in_two_parts_and_not_in_hundreds(pair: Pair) -> None:
    sender, sock = pair
    data = content(2 * WAKE_BYTES)
    with Sending(sender, data, 1460):
        first = Receiver(sock).toward(memoryview(bytearray(len(data))), LIMIT_SECONDS)
        assert first == WAKE_BYTES, "all but the end is one call"
        exactly(Receiver(sock), WAKE_BYTES)


def test_of_an_answer_with_enough_behind_it_the_end_needs_no_care(pair: Pair) -> None:
    """Where more follows anyway, one call brings the whole; what follows is left for the next."""
    sender, sock = pair
    data, receiver = content(3 * WAKE_BYTES), Receiver(sock)
    with Sending(sender, data, 65536):
        came, parts = exactly(receiver, 2 * WAKE_BYTES, more_bytes=WAKE_BYTES)
        assert (came, parts) == (data[: 2 * WAKE_BYTES], 1)
        rest, _ = exactly(receiver, WAKE_BYTES)
    assert rest == data[2 * WAKE_BYTES :]


def test_with_little_behind_it_the_end_is_waited_for_alone(pair: Pair) -> None:
    """A mark beyond what still comes would never be reached."""
    sender, sock = pair
    data, receiver = content(WAKE_BYTES + 8), Receiver(sock)
    with Sending(sender, data, 65536):
        assert exactly(receiver, WAKE_BYTES, more_bytes=8)[0] == data[:WAKE_BYTES]
        assert exactly(receiver, 8)[0] == data[WAKE_BYTES:]


def test_a_short_answer_after_a_long_one_is_not_held_back(pair: Pair) -> None:
    """The mark is the socket's and outlives the call."""
    sender, sock = pair
    receiver = Receiver(sock)
    with Sending(sender, content(2 * WAKE_BYTES), 65536):
        exactly(receiver, 2 * WAKE_BYTES)
    sender.sendall(b"?")
    head = bytearray(100)
    assert receiver.some(memoryview(head)) == 1
    sender.sendall(b"frame")
    assert exactly(receiver, 5)[0] == b"frame"


@pytest.mark.parametrize("nbytes", [1, WAKE_BYTES, 3 * WAKE_BYTES])
def test_a_stream_that_ends_at_once_is_zero_bytes(pair: Pair, nbytes: int) -> None:
    sender, sock = pair
    sender.close()
    receiver = Receiver(sock)
    assert receiver.toward(memoryview(bytearray(nbytes)), LIMIT_SECONDS) == 0
    assert receiver.some(memoryview(bytearray(nbytes))) == 0


@pytest.mark.parametrize("nbytes", [1000, WAKE_BYTES + 1000, 3 * WAKE_BYTES])
def test_a_stream_that_ends_early_gives_what_came_and_then_zero(pair: Pair, nbytes: int) -> None:
    sender, sock = pair
    data, receiver = content(nbytes - 1), Receiver(sock)
    into, got = memoryview(bytearray(nbytes)), 0
    with Sending(sender, data, 65536, then=sender.close):
        while part := receiver.toward(into[got:], LIMIT_SECONDS):
            got += part
    assert bytes(into[:got]) == data


@pytest.mark.parametrize("option", [socket.SO_RCVTIMEO, socket.SO_SNDTIMEO])
@pytest.mark.parametrize("seconds", [0.0, 1e-9, 0.5, 2.0, 3600.25])
def test_the_kernel_waits_for_as_long_as_it_is_told_and_never_for_ever(pair: Pair, option: int, seconds: float) -> None:
    wait_at_most(pair[1], option, seconds)
    whole, microseconds = struct.unpack("@ll", pair[1].getsockopt(socket.SOL_SOCKET, option, struct.calcsize("@ll")))
    kept_seconds = whole + microseconds / 1e6
    assert kept_seconds > 0, "that would be for ever"
    assert 0 <= kept_seconds - seconds <= 0.02, "it counts in ticks of its clock"


@pytest.mark.parametrize("nbytes", [1000, WAKE_BYTES, 3 * WAKE_BYTES])
def test_nothing_in_time_is_eagain(pair: Pair, nbytes: int) -> None:
    """Of the beginning by the socket's own timeout, of the end by that of the poll."""
    wait_at_most(pair[1], socket.SO_RCVTIMEO, SOON_SECONDS)
    with pytest.raises(BlockingIOError) as caught:
        Receiver(pair[1]).toward(memoryview(bytearray(nbytes)), SOON_SECONDS)
    assert caught.value.errno == errno.EAGAIN


def test_of_an_end_that_came_in_part_nothing_is_lost_by_a_timeout(pair: Pair) -> None:
    sender, sock = pair
    data, receiver = content(1000), Receiver(sock)
    sender.sendall(data[:600])
    with pytest.raises(BlockingIOError):
        receiver.toward(memoryview(bytearray(1000)), SOON_SECONDS)
    sender.sendall(data[600:])
    assert exactly(receiver, 1000) == (data, 1)


def test_whoever_waits_is_woken_when_the_descriptor_is_shut(pair: Pair) -> None:
    """Before or while it waits: either way the stream is over."""
    _, sock = pair
    shutting = threading.Thread(target=sock.shutdown, args=(socket.SHUT_RDWR,))
    shutting.start()
    assert Receiver(sock).toward(memoryview(bytearray(3 * WAKE_BYTES)), LIMIT_SECONDS) == 0
    shutting.join()
