"""Whether this node and its peers can reach each other.

While the daemon runs, it says hello to all of them all the time, so it is asked what it found. Before that, the doctor
says hello itself, in the name of this node.
"""

from __future__ import annotations

import asyncio
import secrets
import socket
from collections.abc import Iterator, Sequence

import redis

from cachefs.errors import CacheError
from cli.commands.peers import up_text
from cli.doctor.finding import Finding, fail, ok, warn
from cli.units import count_text
from mows.api.peer_models import Peers
from mows.config import Discovery
from mows.units import Address, split_address
from peer.membership.prober import Prober
from peer.membership.redis_client import without_password
from peer.settings import PeerSettings
from peer.values import Identity

CONNECT_SECONDS = 2.0
"""As `peer.settings.PeerTimes.connect`."""
MOST_ASKED = 16
"""Of a large fleet: what is wrong with all is wrong with these."""

SHOWN = 4
"""Addresses written out in one line."""

DISCOVERY = "peer discovery"


def of_daemon(running: Peers) -> Iterator[Finding]:
    """What the running daemon says of its peers, and whether it can be reached the way it tells them."""
    if not running.enabled or running.address is None:
        yield warn("peers", "configured, but the running daemon has none", "restart it with this configuration")
        return
    address, lane_port = Address(running.address), running.lane_port
    yield reachable("peer address", address)
    if lane_port is not None:
        yield reachable("peer bulk lane", Address(f"{address.rpartition(':')[0]}:{lane_port}"))
    alone = not any(peer.state == "up" for peer in running.peers)
    total = up_text(running.peers)
    yield warn("peers", total, "see below") if alone and running.problems else ok("peers", total)
    for problem in running.problems:
        yield warn(f"peer {problem.address}", f"{problem.message} ({problem.code})", problem.hint)


def reachable(name: str, address: Address) -> Finding:
    """Whether something accepts connections at an address of this node."""
    error = _connect_error(address)
    if error is None:
        return ok(name, f"{address} accepts connections")
    remedy = "correct peers.advertise, or let the port through: others cannot take chunks from this node"
    return fail(name, f"{address}: {error}", remedy)


def find(discovery: Discovery | None) -> tuple[Finding, Sequence[Address]]:
    """Whether the discovery works, and the addresses it names. Blocks on resolver or Redis."""
    if discovery is None:
        remedy = "set peers.discovery; or name this node in that of the others"
        return warn(DISCOVERY, "not configured: only nodes that find this one become peers", remedy), ()
    if discovery.dns is not None:
        return _resolve(discovery.dns)
    if discovery.redis is not None:
        return _ping(discovery.redis), ()
    addresses = discovery.static or ()
    return ok(DISCOVERY, f"a list of {count_text(len(addresses), 'node')}"), addresses


async def greet(addresses: Sequence[Address], ours: str, prober: Prober) -> list[Finding]:
    """Whether those at `addresses` are peers that would let this node in. `ours` is skipped: a list may name it."""
    others = sorted(address for address in addresses if address != ours)
    findings = await asyncio.gather(*(_greet_one(address, prober) for address in others[:MOST_ASKED]))
    if len(others) > MOST_ASKED:
        findings.append(ok(f"peer {others[MOST_ASKED]}", f"not asked, nor are {len(others) - MOST_ASKED - 1} more"))
    return findings


def introduced(settings: PeerSettings) -> Identity:
    """Who the doctor says it is: this node, in a run that ends with the doctor."""
    address = Address(settings.advertise or settings.listen)
    _, port = split_address(address)
    return Identity(
        node_id=settings.node_id,
        boot_id=secrets.token_hex(8),
        address=address,
        lane_port=port + 1 if settings.lane and not settings.security.tls else 0,
        zone=settings.zone,
        chunk_bytes=settings.chunk_bytes,
        version=settings.version,
    )


async def _greet_one(address: Address, prober: Prober) -> Finding:
    name = f"peer {address}"
    try:
        other = (await prober.hello(address, CONNECT_SECONDS)).identity
    except CacheError as error:
        return warn(name, f"{error} ({error.code})", error.hint)
    lets_in = f"{other.node_id} (MoWS {other.version}) lets this node in"
    if other.lane_port:
        lane = Address(f"{address.rpartition(':')[0]}:{other.lane_port}")
        error_text = await asyncio.to_thread(_connect_error, lane)
        if error_text is not None:
            remedy = "let the port through; until then chunks come over gRPC, for twice the processor time"
            return warn(name, f"{lets_in}, but not to its bulk lane, {lane}: {error_text}", remedy)
    return ok(name, lets_in)


def _resolve(name: Address) -> tuple[Finding, Sequence[Address]]:
    host, port = split_address(name)
    try:
        rows = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        remedy = "check the name, and that its Service is headless and publishes addresses that are not ready"
        return warn(DISCOVERY, f"{host}: {error.strerror}: this node would be alone", remedy), ()
    hosts = sorted({str(where[0]) for *_, where in rows})
    addresses = [Address(f"[{found}]:{port}" if ":" in found else f"{found}:{port}") for found in hosts]
    return ok(DISCOVERY, f"{host} resolves to {', '.join(hosts[:SHOWN])}{_more(len(hosts))}"), addresses


def _more(count: int) -> str:
    return f" and {count - SHOWN} more" if count > SHOWN else ""


def _ping(url: str) -> Finding:
    shown = without_password(url)
    client = redis.Redis.from_url(url, socket_timeout=CONNECT_SECONDS, socket_connect_timeout=CONNECT_SECONDS)
    try:
        client.ping()
    except redis.RedisError as error:
        remedy = "check peers.discovery.redis, its password, and that this node may connect to it"
        return fail(DISCOVERY, f"{shown}: {error}", remedy)
    finally:
        client.close()
    return ok(DISCOVERY, f"{shown} answers")


def _connect_error(address: Address) -> str | None:
    try:
        socket.create_connection(split_address(address), CONNECT_SECONDS).close()
    except OSError as error:
        return error.strerror or str(error)
    return None
