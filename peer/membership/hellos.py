"""Saying hello to addresses, again and again, and keeping what each answered (`contact.py` decides; this acts)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import replace

from cachefs.errors import CacheError, PeerError, PeerUnavailable
from peer.membership.contact import Contact, droppable, hello_seconds, why_not_reached
from peer.membership.prober import HelloReply, Prober
from peer.membership.view import another_protocol
from peer.settings import PeerTimes
from peer.values import Address, Identity

LOG = logging.getLogger(__name__)

HELLOS_TO_MEMBERS = 256
"""At a time. Enough that a silent half of a fleet that is probed this way does not delay the hellos to the rest."""

HELLOS_TO_STRANGERS = 64
"""At a time, apart from the members': addresses nobody answers at take the whole deadline each."""

INTRODUCED = 4096
"""Addresses kept that only introductions named. Further ones are not looked at until others are forgotten."""


class Hellos:
    """All addresses that hellos go to. Of one loop; `changed` is called there after an outcome that says something new.

    `run` sends them until it is cancelled, and leaves nothing behind.
    """

    def __init__(
        self,
        mine: Identity,
        prober: Prober,
        times: PeerTimes,
        clock: Callable[[], float],
        changed: Callable[[Contact], None],
    ) -> None:
        self._mine, self._prober, self._times, self._clock, self._changed = mine, prober, times, clock, changed
        self._contacts: dict[Address, Contact] = {}
        self._told: Collection[Address] = ()
        self._asking: dict[Address, asyncio.Task[None]] = {}
        self._wake = asyncio.Event()
        self._member_slots = asyncio.Semaphore(HELLOS_TO_MEMBERS)
        self._stranger_slots = asyncio.Semaphore(HELLOS_TO_STRANGERS)
        self.sent = 0
        self.failed = 0

    @property
    def contacts(self) -> tuple[Contact, ...]:
        """What is known of each address now."""
        return tuple(self._contacts.values())

    def expect(self, listed: Collection[Address], told: Collection[Address]) -> None:
        """Say hello to all `listed` ones from now on. At those `told`, somebody lives by the word of a registry."""
        self._told = told
        for address in listed:
            self._contacts.setdefault(address, Contact(address=address))
        for address, contact in self._contacts.items():
            self._contacts[address] = replace(contact, listed=address in listed)
        self._wake.set()

    def introduce(self, claim: Identity) -> str:
        """`claim` says that it is reached at its address: ask there. Why that did not work so far; else empty."""
        contact = self._contacts.get(claim.address)
        if contact is None and self._introduced() >= INTRODUCED:
            return ""
        contact = (contact or Contact(address=claim.address)).claimed(claim, self._clock())
        self._contacts[claim.address] = contact
        self._wake.set()
        return why_not_reached(contact, claim, self._mine)

    def ask_now(self, peer: Identity) -> None:
        """Do not wait for the next heartbeat."""
        self.introduce(peer)
        if contact := self._contacts.get(peer.address):
            self._contacts[peer.address] = replace(contact, due=self._clock())

    def heard(self, peer: Identity) -> None:
        """`peer` said something over another connection, so it lives."""
        contact = self._contacts.get(peer.address)
        if contact is not None and contact.member(self._mine) == peer:
            self._contacts[peer.address] = contact.heard(self._clock(), self._times)

    async def run(self) -> None:
        """Send hellos as they fall due."""
        try:
            while True:
                self._ask_due(self._clock())
                await self._pause()
        finally:
            running = [*self._asking.values()]
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    def _introduced(self) -> int:
        return sum(not contact.listed for contact in self._contacts.values())

    def _ask_due(self, now: float) -> None:
        for address, contact in [*self._contacts.items()]:
            if address in self._asking:
                continue
            if droppable(contact, self._told, now, self._times):
                del self._contacts[address]
                self._changed(contact)
            elif contact.due <= now:
                self._asking[address] = asyncio.create_task(self._ask(address), name=f"mows-hello-{address}")

    async def _pause(self) -> None:
        """Until a hello is due or something happened; a heartbeat at most."""
        now = self._clock()
        due = min(
            (contact.due for address, contact in self._contacts.items() if address not in self._asking),
            default=now + self._times.heartbeat,
        )
        self._wake.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(min(max(0.0, due - now), self._times.heartbeat)):
                await self._wake.wait()

    async def _ask(self, address: Address) -> None:
        slots = self._member_slots if self._contacts[address].reply else self._stranger_slots
        try:
            async with slots:
                began = self._clock()
                outcome = await self._hello(address)
        finally:
            del self._asking[address]
        self._learn(address, outcome, began)

    async def _hello(self, address: Address) -> HelloReply | CacheError:
        self.sent += 1
        seconds = hello_seconds(self._times)
        try:
            async with asyncio.timeout(seconds):
                reply = await self._prober.hello(address, seconds)
        except PeerError as error:
            return error
        except TimeoutError:
            return PeerUnavailable(f"{address} gave no answer within {seconds:.2f} s")
        except Exception as error:  # a bug in one hello must not end the heartbeat
            LOG.error("hello to %s: %r", address, error, exc_info=error)
            return CacheError(f"hello to {address}: {error!r}")
        return another_protocol(self._mine, reply.identity) or reply

    def _learn(self, address: Address, outcome: HelloReply | CacheError, began: float) -> None:
        before = self._contacts[address]
        if isinstance(outcome, CacheError):
            self.failed += 1
            after = before.failed(outcome, began, self._times)
            self._wake.set()  # it is repeated sooner than the pause had reckoned with
        else:
            after = before.answered(outcome, began, self._times)
        self._contacts[address] = after
        if elsewhere := after.pointer(self._mine):
            self.introduce(elsewhere)
        if after.says() != before.says():
            self._changed(after)
