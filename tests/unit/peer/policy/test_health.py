"""Busy, failed, corrupt: three kinds of trouble, and what ends each."""

from __future__ import annotations

import pytest

from peer.policy.health import PeerHealth

NOW = 1000.0
NEW = PeerHealth()


def test_a_new_peer_is_usable() -> None:
    assert NEW.usable(0.0)
    assert not NEW.quarantined(0.0)


@pytest.mark.parametrize(("jitter", "seconds"), [(0.0, 0.02), (0.5, 0.04), (1.0, 0.06)])
def test_a_busy_peer_is_left_alone_for_some_20_to_60_ms(jitter: float, seconds: float) -> None:
    health = NEW.answered_busy(NOW, jitter)
    assert health.usable_at == pytest.approx(NOW + seconds)
    assert not health.usable(NOW)
    assert health.usable(health.usable_at)


def pauses(count: int, jitter: float) -> list[float]:
    health, now, result = NEW, NOW, []
    for _ in range(count):
        health = health.failed(now, jitter)
        result.append(health.usable_at - now)
        now = health.usable_at
    return result


def test_failures_pause_longer_and_longer_up_to_five_seconds() -> None:
    assert pauses(7, 0.0) == pytest.approx([0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0])
    assert pauses(200, 0.5)[-1] == pytest.approx(5.0)
    assert pauses(2, 0.5) == pytest.approx([0.3, 0.6])


def test_requests_that_break_together_are_one_failure() -> None:
    once = NEW.failed(NOW, 0.0)
    assert once.failed(NOW + 0.1, 0.9) == once


def test_an_answer_forgets_failures() -> None:
    failed = NEW.failed(NOW, 0.0)
    assert failed.landed() == NEW
    assert failed.answered_busy(NOW, 0.0).usable_at == pytest.approx(NOW + 0.02)


def test_one_bad_hash_quarantines() -> None:
    health = NEW.corrupt(NOW, 60.0)
    assert health.quarantined(NOW + 59.9)
    assert not health.usable(NOW + 59.9)
    assert health.usable(NOW + 60.0)


def test_a_quarantine_doubles_each_time() -> None:
    health, now = NEW, NOW
    for seconds in (60.0, 120.0, 240.0):
        health = health.corrupt(now, 60.0)
        assert health.quarantined_until == now + seconds
        now = health.quarantined_until


def test_chunks_that_were_under_way_make_no_quarantine_longer() -> None:
    health = NEW.corrupt(NOW, 60.0)
    assert health.corrupt(NOW + 0.1, 60.0) == health


def test_nothing_done_right_ends_a_quarantine() -> None:
    health = NEW.corrupt(NOW, 60.0).failed(NOW, 0.0)
    for after in (health.landed(), health.answered_busy(NOW, 0.0)):
        assert after.quarantined_until == NOW + 60.0
        assert after.corruptions == 1
