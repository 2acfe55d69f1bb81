"""The name, kind and meaning of every metric. Dashboards and alerts depend on them: add, rename nothing.

docs/METRICS.md is made from this: ``python -m mows.metric_names > docs/METRICS.md``.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric. Counters run since the process, or what they are labelled with, began."""

    name: str
    kind: Literal["gauge", "counter", "histogram"]
    help: str
    labels: tuple[str, ...] = ()


Sample = tuple[Metric, float, tuple[str, ...]]
"""(metric, value, label values)."""


def _gauge(name: str, text: str, *labels: str) -> Metric:
    return Metric(f"mows_{name}", "gauge", text, labels)


def _histogram(name: str, text: str, *labels: str) -> Metric:
    return Metric(f"mows_{name}", "histogram", text, labels)


def _counter(name: str, text: str, *labels: str) -> Metric:
    return Metric(f"mows_{name}_total", "counter", text, labels)


BUILD_INFO = _gauge("build_info", "Always 1; the labels say what runs.", "version", "node", "zone")
MOUNTS = _gauge("mounts", "Mounts by state.", "state")
INSTANCES = _gauge("instances", "Instances by state.", "state")
MOUNTS_ADOPTED = _counter("mounts_adopted", "Mounts of an earlier daemon that went on without an error for readers.")
KEEPER_CONNECTED = _gauge("keeper_connected", "Whether the keeper answers. 0: a crash now would end the mounts.")
MOUNT_BYTES = _gauge("mount_bytes", "Bytes of all files that a mount shows.", "mount")
MOUNT_INFO = _gauge("mount_info", "Always 1; the labels say what is mounted where.", "mount", "uri", "path")
MOUNT_FETCHED = _counter(
    "mount_fetched_bytes", "Bytes fetched for a mount, by where they came from.", "mount", "source"
)
MOUNT_AMPLIFICATION = _gauge(
    "mount_origin_amplification_ratio",
    "Bytes fetched from the origin for a mount, over the bytes of its files. Above 1: some were fetched again.",
    "mount",
)
MOUNT_WAITS = _histogram(
    "mount_wait_seconds",
    "What reads waited for, that found bytes missing: origin, peers, disk, or queued: nothing was under way for them.",
    "mount",
    "cause",
)
MOUNT_REFRESH_FAILURES = _counter("mount_refresh_failures", "Refreshes that failed and left the old listing.", "mount")
PREWARMS = _gauge("prewarms", "Prewarms by state; finished ones until they are forgotten.", "state")
PREWARM_ETA_ERROR = _gauge(
    "prewarm_eta_error_ratio",
    "Of the last prewarm that became warm: how far off the time left was after a tenth. 0.2: a fifth too long.",
)

FUSE_REQUESTS = _counter("fuse_requests", "Requests of the kernel, by operation.", "mount", "operation")
FUSE_READS = _counter(
    "fuse_reads", "Reads that the daemon answered with data; passthrough reads are none of its business.", "mount"
)
FUSE_WAITED_READS = _counter("fuse_waited_reads", "Reads that found bytes missing; all others were hits.", "mount")
FUSE_DELIVERED = _counter(
    "fuse_delivered_bytes",
    "Bytes the daemon handed to the kernel; passthrough reads are none of its business.",
    "mount",
)
FUSE_ERRORS = _counter("fuse_errors", "Requests answered with EIO, ESTALE or another fault.", "mount")
FUSE_OPENS = _counter("fuse_opens", "Opens, by how the file is read.", "mount", "mode")

