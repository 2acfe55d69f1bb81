"""The asking side's end of one connection: sockets and deadlines, and what their failures mean.

The socket is blocking and its timeouts are the kernel's, ``SO_RCVTIMEO`` and ``SO_SNDTIMEO``. ``settimeout`` would make
it non-blocking: then each receive returns with what happens to be there, after a ``poll`` of its own, and 2 MiB take
some thirty system calls instead of one. The sizes of the socket's buffers are left to the kernel too: fixed ones of
4 MiB, the most that a socket may ask for here, were no faster.
"""

from __future__ import annotations

import socket
import threading

from cachefs.errors import PeerProtocolError, PeerUnavailable
from cachefs.receiving import Receiver, wait_at_most
from cachefs.types import Deadline
from peer.lane import frames
from peer.lane.frames import Answer, Request
from peer.values import Identity


def lane_address(peer: Identity) -> tuple[str, int]:
    """Where the peer's bulk lane listens: its gRPC host, the lane's port."""
    return peer.address.rpartition(":")[0].strip("[]"), peer.lane_port


class Link:
    """A connection to one peer, for one thread at a time; only `shut` may be called from another.

    Every failure is PeerUnavailable or PeerProtocolError. After one the link is good for nothing but `close`.
    """

    def __init__(self, peer: Identity, deadline: Deadline, connect_seconds: float, silent_seconds: float) -> None:
        """Connect. A peer of which nothing comes for `silent_seconds` is given up, though the deadline is far.

        That is noticed after twice the time at most: the kernel counts from the call, and not from the last byte.
        """
        self.peer = peer
        self._silent_seconds = silent_seconds
        self.idle_since = 0.0
        """For the pool."""
        self._name = f"bulk lane of {peer.peer_id} at {peer.address.rpartition(':')[0]}:{peer.lane_port}"
        self._lock = threading.Lock()  # guards closing: nobody shuts a descriptor that is another's by now
        self._closed = False
        self._shut = False
        self._socket = self._connect(min(connect_seconds, self._left(deadline, "connecting")))
        self._receiver = Receiver(self._socket)

    @property
    def stale(self) -> bool:
        """Whether an idle link was closed by the peer, or spoken on out of turn."""
        try:
            self._socket.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False
        except OSError:
            return True
        return True

    def ask(self, request: Request, deadline: Deadline, ticket: bytes | None = None) -> Answer:
        """Send a request, after the opening frame if a `ticket` is to be shown, and wait for the answer's frame."""
        opening = b"" if ticket is None else frames.encode_opening(ticket)
        wait_at_most(self._socket, socket.SO_SNDTIMEO, self._left(deadline, "asking"))
        try:
            self._socket.sendall(opening + frames.encode_request(request))
        except OSError as error:
            raise self._lost(error) from None
        frame = bytearray(frames.ANSWER_BYTES)
        self.fill(memoryview(frame), deadline)
        return frames.parse_answer(bytes(frame))

    def fill(self, into: memoryview, deadline: Deadline, *, more_bytes: int = 0) -> None:
        """Receive exactly `len(into)` bytes. The peer sends at least `more_bytes` after them without being asked."""
        got = 0
        while got < len(into):
            left = self._left(deadline, f"{got} of {len(into)} bytes came")
            wait_seconds = min(left, self._silent_seconds)
            wait_at_most(self._socket, socket.SO_RCVTIMEO, wait_seconds)
            try:
                more = self._receiver.toward(into[got:], wait_seconds, more_bytes=more_bytes)
            except OSError as error:
                raise self._lost(error) from None
            if not more:
                raise PeerUnavailable(f"{self._name}: closed" + (" by us" if self._shut else ""))
            got += more

    def shut(self) -> None:
        """From any thread: whoever waits in here fails at once with PeerUnavailable. Idempotent."""
        with self._lock:
            self._shut = True
            if self._closed:
                return
            try:
                self._socket.shutdown(socket.SHUT_RDWR)
            except OSError:
                return  # not connected any more

    @property
    def usable(self) -> bool:
        """Whether nobody shut it."""
        return not self._shut

    def close(self) -> None:
        """Give the descriptor back. Idempotent."""
        with self._lock:
            self._closed = True
            self._socket.close()

    def _connect(self, seconds: float) -> socket.socket:
        where = lane_address(self.peer)
        try:
            connected = socket.create_connection(where, seconds)
        except (OSError, ValueError) as error:  # ValueError: the port, or a host that no name can be
            raise PeerUnavailable(f"{self._name}: no connection within {seconds:.3g} s: {error}") from None
        connected.settimeout(None)
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connected

    def _left(self, deadline: Deadline, doing: str) -> float:
        if left := deadline.remaining_seconds():
            return left
        raise PeerUnavailable(f"{self._name}: out of time, {doing}")

    def _lost(self, error: OSError) -> PeerUnavailable:
        if isinstance(error, BlockingIOError):
            return PeerUnavailable(f"{self._name}: silent for {self._silent_seconds:g} s, or until the deadline")
        return PeerUnavailable(f"{self._name}: {error.strerror or error}")


def demand_size(answer: Answer, request: Request, name: str) -> None:
    """PeerProtocolError unless the peer is about to send as many bytes as it was asked for."""
    if answer.size_bytes != request.size_bytes:
        raise PeerProtocolError(f"{name}: {answer.size_bytes} bytes announced, {request.size_bytes} asked for")
