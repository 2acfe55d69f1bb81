"""Rates: a token bucket that may go into debt and says how long to wait for it."""

from __future__ import annotations

import threading


class TokenBucket:
    """So many units per second, with a reserve of ``burst`` units. Thread-safe; time is the caller's, in seconds.

    A taker is never refused, only told how long to wait; so takers share the rate in the order in which they came.
    """

    def __init__(self, per_second: float, burst: float) -> None:
        self._per_second = per_second
        self._burst = burst
        self._level = burst
        self._at: float | None = None
        self._lock = threading.Lock()  # guards _level and _at

    def take(self, units: float, now: float) -> float:
        """Take them and return how many seconds must pass before they may be used."""
        with self._lock:
            self._refill(now)
            self._level -= units
            return max(0.0, -self._level / self._per_second)

    def try_take(self, units: float, now: float) -> bool:
        """Take them if they are there at once."""
        with self._lock:
            self._refill(now)
            if self._level < units:
                return False
            self._level -= units
            return True

    def _refill(self, now: float) -> None:
        passed = 0.0 if self._at is None else max(0.0, now - self._at)
        self._level = min(self._burst, self._level + passed * self._per_second)
        self._at = now


class Bandwidth:
    """Limits in bytes per second, for all clients together and for each address. None is no limit. Thread-safe."""

    # About 20 ms of the rate: short enough to look even, long enough that waiting costs no processor time.
    PIECE_SECONDS = 0.02

    def __init__(self, total: float | None = None, per_client: float | None = None) -> None:
        self._total = _bucket(total)
        self._per_client = per_client
        self._clients: dict[str, TokenBucket] = {}
        self._lock = threading.Lock()  # guards _clients
        rates = [rate for rate in (total, per_client) if rate]
        self.piece_bytes = max(4096, int(min(rates) * self.PIECE_SECONDS)) if rates else None

    def wait_seconds(self, client: str, size: int, now: float) -> float:
        """How long to wait before sending ``size`` more bytes to this address."""
        buckets = [bucket for bucket in (self._total, self._client(client)) if bucket]
        return max((bucket.take(size, now) for bucket in buckets), default=0.0)

    def _client(self, client: str) -> TokenBucket | None:
        if self._per_client is None:
            return None
        with self._lock:
            if client not in self._clients:
                self._clients[client] = TokenBucket(self._per_client, self._per_client * Bandwidth.PIECE_SECONDS)
            return self._clients[client]


def _bucket(per_second: float | None) -> TokenBucket | None:
    return TokenBucket(per_second, per_second * Bandwidth.PIECE_SECONDS) if per_second else None
