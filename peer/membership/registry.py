"""The registry in Redis: who lives, for fleets too large for hellos from everybody to everybody.

Each node renews its entry twice a heartbeat and reads what changed in the same call, so a fleet at rest costs two small
calls a node and heartbeat, whatever its size. Entries expire by Redis' own clock. Keys:

::

    mows:1:alive   sorted set   peer id -> when its entry expires, in milliseconds of Redis' clock
    mows:1:nodes   hash         peer id -> its Identity as JSON
    mows:1:epoch   string       another value after each change of the two: microseconds of Redis' clock, but rising

When Redis is gone, what was read stays. When it is back, perhaps empty, others need a moment to register again, so
nobody is taken for dead within one lifetime of an entry.
"""

from __future__ import annotations

import asyncio
import json
import math
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from types import MappingProxyType

from redis.asyncio import Redis
from redis.commands.core import AsyncScript
from redis.exceptions import RedisError

from peer.membership.discovery import Found
from peer.membership.outage import Outage
from peer.membership.redis_client import KEYS, connect, without_password
from peer.settings import PeerTimes
from peer.values import Identity, PeerId

LEAVE_SECONDS = 1.0
"""To take the own entry back; if it takes longer, the entry expires."""

KEYS_OF_REGISTRY = (f"{KEYS}:alive", f"{KEYS}:nodes", f"{KEYS}:epoch")

RENEW = """
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local added = redis.call('ZADD', KEYS[1], now + ARGV[3], ARGV[1])
local dead = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now)
for _, peer in ipairs(dead) do
    redis.call('ZREM', KEYS[1], peer)
    redis.call('HDEL', KEYS[2], peer)
end
if added == 1 or #dead > 0 or redis.call('HGET', KEYS[2], ARGV[1]) ~= ARGV[2] then
    redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
    local last = tonumber(redis.call('GET', KEYS[3]) or '0')
    redis.call('SET', KEYS[3], string.format('%.0f', math.max(last + 1, t[1] * 1000000 + t[2])))
end
local epoch = redis.call('GET', KEYS[3]) or '0'
if epoch == ARGV[4] then
    return {added, epoch}
end
return {added, epoch, redis.call('HVALS', KEYS[2])}
"""
"""Renew one entry, drop the expired ones, answer with everybody if anything changed.

KEYS: alive, nodes, epoch. ARGV: peer id, identity, lifetime in milliseconds, the epoch that the caller has read.
"""

LEAVE = """
redis.call('ZREM', KEYS[1], ARGV[1])
if redis.call('HDEL', KEYS[2], ARGV[1]) == 1 then
    redis.call('INCR', KEYS[3])
end
"""
"""Take one entry back. KEYS as above. ARGV: peer id."""


@dataclass(frozen=True, slots=True)
class Renewal:
    """One answer of Redis."""

    added: bool
    """Whether our entry was not there."""
    epoch: str
    nodes: Mapping[PeerId, Identity] | None
    """Everybody, ourselves too; None when nothing changed since the epoch that was asked about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What this node has read of the registry, and how far to trust what is missing in it. Pure."""

    nodes: Mapping[PeerId, Identity] = field(default_factory=lambda: MappingProxyType({}))
    epoch: str = ""
    """Of what was read; empty to be sent everybody at the next renewal."""
    known: bool = False
    """Whether anything was read yet."""
    registered: bool = False
    """Whether our entry was there when we looked last."""
    lenient_until: float = -math.inf
    """Until then nobody is missed: the registry was away and others may not have registered again."""

    def lost(self) -> Reading:
        """Redis gave no answer."""
        return replace(self, registered=False)

    def forgotten(self, renewal: Renewal) -> bool:
        """Whether others may be missing because Redis was away or lost everything, and not because they left."""
        return self.known and (renewal.added or not self.registered)

    def renewed(self, renewal: Renewal, now: float, lifetime_seconds: float) -> Reading:
        """Redis answered."""
        lenient_until = now + lifetime_seconds if self.forgotten(renewal) else self.lenient_until
        nodes = self.nodes if renewal.nodes is None else renewal.nodes
        if now >= lenient_until:
            return Reading(nodes=nodes, epoch=renewal.epoch, known=True, registered=True)
        # Without an epoch, so that the reading which ends this holds exactly those who are there.
        return Reading(nodes={**self.nodes, **nodes}, known=True, registered=True, lenient_until=lenient_until)


