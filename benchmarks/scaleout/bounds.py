"""How soon it could be: the bound of DESIGN section 9. Pure.

For F bytes, a link of B and an origin that gives each node at most e and all together at most E, N cold nodes need at
least ``F * max(1 / (N e), 1 / E, 1 / B)``: every node takes everything in over its own link, and everything leaves the
origin once. F is bytes of files: headers of frames, 4.4 % of what a link carries, are not deducted from the rates.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

BITS = 8
UNLIMITED = float("inf")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """In bits per second; None is no limit."""

    links: Sequence[float]
    """Of each node, each way."""
    origin_total: float | None = None
    origin_client: float | None = None

    @property
    def out_of_origin(self) -> float:
        """What can leave the origin when all nodes take."""
        client = self.origin_client or UNLIMITED
        return min(self.origin_total or UNLIMITED, sum(min(client, link) for link in self.links))


def cold_seconds(size_bytes: int, rates: Rates, node: int) -> float:
    """The bound for one of the nodes that all begin at once with nothing."""
    return size_bytes * BITS / min(rates.links[node], rates.out_of_origin)


def all_cold_seconds(size_bytes: int, rates: Rates) -> float:
    """The bound for the last of them."""
    return max(cold_seconds(size_bytes, rates, node) for node in range(len(rates.links)))


def alone_seconds(size_bytes: int, rates: Rates) -> float:
    """T(1): the first of the nodes without any other."""
    alone = Rates(links=rates.links[:1], origin_total=rates.origin_total, origin_client=rates.origin_client)
    return cold_seconds(size_bytes, alone, 0)


def join_seconds(size_bytes: int, rates: Rates) -> float:
    """One transfer at line rate: what those need that join nodes which have everything."""
    return size_bytes * BITS / min(rates.links)


def staggered_seconds(size_bytes: int, rates: Rates, interval_seconds: float) -> float:
    """The bound for the last, counted from the start of the first, when one begins after the other."""
    last_start = (len(rates.links) - 1) * interval_seconds
    return max(all_cold_seconds(size_bytes, rates), last_start + join_seconds(size_bytes, rates))
