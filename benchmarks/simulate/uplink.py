"""What one node gives: the sender's side of a transfer."""

from __future__ import annotations

from benchmarks.simulate.surroundings import Surroundings
from benchmarks.simulate.transfers import Transfer


class Uplink:
    """Slots for uploads over one link. Whoever finds none free is turned away at once."""

    def __init__(self, around: Surroundings, link: int) -> None:
        self.open = True
        self.sent_bytes = 0
        self.border_bytes = 0
        self.busy_answers = 0
        self._around = around
        self._link = link
        self._running: dict[Transfer, None] = {}

    def serve(self, transfer: Transfer) -> None:
        """A request came in. A dead node's kernel refuses the connection."""
        if not self.open or not transfer.fetcher.alive:
            self._around.later(self._around.peer_way, transfer.fetcher.broke, transfer)
        elif len(self._running) >= self._around.limits.uploads:
            self.busy_answers += 1
            self._around.ledger.turned_away()
            self._around.later(self._around.peer_way, transfer.fetcher.turned_away, transfer)
        else:
            self._around.ledger.requested()
            self._running[transfer] = None
            links = transfer.fetcher.links
            crossed = [self._link, links.down, *([links.border] if transfer.crosses_border else [])]
            transfer.flow = self._around.network.begin(crossed, transfer.nbytes, self._sent, transfer)

    def call_off(self, transfer: Transfer) -> None:
        """The other side does not want it any more, or is gone."""
        if transfer.flow is not None:
            self._around.network.cancel(transfer.flow)
            transfer.flow = None
        self._running.pop(transfer, None)

    def close(self) -> None:
        """The node died: what it was sending breaks off."""
        self.open = False
        for transfer in tuple(self._running):
            self.call_off(transfer)
            self._around.later(self._around.peer_way, transfer.fetcher.broke, transfer)

    def _sent(self, transfer: Transfer) -> None:
        transfer.flow = None
        self._running.pop(transfer, None)
        self.sent_bytes += transfer.nbytes
        self.border_bytes += transfer.nbytes * transfer.crosses_border
        self._around.later(self._around.peer_way, transfer.fetcher.landed, transfer)
