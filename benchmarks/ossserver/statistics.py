"""What the server did: counters and the last requests, so that a test can compute origin amplification."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field

LOG_LENGTH = 10_000


@dataclass(frozen=True, slots=True)
class RequestRecord:
    """One request and its answer. ``body_bytes`` is what was really sent of an object; ``at`` Unix seconds."""

    at: float
    client: str
    operation: str
    bucket: str
    key: str
    range: str
    status: int
    code: str
    body_bytes: int


@dataclass(frozen=True, slots=True)
class Statistics:
    """Since the start or the last reset. Objects are named ``bucket/key``, clients by IP address."""

    requests: Mapping[str, int]
    statuses: Mapping[int, int]
    bytes_sent: int
    bytes_by_object: Mapping[str, int]
    bytes_by_client: Mapping[str, int]
    requests_by_client: Mapping[str, int]
    connections: int
    log: tuple[RequestRecord, ...] = field(repr=False)

    @property
    def requests_total(self) -> int:
        """Of all operations."""
        return sum(self.requests.values())


class Recorder:
    """Takes notes. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # guards everything below
        self._log: deque[RequestRecord] = deque(maxlen=LOG_LENGTH)
        self._counters: dict[str, Counter[str]] = {}
        self._statuses: Counter[int] = Counter()
        self._connections = 0

    def connection(self) -> None:
        """A client connected."""
        with self._lock:
            self._connections += 1

    def request(self, record: RequestRecord) -> None:
        """A request was answered, as well as it could be."""
        with self._lock:
            self._log.append(record)
            self._statuses[record.status] += 1
            self._count("operation", record.operation, 1)
            self._count("client", record.client, 1)
            self._count("client bytes", record.client, record.body_bytes)
            if record.body_bytes:
                self._count("object bytes", f"{record.bucket}/{record.key}", record.body_bytes)

    def reset(self) -> None:
        """Forget everything."""
        with self._lock:
            self._log.clear()
            self._counters.clear()
            self._statuses.clear()
            self._connections = 0

    def statistics(self) -> Statistics:
        """A copy."""
        with self._lock:
            client_bytes = self._copy("client bytes")
            return Statistics(
                requests=self._copy("operation"),
                statuses=dict(self._statuses),
                bytes_sent=sum(client_bytes.values()),
                bytes_by_object=self._copy("object bytes"),
                bytes_by_client=client_bytes,
                requests_by_client=self._copy("client"),
                connections=self._connections,
                log=tuple(self._log),
            )

    def _count(self, counter: str, name: str, amount: int) -> None:
        self._counters.setdefault(counter, Counter())[name] += amount

    def _copy(self, counter: str) -> dict[str, int]:
        return dict(self._counters.get(counter, {}))