def lifetime_seconds(times: PeerTimes) -> float:
    """Of an entry: a node that dies right after a renewal is noticed by the others' next reading."""
    return times.dead_after - renewal_seconds(times)


def renewal_seconds(times: PeerTimes) -> float:
    """Between renewals: an entry outlives some that fail."""
    return times.heartbeat / 2


class RedisDiscovery:
    """The registry as a discovery. Of one loop."""

    kind = "redis"

    def __init__(self, url: str, times: PeerTimes, clock: Callable[[], float] = time.monotonic) -> None:
        self.where = without_password(url)
        self._url, self._times, self._clock = url, times, clock
        self._outage = Outage(f"the registry at {self.where}", "the peers known so far stay in use")
        self._reading = Reading()

    @property
    def error(self) -> str:
        """Redis' last failure."""
        return self._outage.error

    async def run(self, mine: Identity, tell: Callable[[Found], None]) -> None:
        """Renew the entry of `mine` and tell who else lives, until cancelled; then take the entry back."""
        client = connect(self._url)
        script = client.register_script(RENEW)
        try:
            while True:
                await self._renew(script, mine, tell)
                await asyncio.sleep(renewal_seconds(self._times))
        finally:
            await self._leave(client, mine)
            await client.aclose()

    async def _renew(self, script: AsyncScript, mine: Identity, tell: Callable[[Found], None]) -> None:
        before = self._reading
        lifetime = lifetime_seconds(self._times)
        try:
            renewal = await renew(script, mine, lifetime, before.epoch)
        except (RedisError, OSError) as error:
            self._reading = before.lost()
            self._outage.failed(str(error))
            return
        self._outage.worked()
        self._reading = before.renewed(renewal, self._clock(), lifetime)
        if not before.known or before.forgotten(renewal) or self._reading.nodes != before.nodes:
            tell(Found(peers=self._reading.nodes))

    async def _leave(self, client: Redis, mine: Identity) -> None:
        if self._outage.error:
            return
        with suppress(RedisError, OSError):  # OSError: also the timeout. The entry expires by itself.
            async with asyncio.timeout(LEAVE_SECONDS):
                await client.register_script(LEAVE)(keys=KEYS_OF_REGISTRY, args=[mine.peer_id])


async def renew(script: AsyncScript, mine: Identity, lifetime_seconds: float, epoch: str) -> Renewal:
    """One call of `RENEW`. Raises RedisError or OSError."""
    entry = json.dumps(asdict(mine), sort_keys=True)
    args: tuple[str | int, ...] = (mine.peer_id, entry, round(lifetime_seconds * 1000), epoch)
    added, now, *nodes = await script(keys=KEYS_OF_REGISTRY, args=args)
    return Renewal(bool(added), now, identities(nodes[0]) if nodes else None)


def identities(entries: Iterable[str]) -> dict[PeerId, Identity]:
    """Those of `entries` that are some: a newer MoWS may have written what this one cannot read."""
    found = (identity(entry) for entry in entries)
    return {one.peer_id: one for one in found if one}


def identity(entry: str) -> Identity | None:
    """An entry of the registry; None when it is none."""
    try:
        fields = json.loads(entry)
        return Identity(
            node_id=str(fields["node_id"]),
            boot_id=str(fields["boot_id"]),
            address=str(fields["address"]),
            lane_port=int(fields["lane_port"]),
            zone=str(fields["zone"]),
            chunk_bytes=int(fields["chunk_bytes"]),
            protocol=int(fields["protocol"]),
            version=str(fields["version"]),
        )
    except (ValueError, TypeError, KeyError):
        return None
