"""In-memory twins of the daemon's ports, and a node built from them: no network, no kernel mount, no cache on disk."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cachefs.errors import CacheError, InvalidTarget
from cachefs.fetch.pace import Pace
from cachefs.fetch.statistics import FetchStatistics
from cachefs.fs import Account, FileNode, Shown, Snapshot
from cachefs.fuse import FuseStatistics
from cachefs.fuse.wait_histogram import NO_WAITS, Histogram
from cachefs.origin import Source
from cachefs.origin.memory import MemoryOrigin
from cachefs.ports import Origin
from cachefs.store import BlobStatus, StoreStatistics, TierStatistics
from cachefs.types import BlobId, BlobKey, ObjectInfo, Priority
from mows.api.services import NodeIdentity, Services
from mows.cache_admin import CacheAdmin
from mows.eas import StorageSettings
from mows.filling import Filler
from mows.instance_ends import Clocks
from mows.instance_records import InstanceRecords
from mows.instances import Instances
from mows.metrics import Metrics, Observed
from mows.mount import MountServices, MountSettings
from mows.mount_records import MountRecords
from mows.mounts import Mounts
from mows.pins import Pins
from mows.placement import Inspector
from mows.pods import Pods
from mows.ports import MountPlace
from mows.prewarm import PrewarmServices
from mows.prewarm_records import PrewarmRecords
from mows.prewarms import Prewarms
from mows.sources import Lister
from peer.statistics import PeerStatistics

CHUNK_BYTES = 4096
TIER = Path("/tier")
SOURCE = "memory://bucket/model/"


@dataclass
class Clock:
    """Time that passes when a test says so."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class MemoryOrigins:
    """One origin for every source. `users` tells how many use it now."""

    origin: MemoryOrigin = field(default_factory=MemoryOrigin)
    users: int = 0
    error: CacheError | None = None

    @contextlib.contextmanager
    def use(self, source: Source) -> Iterator[Origin]:
        if self.error is not None:
            raise self.error
        self.users += 1
        try:
            yield self.origin
        finally:
            self.users -= 1


@dataclass
class MemoryCache:
    """Implements ObjectCache, Pinning and BlobStore over a dict. `gate` holds every warm until it is set."""

    blobs_by_id: dict[BlobId, BlobKey] = field(default_factory=dict)
    resident: set[BlobId] = field(default_factory=set)
    pinned: set[BlobId] = field(default_factory=set)
    promised: dict[str, list[ObjectInfo]] = field(default_factory=dict)
    bad_chunks: dict[BlobId, list[int]] = field(default_factory=dict)
    failures: dict[str, Exception] = field(default_factory=dict)
    """Key of an object -> what warming or pinning it raises."""
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    warming: list[str] = field(default_factory=list)
    paces: list[Pace | None] = field(default_factory=list)
    started: asyncio.Queue[str] = field(default_factory=asyncio.Queue)
    unpinned: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.gate.set()

    def blob_id(self, info: ObjectInfo) -> BlobId:
        return BlobKey.of(info, CHUNK_BYTES).blob_id

    def resident_bytes(self, info: ObjectInfo) -> int:
        return info.size_bytes if self.blob_id(info) in self.resident else 0

    async def warm(
        self,
        info: ObjectInfo,
        origin: Origin,
        *,
        account: Account,
        priority: Priority = Priority.PREWARM,
        pace: Pace | None = None,
    ) -> None:
        self.paces.append(pace)
        self.warming.append(info.key)
        self.started.put_nowait(info.key)
        await self.gate.wait()
        if info.key in self.failures:
            raise self.failures[info.key]
        blob_id = self.add(info)
        if blob_id not in self.resident:
            self.resident.add(blob_id)
            account("origin", info.size_bytes)

    def add(self, info: ObjectInfo) -> BlobId:
        blob_id = self.blob_id(info)
        self.blobs_by_id[blob_id] = BlobKey.of(info, CHUNK_BYTES)
        return blob_id

    def admit(self, infos: Sequence[ObjectInfo], holder: str) -> None:
        if "admit" in self.failures:
            raise self.failures["admit"]
        self.promised[holder] = list(infos)

    def dismiss(self, holder: str) -> None:
        self.promised.pop(holder, None)

    def pin_object(self, info: ObjectInfo) -> BlobId:
        if f"pin {info.key}" in self.failures:
            raise self.failures[f"pin {info.key}"]
        blob_id = self.add(info)
        self.pinned.add(blob_id)
        return blob_id

    def pin(self, blob_id: BlobId) -> bool:
        if blob_id in self.blobs_by_id:
            self.pinned.add(blob_id)
        return blob_id in self.blobs_by_id

    def unpin(self, blob_id: BlobId) -> None:
        self.pinned.discard(blob_id)
        self.unpinned.set()

    def blobs(self) -> list[BlobStatus]:
        return [self._status(blob_id, key) for blob_id, key in self.blobs_by_id.items()]

    def evict(self, blob_id: BlobId) -> bool:
        if blob_id in self.pinned or blob_id not in self.blobs_by_id:
            return False
        del self.blobs_by_id[blob_id]
        self.resident.discard(blob_id)
        return True

    def verify(self, blob_id: BlobId) -> list[int]:
        if blob_id not in self.blobs_by_id:
            raise KeyError(blob_id)
        return self.bad_chunks.get(blob_id, [])

    def statistics(self) -> StoreStatistics:
        tier = TierStatistics(TIER, 1 << 30, 0, 0, 1 << 40, len(self.blobs_by_id), 0)
        return StoreStatistics((tier,), 0, 0, 0, 0, 0, 0, 0)

    def _status(self, blob_id: BlobId, key: BlobKey) -> BlobStatus:
        sealed = blob_id in self.resident
        size = key.size_bytes if sealed else 0
        return BlobStatus(blob_id, key, TIER, size, size, sealed, 0, blob_id in self.pinned, 1000.0)


