"""What serves mounts: the store, the fetcher, the mounts. The part of the composition root that comes first.

When a daemon takes over from another one, readers wait until this is built and the mounts are restored. So it imports
nothing that serving does not need: no peers, no REST, no SDK of an origin (`mows.front` and the origins bring those).
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cachefs.faults import Faults
from cachefs.fetch import Fetcher
from cachefs.operations import Operations
from cachefs.origin import OriginSettings, Source
from cachefs.ports import Origin
from cachefs.store import Demoter, Store
from cachefs.store.catalog import unknown_copies
from cachefs.store.meta import read_boot_id
from mows import logs, settings
from mows.audit import NAME as AUDIT_NAME
from mows.audit import Audit, AuditLog
from mows.config import Config, rule_for
from mows.eas import StorageSettings
from mows.filling import Filler
from mows.handed_keys import HandedKeys
from mows.instance_ends import Clocks
from mows.instance_records import InstanceRecords
from mows.instances import Instances
from mows.keeping import Keeper, Keeping
from mows.kernel_mounts import FuseMounter
from mows.late_exchange import LateExchange
from mows.mount import MountServices
from mows.mount_records import MountRecords
from mows.mounts import Mounts
from mows.origins import OriginPool
from mows.pins import Pins
from mows.pods import Pods
from mows.ports import Mounter
from mows.recent_failures import Failure, recent_failures
from mows.redaction import Redactor, secrets_of
from mows.source_policy import SourcePolicy
from mows.sources import Lister
from mows.state_dir import locked
from mows.store_pins import StorePins
from mows.tiers import look_after, open_store
from mows.tracing import tracing
from mows.watchdog import Watchdog
from peer.tasks import running

LEASES_NAME = "leases.json"
MOUNTS_NAME = "mounts"
INSTANCES_NAME = "instances"


@dataclass(frozen=True, slots=True)
class Core:
    """One daemon's, without the world around it."""

    config: Config
    faults: Faults | None
    operations: Operations
    redact: Redactor
    audit: Audit
    recent: Callable[[], list[str]]
    """The last lines of the log."""
    failures: Callable[[], list[Failure]]
    store: Store
    origins: OriginPool
    fetcher: Fetcher
    exchange: LateExchange | None
    """None: this node has no peers."""
    pins: Pins
    lister: Lister
    filler: Filler
    keeping: Keeping | None
    mounter: Mounter
    handed_keys: HandedKeys
    mounts: Mounts
    instances: Instances
    may_fill: asyncio.Event
    """Restored mounts go on warming once it is set."""

    def keeper_connected(self) -> bool | None:
        """Whether the keeper answers; None: there is to be none."""
        return None if self.keeping is None else self.keeping.connected


def wall_clock(faults: Faults | None) -> Callable[[], float]:
    """Unix time; with planned faults it may jump."""
    return faults.time if faults else time.time


async def open_core(
    config: Config, faults: Faults | None, outer: contextlib.AsyncExitStack, stack: contextlib.AsyncExitStack
) -> Core:
    """Build it on the running loop. `stack` takes it apart, but for what is left to `outer`, which ends later.

    Raises DaemonRunning, ConfigError, StoreError.
    """
    outer.enter_context(locked(config.node.state_dir))
    redact = Redactor(secrets_of(config))
    operations = Operations(logs.bound_fields, outer.enter_context(tracing(config, redact)))
    recent = outer.enter_context(logs.recent(redact))
    failures = outer.enter_context(recent_failures(redact))
    outer.enter_context(Watchdog(operations.running))
    now = wall_clock(faults)
    exchange = LateExchange() if config.peers.wanted else None
    copies = exchange.copies if exchange else unknown_copies
    store = await asyncio.to_thread(open_store, config, faults, now, copies)
    outer.push_async_callback(asyncio.to_thread, store.close)
    demoter = Demoter(store)
    demoter.start()
    outer.push_async_callback(asyncio.to_thread, demoter.stop)
    await outer.enter_async_context(running(look_after(store, config), "tiers"))
    handed_keys = HandedKeys()
    policy = SourcePolicy(config.mounts.allowed_sources, config.origins)
    origins = OriginPool(
        functools.partial(_open_origin, config.node.state_dir, faults, handed_keys),
        functools.partial(_origin_settings, config, policy),
    )
    outer.push_async_callback(asyncio.to_thread, origins.close)
    fetcher = await stack.enter_async_context(
        Fetcher(store, settings.fetch_settings(config), exchange=exchange, operations=operations)
    )
    pins = Pins(StorePins(store), config.node.state_dir / LEASES_NAME, now=now)
    await pins.restore()
    lister = Lister(
        origins,
        timeout_seconds=config.mounts.listing_timeout,
        max_objects=config.mounts.max_objects,
        operations=operations,
    )
    filler = Filler(fetcher, files_at_once=config.prewarm.files_at_once)
    boot_id = read_boot_id()
    records = MountRecords(config.node.state_dir / MOUNTS_NAME, boot_id)
    keeping = await asyncio.to_thread(_open_keeping, config.daemon.keeper, stack)
    mounter = FuseMounter(fetcher, settings.mount_options(config), records.opens, keeping)
    may_fill = asyncio.Event()
    services = MountServices(
        origins=origins,
        lister=lister,
        mounter=mounter,
        cache=fetcher,
        filler=filler,
        pins=pins,
        settings=settings.mount_settings(config),
        records=records,
        operations=operations,
        may_fill=may_fill,
    )
    mounts = Mounts(services, config.mounts.allowed_roots, policy.check)
    audit = AuditLog(config.node.state_dir / AUDIT_NAME, redact=redact)
    instances = Instances(
        mounts,
        InstanceRecords(config.node.state_dir / INSTANCES_NAME, boot_id),
        StorageSettings(config.mounts.allowed_roots[0], functools.partial(_endpoint, config)),
        filler.rate,
        Clocks(wall=now),
        Pods(config.csi.kubelet_dir),
        audit,
    )
    return Core(
        config=config,
        faults=faults,
        operations=operations,
        redact=redact,
        audit=audit,
        recent=recent.lines,
        failures=failures.rows,
        store=store,
        origins=origins,
        fetcher=fetcher,
        exchange=exchange,
        pins=pins,
        lister=lister,
        filler=filler,
        keeping=keeping,
        mounter=mounter,
        handed_keys=handed_keys,
        mounts=mounts,
        instances=instances,
        may_fill=may_fill,
    )


def _origin_settings(config: Config, policy: SourcePolicy, source: Source) -> OriginSettings:
    """Here, so that nothing is read that is not allowed, whoever asks: mounts of an earlier daemon, prewarms, `ls`."""
    policy.check(source)
    return settings.origin_settings(config, source)


def _open_origin(
    state_dir: Path, faults: Faults | None, handed_keys: HandedKeys, source: Source, wanted: OriginSettings
) -> Origin:
    from cachefs.origin.opening import open_origin  # noqa: PLC0415 the SDKs: half a second, not before one is needed

    handed = handed_keys.source(source.keys) if source.keys else None
    return open_origin(source, wanted, state_dir=state_dir, faults=faults, handed=handed)


def _endpoint(config: Config, uri: str) -> str | None:
    rule = rule_for(config.origins, uri)
    return None if rule is None else rule.endpoint


def _open_keeping(path: Path | None, stack: contextlib.AsyncExitStack) -> Keeping | None:
    if path is None:
        return None
    keeping = Keeping(Keeper(path))
    keeping.start()
    stack.callback(keeping.close)
    return keeping
