"""How many requests an origin should see at a time: found by trying, halved when it throttles. Pure.

Time is cut into epochs. While the limit is in full use, a higher limit is tried for one epoch and kept when it moved
clearly more bytes; otherwise the last proven limit comes back and rests a while. At first the limit doubles; after the
first trial that brought nothing, or the first throttling, it grows by an eighth (additive increase). A throttled
request halves it for everybody (multiplicative decrease) and closes the origin until the time it asked for; further
throttled answers to requests that were started before the cut belong to the same event and cut nothing again.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

EPOCH_SECONDS = 0.25
GAIN_RATIO = 1.05
REST_EPOCHS = 20


@dataclass(frozen=True, slots=True)
class Epoch:
    """What happened since `started_at`."""

    started_at: float
    bytes: int = 0
    requests: int = 0
    peak: int = 0
    """Most requests in flight."""


@dataclass(frozen=True, slots=True)
class Concurrency:
    """The limit, and what was learned about the limits tried so far."""

    limit: int
    maximum: int
    epoch: Epoch
    proven: int
    proven_rate: float = 0.0
    """Bytes per second at the proven limit."""
    rest: int = 0
    """Epochs before a higher limit is tried again."""
    doubling: bool = True
    closed_until: float = 0.0
    cut_at: float = float("-inf")

    @classmethod
    def start(cls, initial: int, maximum: int, now: float) -> Concurrency:
        """Before the first request."""
        return cls(limit=initial, maximum=maximum, epoch=Epoch(now), proven=initial)


def landed(state: Concurrency, nbytes: int, running: int, now: float) -> Concurrency:
    """After a request that brought `nbytes`; `running` counts it too."""
    epoch = state.epoch
    epoch = replace(epoch, bytes=epoch.bytes + nbytes, requests=epoch.requests + 1, peak=max(epoch.peak, running))
    if now - epoch.started_at < EPOCH_SECONDS or epoch.requests < state.limit:
        return replace(state, epoch=epoch)
    rate = epoch.bytes / (now - epoch.started_at)
    judged = _judge(state, rate) if epoch.peak >= state.limit else state
    return replace(judged, epoch=Epoch(now))


def throttled(state: Concurrency, started_at: float, wait_seconds: float, now: float) -> Concurrency:
    """After the origin asked a request that was started at `started_at` to slow down, for `wait_seconds`."""
    closed_until = max(state.closed_until, now + wait_seconds)
    if started_at < state.cut_at:
        return replace(state, closed_until=closed_until)
    limit = max(1, state.limit // 2)
    return replace(
        state,
        limit=limit,
        proven=limit,
        proven_rate=0.0,
        rest=1,
        doubling=False,
        closed_until=closed_until,
        cut_at=now,
        epoch=Epoch(now),
    )


def _judge(state: Concurrency, rate: float) -> Concurrency:
    """The next limit, after an epoch at full use."""
    if state.limit <= state.proven:
        rest = max(0, state.rest - 1)
        limit = state.limit if rest else _higher(state)
        return replace(state, limit=limit, proven=state.limit, proven_rate=rate, rest=rest)
    if rate >= GAIN_RATIO * state.proven_rate:
        proven = replace(state, proven=state.limit, proven_rate=rate)
        return replace(proven, limit=_higher(proven))
    return replace(state, limit=state.proven, rest=REST_EPOCHS, doubling=False)


def _higher(state: Concurrency) -> int:
    step = state.limit if state.doubling else max(1, state.limit // 8)
    return min(state.maximum, state.limit + step)
