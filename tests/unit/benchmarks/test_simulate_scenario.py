"""Bounds, and what is simulated in place of a whole model."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.simulate.scenario import Scale, Scenario, scaled

COLD = Scenario(name="cold", nodes=8, model_bytes=1_000, chunk_bytes=10, link_bits_per_second=80.0)


def test_the_bound_is_the_narrowest_of_link_origin_and_what_it_gives_all_clients() -> None:
    assert COLD.bound_seconds == 100
    assert replace(COLD, origin_total_bits_per_second=40).bound_seconds == 200
    assert replace(COLD, origin_client_bits_per_second=2).bound_seconds == 500
    assert replace(COLD, origin_client_bits_per_second=20).bound_seconds == 100
    assert replace(COLD, origin_total_bits_per_second=1, origin_plugged=False).bound_seconds == 100


def test_a_model_of_few_chunks_is_simulated_as_it_is() -> None:
    assert scaled(512 << 20, 512 << 10, 1024, 200e6) == Scale(512 << 20, 512 << 10, 1.0)


def test_a_larger_one_in_larger_chunks_as_long_as_they_are_short() -> None:
    assert scaled(100_000, 10, 1000, 800e6) == Scale(100_000, 100, 1.0)


def test_beyond_that_only_a_part_of_it() -> None:
    scale = scaled(700 * 10**9, 8 << 20, 1000, 100e9)
    assert scale == Scale(125 * 10**9, 125 * 10**6, 5.6)
    assert scale.chunk_bytes * 8 / 100e9 == pytest.approx(0.01)
