"""What `/metrics` shows: read from the statistics of the parts at the moment somebody asks, so nothing counts twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate
from typing import Final

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector

from cachefs.fetch.statistics import FetchStatistics
from cachefs.fuse.statistics import FuseStatistics
from cachefs.fuse.wait_histogram import BOUNDS_SECONDS, Histogram
from cachefs.store import StoreStatistics, TierStatistics
from mows import metric_names as names
from mows import peer_metrics
from mows.instance_state import InstanceState
from mows.instances import Instances
from mows.metric_names import Sample
from mows.mount_state import MountState
from mows.mounts import Mounts
from mows.peer_report import PeerReport, no_peers
from mows.prewarm_state import PrewarmState
from mows.prewarms import Prewarms

CONTENT_TYPE: Final = CONTENT_TYPE_LATEST


@dataclass(frozen=True, slots=True)
class Observed:
    """What is looked at. Belongs to the loop: mounts and prewarms do."""

    version: str
    node: str
    zone: str
    store: Callable[[], StoreStatistics]
    fetcher: Callable[[], FetchStatistics]
    mounts: Mounts
    prewarms: Prewarms
    peers: PeerReport = no_peers
    keeper_connected: Callable[[], bool | None] = lambda: None
    """None: mounts are not kept."""
    instances: Instances | None = None
    """None: in tests that are about other things."""


class Metrics:
    """A registry of one daemon's own."""

    def __init__(self, observed: Observed) -> None:
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(_Families(observed))
        ProcessCollector(registry=self._registry)

    def render(self) -> bytes:
        """The text format, `CONTENT_TYPE`."""
        return generate_latest(self._registry)


class _Families(Collector):
    """The border to the Prometheus client."""

    def __init__(self, observed: Observed) -> None:
        self._observed = observed

    def collect(self) -> Iterator[GaugeMetricFamily | CounterMetricFamily | HistogramMetricFamily]:
        """See `Collector`."""
        families: dict[str, GaugeMetricFamily | CounterMetricFamily] = {}
        for metric, value, labels in samples(self._observed):
            family = families.get(metric.name)
            if family is None:
                kind = GaugeMetricFamily if metric.kind == "gauge" else CounterMetricFamily
                family = families[metric.name] = kind(metric.name, metric.help, labels=metric.labels)
            family.add_metric(labels, value)
        yield from families.values()
        yield _waits(self._observed.mounts)


def _waits(mounts: Mounts) -> HistogramMetricFamily:
    """Of all mounts that the kernel knows."""
    metric = names.MOUNT_WAITS
    family = HistogramMetricFamily(metric.name, metric.help, labels=metric.labels)
    for mount in mounts.all():
        _, requests = mount.counts()
        for cause, histogram in requests.waits.items() if requests else ():
            family.add_metric([mount.mount_id, cause], list(_buckets(histogram)), histogram.sum_seconds)
    return family


def _buckets(histogram: Histogram) -> Iterator[tuple[str, float]]:
    """As Prometheus has them: each with all that are smaller."""
    bounds = (*map(str, BOUNDS_SECONDS), "+Inf")
    return zip(bounds, accumulate(histogram.counts), strict=True)


def samples(observed: Observed) -> Iterator[Sample]:
    """Everything there is to say now."""
    yield names.BUILD_INFO, 1, (observed.version, observed.node, observed.zone)
    yield from _mounts(observed.mounts)
    keeper = observed.keeper_connected()
    if keeper is not None:
        yield names.KEEPER_CONNECTED, keeper, ()
    if observed.instances is not None:
        of_instances = Counter(instance.state for instance in observed.instances.all())
        yield from ((names.INSTANCES, of_instances[state], (state,)) for state in InstanceState)
    states = Counter(job.state for job in observed.prewarms.all())
    yield from ((names.PREWARMS, states[state], (state,)) for state in PrewarmState)
    errors = [job.eta_error_ratio for job in observed.prewarms.all() if job.eta_error_ratio is not None]
    yield from ((names.PREWARM_ETA_ERROR, error, ()) for error in errors[-1:])
    yield from _store(observed.store())
    yield from _fetcher(observed.fetcher())
    peers = observed.peers()
    if peers is not None:
        yield from peer_metrics.samples(peers)


