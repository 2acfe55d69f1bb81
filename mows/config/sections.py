"""What can be configured, section by section, except origins and peers, which have files of their own."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mows.config.binding import Unusable, setting
from mows.config.csi import CsiSection
from mows.config.origins import OriginRule
from mows.config.peers import PeersSection, Tls
from mows.units import SOCKET_MODE, Address, Bytes, FileMode, Seconds, format_bytes, format_seconds, is_loopback

PAGE_BYTES = 4096
MIN_CHUNK_BYTES = Bytes(64 << 10)
MAX_CHUNK_BYTES = Bytes(1 << 30)
MIN_CHUNKS_IN_FLIGHT = 4
"""Fewer could not hold what two readers and their read-ahead need to make progress."""


@dataclass(frozen=True, slots=True)
class NodeSection:
    """Who this node is, and where it keeps what must survive a restart."""

    id: str = setting(
        factory=socket.gethostname, shown="the host name", doc="Name of this node in logs, metrics and among peers."
    )
    zone: str | None = setting(None, doc="Failure or network zone. Peers of the same zone are preferred.")
    state_dir: Path = setting(
        Path("/var/lib/mows"),
        doc="Leases, locks and NAS mounts. One daemon each: a second one on the same directory is refused.",
    )


@dataclass(frozen=True, slots=True)
class ApiSection:
    """Where the REST API listens."""

    socket: Path = setting(
        Path("/run/mows/mows.sock"),
        doc="Unix socket: whoever may open it may mount. The command line uses it.",
    )
    socket_mode: FileMode = setting(
        SOCKET_MODE, doc="Permissions of the socket, in quotes. Writing is what opening it takes."
    )
    socket_group: str | None = setting(
        None, doc="Group of the socket, by name or number, for a controller that is not root. null: the daemon's."
    )
    listen: Address | None = setting(
        None,
        doc="TCP address, for example `0.0.0.0:9301`. Beyond loopback it needs `token_file` or `tls.ca`. null: no TCP.",
    )
    token_file: Path | None = setting(
        None,
        doc="File with the bearer token that TCP callers must send, or with one `name:token` a line for each caller: "
        "the name is in the audit log. It is read again when it changes.",
    )
    tls: Tls | None = setting(
        None,
        doc="Certificate and key for the TCP address; with `ca`, callers need a certificate, too. Read again when a "
        "file changes. null: plain HTTP, in which a token can be read on the way.",
    )
    insecure: bool = setting(
        False,  # noqa: FBT003 a default
        doc="Allow a TCP address beyond loopback to which anybody may talk. For isolated test networks only.",
    )

    def __post_init__(self) -> None:
        if self.listen is None or is_loopback(self.listen) or self.insecure:
            return
        if self.token_file is None and (self.tls is None or self.tls.ca is None):
            raise Unusable(
                "listen",
                f"{self.listen!r} can be reached from other machines, and callers need neither token nor certificate",
                hint="set api.token_file or api.tls.ca, or listen on 127.0.0.1; on an isolated network, "
                "api.insecure: true",
            )


@dataclass(frozen=True, slots=True)
class TierSection:
    """One directory that holds blobs: memory (tmpfs) or disk."""

    path: Path = setting(doc="The directory. It is created if need be, and belongs to one daemon alone.")
    capacity_bytes: Bytes = setting(
        key="capacity", doc="The most that blobs may take here, in allocated blocks. At most the file system's size."
    )
    min_free_bytes: Bytes = setting(
        Bytes(0), key="min_free", doc="Free space that is left to others on this file system; blobs are evicted for it."
    )
    huge_pages: Literal["auto", "on", "off"] = setting(
        "auto",
        doc="`on`: a new tier on tmpfs gets a tmpfs of its own with huge pages, mounted on `path`, if the daemon may "
        "mount: filling it takes a seventh of the processor time. It stays when the daemon stops, like the blobs in "
        "it; `umount` of `path` gives the memory back. `auto`: the same, but not in a virtual machine that reports "
        "free pages to its host, where the first use of a huge page is slow.",
    )


@dataclass(frozen=True, slots=True)
class CacheSection:
    """Where blobs are kept, and how they are cut."""

    tiers: tuple[TierSection, ...] = setting(doc="The tiers, fastest first. At least one.")
    chunk_bytes: Bytes = setting(
        Bytes(8 << 20),
        doc="Size of a chunk: the unit of fetching, hashing and sharing. It is part of a blob's identity, so a change "
        "makes the cache cold. 8 MiB keep a chunk at some 3 to 10 ms of a 10 to 25 Gbit/s link.",
    )

    def __post_init__(self) -> None:
        if not self.tiers:
            raise Unusable(
                "tiers", "there is no tier", hint="name at least one: {path: /var/cache/mows, capacity: 200GiB}"
            )
        if not MIN_CHUNK_BYTES <= self.chunk_bytes <= MAX_CHUNK_BYTES or self.chunk_bytes % PAGE_BYTES:
            raise Unusable(
                "chunk_bytes",
                f"{format_bytes(self.chunk_bytes)} is not a multiple of {PAGE_BYTES} between 64KiB and 1GiB",
                hint="leave it at 8MiB unless a benchmark of yours says otherwise",
            )


@dataclass(frozen=True, slots=True)
class FetchSection:
    """How missing bytes are fetched. Limits that matter on small machines or slow origins; the rest needs no knob."""

    memory: Bytes = setting(
        Bytes(256 << 20),
        doc="Memory for data in flight, at least four chunks. Fetching slows down when it is used up; it never grows.",
    )
    max_concurrency: int = setting(
        64,
        doc="The most requests in flight to one origin. 64 at some 150 MB/s each carry more than most network cards.",
    )
    read_deadline: Seconds = setting(
        Seconds(60), doc="A read is answered within this time, with data or with an error."
    )
    read_ahead: Bytes = setting(
        Bytes(2 << 30),
        doc="How far to fetch ahead of a reader, into the files that engines read next too ("
        "of these, at most half of the largest tier).",
    )
    stop_timeout: Seconds = setting(Seconds(5), doc="How long a stop waits for requests that are being answered.")

    def __post_init__(self) -> None:
        if self.max_concurrency < 1:
            raise Unusable(
                "max_concurrency", "0 requests at once fetch nothing", hint="use 1 or more; 64 is the default"
            )


@dataclass(frozen=True, slots=True)
class MountsSection:
    """Where mounts may appear, and how fresh they are."""

    allowed_roots: tuple[Path, ...] = setting(
        (Path("/var/lib/mows/mounts"),), doc="Mount paths must lie in one of these, after symbolic links are resolved."
    )
    allowed_sources: tuple[str, ...] | None = setting(
        None,
        doc="What may be mounted, prewarmed and listed: beginnings of source URIs by whole names, such as "
        "`oss://bucket/team-a/` or `s3://`. Of `file` sources, what symbolic links lead to must be allowed, too. null: "
        "what an entry of `origins` matches; where `origins` is empty, everything this machine can reach.",
    )
    refresh: Seconds | None = setting(
        Seconds(600),
        doc="How often a mount lists its source again, to show new, changed and deleted objects. One request per 1,000 "
        "objects. A mount may say its own `refresh_seconds`. null or 0: never.",
    )
    listing_timeout: Seconds = setting(Seconds(120), doc="The most that one listing of a source may take.")
    max_objects: int = setting(
        100_000,
        doc="The most objects that one source may have. Each costs 0.9 KiB of memory while it is mounted, and 1.3 KiB "
        "while it is listed.",
    )
    drain: Seconds = setting(
        Seconds(10),
        doc="How long open files are served after an unmount. Those the kernel reads alone go on for ever.",
    )

    def __post_init__(self) -> None:
        for index, prefix in enumerate(self.allowed_sources or ()):
            if "://" not in prefix:
                hint = 'write it as "oss://bucket/" or "file:///srv/models/"'
                raise Unusable(f"allowed_sources[{index}]", f"{prefix!r} is not the beginning of a URI", hint=hint)
        if self.max_objects < 1:
            raise Unusable("max_objects", "0 objects are nothing to mount", hint="use 1 or more; 100000 is the default")


@dataclass(frozen=True, slots=True)
class FuseSection:
    """How mounts are served to the kernel."""

    threads: int = setting(4, doc="Device threads per mount. They never wait for the network, so few suffice.")
    passthrough: Literal["auto", "on", "off"] = setting(
        "auto",
        doc="Whether the kernel reads complete files without the daemon (Linux 6.9 and later). `auto`: if it can; "
        "`on`: refuse to mount if it cannot; `off`: not even then.",
    )
    read_ahead: Bytes = setting(
        Bytes(4 << 20), doc="The kernel's read-ahead per mount. Its own default, 128KiB, halves the buffered rate."
    )
    allow_other: bool = setting(
        True,  # noqa: FBT003 a default
        doc="Whether users other than the daemon's may read mounts. Containers need it.",
    )

    def __post_init__(self) -> None:
        if self.threads < 1:
            raise Unusable("threads", "0 threads answer nothing", hint="use 1 or more; 4 is enough for most nodes")


@dataclass(frozen=True, slots=True)
class PrewarmSection:
    """Filling the cache ahead of need."""

    files_at_once: int = setting(
        4,
        doc="Files that one prewarm or warm mount fills at the same time, so that the tail of one overlaps the next.",
    )
    lease: Seconds = setting(
        Seconds(3600), doc="How long prewarmed files stay pinned when the request does not say. Evictions respect it."
    )
    keep_finished: Seconds = setting(Seconds(3600), doc="How long the record of a finished prewarm can be asked for.")

    def __post_init__(self) -> None:
        if self.files_at_once < 1:
            raise Unusable("files_at_once", "0 files at once never finish", hint="use 1 or more")


@dataclass(frozen=True, slots=True)
class DaemonSection:
    """The process itself."""

    stop_timeout: Seconds = setting(
        Seconds(30),
        doc="How long SIGTERM may take: stop taking work, unmount, close. Set Kubernetes' grace period above it.",
    )
    keeper: Path | None = setting(
        None,
        doc="Socket of the keeper (`python -m mows.keeper --socket PATH`), for example `/run/mows/keeper.sock`. It "
        "holds the mounts while no daemon runs: after a crash, or after SIGTERM, the next daemon goes on with them, "
        "and readers only wait. One keeper for each daemon. null: mounts end with the daemon.",
    )


@dataclass(frozen=True, slots=True)
class LogSection:
    """What is written to standard error."""

    format: Literal["json", "text"] = setting("json", doc="One JSON object a line, or key=value text for people.")
    level: Literal["debug", "info", "warning", "error"] = setting("info", doc="The least that is written.")


@dataclass(frozen=True, slots=True)
class TracingSection:
    """Traces of loads, for people who have a collector anyhow."""

    endpoint: str | None = setting(
        None,
        doc="OTLP over HTTP, for example `http://otel-collector:4318/v1/traces`: a span for each mount, each open, and "
        "each request to an origin or a peer. Needs the extra `otel` (`pip install mows[otel]`). null: no traces, at "
        "no cost.",
    )


@dataclass(frozen=True, slots=True)
class Config:
    """`mows.yaml`."""

    cache: CacheSection = setting(doc="at least cache.tiers must be given")
    node: NodeSection = setting(factory=NodeSection, doc="")
    api: ApiSection = setting(factory=ApiSection, doc="")
    origins: tuple[OriginRule, ...] = setting((), doc="")
    fetch: FetchSection = setting(factory=FetchSection, doc="")
    mounts: MountsSection = setting(factory=MountsSection, doc="")
    fuse: FuseSection = setting(factory=FuseSection, doc="")
    prewarm: PrewarmSection = setting(factory=PrewarmSection, doc="")
    peers: PeersSection = setting(factory=PeersSection, doc="")
    csi: CsiSection = setting(factory=CsiSection, doc="")
    daemon: DaemonSection = setting(factory=DaemonSection, doc="")
    log: LogSection = setting(factory=LogSection, doc="")
    tracing: TracingSection = setting(factory=TracingSection, doc="")

    def __post_init__(self) -> None:
        if self.mounts.drain >= self.daemon.stop_timeout:
            raise Unusable(
                "mounts.drain",
                f"{format_seconds(self.mounts.drain)} is not below daemon.stop_timeout",
                hint="raise daemon.stop_timeout, or lower mounts.drain",
            )
        if self.fetch.memory < MIN_CHUNKS_IN_FLIGHT * self.cache.chunk_bytes:
            raise Unusable(
                "fetch.memory",
                f"{format_bytes(self.fetch.memory)} holds fewer than {MIN_CHUNKS_IN_FLIGHT} chunks of "
                f"{format_bytes(self.cache.chunk_bytes)}",
                hint="raise fetch.memory, or lower cache.chunk_bytes",
            )
        if self.peers.wanted:
            self._check_peers()

    def _check_peers(self) -> None:
        chunk_bytes, peers = self.cache.chunk_bytes, self.peers
        if peers.bytes_in_flight < chunk_bytes:
            raise Unusable(
                "peers.bytes_in_flight",
                f"{format_bytes(peers.bytes_in_flight)} holds not even one chunk of {format_bytes(chunk_bytes)}",
                hint="raise peers.bytes_in_flight; 256MiB is the default",
            )
        if peers.uplink is not None and peers.uplink < chunk_bytes:
            raise Unusable(
                "peers.uplink",
                f"{format_bytes(peers.uplink)} per second are less than one chunk of {format_bytes(chunk_bytes)}",
                hint="write bytes per second, for example 1GiB; null: no limit",
            )