TIER_CAPACITY = _gauge("tier_capacity_bytes", "The most that blobs may take in a tier.", "tier")
TIER_USED = _gauge("tier_used_bytes", "Allocated blocks of all blobs in a tier.", "tier")
TIER_FREE = _gauge("tier_free_bytes", "Free space of a tier's file system; 0 when it cannot be asked.", "tier")
TIER_BLOBS = _gauge("tier_blobs", "Blobs in a tier.", "tier")
TIER_UP = _gauge("tier_up", "1 while a tier takes bytes; 0 while it is full, read-only, failing or gone.", "tier")
TIER_FAULTS = _counter("tier_faults", "Failed system calls in a tier. Each was only a miss.", "tier")
STORE_EVICTIONS = _counter("store_evictions", "Blobs evicted.")
STORE_EVICTED_BYTES = _counter("store_evicted_bytes", "Bytes of evicted blobs and chunks.")
STORE_EVICTED_CHUNKS = _counter("store_evicted_chunks", "Chunks that blobs in use gave up for others, or their own.")
STORE_DEMOTIONS = _counter("store_demotions", "Blobs moved from a tier to a later one, to make room.")
STORE_DEMOTED_BYTES = _counter("store_demoted_bytes", "Bytes that those moves freed.")
STORE_CORRUPT_CHUNKS = _counter("store_corrupt_chunks", "Chunks without the hash they were stored with; fetched again.")
STORE_CORRUPT_BLOBS = _counter("store_corrupt_blobs", "Whole objects without the origin's checksum; fetched again.")
STORE_DROPPED_BLOBS = _counter("store_dropped_blobs", "Damaged or half deleted blobs removed at start.")
STORE_NO_SPACE = _counter("store_no_space", "Requests for room that no eviction could satisfy.")
STORE_VERIFIED_BYTES = _counter(
    "store_verified_bytes", "Bytes compared with their hash: after an unclean stop, or because somebody asked."
)

FETCHED_BYTES = _counter("fetched_bytes", "Bytes of chunks that landed, by where they came from.", "source")
FETCH_WAITS = _counter("fetch_waits", "Reads that had to wait for bytes.")
FETCH_WAIT_SECONDS = _counter("fetch_wait_seconds", "Time these waited in all.")
FETCH_FAILED_READS = _counter("fetch_failed_reads", "Reads that waited and were answered with an error.")
FETCH_RETRIES = _counter("fetch_retries", "Requests to origins that were made again.")
FETCH_THROTTLES = _counter("fetch_throttles", "Answers of origins that asked to slow down.")
FETCH_PEER_FAILURES = _counter("fetch_peer_failures", "Chunks that a peer did not bring; asked for elsewhere.")
FETCH_CORRUPT_OBJECTS = _counter("fetch_corrupt_objects", "Whole objects that came with a wrong checksum.")
FETCH_OVERFLOW_HITS = _counter("fetch_overflow_hits", "Chunks of reads answered from memory; no tier would take them.")
FETCH_STORE_FAULTS = _counter("fetch_store_faults", "Chunks that no tier would take; served without the cache.")
FETCH_PARKED = _gauge("fetch_parked_reads", "Reads that wait now.")
FETCH_SPANS = _gauge("fetch_spans_in_flight", "Requests to origins in flight now.")
FETCH_QUEUED = _gauge("fetch_chunks_queued", "Chunks missing from blobs in use that are not in flight.")
FETCH_OVERFLOW_BYTES = _gauge("fetch_overflow_bytes", "Memory that chunks take that no tier would take.")
FETCH_MEMORY = _gauge("fetch_in_flight_memory_bytes", "Memory that data in flight takes now.")
ORIGIN_LIMIT = _gauge("origin_concurrency_limit", "Requests an origin should see at a time, as learned.", "origin")
ORIGIN_RUNNING = _gauge("origin_requests_in_flight", "Requests at an origin now.", "origin")
ORIGIN_DOWN = _gauge("origin_down", "1 while an origin fails so often that it is only probed.", "origin")

