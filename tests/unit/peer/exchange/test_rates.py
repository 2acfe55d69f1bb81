"""How fast bytes came, and for how long there has been something to come."""

from __future__ import annotations

from peer.exchange.rates import LEAST_SECONDS, WINDOW_SECONDS, Meter, Rates


def test_nothing_is_known_before_anything_was_asked() -> None:
    assert Meter().bytes_per_second(100.0) is None


def test_a_moment_says_nothing() -> None:
    meter = Meter()
    meter.started(10.0)
    meter.ended(1000, 10.0 + LEAST_SECONDS / 2)
    assert meter.bytes_per_second(10.0 + LEAST_SECONDS / 2) is None


def test_bytes_over_the_time_since_it_became_busy() -> None:
    meter = Meter()
    meter.started(10.0)
    meter.started(10.0)
    meter.ended(1000, 11.0)
    meter.ended(3000, 12.0)
    assert meter.bytes_per_second(12.0) == 2000.0


def test_what_runs_and_brings_nothing_is_a_rate_of_zero() -> None:
    meter = Meter()
    meter.started(10.0)
    assert meter.bytes_per_second(13.0) == 0.0


def test_what_came_long_ago_does_not_count() -> None:
    meter = Meter()
    for _ in range(2):
        meter.started(0.0)
    meter.ended(1_000_000, 1.0)
    assert meter.bytes_per_second(1.0 + WINDOW_SECONDS) == 1_000_000 / WINDOW_SECONDS
    assert meter.bytes_per_second(1.5 + WINDOW_SECONDS) == 0.0


def test_after_a_pause_it_begins_anew() -> None:
    meter = Meter()
    meter.started(0.0)
    meter.ended(8000, 1.0)
    meter.started(2.0)
    meter.ended(1000, 3.0)
    assert meter.bytes_per_second(3.0) == 1000.0


def test_a_request_of_before_does_not_unsettle_the_count() -> None:
    """A blob that is wanted again gets a new meter, and requests of the old one may still end."""
    meter = Meter()
    meter.ended(0, 0.0)
    meter.started(1.0)
    meter.ended(2000, 2.0)
    assert meter.bytes_per_second(2.0) == 2000.0


def test_the_backlog_counts_from_when_it_began_without_interruption() -> None:
    rates = Rates()
    assert rates.note_backlog(True, 5.0) == 0.0
    assert rates.note_backlog(True, 7.0) == 2.0
    assert rates.note_backlog(False, 8.0) == 0.0
    assert rates.note_backlog(True, 9.0) == 0.0
    assert rates.note_backlog(True, 9.5) == 0.5


def test_the_meters_are_the_nodes_and_a_backlog_is_the_blobs() -> None:
    peers, origin = Meter(), Meter()
    one, other = Rates(peers, origin), Rates(peers, origin)
    one.peers.started(0.0)
    one.peers.ended(4000, 2.0)
    assert other.peers.bytes_per_second(2.0) == 2000.0
    one.note_backlog(True, 0.0)
    assert (one.note_backlog(True, 2.0), other.note_backlog(True, 2.0)) == (2.0, 0.0)
