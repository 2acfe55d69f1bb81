"""Who lives: the discovery's word, hellos to every address it names, and who said hello to us, as one list of members.

Addresses from a list or from DNS are only candidates: each is sent a hello every heartbeat, and who answers is a
member (`contact.py` says when it stops to be one). Peers from a registry are members by its word, because a fleet that
needs a registry is too large for hellos to everybody; of those only the suspected ones and, every heartbeat, one
chosen at random are sent hellos, which is what finds wrong tokens and addresses that cannot be reached.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType, TracebackType

from peer.membership import view as views
from peer.membership.contact import FAILURES_TO_END, Contact
from peer.membership.discovery import Discovery, Found
from peer.membership.hellos import Hellos
from peer.membership.prober import Prober
from peer.settings import PeerTimes
from peer.tasks import Tasks
from peer.values import Identity, PeerId, PeerProblem

LOG = logging.getLogger(__name__)

Watcher = Callable[[Sequence[Identity], Sequence[Identity]], None]
"""Called on the loop with those who joined and those who left. It must neither block nor raise."""

SPOT_CHECKS = 16
"""Peers of a registry that are sent hellos at a time, those with trouble among them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RosterStatistics:
    """The membership as it is at one moment. Counters run since the start."""

    discovery: str
    """``static``, ``dns`` or ``redis``."""
    discovery_ok: bool
    """Whether what it says is kept up to date."""
    last_error: str
    """Why not; empty while it is."""
    members: int
    addresses: int
    """That hellos are sent to."""
    hellos: int
    hellos_failed: int
    joined: int
    left: int


class Roster:
    """The members as this node sees them. Of one loop, on which it lives as an async context manager."""

    def __init__(
        self,
        mine: Identity,
        discovery: Discovery,
        prober: Prober,
        times: PeerTimes,
        *,
        clock: Callable[[], float] = time.monotonic,
        rng: random.Random | None = None,
    ) -> None:
        self._mine, self._discovery, self._times, self._clock = mine, discovery, times, clock
        self._rng = rng or random.Random()  # noqa: S311 a choice, not a secret
        self._hellos = Hellos(mine, prober, times, clock, self._heard)
        self._told: Mapping[PeerId, Identity] = {}
        self._since: dict[PeerId, float] = {}
        self._members: dict[PeerId, Identity] = {}
        self._problems: tuple[PeerProblem, ...] = ()
        self._watchers: list[Watcher] = []
        self._tasks = Tasks()
        self._joined = self._left = 0

    async def __aenter__(self) -> Roster:
        self._settle()
        self._tasks.spawn(self._discovery.run(self._mine, self._found), "mows-discovery")
        self._tasks.spawn(self._hellos.run(), "mows-hellos")
        self._tasks.spawn(self._beat(), "mows-roster")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._tasks.aclose()

    def members(self) -> Mapping[PeerId, Identity]:
        """Those who live, without ourselves. A snapshot that does not change."""
        return MappingProxyType(self._members)

    def watch(self, callback: Watcher) -> None:
        """Call `callback` at each change from now on. A node that came back left with its old boot id and joined."""
        self._watchers.append(callback)

    def problems(self) -> tuple[PeerProblem, ...]:
        """What a person should look at, in order of address."""
        return self._problems

    def introduced(self, caller: Identity) -> str:
        """`caller` said hello to us: it is asked back at once. Why we could not reach it so far; else empty."""
        return "" if caller.boot_id == self._mine.boot_id else self._hellos.introduce(caller)

    def suspect(self, peer: PeerId) -> None:
        """A link to `peer` broke: say hello to it now, instead of at the next heartbeat."""
        if identity := self._members.get(peer):
            self._hellos.ask_now(identity)

    def heard(self, peer: Identity) -> None:
        """A member said something over a link: it lives, and need not be asked whether it does."""
        self._hellos.heard(peer)

    def statistics(self) -> RosterStatistics:
        """Numbers for `mows peers` and the metrics."""
        return RosterStatistics(
            discovery=self._discovery.kind,
            discovery_ok=not self._discovery.error,
            last_error=self._discovery.error,
            members=len(self._members),
            addresses=len(self._hellos.contacts),
            hellos=self._hellos.sent,
            hellos_failed=self._hellos.failed,
            joined=self._joined,
            left=self._left,
        )

    def _found(self, found: Found) -> None:
        """The discovery knows something new."""
        self._told = {peer: who for peer, who in found.peers.items() if who.boot_id != self._mine.boot_id}
        self._hellos.expect(found.addresses, {who.address for who in self._told.values()})
        self._settle()

    def _heard(self, contact: Contact) -> None:
        """A hello told something new. While a registry is gone, only hellos can tell that one of its peers died."""
        if contact.failures >= FAILURES_TO_END and self._discovery.error:
            self._told = {peer: who for peer, who in self._told.items() if who.address != contact.address}
        self._settle()

    async def _beat(self) -> None:
        """What changes by the passing of time alone, and the check of one peer that nobody asks otherwise."""
        while True:
            await asyncio.sleep(self._times.heartbeat)
            if self._told and len(self._hellos.contacts) < SPOT_CHECKS:
                self._hellos.ask_now(self._rng.choice([*self._told.values()]))
            self._settle()

    def _settle(self) -> None:
        """Bring members and problems up to date with what is known, and tell whoever watches."""
        now = self._clock()
        view = views.View(mine=self._mine, contacts=self._hellos.contacts, told=self._told, since=self._since, now=now)
        members = views.members(view)
        self._since = {peer: self._since.get(peer, now) for peer in views.known(view)}
        self._replace_problems(members, [*views.problems(replace(view, since=self._since), self._times.dead_after)])
        self._replace_members(members)

    def _replace_members(self, members: dict[PeerId, Identity]) -> None:
        before, self._members = self._members, members
        joined = [members[peer] for peer in members.keys() - before.keys()]
        left = [before[peer] for peer in before.keys() - members.keys()]
        for identity in left:
            LOG.info("peer %s at %s left", identity.peer_id, identity.address)
        for identity in joined:
            LOG.info("peer %s at %s joined, zone %s", identity.peer_id, identity.address, identity.zone or "unnamed")
        self._joined += len(joined)
        self._left += len(left)
        if joined or left:
            for watcher in self._watchers:
                watcher(joined, left)

    def _replace_problems(self, members: Mapping[PeerId, Identity], problems: list[PeerProblem]) -> None:
        where, error = self._discovery.where, self._discovery.error
        if error:
            problems.append(self._own("discovery_failed", f"{where}: {error}"))
        if not members:
            problems.append(self._own("no_peers", f"no other node is known from {where}, and none said hello"))
        before = {(problem.address, problem.code) for problem in self._problems}
        for problem in problems:
            if (problem.address, problem.code) not in before:
                level = logging.INFO if problem.code in views.QUIET else logging.WARNING
                LOG.log(level, "peer %s: %s: %s (%s)", problem.address, problem.code, problem.message, problem.hint)
        self._problems = tuple(sorted(problems, key=lambda problem: (problem.address, problem.code)))

    def _own(self, code: str, message: str) -> PeerProblem:
        return PeerProblem(address=self._mine.address, code=code, message=message, hint="check peers.discovery")
