"""What the world sees of a daemon: peers, prewarms, REST, metrics. The part of the composition root that comes second.

It is imported and built while mounts that were taken over are being served already.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
from importlib.metadata import version

from mows import logs
from mows.api.app import create_app
from mows.api.middleware import BearerToken
from mows.api.services import NodeIdentity, Services
from mows.cache_admin import CacheAdmin
from mows.config import Config
from mows.core import Core, wall_clock
from mows.debug import Debug
from mows.errors import ConfigError
from mows.fleet import Fleet, PrewarmAnswers
from mows.fleet_nodes import Member
from mows.metrics import Metrics, Observed
from mows.peer_files import check_api_files, check_peer_files
from mows.peer_report import no_peers
from mows.peer_settings import peer_settings
from mows.placement import Inspector
from mows.prewarm import PrewarmServices
from mows.prewarm_records import PrewarmRecords
from mows.prewarms import Prewarms
from mows.readiness import check_ready
from mows.server import serving
from mows.sockets import tcp_socket, unix_socket
from peer.node import PeerNode
from peer.rpc.token_file import TokenFile
from peer.tasks import running

log = logging.getLogger(__name__)

PREWARMS_NAME = "prewarms"

HTTP_STOP_SECONDS = 2.0
"""For answers in progress. Streams end by themselves, and everything else waits at most for mounts, which are gone."""


async def open_front(
    core: Core,
    outer: contextlib.AsyncExitStack,
    servers: contextlib.AsyncExitStack,
    stack: contextlib.AsyncExitStack,
) -> None:
    """Build it on the running loop; on return the API answers. Raises ConfigError.

    `stack` ends what uses the mounts, before they end; `servers` goes on answering meanwhile; the peers, which `outer`
    takes leave of, are left after the fetcher that asks them.
    """
    config = core.config
    peers = await _join_peers(core, outer)
    core.may_fill.set()
    await stack.enter_async_context(running(core.pins.run(), "leases"))
    services = _services(core, peers)
    stack.push_async_callback(services.prewarms.close)
    services.prewarms.join(_fleet(services, peers))
    await services.prewarms.restore()
    await asyncio.to_thread(check_api_files, config.api)
    unix = servers.enter_context(unix_socket(config.api.socket, config.api.socket_mode, config.api.socket_group))
    await servers.enter_async_context(
        serving(create_app(services, local=True), unix, stop_timeout_seconds=HTTP_STOP_SECONDS)
    )
    if config.api.listen is not None:
        tcp = servers.enter_context(tcp_socket(config.api.listen))
        token_file = config.api.token_file
        app = create_app(services)
        guarded = BearerToken(app, TokenFile(token_file, "api.token_file")) if token_file else app
        await servers.enter_async_context(
            serving(guarded, tcp, tls=config.api.tls, stop_timeout_seconds=HTTP_STOP_SECONDS)
        )
    await _serve_csi(core, services, servers)
    stack.callback(services.stopping.set)
    logs.event(log, "started", node=config.node.id, socket=config.api.socket, listen=config.api.listen)


def _services(core: Core, peers: PeerNode | None) -> Services:
    config, stopping = core.config, asyncio.Event()
    identity, peer_report = _identity(config), peers.statistics if peers else no_peers
    prewarms = Prewarms(
        PrewarmServices(
            core.origins,
            core.lister,
            core.fetcher,
            core.filler,
            core.pins,
            operations=core.operations,
            verify=core.store.verify,
        ),
        PrewarmRecords(config.node.state_dir / PREWARMS_NAME),
        lease_seconds=config.prewarm.lease,
        keep_finished_seconds=config.prewarm.keep_finished,
        wall_clock=wall_clock(core.faults),
    )
    observed = Observed(
        identity.version,
        identity.node,
        identity.zone or "",
        core.store.statistics,
        core.fetcher.statistics,
        core.mounts,
        prewarms,
        peer_report,
        core.keeper_connected,
        core.instances,
    )
    return Services(
        identity=identity,
        mounts=core.mounts,
        instances=core.instances,
        prewarms=prewarms,
        cache=CacheAdmin(core.store, core.pins, stopping=stopping.is_set),
        inspector=Inspector(core.lister, core.fetcher, core.filler),
        metrics=Metrics(observed),
        check_ready=functools.partial(check_ready, core.store.statistics),
        stopping=stopping,
        fetching=core.fetcher.statistics,
        failures=core.failures,
        peers=peer_report,
        audit=core.audit,
        debug=Debug(
            identity.node,
            identity.version,
            operations=core.operations.running,
            tiers=core.store.statistics,
            fetching=core.fetcher.statistics,
            fetch_memory_bytes=config.fetch.memory,
            peers=peer_report,
            recent=core.recent,
            redact=core.redact,
        ),
    )


def _fleet(services: Services, peers: PeerNode | None) -> Fleet:
    """The nodes of which this one may be told to prewarm, and which may tell this one."""
    answers = PrewarmAnswers(services.prewarms, services.audit)
    me = Member(services.identity.node, services.identity.zone or "", "")
    if peers is None:
        return Fleet(me, list, None, answers)
    peers.answer_prewarms(answers.to_peer)
    return Fleet(me, lambda: [Member(one.node_id, one.zone, one.address) for one in peers.members()], peers, answers)


def _identity(config: Config) -> NodeIdentity:
    return NodeIdentity(
        node=config.node.id,
        zone=config.node.zone,
        version=version("mows"),
        chunk_bytes=config.cache.chunk_bytes,
        peers_configured=config.peers.wanted,
    )


async def _serve_csi(core: Core, services: Services, servers: contextlib.AsyncExitStack) -> None:
    """The driver for the kubelet, where it is configured. Raises ConfigError, DaemonRunning."""
    if core.config.csi.socket is None:
        return
    from mows.csi.driver import csi_driver  # noqa: PLC0415 not where there is no Kubernetes

    await servers.enter_async_context(csi_driver(core, services))


async def _join_peers(core: Core, stack: contextlib.AsyncExitStack) -> PeerNode | None:
    """This node among its peers, if it has any. It leaves after the fetcher that asks them. Raises ConfigError."""
    wanted = peer_settings(core.config)
    if wanted is None or core.exchange is None:
        return None
    await asyncio.to_thread(check_peer_files, core.config.peers)
    try:
        peers = await stack.enter_async_context(PeerNode(wanted, core.store, core.faults))
    except OSError as error:
        reason = error.strerror or str(error).removeprefix("peers.listen ")
        raise ConfigError(
            f"peers.listen: {reason}",
            hint="choose an address of this machine with two free ports beside each other, such as 0.0.0.0:9302",
        ) from error
    core.exchange.join(peers.exchange, peers.copies.count)
    return peers
