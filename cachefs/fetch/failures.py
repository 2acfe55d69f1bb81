"""What a failure means for the span it ended, and the one log line about it."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from enum import Enum

from cachefs.errors import CacheError, CorruptBlob, OriginThrottled, PeerError, StoreError

log = logging.getLogger(__name__)


class Verdict(Enum):
    """What to do about a span that ended early."""

    STORE = "only a miss: go on without the cache"
    CORRUPT = "the whole object has a wrong checksum: fetch it once more"
    THROTTLED = "everybody waits a while; then again"
    RETRY = "try again after a pause"
    ELSEWHERE = "a peer's trouble, or it was called off: ask another source at once"
    FATAL = "no retry helps: tell everyone who waits"


def judge(error: BaseException) -> Verdict:
    """Total: what is not known is fatal."""
    if isinstance(error, CorruptBlob):
        return Verdict.CORRUPT
    if isinstance(error, StoreError):
        return Verdict.STORE
    if isinstance(error, OriginThrottled):
        return Verdict.THROTTLED
    if isinstance(error, PeerError):
        return Verdict.ELSEWHERE
    return Verdict.RETRY if isinstance(error, CacheError) and error.retryable else Verdict.FATAL


def log_failed_read(uri: str, offset: int, error: BaseException, waited_seconds: float, *, mount: str = "") -> None:
    """The one line about a read that could not be answered with data."""
    code, hint = (error.code, error.hint) if isinstance(error, CacheError) else (CacheError.code, "")
    log.warning(
        "read failed%s uri=%s offset=%d waited_seconds=%.1f code=%s: %r%s",
        f" mount={mount}" if mount else "",
        uri,
        offset,
        waited_seconds,
        code,
        str(error),
        f" ({hint})" if hint else "",
    )


class Notices:
    """Says once a minute per cause what happens to every chunk: a full disk is one piece of news, not ten thousand."""

    INTERVAL_SECONDS = 60.0

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()  # guards _said
        self._said: dict[str, float] = {}

    def store_refused(self, uri: str, error: StoreError) -> None:
        """The store took no more of `uri`; it is served without the cache."""
        if self._due(error.code):
            log.warning("serving without the cache uri=%s code=%s: %s (%s)", uri, error.code, error, error.hint)

    def _due(self, cause: str) -> bool:
        now = self._clock()
        with self._lock:
            if now - self._said.get(cause, float("-inf")) < self.INTERVAL_SECONDS:
                return False
            self._said[cause] = now
            return True
