"""The composition root: builds one daemon from its configuration, runs it, takes it apart in reverse order.

Nothing here is shared between two daemons, so that several run in one process. Threads: the loop's, the device threads
of each mount (`cachefs.fuse`), the fill threads (`cachefs.fetch`), and the loop's pool for blocking calls.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import os
import signal
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

from cachefs.faults import Faults
from cachefs.fetch import Fetcher
from cachefs.operations import Operations
from cachefs.origin import open_origin
from cachefs.sharing import Exchange
from cachefs.store import Store
from mows import logs, settings
from mows.api.app import create_app
from mows.api.middleware import BearerToken
from mows.api.services import NodeIdentity, Services
from mows.cache_admin import CacheAdmin
from mows.config import Config, load_config
from mows.debug import Debug
from mows.errors import ConfigError
from mows.faults import planned_faults
from mows.filling import Filler
from mows.kernel_mounts import FuseMounter
from mows.metrics import Metrics, Observed
from mows.mount import MountServices
from mows.mounts import Mounts
from mows.origins import OriginPool
from mows.peer_files import check_peer_files
from mows.pins import Pins
from mows.placement import Inspector
from mows.ports import no_peers
from mows.prewarm import PrewarmServices
from mows.prewarms import Prewarms
from mows.readiness import check_ready
from mows.redaction import Redactor, secrets_of
from mows.server import serving
from mows.sockets import tcp_socket, unix_socket
from mows.sources import Lister
from mows.state_dir import locked
from mows.store_pins import StorePins
from mows.tiers import look_after, open_store
from mows.watchdog import Watchdog
from peer.node import PeerNode
from peer.rpc.token_file import TokenFile
from peer.tasks import running

log = logging.getLogger(__name__)

LEASES_NAME = "leases.json"
EXIT_OK = 0
EXIT_STUCK = 3
HTTP_STOP_SECONDS = 2.0
"""For answers in progress. Streams end by themselves, and everything else waits at most for mounts, which are gone."""


def run(config_path: Path) -> int:
    """Run a daemon until SIGTERM or SIGINT; the exit code. Sets up the logs of this process.

    Raises ConfigError, DaemonRunning, StoreError when it cannot start.
    """
    config = load_config(config_path, os.environ)
    logs.configure(config.log.format, config.log.level, redact=Redactor(secrets_of(config)))
    asyncio.run(_run_until_signal(config, planned_faults(os.environ)))
    return EXIT_OK


async def serve(
    config: Config,
    stop: asyncio.Event,
    *,
    ready: Callable[[], object] = lambda: None,
    faults: Faults | None = None,
) -> None:
    """Run one daemon on the running loop until `stop` is set; `ready` is called when the API answers.

    `faults` are what is to go wrong on purpose.

    On return nothing is left: no mount, thread, descriptor, socket or task. Raises as `run`.
    """
    async with contextlib.AsyncExitStack() as stack:
        services = await _build(config, stack, faults)
        unix = stack.enter_context(unix_socket(config.api.socket))
        await stack.enter_async_context(
            serving(create_app(services, local=True), unix, stop_timeout_seconds=HTTP_STOP_SECONDS)
        )
        if config.api.listen is not None:
            tcp = stack.enter_context(tcp_socket(config.api.listen))
            token_file = config.api.token_file
            app = create_app(services)
            guarded = BearerToken(app, TokenFile(token_file, "api.token_file")) if token_file else app
            await stack.enter_async_context(
                serving(guarded, tcp, tls=config.api.tls, stop_timeout_seconds=HTTP_STOP_SECONDS)
            )
        stack.push_async_callback(services.mounts.close)
        stack.push_async_callback(services.prewarms.close)
        stack.callback(services.stopping.set)
        logs.event(log, "started", node=config.node.id, socket=config.api.socket, listen=config.api.listen)
        ready()
        await stop.wait()
        logs.event(log, "stopping", node=config.node.id)
    logs.event(log, "stopped", node=config.node.id)


async def _build(config: Config, stack: contextlib.AsyncExitStack, faults: Faults | None) -> Services:
    """Everything but the sockets, in the order of dependence; `stack` takes it apart the other way round."""
    stack.enter_context(locked(config.node.state_dir))
    redact, operations = Redactor(secrets_of(config)), Operations(logs.bound_fields)
    recent = stack.enter_context(logs.recent(redact))
    stack.enter_context(Watchdog(operations.running))
    wall_clock = faults.time if faults else time.time
    store = await asyncio.to_thread(open_store, config, faults, wall_clock)
    stack.push_async_callback(asyncio.to_thread, store.close)
    await stack.enter_async_context(running(look_after(store, config), "tiers"))
    open_one = functools.partial(open_origin, state_dir=config.node.state_dir, faults=faults)
    origins = OriginPool(open_one, functools.partial(settings.origin_settings, config))
    stack.push_async_callback(asyncio.to_thread, origins.close)
    peers = await _join_peers(config, store, stack, faults)
    exchange = peers.exchange if peers else None
    fetcher = await stack.enter_async_context(_fetcher(config, store, exchange, operations))
    pins = Pins(StorePins(store), config.node.state_dir / LEASES_NAME, now=wall_clock)
    await pins.restore()
    await stack.enter_async_context(running(pins.run(), "leases"))
    lister = Lister(origins, timeout_seconds=config.mounts.listing_timeout, operations=operations)
    filler = Filler(fetcher, files_at_once=config.prewarm.files_at_once)
    mounter = FuseMounter(fetcher, settings.mount_options(config))
    mounts = Mounts(
        MountServices(
            origins, lister, mounter, fetcher, filler, pins, settings.mount_settings(config), operations=operations
        ),
        config.mounts.allowed_roots,
    )
    prewarms = Prewarms(
        PrewarmServices(origins, lister, fetcher, filler, pins, operations=operations),
        lease_seconds=config.prewarm.lease,
        keep_finished_seconds=config.prewarm.keep_finished,
    )
    identity, stopping = _identity(config), asyncio.Event()
    peer_report = peers.statistics if peers else no_peers
    observed = Observed(
        identity.version,
        identity.node,
        identity.zone or "",
        store.statistics,
        fetcher.statistics,
        mounts,
        prewarms,
        peer_report,
    )
    return Services(
        identity=identity,
        mounts=mounts,
        prewarms=prewarms,
        cache=CacheAdmin(store, pins, stopping=stopping.is_set),
        inspector=Inspector(lister, fetcher, filler),
        metrics=Metrics(observed),
        check_ready=functools.partial(check_ready, store.statistics),
        stopping=stopping,
        peers=peer_report,
        debug=Debug(
            identity.node,
            identity.version,
            operations=operations.running,
            tiers=store.statistics,
            fetching=fetcher.statistics,
            fetch_memory_bytes=config.fetch.memory,
            peers=peer_report,
            recent=recent.lines,
            redact=redact,
        ),
    )


def _fetcher(config: Config, store: Store, exchange: Exchange | None, operations: Operations) -> Fetcher:
    return Fetcher(store, settings.fetch_settings(config), exchange=exchange, operations=operations)


def _identity(config: Config) -> NodeIdentity:
    return NodeIdentity(
        node=config.node.id,
        zone=config.node.zone,
        version=version("mows"),
        chunk_bytes=config.cache.chunk_bytes,
        peers_configured=config.peers.wanted,
    )


async def _join_peers(
    config: Config, store: Store, stack: contextlib.AsyncExitStack, faults: Faults | None
) -> PeerNode | None:
    """This node among its peers, if it has any. It leaves after the fetcher that asks them. Raises ConfigError."""
    wanted = settings.peer_settings(config)
    if wanted is None:
        return None
    await asyncio.to_thread(check_peer_files, config.peers)
    try:
        return await stack.enter_async_context(PeerNode(wanted, store, faults))
    except OSError as error:
        reason = error.strerror or str(error).removeprefix("peers.listen ")
        raise ConfigError(
            f"peers.listen: {reason}",
            hint="choose an address of this machine with two free ports beside each other, such as 0.0.0.0:9302",
        ) from error


async def _run_until_signal(config: Config, faults: Faults | None) -> None:
    loop, stop = asyncio.get_running_loop(), asyncio.Event()

    def begin_to_stop() -> None:
        if not stop.is_set():
            stop.set()
            loop.call_later(config.daemon.stop_timeout, _give_up, config.daemon.stop_timeout)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, begin_to_stop)
    await serve(config, stop, faults=faults)


def _give_up(timeout_seconds: float) -> None:
    """End the process, whatever still runs: a thread that hangs in the kernel cannot be ended otherwise."""
    log.error(
        "the daemon did not stop within %g s (daemon.stop_timeout): giving up; mounts may be left", timeout_seconds
    )
    logging.shutdown()
    os._exit(EXIT_STUCK)
