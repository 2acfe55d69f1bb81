"""One accepted connection: a ticket, then one request after the other. Runs on a thread of its own, blocking.

The socket has no timeouts. A session says until when the other side may take for the step that it is in, and its server
watches that and expires it. A timeout of the socket would start anew with each piece that the kernel moves: who reads a
byte a second could hold an upload's slot for hours.
"""

from __future__ import annotations

import errno
import logging
import math
import os
import select
import socket
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from cachefs.errors import PeerProtocolError
from cachefs.sharing import LentBlob
from peer.lane import frames
from peer.lane.frames import Answer, Request, Status
from peer.lane.lent import LentBlobs
from peer.lane.tickets import Tickets
from peer.lane.uploads import Upload, Uploads
from peer.settings import PeerTimes
from peer.values import PeerId

log = logging.getLogger(__name__)

_DISCARD_UNSENT = struct.pack("ii", 1, 0)
"""``struct linger``: closing resets the connection, instead of keeping what was not sent for minutes."""

UNSENT_BYTES = 128 << 10
"""A chunk counts as sent when the kernel has no more of it than this to put on the wire: 1 ms at 1 Gbit/s. It is set
only while a chunk ends, since each time that a sender waits for it costs a wake-up (all along: 0.1 CPU s/GB more)."""

_TCP_NOTSENT_LOWAT = 25
"""``linux/tcp.h``; the socket module does not name it."""
_AS_THE_SYSTEM_SAYS = 0

_NETWORK_ERRNOS = {errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ENETDOWN, errno.ENOTCONN, errno.EBADF}


class Rejection(StrEnum):
    """Why a connection was closed without a word. Names as in `peer.statistics.PeerStatistics.rejected`."""

    BAD_TICKET = "bad_ticket"
    MALFORMED = "malformed"
    TOO_SLOW = "too_slow"
    TOO_MANY = "too_many"


@dataclass(frozen=True, slots=True)
class Desk:
    """What all sessions of a server use."""

    tickets: Tickets
    lent: LentBlobs
    uploads: Uploads
    times: PeerTimes
    reject: Callable[[Rejection], None]
    """Counts."""


@dataclass(frozen=True, slots=True)
class _Step:
    """What the other side is waited for, and until when."""

    until: float
    idle: bool = False
    """Between two requests: to be slow here is no offence."""


