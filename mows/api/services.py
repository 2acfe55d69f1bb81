"""What the routes work with. The composition root fills it in."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from cachefs.fetch.statistics import FetchStatistics
from mows.audit import Audit, NoAudit
from mows.cache_admin import CacheAdmin
from mows.debug import Debug
from mows.instances import Instances
from mows.metrics import Metrics
from mows.mounts import Mounts
from mows.peer_report import PeerReport, no_peers
from mows.placement import Inspector
from mows.prewarms import Prewarms
from mows.recent_failures import Failure


@dataclass(frozen=True, slots=True)
class NodeIdentity:
    """Which daemon answers."""

    node: str
    zone: str | None
    version: str
    chunk_bytes: int
    peers_configured: bool


@dataclass(frozen=True, slots=True)
class Services:
    """One daemon's services."""

    identity: NodeIdentity
    mounts: Mounts
    instances: Instances
    prewarms: Prewarms
    cache: CacheAdmin
    inspector: Inspector
    metrics: Metrics
    check_ready: Callable[[], None]
    """Blocking, quick. Raises NotReady."""
    stopping: asyncio.Event
    """Set when the daemon begins to stop: it is not ready then, and streams end."""
    fetching: Callable[[], FetchStatistics]
    failures: Callable[[], list[Failure]] = list
    """What went wrong lately, the latest first."""
    peers: PeerReport = no_peers
    debug: Debug | None = None
    """Asked on the Unix socket only. None: there is nothing to ask (in tests)."""
    began_at: float = field(default_factory=time.monotonic)
    audit: Audit = field(default_factory=NoAudit)
    """Every REST call that changes something is recorded already; see `mows.audit`."""
