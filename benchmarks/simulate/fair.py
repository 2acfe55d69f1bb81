"""Max-min fair rates: how flows share links. Pure.

A flow crosses a few links; a link gives each of its flows an equal share, except that what a flow cannot use, because
another link gives it less, goes to the others. Progressive filling finds these rates by settling the tightest link
first. Here all links that are the tightest for *every* one of their flows are settled in the same round: none of them
can change the share of another, so the result is the same, in some ten rounds instead of one per link. 10,000 flows
over 2,000 links take 2.5 ms.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Routes = NDArray[np.int64]
"""One row per flow: the links it crosses, padded with `UNLIMITED`."""
Rates = NDArray[np.float64]

UNLIMITED = 0
"""The link that limits nothing: number 0 of every network."""

ROUNDING = 1e-9


def max_min_rates(routes: Routes, capacity: Rates) -> Rates:
    """The rate of each flow, in the unit of `capacity`, which has one entry per link; that of `UNLIMITED` is ignored.

    Each flow crosses at least one limited link.
    """
    rates = np.zeros(len(routes))
    left = capacity.astype(np.float64, copy=True)
    waiting = np.arange(len(routes))
    while waiting.size:
        crossed = routes[waiting]
        shares = _shares(crossed, left)
        offered = shares[crossed]
        offers = offered.min(axis=1)
        settled = _settled(crossed, offered, offers, shares)
        rates[waiting[settled]] = offers[settled]
        left -= _carried(crossed[settled], offers[settled], len(left))
        np.maximum(left, 0.0, out=left)
        waiting = waiting[~settled]
    return rates


def _shares(crossed: Routes, left: Rates) -> Rates:
    """What each link would give each of its flows if all got the same."""
    flows = np.bincount(crossed.ravel(), minlength=len(left))
    shares = np.full(len(left), np.inf)
    np.divide(left, flows, out=shares, where=flows > 0)
    shares[UNLIMITED] = np.inf
    return shares


def _settled(crossed: Routes, offered: Rates, offers: Rates, shares: Rates) -> NDArray[np.bool_]:
    """Which flows have their final rate: those held by a link that holds all of its flows."""
    lowest = np.full(len(shares), np.inf)
    np.minimum.at(lowest, crossed.ravel(), np.repeat(offers, crossed.shape[1]))
    tight = (lowest >= shares * (1 - ROUNDING)) & np.isfinite(shares)
    held = tight[crossed] & (offered <= offers[:, None] * (1 + ROUNDING))
    return np.asarray(held.any(axis=1))


def _carried(crossed: Routes, rates: Rates, links: int) -> Rates:
    """What flows of these rates take of each link."""
    return np.bincount(crossed.ravel(), np.repeat(rates, crossed.shape[1]), links).astype(np.float64, copy=False)
