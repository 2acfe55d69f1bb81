"""What a span leaves behind on the loop: progress, or the consequences of its failure."""

from __future__ import annotations

import logging

from cachefs.errors import OriginProtocolError, StoreError
from cachefs.fetch.failures import Notices, Verdict, judge
from cachefs.fetch.fill import Outcome
from cachefs.fetch.lane import Lane
from cachefs.fetch.live import LiveBlob
from cachefs.fetch.settings import FetchSettings
from cachefs.fetch.shared import SharedBlobs
from cachefs.fetch.span import Span
from cachefs.fetch.statistics import Counters

log = logging.getLogger(__name__)


class Aftermath:
    """Applies outcomes to live blobs. Called after the span's chunks were taken out of flight."""

    def __init__(self, settings: FetchSettings, counters: Counters, notices: Notices, shared: SharedBlobs) -> None:
        self._settings = settings
        self._shared = shared
        self._counters = counters
        self._notices = notices

    def apply(self, live: LiveBlob, lane: Lane, span: Span, outcome: Outcome, now: float) -> None:
        """`span` of `live` ended."""
        if outcome.landed:
            self._progressed(live, now)
        if outcome.error is not None:
            missed = range(outcome.landed.stop, span.plan.chunks.stop)  # empty if it failed after its last
            self._failed(live, lane, missed, outcome.error, now)

    def _progressed(self, live: LiveBlob, now: float) -> None:
        live.read_ahead = True
        live.last_error = None
        if live.sealed:
            live.corruptions = 0
        for warm in live.warms:
            warm.progressed(now)

    def _failed(self, live: LiveBlob, lane: Lane, missed: range, error: Exception, now: float) -> None:
        live.last_error = error
        match judge(error):
            case Verdict.STORE:
                self._refused(live, error, now)
            case Verdict.CORRUPT:
                self._corrupt(live, error)
            case Verdict.THROTTLED:
                self._counters.add("throttles")
            case Verdict.RETRY:
                self._counters.add("retries")
                for chunk in missed[:1]:
                    live.flights.pause(chunk, now + lane.retry_delay_seconds(live.flights.attempts(chunk)))
            case Verdict.ELSEWHERE:
                self._counters.add("peer_failures")
            case Verdict.FATAL:
                live.fail_waiting(missed, error)

    def _refused(self, live: LiveBlob, error: Exception, now: float) -> None:
        """Readers go on from memory. A warm-up has no such way."""
        assert isinstance(error, StoreError)
        self._counters.add("store_faults")
        self._notices.store_refused(live.info.uri, error)
        live.bypassed_until = now + self._settings.store_retry_seconds
        live.flights.want_all()
        for warm in live.warms:
            warm.fail(error)

    def _corrupt(self, live: LiveBlob, error: Exception) -> None:
        """Once may be chance, so everything is fetched again. Twice is the origin's, or something on the way to it."""
        self._counters.add("corrupt_objects")
        self._shared.lost(live)
        live.corruptions += 1
        live.flights.want_all()
        if live.corruptions == 1:
            log.warning("wrong checksum, fetching it again uri=%s: %s", live.info.uri, error)
            return
        live.corruptions = 0
        live.fail_waiting(range(live.key.chunk_count), OriginProtocolError(f"{error}, twice in a row"))
