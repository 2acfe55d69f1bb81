"""Both sources on a fast origin and a slow network; silence in a healthy swarm, whatever its size."""

from __future__ import annotations

from dataclasses import replace

import pytest

from peer.policy.relief import SourceRates, relief

MB = 1_000_000
SLOW_NETWORK = SourceRates(
    peers_bytes_per_second=2 * MB, origin_bytes_per_second=20 * MB, held_bytes=100 * MB, waited_seconds=3.0
)


def test_a_fast_origin_relieves_slow_peers() -> None:
    assert relief(SLOW_NETWORK)


@pytest.mark.parametrize("nodes", [2, 3, 8, 64, 1000])
@pytest.mark.parametrize("noise", [0.5, 1.0, 1.5])
def test_a_healthy_swarm_needs_none(nodes: int, noise: float) -> None:
    """Peers bring (N - 1)/N of what the card takes, the origin 1/N, and the rates are measured badly."""
    card = 25.0 * MB
    rates = SourceRates(card * (nodes - 1) / nodes / noise, card / nodes * noise, int(card), 60.0)
    assert not relief(rates)


def test_the_start_is_not_taken_for_a_slow_network() -> None:
    """The first chunk of a peer is on its way: nothing came yet, and the ratio of the rates is huge."""
    assert not relief(SourceRates(0.0, 20.0 * MB, 5 * MB, 0.1))
    assert not relief(replace(SLOW_NETWORK, waited_seconds=1.9))


def test_what_peers_deliver_soon_is_not_asked_of_the_origin() -> None:
    assert not relief(replace(SLOW_NETWORK, held_bytes=3 * MB))


def test_peers_that_deliver_nothing_for_long_are_relieved() -> None:
    assert relief(replace(SLOW_NETWORK, peers_bytes_per_second=0.0))


@pytest.mark.parametrize(
    "rates",
    [
        replace(SLOW_NETWORK, peers_bytes_per_second=None),
        replace(SLOW_NETWORK, origin_bytes_per_second=None),
    ],
)
def test_nothing_is_done_on_a_guess(rates: SourceRates) -> None:
    assert not relief(rates)
    assert not relief(rates, on=True)


def test_there_is_nothing_to_relieve_without_chunks_that_peers_hold() -> None:
    assert not relief(replace(SLOW_NETWORK, held_bytes=0), on=True)


def test_it_does_not_flutter() -> None:
    """Once on, the origin serves more nodes and slows down, and peers have less to do."""
    between = replace(SLOW_NETWORK, origin_bytes_per_second=4.0 * MB, held_bytes=MB, waited_seconds=0.0)
    assert not relief(between)
    assert relief(between, on=True)
    assert not relief(replace(between, origin_bytes_per_second=2.5 * MB), on=True)