def _mounts(mounts: Mounts) -> Iterator[Sample]:
    states = Counter(mount.state for mount in mounts.all())
    yield from ((names.MOUNTS, states[state], (state,)) for state in MountState)
    yield names.MOUNTS_ADOPTED, mounts.adopted, ()
    for mount in mounts.all():
        label = mount.mount_id
        counts, requests = mount.counts()
        yield names.MOUNT_INFO, 1, (label, mount.source.uri, str(mount.target))
        yield names.MOUNT_BYTES, counts.total, (label,)
        yield names.MOUNT_AMPLIFICATION, counts.from_origin / max(1, counts.total), (label,)
        yield names.MOUNT_FETCHED, counts.from_origin, (label, "origin")
        yield names.MOUNT_FETCHED, counts.from_peers, (label, "peer")
        yield names.MOUNT_REFRESH_FAILURES, mount.refresh_failures, (label,)
        if requests is not None:
            yield from _fuse(label, requests)


def _fuse(mount: str, statistics: FuseStatistics) -> Iterator[Sample]:
    for operation, count in statistics.requests.items():
        yield names.FUSE_REQUESTS, count, (mount, operation.lower())
    yield names.FUSE_READS, statistics.delivered_reads, (mount,)
    yield names.FUSE_WAITED_READS, statistics.waited_reads, (mount,)
    yield names.FUSE_DELIVERED, statistics.delivered_bytes, (mount,)
    yield names.FUSE_ERRORS, statistics.errors, (mount,)
    yield names.FUSE_OPENS, statistics.cached_opens, (mount, "cached")
    yield names.FUSE_OPENS, statistics.passthrough_opens, (mount, "passthrough")


def _store(statistics: StoreStatistics) -> Iterator[Sample]:
    yield from _tiers(statistics.tiers)
    yield names.STORE_EVICTIONS, statistics.evictions, ()
    yield names.STORE_EVICTED_BYTES, statistics.evicted_bytes, ()
    yield names.STORE_EVICTED_CHUNKS, statistics.evicted_chunks, ()
    yield names.STORE_DEMOTIONS, statistics.demotions, ()
    yield names.STORE_DEMOTED_BYTES, statistics.demoted_bytes, ()
    yield names.STORE_CORRUPT_CHUNKS, statistics.corrupt_chunks, ()
    yield names.STORE_CORRUPT_BLOBS, statistics.corrupt_blobs, ()
    yield names.STORE_DROPPED_BLOBS, statistics.dropped_blobs, ()
    yield names.STORE_NO_SPACE, statistics.no_space, ()
    yield names.STORE_VERIFIED_BYTES, statistics.verified_bytes, ()


def _tiers(tiers: Iterable[TierStatistics]) -> Iterator[Sample]:
    for tier in tiers:
        label = (str(tier.path),)
        yield names.TIER_CAPACITY, tier.capacity_bytes, label
        yield names.TIER_USED, tier.used_bytes, label
        yield names.TIER_FREE, tier.free_bytes, label
        yield names.TIER_BLOBS, tier.blobs, label
        yield names.TIER_UP, not tier.trouble, label
        yield names.TIER_FAULTS, tier.faults, label


def _fetcher(statistics: FetchStatistics) -> Iterator[Sample]:
    for source, size_bytes in statistics.bytes_by_source.items():
        yield names.FETCHED_BYTES, size_bytes, (source,)
    yield names.FETCH_WAITS, statistics.waits, ()
    yield names.FETCH_WAIT_SECONDS, statistics.wait_seconds, ()
    yield names.FETCH_FAILED_READS, statistics.failed_reads, ()
    yield names.FETCH_RETRIES, statistics.retries, ()
    yield names.FETCH_THROTTLES, statistics.throttles, ()
    yield names.FETCH_PEER_FAILURES, statistics.peer_failures, ()
    yield names.FETCH_CORRUPT_OBJECTS, statistics.corrupt_objects, ()
    yield names.FETCH_OVERFLOW_HITS, statistics.overflow_hits, ()
    yield names.FETCH_STORE_FAULTS, statistics.store_faults, ()
    yield names.FETCH_PARKED, statistics.parked_reads, ()
    yield names.FETCH_SPANS, statistics.spans_in_flight, ()
    yield names.FETCH_QUEUED, statistics.chunks_queued, ()
    yield names.FETCH_OVERFLOW_BYTES, statistics.overflow_bytes, ()
    yield names.FETCH_MEMORY, statistics.in_flight_memory_bytes, ()
    for origin, load in statistics.origins.items():
        yield names.ORIGIN_LIMIT, load.limit, (origin,)
        yield names.ORIGIN_RUNNING, load.running, (origin,)
        yield names.ORIGIN_DOWN, load.down, (origin,)
