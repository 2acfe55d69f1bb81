"""What stands in for the daemon's fetcher (`cachefs.fetch`): it wants files whole, and nobody reads them.

A pump asks the daemon's own exchange what to request of whom, in the order in which the daemon's fetcher asks it, and
starts that. Bytes are flows; what they come to is told the exchange as the fetcher tells it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks.simulate.cache import Cache
from benchmarks.simulate.surroundings import Surroundings
from benchmarks.simulate.transfers import Transfer
from benchmarks.simulate.uplink import Uplink
from cachefs import bitset
from cachefs.errors import Interrupted, PeerBusy, PeerUnavailable
from cachefs.fetch.shared import MOST_HEDGES
from cachefs.sharing import Ask, ChunkSet, PeerChunk, Want
from cachefs.types import BlobId, BlobKey, Priority
from peer.exchange import PeerExchange
from peer.exchange.transport import RemoteChunk
from peer.values import PeerId

NO_BOUND = 1 << 30
"""The daemon's fetcher has memory for so many chunks at a time; the exchange's slots are the tighter limit."""


@dataclass(frozen=True, slots=True)
class NodeLinks:
    """Numbers of the links of one node in the network."""

    up: int
    down: int
    client: int
    """What the origin gives one client."""
    border: int
    """Into its zone."""


@dataclass(slots=True)
class Counts:
    """What one node received."""

    origin_bytes: int = 0
    duplicate_bytes: int = 0
    """Of chunks that another peer was sooner with."""
    landed_chunks: int = 0


class SimFetcher:
    """One node's. `uplink_of` knows the uplink of every peer."""

    def __init__(
        self,
        around: Surroundings,
        exchange: PeerExchange,
        cache: Cache,
        links: NodeLinks,
        uplink_of: Callable[[PeerId], Uplink],
        finished: Callable[[], None],
    ) -> None:
        self.links = links
        self.alive = True
        self.counts = Counts()
        self._around = around
        self._exchange = exchange
        self._cache = cache
        self._uplink_of = uplink_of
        self._finished = finished
        self._wanted: list[BlobKey] = []
        self._under_way: dict[BlobId, ChunkSet] = {}
        self._running: dict[tuple[BlobId, int], list[Transfer]] = {}
        """By chunk: one, or two that race."""
        self._pump_planned = False
        self._timer_at = float("inf")
        exchange.attach(self.wake_soon)

    def begin(self, keys: Sequence[BlobKey]) -> None:
        """Want these files, of which something is missing, from now on."""
        self._wanted = list(keys)
        self._under_way = {key.blob_id: 0 for key in keys}
        self._pump()

    def die(self) -> None:
        """Stop at once: what was coming is of no use."""
        self.alive = False
        for transfer in [one for running in self._running.values() for one in running]:
            self._stop(transfer)

    # ------------------------------------------------------------- deciding

    def wake_soon(self) -> None:
        """Decide again, together with what else changes within the smallest step."""
        if self._wanted and not self._pump_planned:
            self._pump_planned = True
            self._around.later(self._around.step_seconds, self._pump)

    def _pump(self) -> None:
        self._pump_planned = False
        if not self.alive or not self._wanted:
            return
        now = self._around.now
        self._exchange.demand(dict.fromkeys(self._wanted, Want.ALL))
        self._ask_peers(now)
        for key in self._wanted:
            if startable := self._startable(key):
                for chunk in bitset.each(self._exchange.origin(key.blob_id, startable, 0, now)):
                    self._ask_origin(key, chunk)
        self._look_again(self._exchange.next_change(now))

    def _startable(self, key: BlobKey) -> ChunkSet:
        return self._cache.missing(key) & ~self._under_way[key.blob_id]

    def _ask_peers(self, now: float) -> None:
        startable = {key.blob_id: self._startable(key) for key in self._wanted}
        asks = [Ask(blob, chunks, Priority.PREWARM, ordered=False) for blob, chunks in startable.items() if chunks]
        if asks:
            for pick in self._exchange.assign(asks, NO_BOUND, now):
                self._ask_peer(pick)
        racing = sum(len(running) > 1 for running in self._running.values())
        for pick in self._exchange.late(MOST_HEDGES - racing, now):
            self._ask_peer(pick)

    def _look_again(self, at: float | None) -> None:
        """Time alone makes things late."""
        if at is not None and not self._around.now < self._timer_at <= at:
            self._timer_at = at
            self._around.later(at - self._around.now, self._timer, at)

    def _timer(self, at: float) -> None:
        if at == self._timer_at:
            self._timer_at = float("inf")
            self.wake_soon()

    # --------------------------------------------------------------- asking

    def _ask_peer(self, pick: PeerChunk) -> None:
        assert isinstance(pick, RemoteChunk)
        key = next(key for key in self._wanted if key.blob_id == pick.blob)
        uplink = self._uplink_of(pick.peer_id)
        transfer = self._begin(Transfer(self, key, pick.chunk, self._around.now, pick, uplink))
        self._around.later(self._around.peer_way + self._around.latencies.request, uplink.serve, transfer)

    def _ask_origin(self, key: BlobKey, chunk: int) -> None:
        if self._around.origin_link is None:
            return  # unplugged
        transfer = self._begin(Transfer(self, key, chunk, self._around.now))
        self._exchange.origin_started(key.blob_id, range(chunk, chunk + 1))
        latencies = self._around.latencies
        wait = latencies.origin_round_trip + latencies.request
        links = [self._around.origin_link, self.links.client, self.links.down]
        self._around.later(wait, self._origin_answers, transfer, links)

    def _begin(self, transfer: Transfer) -> Transfer:
        self._running.setdefault((transfer.key.blob_id, transfer.chunk), []).append(transfer)
        self._under_way[transfer.key.blob_id] |= 1 << transfer.chunk
        return transfer

    def _origin_answers(self, transfer: Transfer, links: Sequence[int]) -> None:
        if self.alive:
            transfer.flow = self._around.network.begin(links, transfer.nbytes, self._origin_sent, transfer)

    def _origin_sent(self, transfer: Transfer) -> None:
        transfer.flow = None
        self.counts.origin_bytes += transfer.nbytes
        self.landed(transfer)

    # ------------------------------------------------------------ receiving

    def landed(self, transfer: Transfer) -> None:
        """All of a chunk is here."""
        if not self._is_running(transfer):
            return  # the other one was sooner while its last bytes were on their way
        self.counts.landed_chunks += 1
        self._cache.put(transfer.key, transfer.chunk)
        self._exchange.landed(transfer.key.blob_id, transfer.chunk)
        self._end(transfer, None)
        for slower in tuple(self._running.get((transfer.key.blob_id, transfer.chunk), ())):
            self.counts.duplicate_bytes += transfer.nbytes // 2  # on average
            self._stop(slower)
            self._end(slower, Interrupted("another peer was sooner"))
        if not self._cache.missing(transfer.key):
            self._wanted.remove(transfer.key)
            self._exchange.demand(dict.fromkeys(self._wanted, Want.ALL))
            if not self._wanted:
                self._finished()

    def turned_away(self, transfer: Transfer) -> None:
        """The peer has no slot free."""
        self._failed(transfer, PeerBusy("no slot free"))

    def broke(self, transfer: Transfer) -> None:
        """The connection to the peer broke, or was refused."""
        self._failed(transfer, PeerUnavailable("connection refused"))

    def _failed(self, transfer: Transfer, error: Exception) -> None:
        if self._is_running(transfer):
            self._end(transfer, error)

    def _is_running(self, transfer: Transfer) -> bool:
        return self.alive and transfer in self._running.get((transfer.key.blob_id, transfer.chunk), ())

    def _end(self, transfer: Transfer, error: Exception | None) -> None:
        blob, chunk = transfer.key.blob_id, transfer.chunk
        running = self._running[blob, chunk]
        running.remove(transfer)
        if not running:
            del self._running[blob, chunk]
            self._under_way[blob] &= ~(1 << chunk)
        seconds = self._around.now - transfer.asked_at
        if transfer.request is None:
            chunks = range(chunk, chunk + 1)
            self._exchange.origin_ended(blob, chunks, chunks, seconds)
        else:
            self._exchange.ended(transfer.request, error, 0 if error else transfer.nbytes, seconds)
        self.wake_soon()

    def _stop(self, transfer: Transfer) -> None:
        """Its bytes are not wanted any more."""
        if transfer.uplink is not None:
            transfer.uplink.call_off(transfer)
        elif transfer.flow is not None:
            self._around.network.cancel(transfer.flow)