PEERS = _gauge("peers", "Other nodes' daemons by state. Without peers there is none of the mows_peer metrics.", "state")
PEER_STATE = _gauge("peer_state", "1 for the state of a peer: up, quarantined, unreachable or gone.", "peer", "state")
PEER_RECEIVED = _counter("peer_received_bytes", "Bytes of chunks that came from a peer.", "peer", "zone")
PEER_SENT = _counter("peer_sent_bytes", "Bytes of chunks that were sent to a peer.", "peer", "zone")
PEER_REQUESTS = _gauge("peer_requests_in_flight", "Chunks asked of a peer now.", "peer")
PEER_CHUNK_SECONDS = _gauge(
    "peer_chunk_seconds_p95", "Time within which 95 % of a peer's recent chunks came; absent before the first.", "peer"
)
PEER_BUSY = _counter("peer_busy_answers", "Requests that a peer turned away because its slots were taken.", "peer")
PEER_FAILURES = _counter("peer_failures", "Requests to a peer that failed. Each was asked elsewhere.", "peer")
PEER_CORRUPT = _counter("peer_corrupt_chunks", "Chunks of a peer without its hash. They went no further.", "peer")
PEER_QUARANTINED = _gauge("peer_quarantined_seconds", "How long a peer will still not be asked.", "peer")
PEER_PROBLEMS = _gauge("peer_problems", "Peer addresses that a person should look at; `mows peers` says why.", "code")
PEER_TRANSFERS = _gauge("peer_transfers_running", "Chunks that travel now: upload, download.", "direction")
PEER_TRANSFERS_LIMIT = _gauge("peer_transfers_limit", "The most that may travel at a time.", "direction")
PEER_CONNECTIONS = _gauge("peer_connections", "Bulk connections accepted and open.")
PEER_CONNECTIONS_LIMIT = _gauge("peer_connections_limit", "The most that are accepted.")
PEER_IN_FLIGHT = _gauge("peer_in_flight_bytes", "Bytes promised to peers and not sent yet.")
PEER_IN_FLIGHT_LIMIT = _gauge("peer_in_flight_limit_bytes", "Above it a peer is told that this node is busy.")
PEER_UPLINK_LIMIT = _gauge(
    "peer_uplink_limit_bytes_per_second", "The most that is sent to peers in a second; absent without limit."
)
PEER_SWARMS = _gauge("peer_swarms", "Blobs that this node wants or gives now.")
PEER_BUSY_GIVEN = _counter("peer_busy_given", "Requests of peers turned away because all slots were taken.")
PEER_HEDGES = _counter("peer_hedges", "Late chunks that were asked of a second peer.")
PEER_DUPLICATE_BYTES = _counter("peer_duplicate_bytes", "Bytes that came twice because of that.")
PEER_TAKEOVERS = _counter("peer_takeovers", "Chunks fetched from the origin in place of a late peer.")
PEER_CONTROL_MESSAGES = _counter("peer_control_messages", "Messages about chunks: sent, received.", "direction")
PEER_CONTROL_BYTES = _counter("peer_control_bytes", "Bytes of these.", "direction")
PEER_REJECTED = _counter("peer_rejected_requests", "Requests of others that were refused, by reason.", "reason")

ALL = tuple(value for value in list(globals().values()) if isinstance(value, Metric))

_HEAD = """# Metrics

Made by `python -m mows.metric_names`; do not edit by hand. `GET /metrics` answers in the Prometheus text format. Beside
these there are the `process_*` metrics of the Prometheus client (memory, CPU, descriptors).

How many there are: a mount has some 65 series, a peer 14, a tier 6, an origin 3; the rest together about 80. The id of
a mount is for its maker to choose, and its series end with it: a controller should use one id for one model rather than
make one up for each start. A pod with a volume of its own has a mount of its own. No label has the name of a file.

| metric | kind | labels | meaning |
|---|---|---|---|
"""

_TAIL = """
## Often asked

The share of reads that found everything in the cache:

```promql
1 - rate(mows_fuse_waited_reads_total[5m]) / rate(mows_fuse_reads_total[5m])
```

What readers wait for, in seconds of waiting a second:

```promql
sum by (mount, cause) (rate(mows_mount_wait_seconds_sum[5m]))
```

How often a byte left the origin, over all nodes that mount a source under one id without prewarming it (1.0: once for
all of them together):

```promql
sum by (mount) (mows_mount_fetched_bytes_total{source="origin"}) / max by (mount) (mows_mount_bytes)
```

Who gives what to whom, in bytes per second (`instance` gets, `peer` gives):

```promql
sum by (instance, peer) (rate(mows_peer_received_bytes_total[1m]))
```
"""


def render() -> str:
    """The document."""
    rows = (
        f"| `{metric.name}` | {metric.kind} | {', '.join(f'`{label}`' for label in metric.labels)} | {metric.help} |\n"
        for metric in ALL
    )
    return _HEAD + "".join(rows) + _TAIL


if __name__ == "__main__":
    sys.stdout.write(render())
