"""What the server did: counters and the last requests, so that a test can compute origin amplification."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

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
    body_bytes: int = 0


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
    """Takes notes. Thread-safe.

    Everything is noted *before* it is sent, so that a client that has its answer finds it counted.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()  # guards everything below, and what the transfers hold
        self._log: deque[Transfer] = deque(maxlen=LOG_LENGTH)
        self._counters: dict[str, Counter[str]] = {}
        self._statuses: Counter[int] = Counter()
        self._connections = 0

    def connection(self) -> None:
        """A client connected."""
        with self._lock:
            self._connections += 1

    def request(self, record: RequestRecord) -> Transfer:
        """A request is about to be answered; the bytes of its object are told to the transfer."""
        transfer = Transfer(self, record)
        with self._lock:
            self._log.append(transfer)
            self._statuses[record.status] += 1
            self._count("operation", record.operation, 1)
            self._count("client", record.client, 1)
        return transfer

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
                log=tuple(transfer.record for transfer in self._log),
            )

    def add_bytes(self, transfer: Transfer, amount: int) -> None:
        """Bytes of an object are about to be sent, or, if negative, were not sent after all."""
        with self._lock:
            record = transfer.record
            transfer.record = replace(record, body_bytes=record.body_bytes + amount)
            self._count("client bytes", record.client, amount)
            self._count("object bytes", f"{record.bucket}/{record.key}", amount)

    def _count(self, counter: str, name: str, amount: int) -> None:
        self._counters.setdefault(counter, Counter())[name] += amount

    def _copy(self, counter: str) -> dict[str, int]:
        return dict(self._counters.get(counter, {}))


class Transfer:
    """The body of one answer on its way. For the thread of its connection."""

    def __init__(self, recorder: Recorder, record: RequestRecord) -> None:
        self._recorder = recorder
        self.record = record

    @property
    def body_bytes(self) -> int:
        """How many went."""
        return self.record.body_bytes

    def add(self, amount: int) -> None:
        """More bytes, before they go; what did not go is taken back."""
        self._recorder.add_bytes(self, amount)
