"""Faults on command. A rule says what to do to which requests and how often; a request gets the sum of its rules.

Nothing here touches a socket: the server asks for the ``Effect`` of a request and carries it out.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, fields
from fnmatch import fnmatchcase
from functools import reduce

from .errors import OssError
from .limits import Bandwidth, TokenBucket

GET = "GetObject"


@dataclass(frozen=True, slots=True)
class Effect:
    """What happens to one request. Byte positions count in the body of the answer; None is "does not happen"."""

    delay_seconds: float | None = None
    error: OssError | None = None
    reset_after_bytes: int | None = None
    truncate_after_bytes: int | None = None
    stall_after_bytes: int | None = None
    stall_seconds: float | None = None
    flip_byte_at: int | None = None
    shift_content_range_bytes: int | None = None

    def __or__(self, other: Effect) -> Effect:
        """Both; where both say something about the same thing, the first rule holds."""
        values = {}
        for item in fields(self):
            mine = getattr(self, item.name)
            values[item.name] = mine if mine is not None else getattr(other, item.name)
        return Effect(**values)


NO_EFFECT = Effect()


@dataclass(slots=True)
class _Rule:
    """``left`` is how many more requests it meets, None for all; ``operation`` None is every operation."""

    effect: Effect
    operation: str | None
    key: str
    left: int | None

    def meets(self, operation: str, key: str) -> bool:
        return self.left != 0 and self.operation in (None, operation) and fnmatchcase(key, self.key)


class Faults:
    """The commands. Thread-safe; each holds from the next request on. Counts of None mean until ``clear``."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()  # guards _rules
        self._rules: list[_Rule] = []
        self._request_rate: tuple[TokenBucket, OssError] | None = None
        self.bandwidth = Bandwidth()
        self.clock_offset_seconds = 0.0

    def latency(self, seconds: float, *, operation: str | None = None, count: int | None = None) -> None:
        """Wait before answering."""
        self._add(Effect(delay_seconds=seconds), operation, "*", count)

    def throttle(
        self, count: int | None = None, *, code: str = "DownloadTrafficRateLimitExceeded", operation: str | None = None
    ) -> None:
        """Answer 503 with this code."""
        self._add(Effect(error=_throttled(code)), operation, "*", count)

    def limit_request_rate(self, per_second: float | None, *, code: str = "TotalQpsLimitExceeded") -> None:
        """Answer 503 to what comes faster; None lifts the limit."""
        limit = per_second and (TokenBucket(per_second, max(1.0, per_second / 10)), _throttled(code))
        self._request_rate = limit or None

    def fail(
        self,
        status: int = 403,
        code: str = "AccessDenied",
        *,
        count: int | None = 1,
        operation: str | None = None,
        key: str = "*",
    ) -> None:
        """Answer with an error, by default 403 once. ``key`` may hold ``*`` and ``?``."""
        error = OssError(status, code, f"{code}, because the test asked for it.")
        self._add(Effect(error=error), operation, key, count)

    def reset_body(self, after_bytes: int, *, count: int | None = 1, key: str = "*") -> None:
        """Send this many bytes of an object and reset the connection (RST)."""
        self._add(Effect(reset_after_bytes=after_bytes), GET, key, count)

    def truncate_body(self, after_bytes: int, *, count: int | None = 1, key: str = "*") -> None:
        """Send this many bytes of an object, promise all, and close the connection."""
        self._add(Effect(truncate_after_bytes=after_bytes), GET, key, count)

    def stall_body(self, after_bytes: int, seconds: float, *, count: int | None = 1, key: str = "*") -> None:
        """Send this many bytes of an object, and the next ones only after a pause."""
        self._add(Effect(stall_after_bytes=after_bytes, stall_seconds=seconds), GET, key, count)

    def flip_byte(self, at: int, *, count: int | None = 1, key: str = "*") -> None:
        """Invert the byte at this place of the body."""
        self._add(Effect(flip_byte_at=at), GET, key, count)

    def wrong_content_range(self, shift_bytes: int = 1, *, count: int | None = 1, key: str = "*") -> None:
        """Say another place in Content-Range than was asked for; the bytes are the right ones."""
        self._add(Effect(shift_content_range_bytes=shift_bytes), GET, key, count)

    def limit_bandwidth(
        self, *, total_bytes_per_second: float | None = None, per_client_bytes_per_second: float | None = None
    ) -> None:
        """Pace the bodies of objects; a client is an IP address. Without arguments the limits are lifted."""
        self.bandwidth = Bandwidth(total_bytes_per_second, per_client_bytes_per_second)

    def offset_clock(self, seconds: float) -> None:
        """Let the server's clock run ahead by so much, or behind if negative."""
        self.clock_offset_seconds = seconds

    def clear(self) -> None:
        """No faults, no limits."""
        with self._lock:
            self._rules.clear()
        self._request_rate = None
        self.bandwidth = Bandwidth()
        self.clock_offset_seconds = 0.0

    def effect(self, operation: str, key: str) -> Effect:
        """What to do to this request; rules with a count have one less afterwards."""
        with self._lock:
            rules = [rule for rule in self._rules if rule.meets(operation, key)]
            for rule in rules:
                rule.left = None if rule.left is None else rule.left - 1
            self._rules = [rule for rule in self._rules if rule.left != 0]
        effects = [rule.effect for rule in rules]
        if (limit := self._request_rate) and not limit[0].try_take(1, self._monotonic()):
            effects.append(Effect(error=limit[1]))
        return reduce(Effect.__or__, effects, NO_EFFECT)

    def _add(self, effect: Effect, operation: str | None, key: str, count: int | None) -> None:
        with self._lock:
            self._rules.append(_Rule(effect, operation, key, count))


def _throttled(code: str) -> OssError:
    # What OSS says when it has slowed a request down as long as it would.
    headers = {"x-oss-qos-delay-time": "100"}
    return OssError(503, code, "Please reduce your request rate.", headers=headers)
