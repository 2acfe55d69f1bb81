"""What can be set about fetching: one frozen value, read once at the edge."""

from __future__ import annotations

from dataclasses import dataclass

from cachefs.ports import PIECE_BYTES

MIB = 1 << 20
GIB = 1 << 30


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchSettings:
    """Limits of everything that is fetched on this node. Each field says its unit and why its default is what it is."""

    memory_bytes: int = 256 * MIB
    """Bytes of memory for data in flight: one half for pieces on their way to the store and chunks being filled in
    memory, the other for chunks that no tier would take. At least four chunks, or pieces if those are larger. One
    origin gets at most three quarters of what the others leave, so that none can starve the rest."""

    initial_concurrency: int = 8
    """Requests in flight to one origin at the start. OSS gives 100 to 200 MB/s per connection, so eight are about
    1 GB/s before anything was learned."""

    max_concurrency: int = 64
    """Requests in flight to one origin at most, and about the number of fill threads. 64 x 150 MB/s is more than most
    network cards carry."""

    span_bytes: int = 16 * MIB
    """One request covers at most this much where nobody waits: at 150 MB/s a tenth of a second, against which 20 ms
    of latency are small. A reader whose chunk is the last of a span waits no longer than that."""

    read_deadline_seconds: float = 60.0
    """A parked read is answered within this time, with data or with an errno."""

    attempt_seconds: float = 30.0
    """One request to an origin ends within this time; what landed until then is kept."""

    warm_stall_seconds: float = 300.0
    """A warm-up on which nothing landed for so long gives up. Longer than a read waits: nobody is blocked by it."""

    backoff_base_seconds: float = 0.1
    """The first retry comes within this time (full jitter); each further one doubles it."""

    backoff_cap_seconds: float = 5.0
    """No retry waits longer, so that a read finds an origin that came back well before its deadline."""

    retry_budget: float = 20.0
    """Failures in a row (roughly: each success gives back `retry_earned_ratio`) before an origin counts as down and is
    asked by one probe at a time only."""

    retry_earned_ratio: float = 0.2
    """What one success earns: with 0.2 an origin that fails one request in six is still used at full speed."""

    read_ahead_bytes: int = 2 * GIB
    """How far to read ahead of a sequential reader, and how much of the files after the one being read."""

    header_bytes: int = 4 * MIB
    """Reads below this offset of a weight file are taken for a look at its header, and start no read-ahead. Headers of
    safetensors shards are 10 KiB to 1 MiB, and the kernel rounds a page fault up to its own read-ahead of 1 MiB."""

    store_retry_seconds: float = 5.0
    """After the store refused a chunk of a blob, that blob is served without it for so long."""

    verify_concurrency: int = 2
    """Suspect chunks verified at a time: each is one core hashing at some 20 GB/s, limited by the disk."""

    stop_seconds: float = 5.0
    """How long a stop waits for the fill threads: a request that blocks ends when its origin is closed."""

    def __post_init__(self) -> None:
        if not 1 <= self.initial_concurrency <= self.max_concurrency:
            raise ValueError(
                f"initial_concurrency={self.initial_concurrency} is not in [1, max_concurrency={self.max_concurrency}]"
            )
        for name in ("memory_bytes", "span_bytes", "read_deadline_seconds", "attempt_seconds", "backoff_base_seconds"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name}={getattr(self, name)} is not positive")

    def check_chunk_bytes(self, chunk_bytes: int) -> None:
        """Raises ValueError when the memory budget is less than progress needs: four times the costliest span."""
        least_bytes = 4 * max(chunk_bytes, min(PIECE_BYTES, self.span_bytes))
        if self.memory_bytes < least_bytes:
            raise ValueError(
                f"memory_bytes={self.memory_bytes} is too little for chunks of {chunk_bytes} bytes: give {least_bytes}"
            )
