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
from mows.config import Config
from mows.filling import Filler
from mows.keeping import Keeper, Keeping
from mows.kernel_mounts import FuseMounter
from mows.late_exchange import LateExchange
from mows.mount import MountServices
from mows.mount_records import MountRecords
from mows.mounts import Mounts
from mows.origins import OriginPool
from mows.pins import Pins
from mows.redaction import Redactor, secrets_of
from mows.sources import Lister
from mows.state_dir import locked
from mows.store_pins import StorePins
from mows.tiers import look_after, open_store
from mows.watchdog import Watchdog
from peer.tasks import running

LEASES_NAME = "leases.json"
MOUNTS_NAME = "mounts"


@dataclass(frozen=True, slots=True)
class Core:
    """One daemon's, without the world around it."""

    config: Config
    faults: Faults | None
    operations: Operations
    redact: Redactor
    recent: Callable[[], list[str]]
    """The last lines of the log."""
    store: Store
    origins: OriginPool
    fetcher: Fetcher
    exchange: LateExchange | None
    """None: this node has no peers."""
    pins: Pins
    lister: Lister
    filler: Filler
    keeping: Keeping | None
    mounts: Mounts
    may_fill: asyncio.Event
    """Restored mounts go on warming once it is set."""

    def keeper_connected(self) -> bool | None:
        """Whether the keeper answers; None: there is to be none."""
        return None if self.keeping is None else self.keeping.connected


async def open_core(
    config: Config, faults: Faults | None, outer: contextlib.AsyncExitStack, stack: contextlib.AsyncExitStack
) -> Core:
    """Build it on the running loop. `stack` takes it apart, but for what is left to `outer`, which ends later.

    Raises DaemonRunning, ConfigError, StoreError.
    """
    outer.enter_context(locked(config.node.state_dir))
    redact, operations = Redactor(secrets_of(config)), Operations(logs.bound_fields)
    recent = outer.enter_context(logs.recent(redact))
    outer.enter_context(Watchdog(operations.running))
    wall_clock = faults.time if faults else time.time
    exchange = LateExchange() if config.peers.wanted else None
    copies = exchange.copies if exchange else unknown_copies
    store = await asyncio.to_thread(open_store, config, faults, wall_clock, copies)
    outer.push_async_callback(asyncio.to_thread, store.close)
    demoter = Demoter(store)
    demoter.start()
    outer.push_async_callback(asyncio.to_thread, demoter.stop)
    await outer.enter_async_context(running(look_after(store, config), "tiers"))
    origins = OriginPool(
        functools.partial(_open_origin, config.node.state_dir, faults),
        functools.partial(settings.origin_settings, config),
    )
    outer.push_async_callback(asyncio.to_thread, origins.close)
    fetcher = await stack.enter_async_context(
        Fetcher(store, settings.fetch_settings(config), exchange=exchange, operations=operations)
    )
    pins = Pins(StorePins(store), config.node.state_dir / LEASES_NAME, now=wall_clock)
    await pins.restore()
    lister = Lister(
        origins,
        timeout_seconds=config.mounts.listing_timeout,
        max_objects=config.mounts.max_objects,
        operations=operations,
    )
    filler = Filler(fetcher, files_at_once=config.prewarm.files_at_once)
    records = MountRecords(config.node.state_dir / MOUNTS_NAME, read_boot_id())
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
    return Core(
        config=config,
        faults=faults,
        operations=operations,
        redact=redact,
        recent=recent.lines,
        store=store,
        origins=origins,
        fetcher=fetcher,
        exchange=exchange,
        pins=pins,
        lister=lister,
        filler=filler,
        keeping=keeping,
        mounts=Mounts(services, config.mounts.allowed_roots),
        may_fill=may_fill,
    )


def _open_origin(state_dir: Path, faults: Faults | None, source: Source, wanted: OriginSettings) -> Origin:
    from cachefs.origin.opening import open_origin  # noqa: PLC0415 the SDKs: half a second, not before one is needed

    return open_origin(source, wanted, state_dir=state_dir, faults=faults)


def _open_keeping(path: Path | None, stack: contextlib.AsyncExitStack) -> Keeping | None:
    if path is None:
        return None
    keeping = Keeping(Keeper(path))
    keeping.start()
    stack.callback(keeping.close)
    return keeping
