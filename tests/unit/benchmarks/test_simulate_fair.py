"""Max-min fair rates against progressive filling done one link at a time."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.simulate.fair import max_min_rates


def one_link_at_a_time(routes: list[list[int]], capacity: list[float]) -> list[float]:
    """The textbook: settle the flows of the tightest link, take what they use off the others, and again."""
    left = dict(enumerate(capacity))
    rates = [math.nan] * len(routes)
    waiting = set(range(len(routes)))
    while waiting:
        shares = {}
        for link, rest in left.items():
            flows = [flow for flow in waiting if link in routes[flow]]
            if link and flows:
                shares[link] = rest / len(flows)
        tightest = min(shares, key=shares.__getitem__)
        for flow in [flow for flow in waiting if tightest in routes[flow]]:
            rates[flow] = shares[tightest]
            waiting.remove(flow)
            for link in routes[flow]:
                left[link] -= shares[tightest]
    return rates


@st.composite
def networks(draw: st.DrawFn) -> tuple[list[list[int]], list[float]]:
    links = draw(st.integers(2, 8))
    capacity = [math.inf, *draw(st.lists(st.integers(1, 50).map(float), min_size=links, max_size=links))]
    route = st.lists(st.integers(1, links), min_size=1, max_size=3, unique=True)
    routes = draw(st.lists(route, min_size=1, max_size=12))
    return [[*links, *[0] * (3 - len(links))] for links in routes], capacity


@given(networks())
def test_rates_are_those_of_progressive_filling(network: tuple[list[list[int]], list[float]]) -> None:
    routes, capacity = network
    rates = max_min_rates(np.array(routes), np.array(capacity))
    assert rates == pytest.approx(one_link_at_a_time(routes, capacity))


def test_what_a_flow_cannot_use_goes_to_the_others_of_its_link() -> None:
    rates = max_min_rates(np.array([[1, 2, 0], [1, 0, 0]]), np.array([np.inf, 10.0, 3.0]))
    assert rates.tolist() == [3.0, 7.0]
