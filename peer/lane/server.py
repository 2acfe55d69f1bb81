"""The giving side of the bulk lane: a listening port, and a thread for each connection that others open."""

from __future__ import annotations

import itertools
import logging
import select
import socket
import threading
import time
from collections.abc import Mapping

from cachefs.sharing import Lender
from peer.lane.lent import LentBlobs
from peer.lane.session import Desk, Rejection, Session
from peer.lane.tickets import Tickets
from peer.lane.uploads import Uploads
from peer.settings import PeerLimits, PeerTimes

log = logging.getLogger(__name__)

LONGEST_TICK_SECONDS = 1.0
"""How late a slow connection may be noticed."""


class LaneServer:
    """Gives chunks to those who show a ticket. Started once; properties may be read on any thread.

    On anything wrong a connection is closed and counted, and nothing is said: who may not ask learns nothing, not even
    which blobs exist.
    """

    def __init__(
        self,
        host: str,
        port: int,
        lender: Lender,
        tickets: Tickets,
        uploads: Uploads,
        limits: PeerLimits,
        times: PeerTimes,
    ) -> None:
        self._where = (host, port)
        self._limits = limits
        self._lent = LentBlobs(lender)
        self._desk = Desk(tickets, self._lent, uploads, times, self._reject)
        self._tick_seconds = min(LONGEST_TICK_SECONDS, min(times.handshake, times.chunk, times.idle) / 4)
        self._listener: socket.socket | None = None
        self._acceptor: threading.Thread | None = None
        self._numbers = itertools.count(1)
        self._stopping = threading.Event()
        self._lock = threading.Lock()  # guards _sessions; a session is closed only when it is not among them
        self._sessions: dict[Session, threading.Thread] = {}
        self._count_lock = threading.Lock()  # guards _rejected; may be taken with the other one held
        self._rejected = dict.fromkeys(Rejection, 0)

    @property
    def port(self) -> int:
        """The port it listens on; only after `start`."""
        assert self._listener is not None, "not started"
        return int(self._listener.getsockname()[1])

    @property
    def connections(self) -> int:
        """Connections that are open now."""
        return len(self._sessions)

    @property
    def rejected(self) -> Mapping[str, int]:
        """Connections closed since the start, by reason. A copy."""
        with self._count_lock:
            return {str(reason): count for reason, count in self._rejected.items()}

    def start(self) -> None:
        """Listen. OSError when the address is taken or not ours."""
        host, port = self._where
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.create_server(
            (host, port), family=family, backlog=self._limits.connections, dualstack_ipv6=host == "::"
        )
        self._listener.settimeout(0.0)
        self._acceptor = threading.Thread(
            target=self._accept_all, args=(self._listener,), name="mows-lane-accept", daemon=True
        )
        self._acceptor.start()

    def stop(self, timeout_seconds: float) -> None:
        """Close every connection, also in the middle of a chunk, and wait up to `timeout_seconds` for their threads.

        Who is held back by the uplink limit is let go by `Uploads.close`, which comes first. Harmless before `start`,
        and when repeated.
        """
        self._stopping.set()
        listener, self._listener = self._listener, None
        if listener is None:
            return
        give_up = time.monotonic() + timeout_seconds
        listener.shutdown(socket.SHUT_RDWR)  # wakes the acceptor
        assert self._acceptor is not None
        self._acceptor.join(timeout_seconds)
        with self._lock:
            threads = list(self._sessions.values())
            for session in self._sessions:
                session.shut()
        for thread in threads:
            thread.join(max(0.0, give_up - time.monotonic()))
        listener.close()
        self._lent.close()
        if left := sum(thread.is_alive() for thread in threads):
            log.warning("bulk lane: %d connections did not end within %g s", left, timeout_seconds)

    def _reject(self, why: Rejection) -> None:
        with self._count_lock:
            self._rejected[why] += 1

    def _accept_all(self, listener: socket.socket) -> None:
        """Accept, and look after the time of all connections."""
        poll = select.poll()
        poll.register(listener, select.POLLIN)
        looked_at = time.monotonic()
        while not self._stopping.is_set():
            if poll.poll(self._tick_seconds * 1000):
                self._accept(listener)
            if (now := time.monotonic()) >= looked_at + self._tick_seconds:
                looked_at = now
                self._look_after(now)

    def _accept(self, listener: socket.socket) -> None:
        try:
            connection, _ = listener.accept()
        except OSError as error:
            if not isinstance(error, BlockingIOError | ConnectionError) and not self._stopping.is_set():
                log.warning("bulk lane: cannot accept: %s", error.strerror)
                self._stopping.wait(self._tick_seconds)  # out of descriptors: they come back by and by
            return
        connection.settimeout(None)
        if self.connections >= self._limits.connections:
            connection.close()
            self._reject(Rejection.TOO_MANY)
            return
        self._begin(Session(connection, self._desk))

    def _begin(self, session: Session) -> None:
        thread = threading.Thread(
            target=self._run, args=(session,), name=f"mows-lane-{next(self._numbers)}", daemon=True
        )
        with self._lock:
            self._sessions[session] = thread
        try:
            thread.start()
        except RuntimeError as error:  # no more threads are to be had
            log.warning("bulk lane: %s", error)
            self._end(session)

    def _run(self, session: Session) -> None:
        try:
            session.run()
        finally:
            self._end(session)

    def _end(self, session: Session) -> None:
        with self._lock:
            del self._sessions[session]
        session.close()

    def _look_after(self, now: float) -> None:
        self._lent.sweep()
        with self._lock:
            for session in self._sessions:
                session.expire(now)
