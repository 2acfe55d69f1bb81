"""What the routes work with. The composition root fills it in."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from mows.audit import Audit, NoAudit
from mows.cache_admin import CacheAdmin
from mows.debug import Debug
from mows.metrics import Metrics
from mows.mounts import Mounts
from mows.peer_report import PeerReport, no_peers
from mows.placement import Inspector
from mows.prewarms import Prewarms


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
    prewarms: Prewarms
    cache: CacheAdmin
    inspector: Inspector
    metrics: Metrics
    check_ready: Callable[[], None]
    """Blocking, quick. Raises NotReady."""
    stopping: asyncio.Event
    """Set when the daemon begins to stop: it is not ready then, and streams end."""
    peers: PeerReport = no_peers
    debug: Debug | None = None
    """Asked on the Unix socket only. None: there is nothing to ask (in tests)."""
    audit: Audit = field(default_factory=NoAudit)
    """Every REST call that changes something is recorded already; see `mows.audit`."""
