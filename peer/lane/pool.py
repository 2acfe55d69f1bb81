"""Links that wait for their next request, those in use, and which peers' lanes are blocked."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable

from cachefs.errors import PeerUnavailable
from peer.lane.link import Link
from peer.values import PeerId

BLOCKED_SECONDS = 30.0
"""How long the lane of a peer is not tried again after it could not be used: a firewall seldom changes its mind."""


class LinkPool:
    """Some idle links per peer; the one used last is used next. Thread-safe.

    Links that were idle for `idle_seconds` are closed by whoever next touches the pool.
    """

    def __init__(self, *, per_peer: int, idle_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_peer = per_peer
        self._idle_seconds = idle_seconds
        self._clock = clock
        self._lock = threading.Lock()  # guards all below
        self._idle: dict[PeerId, list[Link]] = {}
        self._busy: set[Link] = set()
        self._blocked_until: dict[PeerId, float] = {}
        self._closed = False

    @property
    def idle(self) -> int:
        """Links that wait."""
        with self._lock:
            return sum(map(len, self._idle.values()))

    @property
    def busy(self) -> int:
        """Links in use."""
        return len(self._busy)

    def take(self, peer: PeerId) -> Link | None:
        """An idle link to the peer, which is in use from now on; None when a new one has to be opened."""
        while True:
            with self._lock:
                self._check_open()
                expired = self._expired()
                links = self._idle.get(peer)
                link = links.pop() if links else None
                if link:
                    self._busy.add(link)
            _close_all(expired)
            if link is None or not link.stale:
                return link
            self.put_back(link, keep=False)

    def add(self, link: Link) -> None:
        """A new link is in use. PeerUnavailable, and the link is closed, when the pool was closed meanwhile."""
        try:
            with self._lock:
                self._check_open()
                self._busy.add(link)
        except PeerUnavailable:
            link.close()
            raise

    def put_back(self, link: Link, *, keep: bool) -> None:
        """A link is not in use any more. `keep`: it may serve for another request."""
        with self._lock:
            self._busy.discard(link)
            surplus = self._expired()
            if keep and link.usable and self._has_room(link.peer.peer_id):
                link.idle_since = self._clock()
                self._idle.setdefault(link.peer.peer_id, []).append(link)
            else:
                surplus.append(link)
        _close_all(surplus)

    def block(self, peer: PeerId) -> None:
        """The peer's lane could not be used just now."""
        now = self._clock()
        with self._lock:
            self._blocked_until = {other: until for other, until in self._blocked_until.items() if until > now}
            self._blocked_until[peer] = now + BLOCKED_SECONDS

    def works(self, peer: PeerId, now: float) -> bool:
        """Whether the lane of the peer may be tried."""
        return now >= self._blocked_until.get(peer, now)

    def drop(self, peer: PeerId) -> None:
        """The peer left: close what waits, forget what was known."""
        with self._lock:
            dropped = self._idle.pop(peer, [])
            self._blocked_until.pop(peer, None)
        _close_all(dropped)

    def close(self) -> None:
        """Close what waits and shut what is in use: its users get PeerUnavailable, and close it."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, {}
            for link in self._busy:
                link.shut()
        for links in idle.values():
            _close_all(links)

    def _check_open(self) -> None:
        if self._closed:
            raise PeerUnavailable("the bulk lane of this node is closed")

    def _has_room(self, peer: PeerId) -> bool:
        return not self._closed and len(self._idle.get(peer, ())) < self._per_peer

    def _expired(self) -> list[Link]:
        """Take out what was idle for too long. The lock is held; the caller closes what it gets."""
        before = self._clock() - self._idle_seconds
        expired = [link for links in self._idle.values() for link in links if link.idle_since <= before]
        if expired:
            kept = {peer: [link for link in links if link.idle_since > before] for peer, links in self._idle.items()}
            self._idle = {peer: links for peer, links in kept.items() if links}
        return expired


def _close_all(links: Iterable[Link]) -> None:
    for link in links:
        link.close()