@dataclass
class MemoryKernelMount:
    """A mount in no kernel."""

    mounter: MemoryMounter
    target: Path
    snapshot: Snapshot
    passthrough: bool = True
    keeps: bool = False
    left: bool = False

    def kept(self) -> bool:
        return self.keeps

    def show(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot

    def unlisted_after(self, snapshot: Snapshot) -> tuple[FileNode, ...]:
        return tuple(node for node in self.snapshot.files() if node.attributes.ino not in snapshot.nodes)

    def statistics(self) -> FuseStatistics:
        return FuseStatistics({"LOOKUP": 2}, 1, 4096, 0, 1, 3, waits=self.mounter.waits)

    def stop(self, *, timeout_seconds: float) -> None:
        del self.mounter.mounts[self.target]
        if self.mounter.stop_error is not None:
            raise self.mounter.stop_error

    def leave(self, *, timeout_seconds: float) -> None:
        self.left = True
        self.mounter.left[self.target] = self.mounter.mounts.pop(self.target)


@dataclass
class MemoryMounter:
    """Mounts by target. `occupied` are targets that another program has mounted on."""

    mounts: dict[Path, MemoryKernelMount] = field(default_factory=dict)
    occupied: set[Path] = field(default_factory=set)
    left: dict[Path, MemoryKernelMount] = field(default_factory=dict)
    """What a daemon left to the next one, by target."""
    taken_away: list[Path] = field(default_factory=list)
    keeps: bool = False
    """Whether there is a keeper."""
    waits: Mapping[str, Histogram] = field(default_factory=lambda: NO_WAITS)
    """What reads of all mounts waited for."""
    error: Exception | None = None
    stop_error: Exception | None = None

    def check(self, target: Path) -> None:
        if target in self.occupied:
            raise InvalidTarget(f"{target}: something is mounted there already", hint="unmount it")

    def mount(self, place: MountPlace, shown: Shown, origin: Origin, account: Account) -> MemoryKernelMount:
        self.check(place.target)
        if self.error is not None:
            raise self.error
        mount = self.mounts[place.target] = MemoryKernelMount(self, place.target, shown.snapshot, keeps=self.keeps)
        return mount

    def take_over(self, place: MountPlace, shown: Shown, origin: Origin, account: Account) -> MemoryKernelMount | None:
        if place.target not in self.left:
            return None
        del self.left[place.target]
        return self.mount(place, shown, origin, account)

    def take_away(self, place: MountPlace) -> None:
        self.left.pop(place.target, None)
        self.taken_away.append(place.target)

    def sweep(self, known: Collection[str]) -> None:
        pass


@dataclass
class MemoryPeers:
    """What a node without a network says of its peers."""

    statistics: PeerStatistics | None = None

    def __call__(self) -> PeerStatistics | None:
        return self.statistics


@dataclass
class Node:
    """A daemon's services over twins."""

    root: Path
    """The one allowed root."""
    origins: MemoryOrigins
    cache: MemoryCache
    mounter: MemoryMounter
    pins: Pins
    mounts: Mounts
    instances: Instances
    prewarms: Prewarms
    prewarm_services: PrewarmServices
    prewarm_records: PrewarmRecords
    clock: Clock
    now: Clock
    services: Services
    peers: MemoryPeers

    def put_model(self) -> dict[str, ObjectInfo]:
        """Two shards and a small file below `SOURCE`."""
        files = {"a.safetensors": b"a" * 10_000, "b.safetensors": b"b" * 20_000, "config.json": b"{}"}
        return {name: self.origins.origin.put(f"model/{name}", data) for name, data in files.items()}


FETCH_STATISTICS = FetchStatistics(
    bytes_by_source={"origin": 5},
    waits=0,
    wait_seconds=0.0,
    failed_reads=0,
    retries=0,
    peer_failures=0,
    throttles=0,
    store_faults=0,
    corrupt_objects=0,
    overflow_hits=0,
    parked_reads=0,
    spans_in_flight=0,
    chunks_queued=0,
    in_flight_memory_bytes=0,
    overflow_bytes=0,
    origins={},
)


@contextlib.asynccontextmanager
async def running_node(directory: Path) -> AsyncIterator[Node]:
    """A node on the running loop; nothing of it is left at the end."""
    root = directory / "mounts"
    root.mkdir()
    clock, now = Clock(), Clock()
    origins, cache, mounter = MemoryOrigins(), MemoryCache(), MemoryMounter()
    pins = Pins(cache, directory / "leases.json", now=now, monotonic=clock)
    lister = Lister(origins, timeout_seconds=10.0)
    filler = Filler(cache, files_at_once=2, clock=clock)
    settings = MountSettings(lease_seconds=3600.0, refresh_seconds=0.0, drain_seconds=0.0)
    records = MountRecords(directory / "records", "this boot")
    mounts = Mounts(MountServices(origins, lister, mounter, cache, filler, pins, settings, records, clock), [root])
    instances = Instances(
        mounts,
        InstanceRecords(directory / "instances", "this boot"),
        StorageSettings(root, lambda _: None),
        filler.rate,
        Clocks(clock, now),
        Pods(directory / "kubelet"),
    )
    prewarm_services = PrewarmServices(origins, lister, cache, filler, pins, clock, verify=cache.verify)
    prewarm_records = PrewarmRecords(directory / "prewarms")
    prewarms = Prewarms(
        prewarm_services, prewarm_records, lease_seconds=3600.0, keep_finished_seconds=60.0, wall_clock=now
    )
    peers = MemoryPeers()
    observed = Observed(
        "1.2.3",
        "node-a",
        "z1",
        cache.statistics,
        lambda: FETCH_STATISTICS,
        mounts,
        prewarms,
        peers,
        instances=instances,
    )
    stopping = asyncio.Event()
    services = Services(
        identity=NodeIdentity("node-a", "z1", "1.2.3", CHUNK_BYTES, peers_configured=False),
        mounts=mounts,
        instances=instances,
        prewarms=prewarms,
        cache=CacheAdmin(cache, pins, stopping=stopping.is_set),
        inspector=Inspector(lister, cache, filler),
        metrics=Metrics(observed),
        check_ready=lambda: None,
        stopping=stopping,
        fetching=lambda: FETCH_STATISTICS,
        peers=peers,
    )
    try:
        yield Node(
            root,
            origins,
            cache,
            mounter,
            pins,
            mounts,
            instances,
            prewarms,
            prewarm_services,
            prewarm_records,
            clock,
            now,
            services,
            peers,
        )
    finally:
        cache.gate.set()
        await prewarms.close()
        await instances.close()
        await mounts.close()
        assert mounter.mounts == {}
        assert cache.promised == {}
        assert origins.users == 0