class Session:
    """The conversation with one peer. `run` is for its thread; the server may `expire` or `shut` it meanwhile."""

    def __init__(self, connection: socket.socket, desk: Desk) -> None:
        self._socket = connection
        self._desk = desk
        self._step = _Step(time.monotonic() + desk.times.handshake)  # replaced whole: read by the server's thread
        self._shut = False

    def run(self) -> None:
        """Serve until either side has enough. Raises nothing that the other side can cause."""
        try:
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            peer = self._admit()
            while peer and self._serve(peer):
                pass
        except PeerProtocolError as error:
            self._reject(Rejection.MALFORMED, str(error))
        except OSError as error:
            log.debug("bulk lane: connection lost: %s", error)

    def close(self) -> None:
        """Give the descriptor back. Not while another thread may call `expire` or `shut`."""
        self._socket.close()

    def expire(self, now: float) -> None:
        """Shut it if the other side has taken too long, and count that unless the connection was only idle."""
        step = self._step
        if now < step.until or self._shut:
            return
        if not step.idle:
            self._reject(Rejection.TOO_SLOW, "too slow")
        self.shut()

    def shut(self) -> None:
        """End it: `run` returns soon, what was not sent is dropped."""
        self._shut = True
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _DISCARD_UNSENT)
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # the other side was faster

    def _reject(self, why: Rejection, detail: str) -> None:
        if not self._shut:
            log.debug("bulk lane: connection closed: %s: %s", why, detail)
            self._desk.reject(why)

    def _admit(self) -> PeerId | None:
        """Who shows the ticket; None when nobody who may ask does."""
        frame = self._receive(frames.OPENING_BYTES)
        if not frame:
            return None  # a look whether the port is open
        peer = self._desk.tickets.redeem(frames.parse_opening(frame))
        if peer is None:
            self._reject(Rejection.BAD_TICKET, "unknown, used or expired")
        return peer

    def _serve(self, peer: PeerId) -> bool:
        """Answer one request. False when no more are to come."""
        self._step = _Step(time.monotonic() + self._desk.times.idle, idle=True)
        frame = self._receive(frames.REQUEST_BYTES)
        if not frame:
            return False
        request = frames.parse_request(frame)
        self._step = _Step(time.monotonic() + self._desk.times.chunk)
        with self._desk.lent.borrow(request.blob) as blob:
            if blob is None:
                return self._say(Answer(Status.LACKS))
            with blob.held(request.chunk):
                return self._give(peer, blob, request)

    def _give(self, peer: PeerId, blob: LentBlob, request: Request) -> bool:
        """Answer from a blob whose chunk stays as it is meanwhile."""
        digest = _digest(blob, request)
        if digest is None:
            return self._say(Answer(Status.LACKS))
        upload = self._desk.uploads.try_begin(peer, request.size_bytes)
        if upload is None:
            return self._say(Answer(Status.BUSY))
        with upload:
            self._say(Answer(Status.OK, request.size_bytes, digest), more=True)
            return self._send(blob, request, upload)

    def _receive(self, nbytes: int) -> bytes:
        """A frame; empty when the other side has ended the connection before it."""
        frame = self._socket.recv(nbytes)
        if 0 < len(frame) < nbytes:
            if self._step.idle:
                self._step = _Step(time.monotonic() + self._desk.times.handshake)
            frame += self._socket.recv(nbytes - len(frame), socket.MSG_WAITALL)
        return frame

    def _say(self, answer: Answer, *, more: bool = False) -> bool:
        """Send a frame. `more`: the kernel keeps it until the first bytes of the chunk share its packet."""
        self._socket.sendall(frames.encode_answer(answer), socket.MSG_MORE if more else 0)
        return True

    def _send(self, blob: LentBlob, request: Request, upload: Upload) -> bool:
        """The bytes of a chunk. False when the file does not give them: then the connection cannot go on."""
        span = blob.key.chunk_range(request.chunk)
        offset, slice_bytes = span.start, self._desk.uploads.slice_bytes
        while offset < span.stop:
            count = span.stop - offset
            if slice_bytes is not None:
                count = min(count, slice_bytes)
                self._pace(upload, count)
            sent = _send_file(self._socket, blob, offset, count)
            if not sent:
                return False
            upload.sent(sent)
            offset += sent
        self._wait_for_the_wire()
        return True

    def _wait_for_the_wire(self) -> None:
        """Wait until the kernel has sent nearly all of the chunk.

        Its buffer holds some small chunks, as slow links want them: if the slot were free as soon as they are in there,
        nobody would ever be told that this node is busy.
        """
        self._socket.setsockopt(socket.IPPROTO_TCP, _TCP_NOTSENT_LOWAT, UNSENT_BYTES)
        poll = select.poll()
        poll.register(self._socket, select.POLLOUT)
        poll.poll()  # for as long as the server lets it: `shut` ends it
        self._socket.setsockopt(socket.IPPROTO_TCP, _TCP_NOTSENT_LOWAT, _AS_THE_SYSTEM_SAYS)

    def _pace(self, upload: Upload, nbytes: int) -> None:
        """Wait as the uplink limit says: not the other side's fault."""
        left_seconds = self._step.until - time.monotonic()
        self._step = _Step(math.inf)
        upload.pace(nbytes)
        self._step = _Step(time.monotonic() + left_seconds)


def _digest(blob: LentBlob, request: Request) -> bytes | None:
    """The hash of the chunk, None when it is not here. PeerProtocolError for a chunk that the blob cannot have."""
    count = blob.key.chunk_count
    if request.chunk >= count or request.size_bytes != len(blob.key.chunk_range(request.chunk)):
        raise PeerProtocolError(f"chunk {request.chunk} of {request.size_bytes} bytes is asked of a blob of {count}")
    return blob.digest(request.chunk)


def _send_file(connection: socket.socket, blob: LentBlob, offset: int, count: int) -> int:
    """Up to `count` bytes, from the page cache to the socket; 0 when the file cannot be read or ends before `offset`.

    OSError when the connection is at fault.
    """
    try:
        sent = os.sendfile(connection.fileno(), blob.fd, offset, count)
    except OSError as error:
        if isinstance(error, ConnectionError | TimeoutError) or error.errno in _NETWORK_ERRNOS:
            raise
        log.warning("bulk lane: %s: cannot be read at %d: %s", blob.key.uri, offset, error.strerror)
        return 0
    if not sent:
        log.warning("bulk lane: %s: ends before %d, the index says otherwise", blob.key.uri, offset)
    return sent
