"""What one node knows when it decides what to ask the origin for, by hand after `peer.exchange.duties`.

Behind it: idle owners are not looked for, nobody helps from the far end (`OriginView.waiting`), an overdue chunk is
everybody's at once, and warm nodes are not spared.
"""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.simulate.knowledge import Untouched, Word, held, in_hand
from benchmarks.simulate.transfers import Transfers
from cachefs import bitset
from cachefs.sharing import ChunkSet
from peer.exchange.duties import FRONT_CHUNKS
from peer.exchange.exchange import LOOK_SECONDS
from peer.policy.duty import Duty, OriginView, origin_now, quota
from peer.policy.hedging import late_after_seconds
from peer.policy.relief import SourceRates, relief

OWN_DUTY_SECONDS = 0.01
"""When the origin was not to be asked for anything, a node with duties left considers it again after this time: what
it knows changes ten times a second for each peer. (The daemon looks on every change.)"""


class OriginSight:
    """One node's memory of the origin's part in the swarm."""

    def __init__(self, chunk_bytes: int) -> None:
        self.duty = Duty(first=0, second=0)
        """Among all that want the model, as far as this node knows them."""
        self.wanting = 1
        """How many these are."""
        self._chunk_bytes = chunk_bytes
        self._untouched = Untouched()
        self._relief = False
        self._nothing_at = float("-inf")

    def ask(self, missing: ChunkSet, transfers: Transfers, words: Sequence[Word], now: float) -> ChunkSet:
        """What to ask the origin for now, of what is missing here; for a node that hears `words` of its peers."""
        startable = missing & ~transfers.under_way
        mine = startable & self.duty.first and len(transfers.from_origin) < quota(self.wanting)
        if now - self._nothing_at < (OWN_DUTY_SECONDS if mine else LOOK_SECONDS):
            return 0
        chunks = origin_now(self._view(missing, transfers, words, now))
        if not chunks:
            self._nothing_at = now
        return chunks

    def _view(self, missing: ChunkSet, transfers: Transfers, words: Sequence[Word], now: float) -> OriginView:
        startable = missing & ~transfers.under_way
        theirs = held(words)
        patience = late_after_seconds(transfers.origin_times)
        hand = in_hand(words, patience, now)
        swarm_missing = missing & ~theirs
        front = bitset.lowest(swarm_missing, FRONT_CHUNKS)
        left, abandoned = self._untouched.look(
            front & ~hand.coming & ~self.duty.first & ~transfers.announced, patience, now
        )
        late = hand.late | left
        self._relief = self._relieved(startable & theirs, transfers, now)
        return OriginView(
            missing=startable,
            held=theirs,
            fetching=hand.coming & ~late,
            late=late,
            duty=self.duty,
            urgent=0,
            running=len(transfers.from_origin),
            nodes=self.wanting,
            relief=self._relief,
            swarm_missing=swarm_missing,
            overdue=hand.overdue | abandoned,
        )

    def _relieved(self, theirs: ChunkSet, transfers: Transfers, now: float) -> bool:
        waited_seconds = transfers.rates.note_backlog(bool(theirs), now)
        rates = SourceRates(
            transfers.rates.peers.bytes_per_second(now),
            transfers.rates.origin.bytes_per_second(now),
            theirs.bit_count() * self._chunk_bytes,
            waited_seconds,
        )
        return relief(rates, on=self._relief)
